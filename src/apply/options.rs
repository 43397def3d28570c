//! How a run goes: how much at once, how long, and what a failure leads to.

use std::time::Duration;

/// What a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many requests are under way at once; at least 1.
    pub parallel: usize,
    /// What a failure leads to.
    pub on_failure: OnFailure,
    /// How long objects that are waited for together, before a wave or at the end, may take to get ready.
    pub timeout: Duration,
    /// How long an API server that doesn't answer is waited for.
    pub server_timeout: Duration,
}

impl Default for Options {
    /// Four at once, ten minutes to get ready, two minutes for the server, roll back.
    fn default() -> Self {
        Self { parallel: 4, on_failure: OnFailure::Rollback, timeout: Duration::from_mins(10), server_timeout: Duration::from_mins(2) }
    }
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// What this run did is undone.
    #[default]
    Rollback,
    /// The run stops where it is and can be gone on with: `apply --resume`, `apply --rollback`.
    Stop,
}

/// What the user at the terminal wants, or what makes the run stop: it only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupt {
    /// Go on.
    #[default]
    None,
    /// Start nothing new, let what is in flight answer, then roll back (or stop, with `--on-failure stop`).
    First,
    /// The lease in the cluster is lost: somebody else may be writing, so nothing more is written, not even to roll back.
    LeaseLost,
    /// Stop at once; the journal stays.
    Second,
}
