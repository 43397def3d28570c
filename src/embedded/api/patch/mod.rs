//! Patches as values: JSON patch, merge patch, strategic merge patch. Apply is `merge`'s.

mod json;
mod strategic;

use serde_json::{Map, Value};

pub use json::{PatchError, json_patch};
pub use strategic::strategic_merge;

/// RFC 7396.
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
