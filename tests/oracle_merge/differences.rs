//! Where the server is known to do otherwise than the function says, each with its reason. Short, and to stay so.

use crate::cases::Case;
use crate::step::Step;

/// A difference that is explained.
pub struct Difference {
    /// Its name, in the count at the end.
    pub name: &'static str,
    /// Why it can't be told from the object and the schema.
    pub reason: &'static str,
    /// Whether a difference is this one: the kind, the write, and how it showed.
    pub is: fn(&Case, &Step, &str) -> bool,
}

/// All of them.
pub const KNOWN: &[Difference] = &[
    Difference {
        name: "empty metadata of a custom object",
        reason: "`labels: {}` is stored with a custom object, though no answer shows it: the next write, which hasn't got it, is one",
        is: |case, _, how| case.template.is_none() && how.starts_with("written, where nothing was to be written"),
    },
    Difference {
        name: "stored otherwise",
        reason: "what is stored of a new PersistentVolumeClaim, and of an object that was scaled, is not what a later write of the same \
                 makes of it, though no answer shows a difference: the resourceVersion moves once",
        is: |case, _, how| {
            (case.kind == "PersistentVolumeClaim" || case.scale.is_some()) && how.starts_with("written, where nothing was to be written")
        },
    },
    Difference {
        name: "empty lists within an atomic value",
        reason: "an empty list that isn't stored (nonResourceURLs) makes the rules around it another value, when they are written again",
        is: |case, _, how| case.kind == "ClusterRole" && how.starts_with("managers"),
    },
];
