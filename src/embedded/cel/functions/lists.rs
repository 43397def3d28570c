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
    ("sets.contains(list(A), list(A)): bool", |args| sets(args, contains)),
    ("sets.equivalent(list(A), list(A)): bool", |args| sets(args, |one, two| contains(one, two) && contains(two, one))),
    ("sets.intersects(list(A), list(A)): bool", |args| sets(args, |one, two| one.iter().any(|item| two.contains(item)))),
];

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
