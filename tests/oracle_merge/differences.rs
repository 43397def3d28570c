//! Where the server is known to do otherwise than the function says, each with its reason. Short, and to stay so.

use serde_json::Value;

use crate::cases::Case;
use crate::step::{Step, Write};

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
        name: "written after a scale",
        reason: "an object that was scaled may be written once more by an apply that changes nothing: its stored form differs though no \
                 answer shows it, and the resourceVersion moves once; why, isn't known",
        is: |case, step, how| {
            case.scale.is_some()
                && matches!(step.write, Write::Apply { .. })
                && how.starts_with("written after a scale, where nothing was to be")
        },
    },
    Difference {
        name: "owner references by a JSON patch",
        reason: "a JSON patch that gives a custom object several owner references may leave those who own them as they were; why, isn't \
                 known; no plan depends on it, for nobody applies by one",
        is: |case, step, how| {
            let several = |changes: &Value| changes["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.len() > 1);
            case.template.is_none() && how.starts_with("managers") && matches!(&step.write, Write::JsonPatch(changes) if several(changes))
        },
    },
];
