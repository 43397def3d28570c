//! Lists and sets.

use std::cmp::Ordering;

use super::super::value::Value;
use super::{Functions, call, no_overload};

pub(super) const ALL: Functions = &[
    ("size(list(A)): int", size),
    ("size(map(A, B)): int", size),
    ("list(A) -> size(): int", size),
    ("map(A, B) -> size(): int", size),
    ("list(int) -> isSorted(): bool", is_sorted),
    ("list(uint) -> isSorted(): bool", is_sorted),
    ("list(double) -> isSorted(): bool", is_sorted),
    ("list(bool) -> isSorted(): bool", is_sorted),
    ("list(string) -> isSorted(): bool", is_sorted),
    ("list(bytes) -> isSorted(): bool", is_sorted),
    ("list(duration) -> isSorted(): bool", is_sorted),
    ("list(timestamp) -> isSorted(): bool", is_sorted),
    ("list(int) -> sum(): int", |args| sum(args, Value::Int(0))),
    ("list(uint) -> sum(): uint", |args| sum(args, Value::Uint(0))),
    ("list(double) -> sum(): double", |args| sum(args, Value::Double(0.0))),
    ("list(duration) -> sum(): duration", |args| sum(args, Value::Duration(jiff::SignedDuration::ZERO))),
    ("list(int) -> min(): int", |args| extreme(args, "min", Ordering::Less)),
    ("list(uint) -> min(): uint", |args| extreme(args, "min", Ordering::Less)),
    ("list(double) -> min(): double", |args| extreme(args, "min", Ordering::Less)),
    ("list(bool) -> min(): bool", |args| extreme(args, "min", Ordering::Less)),
    ("list(string) -> min(): string", |args| extreme(args, "min", Ordering::Less)),
    ("list(bytes) -> min(): bytes", |args| extreme(args, "min", Ordering::Less)),
    ("list(duration) -> min(): duration", |args| extreme(args, "min", Ordering::Less)),
    ("list(timestamp) -> min(): timestamp", |args| extreme(args, "min", Ordering::Less)),
    ("list(int) -> max(): int", |args| extreme(args, "max", Ordering::Greater)),
    ("list(uint) -> max(): uint", |args| extreme(args, "max", Ordering::Greater)),
    ("list(double) -> max(): double", |args| extreme(args, "max", Ordering::Greater)),
    ("list(bool) -> max(): bool", |args| extreme(args, "max", Ordering::Greater)),
    ("list(string) -> max(): string", |args| extreme(args, "max", Ordering::Greater)),
    ("list(bytes) -> max(): bytes", |args| extreme(args, "max", Ordering::Greater)),
    ("list(duration) -> max(): duration", |args| extreme(args, "max", Ordering::Greater)),
    ("list(timestamp) -> max(): timestamp", |args| extreme(args, "max", Ordering::Greater)),
    ("list(A) -> indexOf(A): int", |args| place(args, |items, value| items.iter().position(|item| item == value))),
    ("list(A) -> lastIndexOf(A): int", |args| place(args, |items, value| items.iter().rposition(|item| item == value))),
    ("list(A) -> first(): optional_type(A)", |args| Ok(Value::optional(items(&args[0]).first().cloned()))),
    ("list(A) -> last(): optional_type(A)", |args| Ok(Value::optional(items(&args[0]).last().cloned()))),
    ("list(A) -> slice(int, int): list(A)", slice),
    ("list(list(A)) -> flatten(): list(A)", |args| Ok(Value::list(flat(items(&args[0]), 1)))),
    ("list(dyn) -> flatten(int): list(dyn)", |args| match &args[1] {
        Value::Int(depth) if *depth >= 0 => Ok(Value::list(flat(items(&args[0]), *depth))),
        Value::Int(_) => Err("level must be non-negative".to_owned()),
        _ => no_overload(),
    }),
    ("lists.range(int): list(int)", |args| match &args[0] {
        Value::Int(count) => Ok(Value::list((0..*count).take(LONGEST).map(Value::Int).collect())),
        _ => no_overload(),
    }),
    ("list(A) -> reverse(): list(A)", |args| Ok(Value::list(items(&args[0]).iter().rev().cloned().collect()))),
    ("list(A) -> distinct(): list(A)", |args| {
        let mut found: Vec<Value> = Vec::new();
        for item in items(&args[0]) {
            if !found.contains(item) {
                found.push(item.clone());
            }
        }
        Ok(Value::list(found))
    }),
    ("list(int) -> sort(): list(int)", sort),
    ("list(uint) -> sort(): list(uint)", sort),
    ("list(double) -> sort(): list(double)", sort),
    ("list(bool) -> sort(): list(bool)", sort),
    ("list(string) -> sort(): list(string)", sort),
    ("list(bytes) -> sort(): list(bytes)", sort),
    ("list(duration) -> sort(): list(duration)", sort),
    ("list(timestamp) -> sort(): list(timestamp)", sort),
    ("optional.unwrap(list(optional_type(A))): list(A)", unwrap),
    ("list(optional_type(A)) -> unwrapOpt(): list(A)", unwrap),
    ("sets.contains(list(A), list(A)): bool", |args| sets(args, contains)),
    ("sets.equivalent(list(A), list(A)): bool", |args| sets(args, |one, two| contains(one, two) && contains(two, one))),
    ("sets.intersects(list(A), list(A)): bool", |args| sets(args, |one, two| one.iter().any(|item| two.contains(item)))),
];

