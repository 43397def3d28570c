//! What may be said on the command line: verbs, arguments, flags, and what help says of them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::embedded::Trouble;

pub(super) use super::groups::{Consents, Expand, Folder, FolderFlag, OnFailure, Only, Place, Reading, Running, Showing, Taking};

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

/// Which embedded cluster: a stack's, in an environment.
#[derive(Clone, Debug, Args)]
pub(super) struct Embedded {
    #[command(flatten)]
    pub(super) folder: Folder,
    #[command(flatten)]
    pub(super) reading: Reading,
    /// Where the state is; the cluster's data is with it
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(super) state: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Cluster {
    /// Serves the embedded cluster on a port of this machine until Ctrl-C; nothing runs in its pods
    #[command(
        after_help = "Example:\n  spai cluster serve stacks/hello -e development\n\nIt writes a kubeconfig and says where. While it serves, give that to the other verbs:\n  spai plan stacks/hello -e development --kubeconfig FILE"
    )]
    Serve {
        #[command(flatten)]
        of: Embedded,
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
        of: Embedded,
        /// Answers "yes" to "go on?"
        #[arg(short, long)]
        yes: bool,
    },
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
