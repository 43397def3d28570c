//! What spai learns from its process: who runs it, where, with which variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::Process;

/// The process's surroundings. Variables that aren't UTF-8 are left out.
pub(super) fn process() -> Process {
    let variables: BTreeMap<String, String> =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let given = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let user = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| given(name))
        .cloned()
        .or_else(user_of_process)
        .unwrap_or_else(|| "unknown".to_owned());
    let host = given("HOSTNAME")
        .cloned()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()))
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned());
    let config = given("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| given("HOME").map(|home| PathBuf::from(home).join(".config")));
    let config_dir = config.unwrap_or_else(|| PathBuf::from(".config")).join("spai");
    // As it was typed, less the values of inputs: they may be secret.
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let mut command = vec!["spai".to_owned()];
    let _ = words.next();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("--input", value)) => command.push(format!("--input={}=…", value.split('=').next().unwrap_or_default())),
            _ if word == "--input" => {
                let name = words.next().unwrap_or_default();
                command.push(format!("--input {}=…", name.split('=').next().unwrap_or_default()));
            }
            _ => command.push(word),
        }
    }
    Process { user, host, command: command.join(" "), variables, config_dir }
}

/// The name of the user whose process this is, from the system's list, where the variables don't say.
fn user_of_process() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.to_owned();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    Some(named.unwrap_or(format!("uid-{uid}")))
}
