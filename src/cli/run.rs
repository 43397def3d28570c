//! A whole run: parse, do, exit.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use serde_json::json;

use crate::engine::{HELD, Process};
use crate::report;
use crate::resource::{Diagnostic, Diagnostics};
use crate::stack::Sources;

use super::args::{Cli, Verb};
use super::request::Context;
use super::terminal::Terminal;
use super::{cluster_verbs, generate, plan_verbs, run_verbs, stack_verbs, state_verbs, surroundings, variables, write_verbs};

/// The exit code of an error, usage included.
pub(super) const ERROR: u8 = 1;

/// Somebody else has the lock, or the embedded cluster.
const LOCKED: u8 = 5;

/// How a verb ends: with an exit code, or with all that is wrong.
pub(super) type Ended = Result<u8, Problem>;

/// Why a verb couldn't do what it was to do.
#[derive(Debug)]
pub(super) struct Problem {
    /// All that is wrong.
    diagnostics: Diagnostics,
    /// The texts that places point into.
    sources: Option<Sources>,
    /// What the process exits with.
    code: u8,
}

impl Problem {
    /// Whether something with this code is among it.
    pub fn says(&self, code: &str) -> bool {
        self.diagnostics.0.iter().any(|one| one.code == code)
    }
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::from(Diagnostics::from(diagnostic))
    }
}

impl From<Diagnostics> for Problem {
    fn from(diagnostics: Diagnostics) -> Self {
        let held = diagnostics.0.iter().any(|one| one.code == HELD);
        Self { diagnostics, sources: None, code: if held { LOCKED } else { ERROR } }
    }
}

impl Problem {
    /// With places in the files of a stack's folder: they are read again to show the lines.
    pub(super) fn within(mut self, stack: &Path) -> Self {
        self.sources = Sources::read(stack).ok();
        self
    }

    /// With places in these files.
    pub(super) fn with(mut self, sources: Sources) -> Self {
        self.sources = Some(sources);
        self
    }

    /// With another exit code than 1.
    pub(super) fn exits(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let process = surroundings::process();
    let (cli, used) = match parse(&line, &process) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Whoever read it may have gone: there is nobody to tell.
            let _ = error.print();
            let told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if told { 0 } else { ERROR });
        }
    };
    let given = |name: &str| process.variables.get(name).is_some_and(|value| !value.is_empty());
    let dumb = process.variables.get("TERM").is_some_and(|term| term == "dumb");
    let terminal = Terminal::new(&cli.output, given("NO_COLOR"), dumb);
    log(cli.output.verbose, terminal);
    let context = Context { process, used };
    let code = match run(cli.verb, &context, terminal) {
        Ok(code) => code,
        Err(problem) => {
            explain(&problem.diagnostics, problem.sources.as_ref(), terminal);
            problem.code
        }
    };
    ExitCode::from(code)
}

/// The command line, with what variables add to it, and which variables those were.
fn parse(line: &[OsString], process: &Process) -> Result<(Cli, Vec<String>), clap::Error> {
    let mut command = Cli::command();
    command.build();
    let matches = command.clone().try_get_matches_from(line)?;
    let added = variables::added(&command, &matches, &process.variables)
        .map_err(|message| command.clone().error(ErrorKind::InvalidValue, message))?;
    if added.flags.is_empty() {
        return Ok((Cli::from_arg_matches(&matches)?, Vec::new()));
    }
    let matches = command.try_get_matches_from(variables::joined(line, &added.flags)).map_err(|error| {
        use clap::error::{ContextKind, ContextValue};
        let mut error = error;
        let from = format!("environment variables gave: {}", added.used.join(", "));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![from.into()]));
        error
    })?;
    Ok((Cli::from_arg_matches(&matches)?, added.used))
}

fn run(verb: Verb, context: &Context, terminal: Terminal) -> Ended {
    match verb {
        Verb::Validate(args) => stack_verbs::validate(&args, context, terminal),
        Verb::Render(args) => stack_verbs::render(&args, context, terminal),
        Verb::Graph(args) => stack_verbs::graph(&args, context, terminal),
        Verb::Completions { shell } => Ok(generate::completions(shell, terminal)),
        Verb::Man { out } => generate::man(out.as_deref(), terminal),
        Verb::Plan(args) => online(plan_verbs::plan(args, context, terminal)),
        Verb::Status(args) => online(plan_verbs::status(args, context, terminal)),
        Verb::Apply(args) => online(run_verbs::apply(args, context, terminal)),
        Verb::Destroy(args) => online(run_verbs::destroy(args, context, terminal)),
        Verb::Rollback(args) => online(run_verbs::rollback(args, context, terminal)),
        Verb::Import(args) => online(run_verbs::import(args, context, terminal)),
        Verb::State(verb) => online(state_verbs::state(verb, context, terminal)),
        Verb::Lock(verb) => online(state_verbs::lock(verb, context, terminal)),
        Verb::Cluster(verb) => online(cluster_verbs::cluster(verb, context, terminal)),
        Verb::Init(args) => write_verbs::init(&args, terminal),
        Verb::Fmt(args) => write_verbs::fmt(&args, terminal),
        Verb::Explain(args) => write_verbs::explain(&args, context, terminal),
        Verb::Schema(args) => Ok(write_verbs::schema(&args, terminal)),
    }
}

/// Runs a verb that talks to a cluster.
fn online(verb: impl Future<Output = Ended>) -> Ended {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Diagnostic::error("cli::runtime", format!("the process can't start its threads: {error}"))
            .help("see whether a limit of processes or of open files is reached (`ulimit -a`)")
    })?;
    let ended = runtime.block_on(verb);
    // A question that nobody answered keeps a thread: it isn't waited for.
    runtime.shutdown_background();
    ended
}

/// Leaves something to the end of the process, which is next: taking thousands of objects apart one by one takes longer.
pub(super) fn leave<T>(rest: T) {
    std::mem::forget(rest);
}

/// Says what is wrong or worth knowing: on stderr for people, on stdout for programs.
pub(super) fn explain(diagnostics: &Diagnostics, sources: Option<&Sources>, terminal: Terminal) {
    if diagnostics.0.is_empty() {
        return;
    }
    if terminal.json && diagnostics.has_errors() {
        terminal.print_json(&json!({"format": "spai.diagnostics/1", "diagnostics": diagnostics.0}));
    } else {
        terminal.complain(&report::diagnostics(diagnostics, sources, terminal.err));
    }
}

/// Warnings, unless nothing but results is wanted.
pub(super) fn warn(diagnostics: &Diagnostics, sources: &Sources, terminal: Terminal) {
    if !terminal.quiet {
        explain(diagnostics, Some(sources), terminal);
    }
}

fn log(verbose: u8, terminal: Terminal) {
    let filter = match verbose {
        0 => return,
        1 => "spai=debug",
        _ => "spai=trace,kube=debug,hyper_util=debug,tower=debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    // A second subscriber in one process (tests) changes nothing.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal.err.colour).with_writer(std::io::stderr).try_init();
}
