//! Whether an object does what it is for: the meaning that kstatus gave it, kind by kind.

use crate::resource::Object;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does what it is for.
    Ready,
    /// Not yet.
    Progressing {
        /// What is missing: `3 of 5 ready`.
        reason: String,
    },
    /// It won't without a change.
    Failed {
        /// Why, in the controller's words.
        reason: String,
    },
}

/// How far an object is, from its own status alone.
pub fn readiness(object: &Object) -> Readiness {
    if object.is_being_deleted() {
        return Readiness::Progressing { reason: "is being deleted".to_owned() };
    }
    Readiness::Ready
}
