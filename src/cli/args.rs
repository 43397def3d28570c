//! What may be said on the command line: verbs, arguments, flags, and what help says of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::embedded::Trouble;
use crate::stack::model::Strategy;

const AFTER: &str = "\
Examples:
  spai init shop                                   a small stack that works
  spai plan shop -e development                    what would happen
  spai apply shop -e development                   make it so, or leave everything as it was
  spai status shop -e development                  what runs, and why not

`spai VERB -h` fits a screen, `spai VERB --help` says more.
Every flag has a variable: --parallel is SPAI_PARALLEL. Flags win over variables.";

/// A declarative plan/apply engine for Kubernetes platforms.
#[derive(Debug, Parser)]
#[command(name = "spai", version, about, after_help = AFTER, subcommand_required = true, arg_required_else_help = true, max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) verb: Verb,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What every verb has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
#[allow(clippy::struct_field_names, reason = "fields are called as their flags are")]
pub(super) struct Output {
    /// For people, or for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(super) output: Format,
    /// Colour; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", hide_short_help = true)]
    pub(super) color: Colour,
    /// Only results and errors
    #[arg(short, long, global = true, hide_short_help = true)]
    pub(super) quiet: bool,
    /// Says what it does, on stderr; twice: every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub(super) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Makes a small stack that works
    #[command(after_help = "Example:\n  spai init shop && spai validate shop")]
    Init(Init),
    /// Formats TOML files; comments stay
    #[command(after_help = "Examples:\n  spai fmt stacks/hello\n  spai fmt stacks/hello --check      exit code 1 if anything would change")]
    Fmt(Fmt),
    /// Finds everything that is wrong with a stack, in every environment
    #[command(after_help = "Examples:\n  spai validate stacks/hello\n  spai validate stacks/hello -e production --strict")]
    Validate(Validate),
    /// Says where a service's values come from: every layer that spoke, and the line that won
    #[command(
        after_help = "Examples:\n  spai explain web -e production --tenant mars\n  spai explain web replicas.min -e production --tenant mars\n  spai explain -e production --object Deployment/hello-production-mars/web spec.replicas"
    )]
    Explain(Explain),
    /// Prints the objects that a stack wants
    #[command(after_help = "Examples:\n  spai render stacks/hello -e development\n  spai render stacks/hello -e development --out objects")]
    Render(Render),
    /// Draws what comes after what
    #[command(after_help = "Example:\n  spai graph stacks/hello -e development --draw dot | dot -Tsvg > graph.svg")]
    Graph(Graph),
    /// Lists what a file of a stack may say; as JSON Schema with --output json
    #[command(after_help = "Examples:\n  spai schema service\n  spai schema service --output json > service.schema.json")]
    Schema(Schema),
    /// Says what apply would do; writes nothing
    #[command(
        after_help = "Examples:\n  spai plan stacks/hello -e development\n  spai plan -e production --service web --detailed-exitcode\n  spai plan -e production --output json > plan.json\n  spai plan -e production --offline        with the right to read alone"
    )]
    Plan(Plan),
    /// Makes the cluster as the stack says, or leaves it as it was
    #[command(
        after_help = "Examples:\n  spai apply stacks/hello -e development\n  spai apply -e production --yes --timeout 15m\n  spai apply --resume      goes on with a run that was killed\n  spai apply --rollback    undoes it\n\nExit codes: 0 applied, 1 error, 3 rolled back, 4 between two states, 5 locked, 130 interrupted before any write"
    )]
    Apply(Apply),
    /// Deletes all that the stack has in an environment, dependents first
    #[command(after_help = "Example:\n  spai destroy stacks/hello -e development --allow-deletes --allow-irreversible")]
    Destroy(Destroy),
    /// Makes the cluster as the revision before said
    #[command(after_help = "Example:\n  spai rollback stacks/hello -e development")]
    Rollback(Rollback),
    /// Takes objects that others made into the stack
    #[command(
        after_help = "Example:\n  spai import Deployment/hello-development-mars/web --stack stacks/hello -e development\n\nThe stack must have the objects already: import makes them ours without changing a value."
    )]
    Import(Import),
    /// Says what runs, whether it is ready, and if not, why not
    #[command(after_help = "Example:\n  spai status stacks/hello -e development")]
    Status(Status),
    /// Looks into the state, and rebuilds it
    #[command(subcommand)]
    State(State),
    /// Says who is applying, and takes the lock away from a dead run
    #[command(subcommand)]
    Lock(Lock),
    /// The embedded cluster: served to kubectl, or emptied
    #[command(subcommand)]
    Cluster(Cluster),
    /// Prints completions for a shell
    #[command(after_help = "Example:\n  spai completions bash > ~/.local/share/bash-completion/completions/spai")]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual as man pages
    #[command(after_help = "Example:\n  spai man --out ~/.local/share/man/man1")]
    Man {
        /// A folder for one page for each verb; without, the main page is printed
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// The stack's folder, as an argument or as a flag.
#[derive(Clone, Debug, Args)]
pub(super) struct Folder {
    /// The stack's folder; the current one if not given
    #[arg(value_name = "STACK", id = "folder")]
    given: Option<PathBuf>,
    /// The same as a flag, as verbs have it whose argument is something else
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    stack: Option<PathBuf>,
}

impl Folder {
    /// The folder: the argument, else the flag, else the current one.
    pub(super) fn path(&self) -> &Path {
        self.given.as_deref().or(self.stack.as_deref()).unwrap_or(Path::new("."))
    }
}

/// The stack's folder, as a flag.
#[derive(Clone, Debug, Args)]
pub(super) struct FolderFlag {
    /// The stack's folder; the current one if not given
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    stack: PathBuf,
}

impl FolderFlag {
    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.stack
    }
}

