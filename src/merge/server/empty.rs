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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        assert!(BUILT_IN.len() > 50 && BUILT_IN["apps/v1 Deployment"]["spec"]["template"]["spec"]["containers"].is_null());
    }
}
