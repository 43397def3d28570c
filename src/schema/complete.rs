//! What the server's defaulting makes of an object: tables, rules, and a CRD's own defaults.

use serde_json::Value;

use super::rules;
use super::types::{Field, Shape, TypeRef};

/// Fills in what the server would: the unconditional defaults of every struct that is there, the rules of its type, and those
/// of what they bring in turn. Doing it twice changes nothing more. The values are to be canonical (`canonical`).
///
/// What admission adds (service account tokens, default classes, limit ranges) and what the server allots (addresses, node
/// ports, a Job's selector) is no default, and not added.
pub fn complete(value: &mut Value, of: TypeRef<'_>) {
    match (of.shape(), value) {
        (Shape::Map { fields, .. }, Value::Object(map)) => {
            if let Some(name) = of.name() {
                rules::apply(name, map);
            }
            for field in fields.iter().filter(|field| field.default.is_some()) {
                if is_missing(of, field, map.get(&field.name))
                    && let Some(default) = &field.default
                {
                    map.insert(field.name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                if let Some(of) = of.field(name) {
                    complete(value, of);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            let item = of.of(*item);
            if !matches!(item.shape(), Shape::Scalar(_)) {
                for value in items {
                    complete(value, item);
                }
            }
        }
        _ => {}
    }
}

/// Whether the server finds nothing in a field: it isn't there, is null where null means nothing, or is a zero that isn't told
/// from nothing.
fn is_missing(of: TypeRef<'_>, field: &Field, value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::Null) => !of.of(field.of).nullable(),
        Some(value) => field.omits_zero && is_zero(value),
    }
}

/// Whether a value is its type's zero.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