/// How the stack is read.
#[derive(Clone, Debug, Args)]
pub(super) struct Reading {
    /// The environment [variable ENVIRONMENT]; the only one if there is one
    #[arg(short, long, value_name = "NAME")]
    pub(super) environment: Option<String>,
    /// The root of namespaces [variable NAMESPACE]; the environment's if not given
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(super) namespace: Option<String>,
    /// The delivery strategy of all services [variable DEPLOYMENT_STRATEGY]
    #[arg(long, visible_alias = "strategy", value_name = "NAME", value_parser = strategy, hide_short_help = true)]
    // `--strategy` is what people try first; the long name is the variable's.
    pub(super) deployment_strategy: Option<Strategy>,
    /// Gives a declared input a value; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) input: Vec<String>,
    /// Warnings are errors
    #[arg(long, hide_short_help = true)]
    pub(super) strict: bool,
}

/// Which cluster and which state.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster and state")]
pub(super) struct Place {
    /// The kubeconfig file; else KUBECONFIG, else ~/.kube/config
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; beats the environment's
    #[arg(long, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Where the state is; state/STACK/ENVIRONMENT beside `stacks` if not given
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(super) state: Option<PathBuf>,
    /// How long an API server that doesn't answer is waited for
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m", hide_short_help = true)]
    pub(super) server_timeout: Duration,
    /// How many requests are under way at once [variable PARALLEL_JOBS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), default_value = "4", hide_short_help = true)]
    pub(super) parallel: u16,
}

/// Which objects.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Only some objects")]
pub(super) struct Only {
    /// Only these objects; `*` stands for anything; repeatable
    #[arg(long, value_name = "KIND/NS/NAME")]
    pub(super) target: Vec<String>,
    /// Only this service; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) service: Vec<String>,
    /// Only this tenant; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Vec<String>,
}

/// What a plan takes over from others.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Consent")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Taking {
    /// Takes fields that other managers own
    #[arg(long)]
    pub(super) take_ownership: bool,
    /// Takes over objects that others made
    #[arg(long)]
    pub(super) adopt: bool,
}

/// What is agreed to in advance.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Consent")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Consents {
    /// Answers "yes" to "go on?"; needed without a terminal where it would be asked
    #[arg(short, long)]
    pub(super) yes: bool,
    /// More deletes than the stack's budget
    #[arg(long)]
    pub(super) allow_deletes: bool,
    /// Deletes of namespaces, volumes and CRDs, with all that is in them
    #[arg(long)]
    pub(super) allow_irreversible: bool,
    /// Deletes and makes again what can't be changed in place
    #[arg(long)]
    pub(super) allow_replace: bool,
}

