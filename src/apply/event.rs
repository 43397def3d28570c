//! What happens during a run, as it happens: what progress displays and logs are made of.

use std::time::Duration;

use serde::Serialize;

use crate::plan::Action;
use crate::resource::ObjectKey;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A wave begins.
    WaveStarted {
        /// From 0.
        wave: usize,
        /// Of how many.
        waves: usize,
        /// How many objects it has.
        objects: usize,
    },
    /// A change's requests were sent and answered.
    Sent {
        /// Which object.
        key: ObjectKey,
        /// What was done.
        action: Action,
    },
    /// An object isn't ready yet; told again whenever the reason changes.
    Waiting {
        /// Which object.
        key: ObjectKey,
        /// Why: `3 of 5 ready`, `2 pods: Unschedulable, 0 of 6 nodes have 4 CPU free`.
        reason: String,
    },
    /// An object is ready (or gone, where it was deleted).
    Ready {
        /// Which object.
        key: ObjectKey,
        /// Since it was sent.
        after: Duration,
    },
    /// A change failed.
    Failed {
        /// Which object.
        key: ObjectKey,
        /// Why, in one line.
        reason: String,
    },
    /// The API server doesn't answer; it is waited for.
    ServerAway {
        /// What went wrong.
        reason: String,
    },
    /// It answers again.
    ServerBack,
    /// What this run did is undone, in reverse.
    RollbackStarted {
        /// How many changes are undone.
        changes: usize,
    },
    /// A change was undone.
    Undone {
        /// Which object.
        key: ObjectKey,
    },
    /// A change couldn't be undone, or must not (somebody else changed the object since).
    NotUndone {
        /// Which object.
        key: ObjectKey,
        /// Why.
        reason: String,
    },
}

/// Takes events; must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Takes no notice.
impl Observer for () {
    fn event(&self, _: &Event) {}
}
