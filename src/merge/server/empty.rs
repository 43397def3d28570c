//! An object that has nothing yet, as the server begins with one: what is in it already is not new.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::schema::TypeRef;

/// Of the built-in kinds: structs that are held by value are there, and what is always written is null, empty or zero. Read off
/// OpenAPI (`default: {}` is such a struct) and, for lists that are optional but always written, the Go types.
// It is a file of ours, and tests read it: a broken one would not be found out by users.
static BUILT_IN: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("empty_objects.json")).unwrap_or_default());

/// An object of the type of `like`, with nothing in it.
pub(super) fn empty_object(of: TypeRef<'_>, like: &Value) -> Value {
    let text = |name: &str| like[name].as_str().unwrap_or_default();
    let known = of.name().and_then(|_| BUILT_IN.get(&format!("{} {}", text("apiVersion"), text("kind"))));
    let mut object = known.and_then(Value::as_object).cloned().unwrap_or_default();
    for name in ["apiVersion", "kind"] {
        object.insert(name.to_owned(), like[name].clone());
    }
    Value::Object(object)
}

/// Puts in what an object of a built-in kind always has: structs that are held by value. To be done before defaults are set.
pub(super) fn with_structs(of: TypeRef<'_>, object: &mut Value) {
    fill(object, &empty_object(of, object), &|standing, empty| {
        if empty.is_object() && standing.is_null() {
            *standing = Value::Object(Map::new());
        }
    });
}

/// What is always written is there, once defaults are set: lists that are empty as null, numbers and texts that say nothing.
pub(super) fn with_always_written(of: TypeRef<'_>, object: &mut Value) {
    fill(object, &empty_object(of, object), &|standing, empty| {
        let is_empty_list = empty.is_null() && standing.as_array().is_some_and(Vec::is_empty);
        if is_empty_list || (standing.is_null() && !empty.is_object()) {
            *standing = empty.clone();
        }
    });
}

/// Visits every place of an empty object but its status, and what stands there; of what isn't there, null. What is null after
/// that, and not in the empty object, isn't there.
fn fill(object: &mut Value, empty: &Value, visit: &dyn Fn(&mut Value, &Value)) {
    let (Some(object), Some(empty)) = (object.as_object_mut(), empty.as_object()) else { return };
    for (name, empty) in empty.iter().filter(|(name, _)| *name != "status") {
        let mut standing = object.remove(name).unwrap_or_default();
        visit(&mut standing, empty);
        fill(&mut standing, empty, visit);
        if !standing.is_null() || empty.is_null() {
            object.insert(name.clone(), standing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        assert!(BUILT_IN.len() > 50 && BUILT_IN["apps/v1 Deployment"]["spec"]["template"]["spec"]["containers"].is_null());
    }
}