/// More than any expression can pay for.
const LONGEST: usize = 2_000_000;

fn slice(args: &[Value]) -> Result<Value, String> {
    let (all, Value::Int(from), Value::Int(to)) = (items(&args[0]), &args[1], &args[2]) else { return no_overload() };
    let why = match (usize::try_from(*from), usize::try_from(*to)) {
        (Ok(start), Ok(end)) if start <= end && end <= all.len() => return Ok(Value::list(all[start..end].to_vec())),
        (Ok(start), Ok(end)) if start <= end => format!("list is length {}", all.len()),
        (Ok(_), Ok(_)) => "start index must be less than or equal to end index".to_owned(),
        _ => "negative indexes not supported".to_owned(),
    };
    Err(format!("cannot slice({from}, {to}), {why}"))
}

fn flat(all: &[Value], depth: i64) -> Vec<Value> {
    let inner = |item: &Value| match item {
        Value::List(items, _) if depth > 0 => flat(items, depth - 1),
        other => vec![other.clone()],
    };
    all.iter().flat_map(inner).collect()
}

fn sort(args: &[Value]) -> Result<Value, String> {
    let all = items(&args[0]);
    sorted(all, all).map(Value::list)
}

/// Items in the order of their keys.
pub fn sorted(all: &[Value], keys: &[Value]) -> Result<Vec<Value>, String> {
    if keys.windows(2).any(|pair| pair[0].type_name() != pair[1].type_name()) {
        return Err("list elements must have the same type".to_owned());
    }
    if keys.first().is_some_and(|key| key.order(key).is_none()) {
        return Err("list elements must be comparable".to_owned());
    }
    let mut pairs: Vec<(&Value, &Value)> = keys.iter().zip(all).collect();
    pairs.sort_by(|one, two| one.0.order(two.0).unwrap_or(Ordering::Equal));
    Ok(pairs.into_iter().map(|(_, item)| item.clone()).collect())
}

fn unwrap(args: &[Value]) -> Result<Value, String> {
    let inner = |item: &Value| match item {
        Value::Optional(inner) => Ok(inner.as_deref().cloned()),
        other => Err(format!("value {} is not optional", other.type_name())),
    };
    let found = items(&args[0]).iter().map(inner).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::list(found.into_iter().flatten().collect()))
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(items, _) => items,
        _ => &[],
    }
}

fn size(args: &[Value]) -> Result<Value, String> {
    let count = match &args[0] {
        Value::List(items, _) => items.len(),
        Value::Map(map) => map.len(),
        _ => return no_overload(),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn is_sorted(args: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(items(&args[0]).windows(2).all(|pair| pair[0].order(&pair[1]).is_some_and(Ordering::is_le))))
}

fn sum(args: &[Value], nothing: Value) -> Result<Value, String> {
    items(&args[0]).iter().try_fold(nothing, |sum, item| call("_+_", false, &[sum, item.clone()]))
}

fn extreme(args: &[Value], name: &str, wanted: Ordering) -> Result<Value, String> {
    let all = items(&args[0]);
    let first = all.first().ok_or_else(|| format!("{name} called on empty list"))?;
    Ok(all.iter().fold(first, |best, item| if item.order(best) == Some(wanted) { item } else { best }).clone())
}

fn place(args: &[Value], find: fn(&[Value], &Value) -> Option<usize>) -> Result<Value, String> {
    Ok(Value::Int(find(items(&args[0]), &args[1]).and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
}

fn sets(args: &[Value], holds: fn(&[Value], &[Value]) -> bool) -> Result<Value, String> {
    Ok(Value::Bool(holds(items(&args[0]), items(&args[1]))))
}

fn contains(one: &[Value], two: &[Value]) -> bool {
    two.iter().all(|item| one.contains(item))
}
