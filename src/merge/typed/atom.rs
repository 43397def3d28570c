//! What a value is to its type: one scalar, a list, or a map.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::PathElement;
use crate::schema::{ListKey, ListKind, Scalar, Shape, TypeRef};

/// How a value is treated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Atom<'s> {
    Scalar(Scalar),
    List { item: TypeRef<'s>, kind: &'s ListKind },
    Map { of: TypeRef<'s>, atomic: bool },
}

/// Lists of which nothing is known.
static ATOMIC: ListKind = ListKind::Atomic;

impl<'s> Atom<'s> {
    /// What the value is by its type. A type that allows everything goes by the value; null, and no value at all, pass for a map.
    pub(super) fn of(of: TypeRef<'s>, value: Option<&Value>) -> Self {
        match (of.shape(), value) {
            (Shape::Scalar(scalar), _) => Self::Scalar(*scalar),
            (Shape::List { item, kind }, _) => Self::List { item: of.of(*item), kind },
            (Shape::Map { atomic, .. }, _) => Self::Map { of, atomic: *atomic },
            (Shape::Any, Some(Value::Array(_))) => Self::List { item: TypeRef::any(), kind: &ATOMIC },
            (Shape::Any, None | Some(Value::Null | Value::Object(_))) => Self::Map { of, atomic: false },
            (Shape::Any, Some(_)) => Self::Scalar(Scalar::Any),
        }
    }
}

/// What tells a list's item apart.
///
/// # Errors
/// It can't be told apart; why, in the server's words.
pub fn element(kind: &ListKind, item: &Value) -> Result<PathElement, String> {
    match kind {
        ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListKind::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(PathElement::Value(scalar.clone())),
        },
        ListKind::Map(keys) => keyed(keys, item),
    }
}

fn keyed(keys: &[ListKey], item: &Value) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(value) = map.get(&key.name).or(key.default.as_ref()) {
            found.insert(key.name.clone(), value.clone());
        }
    }
    if found.is_empty() && !keys.is_empty() {
        let names: Vec<String> = keys.iter().map(|key| format!("{:?}", key.name)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    Ok(PathElement::Key(found))
}

/// The elements of a list's items; of those that have none, nothing.
pub(super) fn elements(kind: &ListKind, items: &[Value]) -> Vec<(PathElement, usize)> {
    items.iter().enumerate().filter_map(|(index, item)| Some((element(kind, item).ok()?, index))).collect()
}
