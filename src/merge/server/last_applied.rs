//! kubectl's move from client-side to server-side apply: conflicts over what its annotation says it applied don't count, and the
//! annotation is kept up.

use serde_json::{Map, Value};

use crate::merge::FieldSet;
use crate::merge::field_set::json_text;
use crate::merge::typed::{Duplicates, compare, fields_of, validate};
use crate::schema::TypeRef;

/// Where `kubectl apply` keeps what it applied.
pub(in crate::merge) const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// All annotations together may not be larger.
const LARGEST: usize = 256 * 1024;

/// The fields that `kubectl apply` has applied from the client, and that still have these values.
pub(super) fn allowed_conflicts(live: &Value, of: TypeRef<'_>) -> FieldSet {
    let Some(text) = live["metadata"]["annotations"][ANNOTATION].as_str().filter(|text| !text.is_empty()) else {
        return FieldSet::default();
    };
    let Ok(last) = serde_json::from_str::<Value>(text) else { return FieldSet::default() };
    if last["apiVersion"] != live["apiVersion"] || validate(of, &last, Duplicates::Refused).is_err() {
        return FieldSet::default();
    }
    let changes = compare(of, &last, live);
    fields_of(of, &last).difference(&changes.modified).difference(&changes.added).difference(&changes.removed)
}

/// Puts the configuration into the annotation, if the object has one.
pub(super) fn recorded(object: &mut Value, configuration: &Value) {
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    if annotations.get(ANNOTATION).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = configuration.clone();
    if let Some(metadata) = applied.get_mut("metadata").and_then(Value::as_object_mut) {
        let own = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let empty = own.map(|own| {
            own.remove(ANNOTATION);
            own.is_empty()
        });
        if empty == Some(true) {
            metadata.insert("annotations".to_owned(), Value::Object(Map::new()));
        }
    }
    annotations.insert(ANNOTATION.to_owned(), Value::from(json_text(&applied) + "\n"));
    let size: usize = annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size > LARGEST {
        annotations.remove(ANNOTATION);
    }
}
