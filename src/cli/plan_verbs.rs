//! Verbs that look at the cluster and write nothing: plan, status.

use crate::engine::{self, Request, Session};
use crate::plan::{Asking, Plan};
use crate::report;
use crate::resource::Diagnostics;

use super::args::{self, Showing};
use super::request::{Context, filter};
use super::run::{ERROR, Ended, Problem, leave, warn};
use super::stack_verbs::strictly;
use super::terminal::Terminal;

/// `plan --detailed-exitcode` when there are changes, as Terraform has it.
const CHANGES: u8 = 2;

/// `spai plan`.
pub(super) async fn plan(args: args::Plan, context: &Context, terminal: Terminal) -> Ended {
    let mut request = context.online(args.folder.path(), &args.reading, &args.place)?;
    request.filter = filter(&args.only);
    request.take_ownership = args.taking.take_ownership;
    request.adopt = args.taking.adopt;
    request.asking = match (args.verify, args.offline) {
        (true, _) => Asking::Everything,
        (_, true) => Asking::Nothing,
        _ => Asking::Changed,
    };
    let session = Session::open_to_plan(&request).await.map_err(|found| Problem::from(found).within(&request.stack_dir))?;
    say_warnings(&session, args.reading.strict, terminal)?;
    let plan = engine::plan(&session, &request).await.map_err(|found| Problem::from(found).within(&request.stack_dir))?;
    show(&plan, &session, args.showing, terminal);
    let code = match plan.findings.has_errors() {
        true => ERROR,
        false if args.detailed_exitcode && !plan.is_empty() => CHANGES,
        false => 0,
    };
    leave((plan, session));
    Ok(code)
}

/// `spai status`; exit code 1 if anything isn't ready.
pub(super) async fn status(args: args::Status, context: &Context, terminal: Terminal) -> Ended {
    let mut request = context.online(args.folder.path(), &args.reading, &args.place)?;
    request.filter = filter(&args.only);
    let session = open(&request, args.reading.strict, terminal).await?;
    let status = engine::status::status(&session, &request).await?;
    if terminal.json {
        terminal.print_json(&report::status_json(&status));
    } else {
        terminal.print(&report::status(&status, terminal.out));
    }
    Ok(if status.is_ready() { 0 } else { ERROR })
}

/// A session; the stack's warnings are said.
pub(super) async fn open(request: &Request, strict: bool, terminal: Terminal) -> Result<Session, Problem> {
    let session = Session::open(request).await.map_err(|found| Problem::from(found).within(&request.stack_dir))?;
    say_warnings(&session, strict, terminal)?;
    Ok(session)
}

/// Warnings of the stack, with `--strict` as errors; and what an embedded cluster is not.
pub(super) fn say_warnings(session: &Session, strict: bool, terminal: Terminal) -> Result<(), Problem> {
    let sources = session.compiled.stack.sources();
    let mut warnings: Diagnostics = session.compiled.warnings.clone();
    strictly(&mut warnings, strict);
    if warnings.has_errors() {
        return Err(Problem::from(warnings).with(sources.clone()));
    }
    warn(&warnings, sources, terminal);
    if session.is_embedded() {
        terminal.say("note: the cluster is embedded in spai: what it says is ready is said to be, for nothing runs in its pods");
    }
    Ok(())
}

/// A plan on stdout.
pub(super) fn show(plan: &Plan, session: &Session, showing: Showing, terminal: Terminal) {
    if terminal.json {
        return terminal.print_json(&report::plan_json(plan));
    }
    terminal.print(&text(plan, session, showing, terminal));
}

/// A plan as text.
pub(super) fn text(plan: &Plan, session: &Session, showing: Showing, terminal: Terminal) -> String {
    let expand = match showing.expand {
        None => report::Expand::Nothing,
        Some(args::Expand::All) => report::Expand::All,
        Some(args::Expand::Group(number)) => report::Expand::Group(number),
    };
    report::plan_text(plan, expand, Some(session.compiled.stack.sources()), terminal.out)
}