/// How a run goes.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct Running {
    /// How long objects that are waited for together, before a wave or at the end, may take to get ready
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    pub(super) timeout: Duration,
    /// What a failure leads to
    #[arg(long, value_enum, default_value_t = OnFailure::Rollback, value_name = "WHAT")]
    pub(super) on_failure: OnFailure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnFailure {
    /// What the run did is undone
    Rollback,
    /// The run stops where it is
    Stop,
}

/// How much a plan's text shows.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Showing {
    /// Unfolds the group of changes with this number, or `all`
    #[arg(long, value_name = "N|all", value_parser = expand)]
    pub(super) expand: Option<Expand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expand {
    All,
    Group(usize),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Init {
    /// The folder, which is made; its name is the stack's
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(super) dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Fmt {
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Changes nothing: names the files that would change, exit code 1 if there are any
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Explain {
    /// The service, then a field of it (`replicas.min`); with --object, the object's field (`spec.replicas`)
    #[arg(value_name = "SERVICE [FIELD]", num_args = 0..=2)]
    pub(super) what: Vec<String>,
    #[command(flatten)]
    pub(super) folder: FolderFlag,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// The tenant whose instance it is
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// An object in place of a service
    #[arg(long, value_name = "KIND/NS/NAME")]
    pub(super) object: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Render {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) only: Only,
    /// A folder for one file for each object, in place of a stream
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Prints the values of secrets
    #[arg(long)]
    pub(super) reveal_secrets: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Graph {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// The drawing's language; --output json is the same as json
    #[arg(long, value_enum, default_value_t = Drawing::Mermaid, value_name = "AS")]
    pub(super) draw: Drawing,
    /// What its nodes are
    #[arg(long, value_enum, default_value_t = By::Objects, value_name = "WHAT")]
    pub(super) by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Drawing {
    Dot,
    Mermaid,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    Objects,
    Services,
    Tenants,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Schema {
    /// Which file
    #[arg(value_enum, default_value_t = SchemaFile::Stack)]
    pub(super) file: SchemaFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFile {
    /// stack.toml
    Stack,
    /// environments/NAME.toml
    Environment,
    /// tenants/NAME.toml
    Tenant,
    /// services/NAME.toml
    Service,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) only: Only,
    #[command(flatten)]
    pub(super) taking: Taking,
    #[command(flatten)]
    pub(super) showing: Showing,
    /// Asks the server also about the objects that stay as they are
    #[arg(long)]
    pub(super) verify: bool,
    /// Asks the server about none: everything is predicted from what it has
    #[arg(long, conflicts_with = "verify")]
    pub(super) offline: bool,
    /// Exit code 2 if there are changes
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// Finishes the run that was left unfinished
    #[arg(long, conflicts_with_all = ["rollback", "dry_run"])]
    pub(super) resume: bool,
    /// Undoes the run that was left unfinished
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) rollback: bool,
    /// Only plans [variable DRY_RUN]
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "true|false", hide_default_value = true)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) consents: Consents,
    #[command(flatten)]
    pub(super) taking: Taking,
    #[command(flatten)]
    pub(super) only: Only,
    #[command(flatten)]
    pub(super) running: Running,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) showing: Showing,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) consents: Consents,
    #[command(flatten)]
    pub(super) running: Running,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) showing: Showing,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) consents: Consents,
    #[command(flatten)]
    pub(super) taking: Taking,
    #[command(flatten)]
    pub(super) running: Running,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) showing: Showing,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Import {
    /// The objects
    #[arg(required = true, value_name = "KIND/NS/NAME")]
    pub(super) objects: Vec<String>,
    #[command(flatten)]
    pub(super) folder: FolderFlag,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) consents: Consents,
    #[command(flatten)]
    pub(super) running: Running,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) showing: Showing,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) only: Only,
    #[command(flatten)]
    pub(super) place: Place,
}

