//! The fields that a value has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::atom::{Atom, elements};
use crate::merge::FieldSet;
use crate::schema::{ListKind, TypeRef};

/// Every field, item of a list, and value that stands there as a whole: what a manager owns that applies the value.
///
/// An item that is there twice is one member, and nothing below it.
pub fn fields_of(of: TypeRef<'_>, value: &Value) -> FieldSet {
    collect(of, value).1
}

/// Whether the value itself is a member, and the members below it.
fn collect(of: TypeRef<'_>, value: &Value) -> (bool, FieldSet) {
    let mut set = FieldSet::default();
    match (Atom::of(of, Some(value)), value) {
        (Atom::Scalar(_) | Atom::List { kind: ListKind::Atomic, .. } | Atom::Map { atomic: true, .. }, _) => return (true, set),
        (Atom::List { item, kind }, Value::Array(items)) => {
            let elements = elements(kind, items);
            let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
            for (element, _) in &elements {
                if !seen.insert(element) {
                    twice.insert(element.clone());
                }
            }
            for (element, index) in &elements {
                let below = if twice.contains(element) { FieldSet::default() } else { collect(item, &items[*index]).1 };
                set.put(element.clone(), true, below);
            }
        }
        (Atom::Map { of, .. }, Value::Object(map)) => {
            for (name, value) in map {
                let (member, below) = of.field(name).map(|of| collect(of, value)).unwrap_or_default();
                let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                let element = crate::resource::PathElement::Field(name.clone());
                set.put(element, member || empty || of.known_field(name).is_none(), below);
            }
        }
        _ => {}
    }
    (false, set)
}
