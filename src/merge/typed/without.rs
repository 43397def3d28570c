//! Parts of a value taken out.

use serde_json::{Map, Value};

use super::atom::{Atom, element};
use crate::merge::FieldSet;
use crate::resource::PathElement;
use crate::schema::{ListKind, TypeRef};

/// The value without these fields and items. What loses all that it held is null then, not gone: its type decides what becomes of that.
pub fn without_items(of: TypeRef<'_>, value: &Value, fields: &FieldSet) -> Value {
    take_out(Some(of), value, fields)
}

fn take_out(of: Option<TypeRef<'_>>, value: &Value, fields: &FieldSet) -> Value {
    let Some(of) = of else { return Value::Null };
    match (Atom::of(of, Some(value)), value) {
        (Atom::Scalar(_), _) => value.clone(),
        (Atom::List { kind: ListKind::Atomic, .. } | Atom::Map { atomic: true, .. }, _) => Value::Null,
        (Atom::List { item: of, kind }, Value::Array(items)) => {
            let mut left = Vec::new();
            for item in items {
                match element(kind, item).ok().and_then(|element| fields.at(&element)) {
                    Some((true, _)) => {}
                    Some((false, below)) if !below.is_empty() => left.push(take_out(Some(of), item, below)),
                    _ => left.push(item.clone()),
                }
            }
            if left.is_empty() { Value::Null } else { Value::Array(left) }
        }
        (Atom::Map { of, .. }, Value::Object(map)) => {
            let mut left = Map::new();
            for (name, value) in map {
                match fields.at(&PathElement::Field(name.clone())) {
                    Some((true, _)) => {}
                    Some((false, below)) if !below.is_empty() => {
                        left.insert(name.clone(), take_out(of.field(name), value, below));
                    }
                    _ => {
                        left.insert(name.clone(), value.clone());
                    }
                }
            }
            if left.is_empty() { Value::Null } else { Value::Object(left) }
        }
        _ => Value::Null,
    }
}
