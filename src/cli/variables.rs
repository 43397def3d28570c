//! Environment variables as flags: `SPAI_` and the flag's name for every one, and five unprefixed ones as fallbacks.
//! A flag beats both, SPAI_… beats the unprefixed. What was used is told, for the plan's first lines.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

/// Fallbacks without the prefix, as pipelines set them: the variable, and the flag that it stands for.
const UNPREFIXED: [(&str, &str); 5] = [
    ("ENVIRONMENT", "environment"),
    ("NAMESPACE", "namespace"),
    ("DEPLOYMENT_STRATEGY", "deployment-strategy"),
    ("DRY_RUN", "dry-run"),
    ("PARALLEL_JOBS", "parallel"),
];

/// How a result looks is no part of what a plan says: these aren't told.
const UNTOLD: [&str; 5] = ["output", "color", "quiet", "verbose", "yes"];

/// What the variables add to the command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// Flags, to be read as if they had been typed.
    pub(super) flags: Vec<OsString>,
    /// `SPAI_CONTEXT=prod-eu`; of inputs only the variable's name, for they may be secret.
    pub(super) used: Vec<String>,
}

/// The flags of the verb that were not typed and that a variable gives. An empty variable is none.
///
/// # Errors
/// A switch's variable that says neither yes nor no.
pub(super) fn added(command: &Command, matches: &ArgMatches, variables: &BTreeMap<String, String>) -> Result<Added, String> {
    let (mut command, mut matches) = (command, matches);
    while let Some((name, below)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, below);
    }
    let mut added = Added::default();
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long() else { continue };
        let id = argument.get_id().as_str();
        if matches!(flag, "help" | "version") || matches.try_contains_id(id).is_err() {
            continue;
        }
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            continue;
        }
        let Some((variable, value)) = lookup(flag, variables) else { continue };
        match argument.get_action() {
            ArgAction::SetTrue | ArgAction::Count => match switch(value) {
                Some(true) => added.flags.push(format!("--{flag}").into()),
                Some(false) => continue,
                None => return Err(format!("{variable} is `{value}`: write true or false")),
            },
            _ if flag == "dry-run" => match switch(value) {
                Some(on) => added.flags.push(format!("--{flag}={on}").into()),
                None => return Err(format!("{variable} is `{value}`: write true or false")),
            },
            _ => added.flags.push(format!("--{flag}={value}").into()),
        }
        if flag == "input" {
            added.used.push(variable.clone());
        } else if !UNTOLD.contains(&flag) {
            added.used.push(format!("{variable}={value}"));
        }
    }
    Ok(added)
}

fn lookup<'v>(flag: &str, variables: &'v BTreeMap<String, String>) -> Option<(String, &'v str)> {
    let given = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let own = format!("SPAI_{}", flag.to_uppercase().replace('-', "_"));
    if let Some(value) = given(&own) {
        return Some((own, value));
    }
    let (name, _) = UNPREFIXED.iter().find(|(_, of)| *of == flag)?;
    Some(((*name).to_owned(), given(name)?))
}

fn switch(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The command line with what the variables add, before a `--` if there is one.
pub(super) fn joined(line: &[OsString], added: &[OsString]) -> Vec<OsString> {
    let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
    let (before, after) = line.split_at(end);
    before.iter().chain(added).chain(after).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::args::{Cli, Verb};
    use super::*;
    use clap::{CommandFactory as _, FromArgMatches as _};

    fn parse(line: &[&str], variables: &[(&str, &str)]) -> (Cli, Vec<String>) {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut command = Cli::command();
        command.build();
        let matches = command.clone().try_get_matches_from(&line).unwrap();
        let added = added(&command, &matches, &variables).unwrap();
        let matches = command.try_get_matches_from(joined(&line, &added.flags)).unwrap();
        (Cli::from_arg_matches(&matches).unwrap(), added.used)
    }

    #[test]
    fn flags_beat_prefixed_beat_unprefixed() {
        let of = |line: &[&str], variables: &[(&str, &str)]| match parse(line, variables) {
            (Cli { verb: Verb::Apply(apply), .. }, used) => (apply, used),
            _ => unreachable!(),
        };
        let both = [("ENVIRONMENT", "plain"), ("SPAI_ENVIRONMENT", "own"), ("PARALLEL_JOBS", "7"), ("DRY_RUN", "true")];
        let (apply, used) = of(&["spai", "apply"], &both);
        assert_eq!((apply.reading.environment.as_deref(), apply.place.parallel, apply.dry_run), (Some("own"), 7, true));
        assert_eq!(used, ["SPAI_ENVIRONMENT=own", "DRY_RUN=true", "PARALLEL_JOBS=7"]);
        let (apply, used) = of(&["spai", "apply", "-e", "typed", "--parallel", "2", "--dry-run=false"], &both);
        assert_eq!((apply.reading.environment.as_deref(), apply.place.parallel, apply.dry_run), (Some("typed"), 2, false));
        assert!(used.is_empty());
        let (apply, used) = of(&["spai", "apply"], &[("SPAI_ENVIRONMENT", ""), ("ENVIRONMENT", "plain"), ("SPAI_ADOPT", "no")]);
        assert_eq!((apply.reading.environment.as_deref(), apply.taking.adopt), (Some("plain"), false));
        assert_eq!(used, ["ENVIRONMENT=plain"]);
    }

    #[test]
    fn an_inputs_value_is_not_told() {
        let (_, used) = parse(&["spai", "plan"], &[("SPAI_INPUT", "token=hunter2")]);
        assert_eq!(used, ["SPAI_INPUT"]);
    }

    #[test]
    fn nested_verbs_and_the_global_flags_have_variables_too() {
        let (cli, _) = parse(&["spai", "state", "list"], &[("SPAI_OUTPUT", "json"), ("SPAI_STACK", "x")]);
        assert_eq!(cli.output.output, super::super::args::Format::Json);
        let Verb::State(super::super::args::State::List(stored)) = cli.verb else { unreachable!() };
        assert_eq!(stored.folder.path(), std::path::Path::new("x"));
    }
}
