//! Who holds a lock, and whether that process still lives.

use std::fmt;
use std::fs;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user's name.
    pub who: String,
    /// The process id, on its host.
    pub pid: u32,
    /// When that process began, in the kernel's ticks since boot: process ids are used again. None where it can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_started: Option<u64>,
    /// The host's name.
    pub host: String,
    /// Which boot of that host, and which namespace of process ids (a container's) in it; empty where it can't be told.
    #[serde(default)]
    pub boot_id: String,
    /// What it does, as it was typed: `spai apply stacks/hello -e development`.
    pub command: String,
    /// Since when it holds the lock.
    pub since: Timestamp,
}

impl Holder {
    /// This process.
    pub fn this_process(who: impl Into<String>, host: impl Into<String>, command: impl Into<String>, since: Timestamp) -> Self {
        let pid = std::process::id();
        Self {
            who: who.into(),
            pid,
            pid_started: process_started(pid),
            host: host.into(),
            boot_id: boot_id(),
            command: command.into(),
            since,
        }
    }

    /// Whether the process is certainly over, as seen from a process on `here`'s host.
    /// Only to be asked when nobody holds the lock file's kernel lock: then a holder on this host is a dead one, unless
    /// its process can be seen to live (on a file system whose locks don't work).
    pub(super) fn is_dead(&self, here: &Self) -> bool {
        if self.host != here.host {
            return false;
        }
        let lives = self.boot_id == here.boot_id && self.pid_started.is_some() && process_started(self.pid) == self.pid_started;
        !lives
    }

    /// Whether the process can be seen, from `here`, to be over: same host, same boot, and it isn't there any more.
    pub fn is_seen_dead(&self, here: &Self) -> bool {
        let visible = self.host == here.host && self.boot_id == here.boot_id && !here.boot_id.is_empty() && self.pid_started.is_some();
        visible && process_started(self.pid) != self.pid_started
    }
}

impl fmt::Display for Holder {
    /// `ana@laptop, process 4242, since 2026-11-24T02:30:33Z: spai apply stacks/hello -e development`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}, process {}, since {:.0}: {}", self.who, self.host, self.pid, self.since, self.command)
    }
}

/// Which boot this is, and in which namespace of process ids we are; empty where the system doesn't tell.
fn boot_id() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{} {namespace}", boot.trim()).trim().to_owned()
}

/// When a living process began, in ticks since boot; None if it is gone, a zombie, or the system doesn't tell.
fn process_started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses, and may itself hold spaces and parentheses.
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::this_process("ana", "laptop", "spai apply", "2026-11-24T02:30:33.5Z".parse().unwrap())
    }

    #[test]
    fn it_reads_as_people_ask() {
        let holder = Holder { pid: 42, ..holder() };
        assert_eq!(holder.to_string(), "ana@laptop, process 42, since 2026-11-24T02:30:33Z: spai apply");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_living_process_is_not_dead_and_a_used_again_pid_is() {
        let here = holder();
        assert!(!here.is_dead(&here));
        assert!(Holder { pid_started: Some(1), ..here.clone() }.is_dead(&here));
        assert!(Holder { boot_id: "another".into(), ..here.clone() }.is_dead(&here));
        assert!(!Holder { host: "another".into(), pid_started: Some(1), ..here.clone() }.is_dead(&here));
        assert!(!here.is_seen_dead(&here));
        assert!(Holder { pid_started: Some(1), ..here.clone() }.is_seen_dead(&here));
        assert!(!Holder { boot_id: "another".into(), pid_started: Some(1), ..here.clone() }.is_seen_dead(&here));
    }
}
