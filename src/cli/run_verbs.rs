//! Verbs that change the cluster: apply, destroy, rollback, import. Each makes a plan under the lock, shows it, asks,
//! and carries it out.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::apply::{Ending, Interrupt, Options, Outcome};
use crate::engine::{self, Pending, Refusal, Request};
use crate::plan::{ConsentKind, Plan};
use crate::report::{self, Progress};
use crate::resource::{Diagnostic, ObjectKey};

use super::args::{self, Consents, OnFailure, Running, Showing, Taking};
use super::interrupt::{INTERRUPTED, interrupted, listen};
use super::plan_verbs::{self, say_warnings};
use super::request::{Context, filter};
use super::run::{ERROR, Ended, Problem, leave};
use super::terminal::Terminal;

/// What all of them share.
struct Run {
    request: Request,
    consents: Consents,
    taking: Taking,
    options: Options,
    showing: Showing,
    strict: bool,
    /// It is asked whether to go on, even where the environment doesn't ask for that.
    always_asks: bool,
    terminal: Terminal,
    interrupt: watch::Receiver<Interrupt>,
}

const NOTHING_TAKEN: Taking = Taking { take_ownership: false, adopt: false };

impl Run {
    fn new(mut request: Request, consents: Consents, taking: Taking, running: Running, showing: Showing, terminal: Terminal) -> Self {
        request.take_ownership = taking.take_ownership;
        request.adopt = taking.adopt;
        request.timeout = running.timeout;
        let on_failure = match running.on_failure {
            OnFailure::Rollback => crate::apply::OnFailure::Rollback,
            OnFailure::Stop => crate::apply::OnFailure::Stop,
        };
        let options = Options { parallel: request.parallel, on_failure, timeout: running.timeout, server_timeout: request.server_timeout };
        let interrupt = listen(terminal);
        Self { request, consents, taking, options, showing, strict: false, always_asks: false, terminal, interrupt }
    }

    fn refused(&self, refusal: Refusal) -> Problem {
        let code = refusal.exit_code();
        Problem::from(refusal.diagnostics()).within(&self.request.stack_dir).exits(code)
    }

    /// From the plan on.
    async fn carry_out(self, plan: impl Future<Output = Result<Pending, Refusal>>) -> Ended {
        let pending = tokio::select! {
            made = plan => made.map_err(|refusal| self.refused(refusal))?,
            () = interrupted(self.interrupt.clone()) => return Ok(INTERRUPTED),
        };
        if let Err(problem) = say_warnings(pending.session(), self.strict, self.terminal) {
            Box::pin(pending.give_up()).await;
            return Err(problem);
        }
        if !self.terminal.json {
            self.terminal.print(&plan_verbs::text(pending.plan(), pending.session(), self.showing, self.terminal));
        }
        if pending.plan().findings.has_errors() {
            let findings = pending.plan().findings.clone();
            let sources = pending.session().compiled.stack.sources().clone();
            Box::pin(pending.give_up()).await;
            // As text they stand in the plan already.
            return if self.terminal.json { Err(Problem::from(findings).with(sources)) } else { Ok(ERROR) };
        }
        let given = match self.consent(&pending).await {
            Ok(Some(given)) => given,
            Ok(None) => {
                Box::pin(pending.give_up()).await;
                self.terminal.say("nothing was written");
                return Ok(if *self.interrupt.borrow() == Interrupt::None { ERROR } else { INTERRUPTED });
            }
            Err(problem) => {
                Box::pin(pending.give_up()).await;
                return Err(problem);
            }
        };
        let sources = pending.session().compiled.stack.sources().clone();
        let progress = self.progress(Some(pending.plan()));
        let ended = Box::pin(pending.run(&given, self.options, &progress, self.interrupt.clone())).await;
        progress.finish();
        let (outcome, remains) = ended.map_err(|refusal| self.refused(refusal))?;
        leave(remains);
        self.told(&outcome, Some(&sources));
        Ok(outcome.exit_code())
    }

    /// What is consented to: by flags, and by answers at the terminal. None: somebody said no.
    async fn consent(&self, pending: &Pending) -> Result<Option<BTreeSet<ConsentKind>>, Problem> {
        let plan = pending.plan();
        let mut given = self.given();
        for consent in pending.unanswered(&given).into_iter().cloned().collect::<Vec<_>>() {
            if given.contains(&consent.kind) {
                continue;
            }
            if self.consents.yes || !self.terminal.asks {
                // The engine refuses, and names every flag that is missing.
                return Ok(Some(given));
            }
            if !self.ask(format!("This {}. Is that meant?", report::visible_line(&consent.text))).await {
                return Ok(None);
            }
            given.insert(consent.kind);
        }
        let asks = self.always_asks || pending.session().compiled.resolved.environment.confirm;
        if !asks || self.consents.yes || plan.changes.is_empty() {
            return Ok(Some(given));
        }
        let name = &plan.identity.environment;
        if !self.terminal.asks {
            return Err(Diagnostic::error("cli::confirm", format!("{name} asks for confirmation, and there is no terminal to ask at"))
                .help("look at the plan, then say `--yes`")
                .into());
        }
        let question = format!("Go on with {} in {}?", plan.identity.stack, name);
        Ok(self.ask(question).await.then_some(given))
    }

