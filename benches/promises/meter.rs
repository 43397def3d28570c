//! What a whole process costs: time, processor, memory. A process of its own starts it and asks the kernel afterwards, so that
//! nothing of other children is in the figures.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

/// The costs of a process.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// From start to end, in milliseconds.
    pub wall: f64,
    /// User and system, in milliseconds.
    pub cpu: f64,
    /// The most memory it had, in megabytes.
    pub peak: f64,
    /// Its exit code.
    pub code: i32,
}

/// Runs a command under the meter; its cost, and what it printed.
pub fn run(command: &Command) -> (Cost, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let result = folder.path().join("cost");
    let mut metered = Command::new(env::current_exe().expect("this program"));
    metered.arg("--meter").arg(&result).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        metered.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => metered.env(name, value),
            None => metered.env_remove(name),
        };
    }
    let output = metered.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("the meter runs");
    let cost: Cost = serde_json::from_slice(&fs::read(&result).expect("the meter wrote")).expect("a cost");
    (cost, output.stdout)
}

/// The meter's own process: `RESULT PROGRAM ARGUMENT…`.
pub fn main(arguments: &[OsString]) {
    let [result, program, arguments @ ..] = arguments else { panic!("--meter RESULT PROGRAM ARGUMENT…") };
    let begun = Instant::now();
    let status = Command::new(program).args(arguments).status().expect("the program runs");
    let wall = begun.elapsed().as_secs_f64() * 1e3;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel tells");
    let cpu = (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e3;
    let cost = Cost { wall, cpu, peak: usage.max_rss() as f64 * 1024.0 / 1e6, code: status.code().unwrap_or(-1) };
    fs::write(Path::new(result), serde_json::to_vec(&cost).expect("JSON")).expect("the result is written");
}

/// The middle one of several costs, each figure for itself.
pub fn median(costs: &[Cost]) -> Cost {
    let middle = |figure: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Cost { wall: middle(|c| c.wall), cpu: middle(|c| c.cpu), peak: middle(|c| c.peak), code: 0 }
}