/// What `state` and `lock` are about.
#[derive(Clone, Debug, Args)]
pub(super) struct Stored {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum State {
    /// Lists the objects of the last apply
    #[command(after_help = "Example:\n  spai state list stacks/hello -e development")]
    List(Stored),
    /// Prints what the last apply left of an object; secrets masked
    #[command(after_help = "Example:\n  spai state show Deployment/hello-development-mars/web --stack stacks/hello -e development")]
    Show {
        /// The object
        #[arg(value_name = "KIND/NS/NAME")]
        object: String,
        #[command(flatten)]
        folder: FolderFlag,
        #[command(flatten)]
        reading: Reading,
        #[command(flatten)]
        place: Place,
    },
    /// Rebuilds the state from the cluster; what is there is put aside
    #[command(after_help = "Example:\n  spai state recover stacks/hello -e development")]
    Recover(Stored),
    /// Reads every record and checks it
    #[command(after_help = "Example:\n  spai state verify stacks/hello -e development")]
    Verify(Stored),
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Lock {
    /// Says who holds the lock, where and since when
    #[command(after_help = "Example:\n  spai lock show stacks/hello -e development")]
    Show(Stored),
    /// Takes the lock away from whoever holds it; only for a run that is certainly dead
    #[command(after_help = "Example:\n  spai lock break stacks/hello -e development")]
    Break {
        #[command(flatten)]
        stored: Stored,
        /// Answers "yes" to "go on?"
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Cluster {
    /// Serves the embedded cluster on a port of this machine until Ctrl-C; nothing runs in its pods
    #[command(
        after_help = "Example:\n  spai cluster serve stacks/hello -e development\n\nIt writes a kubeconfig and says where. While it serves, give that to the other verbs:\n  spai plan stacks/hello -e development --kubeconfig FILE"
    )]
    Serve {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        reading: Reading,
        /// Where the state is; the cluster's data is with it
        #[arg(long, value_name = "DIR", hide_short_help = true)]
        state: Option<PathBuf>,
        /// The port; a free one if not given
        #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
        port: u16,
        /// The file for the kubeconfig; with the cluster's data if not given
        #[arg(long, value_name = "FILE")]
        kubeconfig_out: Option<PathBuf>,
        /// What is to go wrong, to see what clients do then; again and again for more:
        /// latency=TIME, 409, 429, 500, 503, 504, reset (before the request is carried out) or lost-answer (after), each =SHARE
        /// of the requests (429=0.1: every tenth), webhook=NAME (refuses); all with :VERB behind (get, create, update, patch,
        /// delete) for requests of one kind alone; never-ready=NAME for the pods of what has this name
        #[arg(long, value_name = "FAULT")]
        fault: Vec<Trouble>,
    },
    /// Empties the embedded cluster; asks first
    #[command(after_help = "Example:\n  spai cluster reset stacks/hello -e development")]
    Reset {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        reading: Reading,
        /// Where the state is; the cluster's data is with it
        #[arg(long, value_name = "DIR", hide_short_help = true)]
        state: Option<PathBuf>,
        /// Answers "yes" to "go on?"
        #[arg(short, long)]
        yes: bool,
    },
}

fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "rolling" => Ok(Strategy::Rolling),
        "blue-green" => Ok(Strategy::BlueGreen),
        "canary" => Ok(Strategy::Canary),
        "ab" => Ok(Strategy::Ab),
        _ => Err("strategies are rolling, blue-green, canary and ab".to_owned()),
    }
}

fn expand(text: &str) -> Result<Expand, String> {
    if text == "all" {
        return Ok(Expand::All);
    }
    text.parse().map(Expand::Group).map_err(|_| "write the number of a group, or `all`".to_owned())
}

/// `90s`, `10m`, `1h30m`; a plain number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time like 90s, 10m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86400,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        seconds = number.checked_mul(factor).and_then(|n| n.checked_add(seconds)).filter(|n| *n <= 86400 * 365).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        for bad in ["", "m", "5", "5x", "-1s", "1.5h", "99999999999999999999h", "9999999d"].iter().filter(|text| **text != "5") {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_help_of_every_verb_fits_a_screen_and_has_an_example() {
        let mut waiting: Vec<clap::Command> = Cli::command().get_subcommands().cloned().collect();
        while let Some(mut command) = waiting.pop() {
            if command.has_subcommands() {
                waiting.extend(command.get_subcommands().cloned());
                continue;
            }
            let help = command.render_help().to_string();
            assert!(help.lines().count() <= 50, "{help}");
            assert!(help.contains("Example"), "{help}");
        }
    }
}
