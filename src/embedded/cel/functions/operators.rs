//! Operators, equality, membership, optionals.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::types::{ListKind, Type};
use super::super::value::{Key, Value};
use super::{Functions, no_overload};

pub(super) const ALL: Functions = &[
    ("_&&_(bool, bool): bool", |_| no_overload()),
    ("_||_(bool, bool): bool", |_| no_overload()),
    ("_?_:_(bool, A, A): A", |_| no_overload()),
    ("!_(bool): bool", |args| match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => no_overload(),
    }),
    ("_==_(A, A): bool", |args| comparable(args).map(|()| Value::Bool(args[0] == args[1]))),
    ("_!=_(A, A): bool", |args| comparable(args).map(|()| Value::Bool(args[0] != args[1]))),
    ("_[_](list(A), int): A", item),
    ("_[_](map(A, B), A): B", entry),
    ("_[_](optional_type(list(V)), int): optional_type(V)", |args| optional_index(args, item)),
    ("_[_](optional_type(map(K, V)), K): optional_type(V)", |args| optional_index(args, entry)),
    ("_[?_](list(A), int): optional_type(A)", |args| Ok(Value::optional(item(args).ok()))),
    ("_[?_](map(A, B), A): optional_type(B)", |args| Ok(Value::optional(entry(args).ok()))),
    ("_[?_](optional_type(list(V)), int): optional_type(V)", |args| optional_index(args, item)),
    ("_[?_](optional_type(map(K, V)), K): optional_type(V)", |args| optional_index(args, entry)),
    ("@in(A, list(A)): bool", |args| match &args[1] {
        Value::List(items, _) => Ok(Value::Bool(items.contains(&args[0]))),
        _ => no_overload(),
    }),
    ("@in(A, map(A, B)): bool", |args| match &args[1] {
        Value::Map(map) => Ok(Value::Bool(args[0].key().is_some_and(|key| map.contains_key(&key)))),
        _ => no_overload(),
    }),
    ("_+_(list(A), list(A)): list(A)", |args| match args {
        [Value::List(one, kind), Value::List(two, _)] => Ok(Value::List(Arc::new(merged(one, two, kind)), kind.clone())),
        _ => no_overload(),
    }),
    ("dyn(A): dyn", |args| Ok(args[0].clone())),
    ("type(A): type", |args| Ok(Value::Kind(args[0].type_name().into()))),
    ("optional.none(): optional_type(A)", |_| Ok(Value::Optional(None))),
    ("optional.of(A): optional_type(A)", |args| Ok(Value::optional(Some(args[0].clone())))),
    ("optional.ofNonZeroValue(A): optional_type(A)", |args| Ok(Value::optional((!is_zero(&args[0])).then(|| args[0].clone())))),
    ("optional_type(A) -> hasValue(): bool", |args| match args {
        [Value::Optional(inner)] => Ok(Value::Bool(inner.is_some())),
        _ => no_overload(),
    }),
    ("optional_type(A) -> value(): A", |args| match args {
        [Value::Optional(Some(inner))] => Ok(Value::clone(inner)),
        _ => Err("optional.none() dereference".to_owned()),
    }),
    ("optional_type(A) -> or(optional_type(A)): optional_type(A)", |args| match args {
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => Ok(args[0].clone()),
    }),
    ("optional_type(A) -> orValue(A): A", |args| match args {
        [Value::Optional(Some(inner)), _] => Ok(Value::clone(inner)),
        _ => Ok(args[1].clone()),
    }),
];

/// Comparisons, each for all of [`ORDERED`].
pub(super) const COMPARISONS: Functions = &[("_<_", less), ("_<=_", at_most), ("_>_", more), ("_>=_", at_least)];

/// What has an order: of one type, or numbers of two.
pub(super) const ORDERED: [(Type, Type); 14] = [
    (Type::Bool, Type::Bool),
    (Type::Int, Type::Int),
    (Type::Int, Type::Uint),
    (Type::Int, Type::Double),
    (Type::Uint, Type::Uint),
    (Type::Uint, Type::Int),
    (Type::Uint, Type::Double),
    (Type::Double, Type::Double),
    (Type::Double, Type::Int),
    (Type::Double, Type::Uint),
    (Type::String, Type::String),
    (Type::Bytes, Type::Bytes),
    (Type::Timestamp, Type::Timestamp),
    (Type::Duration, Type::Duration),
];

/// Questions about rights are the same as nothing, not even as themselves.
fn comparable(args: &[Value]) -> Result<(), String> {
    if args.iter().any(|value| matches!(value, Value::Rights(_))) { no_overload().map(drop) } else { Ok(()) }
}

fn ordered(args: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, String> {
    // A number that is none has no order to others.
    Ok(Value::Bool(args[0].order(&args[1]).is_some_and(holds)))
}

fn less(args: &[Value]) -> Result<Value, String> {
    ordered(args, Ordering::is_lt)
}

fn at_most(args: &[Value]) -> Result<Value, String> {
    ordered(args, Ordering::is_le)
}

fn more(args: &[Value]) -> Result<Value, String> {
    ordered(args, Ordering::is_gt)
}

fn at_least(args: &[Value]) -> Result<Value, String> {
    ordered(args, Ordering::is_ge)
}

fn item(args: &[Value]) -> Result<Value, String> {
    match args {
        [Value::List(items, _), Value::Int(at)] => {
            usize::try_from(*at).ok().and_then(|at| items.get(at)).cloned().ok_or_else(|| format!("index out of bounds: {at}"))
        }
        _ => no_overload(),
    }
}

fn entry(args: &[Value]) -> Result<Value, String> {
    let Value::Map(map) = &args[0] else { return no_overload() };
    let key = args[1].key().ok_or_else(|| "no such overload".to_owned())?;
    map.get(&key).cloned().ok_or_else(|| match &key {
        Key::String(text) => format!("no such key: {text}"),
        Key::Int(number) => format!("no such key: {number}"),
        Key::Bool(value) => format!("no such key: {value}"),
    })
}

fn optional_index(args: &[Value], find: fn(&[Value]) -> Result<Value, String>) -> Result<Value, String> {
    match &args[0] {
        Value::Optional(Some(inner)) => Ok(Value::optional(find(&[Value::clone(inner), args[1].clone()]).ok())),
        _ => Ok(Value::Optional(None)),
    }
}

/// Sets take what they don't have; keyed lists replace what has the same keys.
fn merged(one: &[Value], two: &[Value], kind: &ListKind) -> Vec<Value> {
    let mut items = one.to_vec();
    for value in two {
        let same = match kind {
            ListKind::Atomic => None,
            ListKind::Set => items.iter().position(|known| known == value),
            ListKind::Map(keys) => items.iter().position(|known| keyed(known, keys) == keyed(value, keys)),
        };
        match same {
            Some(at) => items[at] = value.clone(),
            None => items.push(value.clone()),
        }
    }
    items
}

fn keyed(item: &Value, keys: &[String]) -> Vec<Option<Value>> {
    let Value::Map(map) = item else { return Vec::new() };
    keys.iter().map(|key| map.get(&Key::String(key.as_str().into())).cloned()).collect()
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items, _) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Duration(time) => time.is_zero(),
        Value::Optional(inner) => inner.is_none(),
        _ => false,
    }
}
