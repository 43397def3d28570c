//! How a run ended: what was done, what was undone, what failed and why, and what is left between two states.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::admission::symptoms::Symptom;
use crate::plan::Action;
use crate::resource::{Diagnostic, ObjectKey};

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// In a word.
    pub ending: Ending,
    /// The revision that the state has now.
    pub revision: u64,
    /// What was done and stays done, in the order of identities.
    pub done: BTreeMap<ObjectKey, Action>,
    /// What failed, the first failure first.
    pub failures: Vec<Failure>,
    /// What was undone: these objects are as they were.
    pub restored: Vec<Restored>,
    /// What is between two states: not done, not undone. Empty but for [`Ending::Between`].
    pub left: Vec<Left>,
    /// What the server warned about, with the object that it was said of.
    pub warnings: Vec<(ObjectKey, String)>,
    /// Nothing of the run is left to be gone on with or undone: its journal can be finished.
    #[serde(skip)]
    pub over: bool,
    /// What to do next, where something is to be done: `spai apply --resume`, …
    pub advice: Option<String>,
}

/// How a run ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The cluster is as the plan said.
    Applied,
    /// Something failed, or somebody interrupted; the cluster is as it was.
    RolledBack,
    /// The cluster is between two states, and [`Outcome::left`] says what.
    Between,
    /// Nothing was written.
    Untouched,
}

impl Outcome {
    /// A run that has not done anything yet.
    pub fn untouched(revision: u64) -> Self {
        Self {
            ending: Ending::Untouched,
            revision,
            done: BTreeMap::new(),
            failures: Vec::new(),
            restored: Vec::new(),
            left: Vec::new(),
            warnings: Vec::new(),
            over: true,
            advice: None,
        }
    }

    /// The process's exit code: 0 applied, 1 failed before anything was written, 3 rolled back, 4 between two states,
    /// 130 interrupted before anything was written.
    pub fn exit_code(&self) -> u8 {
        match self.ending {
            Ending::Applied => 0,
            Ending::RolledBack => 3,
            Ending::Between => 4,
            Ending::Untouched if self.failures.iter().any(|failure| failure.diagnostic.code == "apply::interrupted") => 130,
            Ending::Untouched if self.failures.is_empty() => 0,
            Ending::Untouched => 1,
        }
    }
}

/// A change that failed, or what stopped the run.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Which object; None when it is about the run: interrupted, the lease lost, the API server away.
    pub key: Option<ObjectKey>,
    /// What happened, in the server's words where it was the server.
    pub diagnostic: Diagnostic,
    /// Why: what pods, events, quota, scheduling, probes and logs say.
    pub symptoms: Vec<Symptom>,
}

/// An object that is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Which.
    pub key: ObjectKey,
    /// What was undone.
    pub action: Action,
    /// What isn't as it was all the same, and can't be: `it has a new uid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An object that is neither as it was nor as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Which.
    pub key: ObjectKey,
    /// What the run did to it, or was about to.
    pub action: Action,
    /// What it is like now and why it was left so.
    pub reason: String,
}
