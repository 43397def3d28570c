//! Why something isn't ready, in words that come from pods, events, quota, scheduling, image pulls and probes.

use crate::resource::ObjectKey;

/// One reason why something isn't ready.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Symptom {
    /// Since when, as the server wrote it.
    pub since: Option<String>,
    /// What it was seen on: a pod, a replica set, the object itself.
    pub object: ObjectKey,
    /// In words: `container app: image "x" can't be pulled: not found`.
    pub text: String,
    /// What kind of trouble it is.
    pub trouble: Trouble,
}

/// Kinds of trouble, as far as somebody acts upon the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Waiting doesn't help: something has to be changed first.
    Final,
    /// It may pass by itself.
    Passing,
}

/// Whether waiting can't help.
pub fn terminal(symptom: &Symptom) -> bool {
    symptom.trouble == Trouble::Final
}
