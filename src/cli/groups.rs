//! Arguments that several verbs have, in groups: which stack, which cluster, which objects, what may be done to them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::stack::model::Strategy;

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

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        for bad in ["", "m", "5", "5x", "-1s", "1.5h", "99999999999999999999h", "9999999d"].iter().filter(|text| **text != "5") {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