    fn given(&self) -> BTreeSet<ConsentKind> {
        use ConsentKind::{Adopt, DeleteBudget, DeleteDefinition, DeleteNamespace, DeleteVolume, Replace, TakeOwnership};
        let flags: [(bool, &[ConsentKind]); 5] = [
            (self.consents.allow_deletes, &[DeleteBudget]),
            (self.consents.allow_irreversible, &[DeleteNamespace, DeleteVolume, DeleteDefinition]),
            (self.consents.allow_replace, &[Replace]),
            (self.taking.take_ownership, &[TakeOwnership]),
            (self.taking.adopt, &[Adopt]),
        ];
        flags.into_iter().filter(|(said, _)| *said).flat_map(|(_, kinds)| kinds).copied().collect()
    }

    /// Asks at the terminal; an interrupt is a no.
    async fn ask(&self, question: String) -> bool {
        let terminal = self.terminal;
        let answer = tokio::task::spawn_blocking(move || terminal.ask(&question));
        tokio::select! {
            answer = answer => answer.unwrap_or(false),
            () = interrupted(self.interrupt.clone()) => false,
        }
    }

    fn progress(&self, plan: Option<&Plan>) -> Progress {
        Progress::new(plan, self.terminal.err, self.terminal.moves, self.terminal.quiet)
    }

    fn told(&self, outcome: &Outcome, sources: Option<&crate::stack::Sources>) {
        if self.terminal.json {
            self.terminal.print_json(&report::outcome_json(outcome));
        } else {
            self.terminal.print(&report::outcome(outcome, sources, self.terminal.out));
        }
    }

    /// An unfinished run, gone on with or undone.
    async fn finish(self, undo: bool) -> Ended {
        let progress = self.progress(None);
        let interrupt = self.interrupt.clone();
        let ended = if undo {
            engine::resume::undo(&self.request, self.options, &progress, interrupt).await
        } else {
            engine::resume::resume(&self.request, self.options, &progress, interrupt).await
        };
        progress.finish();
        match ended.map_err(|refusal| self.refused(refusal))? {
            None => {
                let text = format!("There is no unfinished run: nothing to {}.", if undo { "undo" } else { "resume" });
                if self.terminal.json {
                    self.terminal
                        .print_json(&serde_json::json!({"format": "spai.outcome/1", "ending": "nothing-unfinished", "exit_code": 0}));
                } else {
                    self.terminal.print(&format!("{text}\n"));
                }
                Ok(0)
            }
            Some(outcome) => {
                self.told(&outcome, None);
                // To be undone is what was asked for here.
                Ok(if undo && outcome.ending == Ending::RolledBack { 0 } else { outcome.exit_code() })
            }
        }
    }
}

/// `spai apply`.
pub(super) async fn apply(args: args::Apply, context: &Context, terminal: Terminal) -> Ended {
    let mut request = context.online(args.folder.path(), &args.reading, &args.place)?;
    if args.dry_run {
        let args::Apply { folder, reading, place, only, taking, showing, .. } = args;
        let plan = args::Plan { folder, reading, place, only, taking, showing, verify: false, offline: false, detailed_exitcode: false };
        terminal.say("dry run: only planned");
        return Box::pin(plan_verbs::plan(plan, context, terminal)).await;
    }
    request.filter = filter(&args.only);
    let mut run = Run::new(request, args.consents, args.taking, args.running, args.showing, terminal);
    run.strict = args.reading.strict;
    if args.resume || args.rollback {
        return run.finish(args.rollback).await;
    }
    let request = run.request.clone();
    Box::pin(run.carry_out(engine::apply::begin(&request))).await
}

/// `spai destroy`: always asks.
pub(super) async fn destroy(args: args::Destroy, context: &Context, terminal: Terminal) -> Ended {
    let request = context.online(args.folder.path(), &args.reading, &args.place)?;
    let mut run = Run::new(request, args.consents, NOTHING_TAKEN, args.running, args.showing, terminal);
    run.always_asks = true;
    let request = run.request.clone();
    Box::pin(run.carry_out(engine::destroy::begin(&request))).await
}

/// `spai rollback`.
pub(super) async fn rollback(args: args::Rollback, context: &Context, terminal: Terminal) -> Ended {
    let request = context.online(args.folder.path(), &args.reading, &args.place)?;
    let run = Run::new(request, args.consents, args.taking, args.running, args.showing, terminal);
    let request = run.request.clone();
    Box::pin(run.carry_out(engine::rollback::begin(&request, None))).await
}

/// `spai import`: adoption is what was asked for.
pub(super) async fn import(args: args::Import, context: &Context, terminal: Terminal) -> Ended {
    let request = context.online(args.folder.path(), &args.reading, &args.place)?;
    let keys: Vec<ObjectKey> = args.objects.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
    let taking = Taking { take_ownership: false, adopt: true };
    let run = Run::new(request, args.consents, taking, args.running, args.showing, terminal);
    let request = run.request.clone();
    Box::pin(run.carry_out(engine::import::begin(&request, &keys))).await
}

/// `KIND/NAMESPACE/NAME`.
pub(super) fn key(text: &str) -> Result<ObjectKey, Problem> {
    text.parse().map_err(|error: crate::resource::KeyParseError| {
        Diagnostic::error("cli::object", error.to_string()).help("for example Deployment/acme/backend, or Namespace/acme").into()
    })
}
