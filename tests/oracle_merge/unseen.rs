//! What a server stores of an object and shows in no answer: it decides whether the next write is one.

use std::collections::BTreeSet;

use serde_json::Value;
use spai::merge;
use spai::schema::{Shape, TypeRef};

use crate::cases::Case;
use crate::compare::{managers, normal};

/// What is stored otherwise than answers show it: the next write is one, even if it changes nothing.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any may be together")]
pub struct Unseen {
    /// Of a custom object, empty maps and lists of metadata: an apply stores them, no read has them.
    empty_metadata: bool,
    /// Of a custom object, where nulls are that no schema speaks of: an apply stores them, and a read hasn't all of them.
    nulls: BTreeSet<String>,
    /// A new PersistentVolumeClaim's phase: none is stored, and every read has the default.
    no_phase: bool,
    /// A field that only the stored version has: a write in another version loses it.
    wider: bool,
    /// Of a custom kind, the defaults of a struct that a scale has made: they aren't stored, and every read has them.
    defaults: bool,
    /// Of a built-in kind, who owns what, in the order of names as text: so a scale writes it, and nobody else.
    as_text: bool,
}

impl Unseen {
    /// After a create (no live object) or another write that the server stored as this.
    pub fn after(case: &Case, of: TypeRef<'_>, live: Option<&Value>, stored: &Value, is_apply: bool) -> Self {
        let holds_all = is_apply && case.template.is_none() && case.is_stored_so();
        Self {
            empty_metadata: holds_all && has_empty_metadata(stored),
            nulls: if holds_all { nulls(of, stored) } else { BTreeSet::new() },
            no_phase: case.kind == "PersistentVolumeClaim" && live.is_none(),
            wider: case.is_stored_so() && !stored["spec"]["inner"]["extra"].is_null(),
            defaults: false,
            as_text: false,
        }
    }

    /// After a scale that was written: what was worked out, and what a read has.
    pub fn after_scale(case: &Case, of: TypeRef<'_>, live: &Value, worked_out: &Value, read: &Value) -> Self {
        let is_custom = case.template.is_none();
        Self {
            defaults: is_custom && !merge::diff(of, &normal(worked_out), &normal(read)).is_empty(),
            as_text: !is_custom && managers(read, false).iter().any(|(_, _, fields)| !fields.is_in_order_of_names()),
            ..Self::after(case, of, Some(live), read, false)
        }
    }

    /// Whether storing this would write, though nothing is to be written.
    pub fn differs_from(&self, case: &Case, of: TypeRef<'_>, object: &Value) -> bool {
        let empty_metadata = case.is_stored_so() && has_empty_metadata(object);
        let nulls = if case.is_stored_so() { nulls(of, object) } else { BTreeSet::new() };
        let loses_null = !self.nulls.is_subset(&nulls);
        self.defaults
            || self.as_text
            || self.no_phase
            || loses_null
            || (self.empty_metadata && !empty_metadata)
            || (self.wider && !case.is_stored_so())
    }
}

/// An object's own metadata, or that of one within it.
fn has_empty_metadata(object: &Value) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    object.as_object().into_iter().flatten().any(|(name, value)| match value {
        Value::Object(metadata) if name == "metadata" => metadata.values().any(is_empty),
        below => has_empty_metadata(below),
    })
}

/// Where an object's spec has nulls that its schema doesn't speak of. (Those that it does speak of are shown, or not stored.)
fn nulls(of: TypeRef<'_>, object: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let (Some(of), Some(spec)) = (of.field("spec"), object.get("spec")) {
        find_nulls(of, spec, String::new(), &mut found);
    }
    found
}

fn find_nulls(of: TypeRef<'_>, value: &Value, path: String, found: &mut BTreeSet<String>) {
    match value {
        Value::Null if matches!(of.shape(), Shape::Any) => drop(found.insert(path)),
        Value::Object(map) => {
            for (name, value) in map {
                find_nulls(of.field(name).unwrap_or(TypeRef::any()), value, format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                find_nulls(of.item().unwrap_or(TypeRef::any()), value, format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}
