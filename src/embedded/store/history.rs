//! The last writes, in their order: what a watch is told, and how a list of a moment ago is found again.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::Place;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Event {
    /// The version that it made.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// Where.
    pub place: Place,
    /// The object as it now is; of a delete, as it last was, with this write's version.
    pub object: Arc<Value>,
    /// The object as it was.
    pub before: Option<Arc<Value>>,
}

/// The last events; each has the version after the one before it.
#[derive(Debug)]
pub(super) struct History {
    events: VecDeque<Event>,
    /// Everything up to this version is no longer known.
    forgotten: u64,
    kept: usize,
}

impl History {
    /// Nothing before `version` is known; so many events are kept.
    pub fn new(version: u64, kept: usize) -> Self {
        Self { events: VecDeque::new(), forgotten: version, kept }
    }

    pub fn push(&mut self, event: Event) {
        self.events.push_back(event);
        while self.events.len() > self.kept {
            if let Some(event) = self.events.pop_front() {
                self.forgotten = event.version;
            }
        }
    }

    /// The events after a version, oldest first. None: some of them are no longer known.
    pub fn after(&self, version: u64) -> Option<impl DoubleEndedIterator<Item = &Event>> {
        if version < self.forgotten {
            return None;
        }
        let skipped = usize::try_from(version - self.forgotten).unwrap_or(usize::MAX).min(self.events.len());
        Some(self.events.range(skipped..))
    }

    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Forgets everything: as if so much had happened since.
    pub fn forget(&mut self) {
        if let Some(event) = self.events.back() {
            self.forgotten = event.version;
        }
        self.events.clear();
    }
}
