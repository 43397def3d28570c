//! The cluster's time: the machine's, or one that a test moves.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// What says how late it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Machine,
    /// One that stands still unless it is moved.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands still there.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(start)))
    }

    /// How late it is.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Machine => Timestamp::now(),
            Self::Manual(time) => *time.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// Moves a manual clock on; the machine's doesn't care.
    pub fn advance(&self, by: SignedDuration) {
        if let Self::Manual(time) = self {
            let mut time = time.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *time = time.saturating_add(by).unwrap_or(*time);
        }
    }
}

/// As Kubernetes writes it: whole seconds, UTC.
pub fn seconds(time: Timestamp) -> String {
    // A timestamp prints its fraction; what is cut off can't be negative.
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    whole.to_string()
}
