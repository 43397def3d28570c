//! What only the server can answer, and its answers, in terms that need no connection.

use crate::resource::{GroupKind, Object, ObjectKey};

use super::Conflict;

/// Something to find out before the plan can be made. It is asked again after every answer until none is left.
#[derive(Clone, Debug)]
pub struct Question {
    /// To be given back with the answer.
    pub id: usize,
    /// About which object.
    pub key: ObjectKey,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// What a server-side apply would do.
    DryRun {
        /// The configuration.
        object: Object,
        /// With or without taking others' fields.
        force: bool,
        /// The object that it is expected to find, by uid and resourceVersion; None: nothing.
        live: Option<Object>,
    },
    /// How many objects of a kind there are.
    Count(GroupKind),
}

/// What the server said.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The apply would succeed.
    Applied {
        /// What would be there.
        object: Object,
        /// The server's warnings.
        warnings: Vec<String>,
    },
    /// Others own fields that it would change.
    Conflict(Vec<Conflict>),
    /// The object isn't the one that was expected: this is there now, if anything is.
    Moved(Option<Object>),
    /// Validation refuses it.
    Invalid {
        /// Field and words, where the server tells them apart.
        causes: Vec<(String, String)>,
        /// All its words.
        message: String,
    },
    /// Admission, quota, Pod Security or missing rights refuse it; or what it lives in isn't there.
    Refused {
        /// The server's words.
        message: String,
    },
    /// We may not even ask: the prediction has to do.
    NotAllowed {
        /// The right that is missing: `patch deployments.apps`.
        right: String,
    },
    /// So many.
    Count(usize),
}
