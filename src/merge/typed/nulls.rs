//! Nulls where a custom kind has none.

use serde_json::Value;

use crate::resource::{FieldPath, PathElement};
use crate::schema::{Shape, TypeRef};

/// The first null that the server refuses when it is applied to a custom kind: of a field that is not nullable, and has no
/// default. Merging leaves one where a map or list has lost all that it held. (In any other write the server drops them itself.)
pub fn refused_null(of: TypeRef<'_>, object: &Value) -> Option<FieldPath> {
    let object = object.as_object()?;
    object.iter().filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata")).find_map(|(name, value)| {
        let mut path = field(of, name, value, 0)?;
        path.reverse();
        Some(FieldPath(path))
    })
}

/// Deeper is nothing real.
const DEPTH: usize = 200;

fn field(of: TypeRef<'_>, name: &str, value: &Value, depth: usize) -> Option<Vec<PathElement>> {
    let has_default = of.known_field(name).is_some_and(|field| field.default.is_some());
    if value.is_null() && has_default {
        return None;
    }
    below(of.field(name)?, value, depth).map(|mut path| {
        path.push(PathElement::Field(name.to_owned()));
        path
    })
}

fn below(of: TypeRef<'_>, value: &Value, depth: usize) -> Option<Vec<PathElement>> {
    if depth > DEPTH || matches!(of.shape(), Shape::Any) {
        return None;
    }
    match value {
        Value::Null => (!of.nullable()).then(Vec::new),
        Value::Object(map) => map.iter().find_map(|(name, value)| field(of, name, value, depth + 1)),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let mut path = below(of.item()?, item, depth + 1)?;
            path.push(PathElement::Index(index));
            Some(path)
        }),
        _ => None,
    }
}
