//! What a command asks for: everything that comes from outside the stack, flags and surroundings alike.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::plan::{Asking, Filter};
use crate::stack::model::Strategy;

/// What a command asks for. The command line fills it in; nothing else looks at flags, variables or the process.
#[derive(Clone)]
pub struct Request {
    /// The stack's folder.
    pub stack_dir: PathBuf,
    /// `--environment`; None: the stack's only one.
    pub environment: Option<String>,
    /// `--state`: the folder that holds `<stack>/<environment>`; None: where the stack's place and stack.toml say.
    pub state_dir: Option<PathBuf>,
    /// The file with the state's key; None: in the configuration folder.
    pub state_key_file: Option<PathBuf>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--namespace`: the root of namespaces in place of the environment's.
    pub root_namespace: Option<String>,
    /// `--input NAME=VALUE`.
    pub inputs: BTreeMap<String, String>,
    /// `--strategy`: for all services.
    pub strategy: Option<Strategy>,
    /// `--target`, `--service`, `--tenant`.
    pub filter: Filter,
    /// How many objects are written at once; reads and dry-runs are several times as many.
    pub parallel: usize,
    /// How long an API server that doesn't answer is waited for.
    pub server_timeout: Duration,
    /// How long the objects of a wave may take to get ready.
    pub timeout: Duration,
    /// What the server is asked for a plan: `--verify`, `--offline`.
    pub asking: Asking,
    /// `--take-ownership`: fields of other managers are taken.
    pub take_ownership: bool,
    /// `--adopt`: objects made by others become ours.
    pub adopt: bool,
    /// The process that asks.
    pub process: Process,
    /// What environment variables chose, for the plan's first lines: `SPAI_CONTEXT=…`. No secrets.
    pub used: Vec<String>,
}

/// The process that asks, as far as anything depends on it.
#[derive(Clone)]
pub struct Process {
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// What was typed, for whoever finds the lock held.
    pub command: String,
    /// The environment variables; only declared inputs are looked up in them.
    pub variables: BTreeMap<String, String>,
    /// The user's configuration folder, which holds the state's key.
    pub config_dir: PathBuf,
}

impl Process {
    /// `user@host`.
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

impl Request {
    /// What is usual, for a stack's folder.
    pub fn new(stack_dir: impl Into<PathBuf>, process: Process) -> Self {
        Self {
            stack_dir: stack_dir.into(),
            environment: None,
            state_dir: None,
            state_key_file: None,
            kubeconfig: None,
            context: None,
            root_namespace: None,
            inputs: BTreeMap::new(),
            strategy: None,
            filter: Filter::default(),
            parallel: 4,
            server_timeout: Duration::from_mins(2),
            timeout: Duration::from_mins(10),
            asking: Asking::Changed,
            take_ownership: false,
            adopt: false,
            process,
            used: Vec::new(),
        }
    }

    /// How many reads and dry-runs are under way at once: they change nothing, so more than writes.
    pub fn parallel_reads(&self) -> usize {
        self.parallel.clamp(1, 64) * 4
    }
}
