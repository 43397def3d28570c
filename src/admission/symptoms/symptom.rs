//! One reason why something isn't ready.

use serde::Serialize;

use crate::resource::{Object, ObjectKey};

/// One reason why something isn't ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Symptom {
    /// Since when, as the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What it was seen on: a pod, a replica set, a volume claim, the object itself.
    pub object: ObjectKey,
    /// In words: `container app: its image "x" can't be pulled: not found`. One or several lines (a log's last ones).
    pub text: String,
    /// Whether waiting can help.
    pub trouble: Trouble,
}

/// Whether waiting can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// It can't: something has to be changed first.
    Final,
    /// It may pass by itself.
    Passing,
}

/// Whether waiting can't help.
pub fn terminal(symptom: &Symptom) -> bool {
    symptom.trouble == Trouble::Final
}

impl Symptom {
    pub(super) fn new(object: &Object, since: Option<&str>, trouble: Trouble, text: impl Into<String>) -> Self {
        Self { since: since.map(str::to_owned), object: object.key(), text: clean(&text.into()), trouble }
    }

    pub(super) fn passing(object: &Object, since: Option<&str>, text: impl Into<String>) -> Self {
        Self::new(object, since, Trouble::Passing, text)
    }

    pub(super) fn last(object: &Object, since: Option<&str>, text: impl Into<String>) -> Self {
        Self::new(object, since, Trouble::Final, text)
    }
}

/// What comes from a cluster may hold anything: no control characters reach a terminal but the ends of lines, and nothing
/// is longer than a screen.
fn clean(text: &str) -> String {
    const LONGEST: usize = 1200;
    let mut out: String = text.trim().chars().filter(|c| *c == '\n' || !c.is_control()).take(LONGEST).collect();
    if text.trim().chars().count() > LONGEST {
        out.push('…');
    }
    out
}
