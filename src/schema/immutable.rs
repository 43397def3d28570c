//! What can't change once an object stands.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::minor::Minor;
use crate::resource::{FieldPath, GroupVersionKind};

/// The fields of a kind that can't change. Paths are names alone: what tells items of lists apart is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Immutable {
    /// These, with all below them.
    pub fields: BTreeSet<String>,
    /// But for these, where only some of a field's fields can.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<String>,
}

/// The fields of a built-in kind that can't change, as far as probing found any. Some only can't once something else is so (a
/// ConfigMap with `immutable: true`): they aren't here.
pub fn immutable(gvk: &GroupVersionKind, minor: Minor) -> Option<&'static Immutable> {
    Facts::of(minor).immutable.get(&format!("{} {}", gvk.api_version(), gvk.kind))
}

impl Immutable {
    /// Whether the field at a path can't change.
    pub fn covers(&self, path: &FieldPath) -> bool {
        let within = |known: &String| path.is_within(known);
        self.fields.iter().any(within) && !self.except.iter().any(within)
    }

    /// Adds what another sample of the same kind told.
    pub fn add(&mut self, other: Self) {
        self.fields.extend(other.fields);
        self.except.extend(other.except);
    }

    /// Leaves out what stands below another one.
    pub fn shorten(&mut self) {
        let all = self.fields.clone();
        let below = |field: &str| all.iter().any(|above| field.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('.')));
        self.fields.retain(|field| !below(field));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::PathElement;

    #[test]
    fn what_is_within_an_immutable_field_cannot_change_but_for_exceptions() {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let pod = Immutable { fields: set(&["spec"]), except: set(&["spec.containers.image"]) };
        let containers = FieldPath::fields(&["spec", "containers"]);
        let container = containers.join(PathElement::keyed("name", "c"));
        assert!(pod.covers(&container.field("command")) && pod.covers(&containers));
        assert!(!pod.covers(&container.field("image")) && !pod.covers(&FieldPath::fields(&["metadata", "labels"])));
        assert!(!pod.covers(&FieldPath::fields(&["specification"])));
    }
}
