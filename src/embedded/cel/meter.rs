//! What an evaluation costs, as it goes: an expression that gets too dear is ended.
//!
//! It is counted as the server counts: names, fields and entries cost one each, calls what they have to go through, and what is known
//! when an expression is compiled costs nothing.

use std::cell::Cell;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};

use super::bounds::{CHECK, LETTER, LIST, PATTERN, scaled, selector};
use super::value::Value;

/// What one evaluation may cost.
const LIMIT: u64 = 1_000_000;

/// What is said of one that costs more.
pub const OVER: &str = "operation cancelled: actual cost limit exceeded";

/// Functions that make another type's value of one: of literals they are called when an expression is compiled.
const CONVERSIONS: [&str; 10] = ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

/// What was spent.
#[derive(Debug, Default)]
pub struct Meter {
    spent: Cell<u64>,
}

impl Meter {
    pub fn spend(&self, cost: u64) {
        self.spent.set(self.spent.get().saturating_add(cost));
    }

    /// What was counted, and is free where it stands.
    pub fn give_back(&self, cost: u64) {
        self.spent.set(self.spent.get().saturating_sub(cost));
    }

    pub fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Whether it is enough.
    pub fn is_over(&self) -> bool {
        self.spent.get() > LIMIT
    }
}

/// Whether an expression's value is known when it is compiled.
pub fn is_known(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Literal(_) => true,
        Expr::List(list) => list.elements.iter().all(is_known),
        Expr::Map(map) => map.entries.iter().all(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => is_known(&entry.key) && is_known(&entry.value),
            EntryExpr::StructField(_) => false,
        }),
        Expr::Call(call) => is_known_call(call),
        _ => false,
    }
}

/// The same for a call: of a conversion, or of a literal list that is looked through.
pub fn is_known_call(call: &CallExpr) -> bool {
    match call.args.as_slice() {
        [arg] => call.target.is_none() && CONVERSIONS.contains(&call.func_name.as_str()) && is_known(arg),
        _ => false,
    }
}

/// Whether an expression only names something: what it is a part of counts the name, and not the whole.
pub fn is_attribute(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Ident(_) | Expr::Select(_) => true,
        Expr::Call(call) => matches!(call.func_name.as_str(), "_[_]" | "_[?_]" | "_?._"),
        _ => false,
    }
}

/// Whether an expression stands for what it picks: its own value isn't counted.
pub fn is_choice(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Call(call) if call.func_name == "_?_:_")
}

/// Letters, bytes, items or entries; one of what has none of those.
fn size(value: &Value) -> u64 {
    let count = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items, _) => items.len(),
        Value::Map(map) => map.len(),
        Value::Ip(ip) => return if ip.is_ipv4() { 4 } else { 16 },
        Value::Cidr(cidr) => return if cidr.is_v4() { 4 } else { 16 },
        Value::Optional(Some(inner)) => return size(inner),
        _ => 1,
    };
    count as u64
}

/// What going through all of a value costs.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "lengths are neither large nor below zero"
)]
fn traversal(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() as f64 * LETTER) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * LETTER) as u64,
        Value::List(items, _) => items.iter().map(traversal).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| traversal(&super::functions::key_value(key)) + traversal(value)).sum(),
        _ => 1,
    }
}

/// What a list costs that is made of so many steps.
fn made(steps: u64) -> u64 {
    steps.saturating_add(1 + LIST)
}

/// What comparing each with each costs, and a list of them.
pub fn compared(all: &[Value]) -> u64 {
    let count = all.len() as u64;
    let each = if matches!(all.first(), Some(Value::String(_) | Value::Bytes(_))) { 2.0 + LETTER } else { 2.0 };
    made(floor(count.saturating_mul(count), each))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "neither is below zero")]
fn floor(number: u64, by: f64) -> u64 {
    (number as f64 * by) as u64
}

/// What a call costs, beside its arguments.
pub fn call(name: &str, is_member: bool, values: &[Value], result: Option<&Value>) -> u64 {
    let letters = |value: &Value, each: f64| scaled(size(value), each);
    match (name, values) {
        ("check", [_, _]) => CHECK,
        ("slice" | "reverse" | "lists.range", _) => made(result.map_or(1, size)),
        ("flatten", [list, Value::Int(depth)]) => made(size(list).saturating_mul(u64::try_from(*depth).unwrap_or(0))),
        ("flatten", [list]) => made(size(list)),
        ("distinct" | "sort", [Value::List(all, _)]) => compared(all),
        ("fieldSelector" | "labelSelector", [_, text]) => selector(size(text)),
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", [of, ..]) => traversal(of),
        (
            "url"
            | "lowerAscii"
            | "upperAscii"
            | "substring"
            | "trim"
            | "jsonpatch.escapeKey"
            | "cidr"
            | "isIP"
            | "isCIDR"
            | "quantity"
            | "isQuantity"
            | "semver"
            | "isSemver",
            [text, ..],
        ) => letters(text, LETTER),
        ("ip", [text]) if !is_member => letters(text, LETTER),
        ("replace" | "split" | "ip.isCanonical", [text, ..]) => letters(text, 2.0 * LETTER),
        ("join", _) => result.map_or(1, |result| letters(result, 2.0 * LETTER)),
        ("find" | "findAll", [text, pattern, ..]) => scaled(size(text) + 1, LETTER).saturating_mul(letters(pattern, PATTERN)),
        ("matches", [text, pattern]) if is_member => scaled(size(text) + 1, LETTER).saturating_mul(letters(pattern, PATTERN)),
        ("containsIP", [cidr, other]) => {
            let parsed = if matches!(other, Value::String(_)) { letters(other, LETTER) } else { 0 };
            scaled(2 * size(cidr), LETTER) + parsed
        }
        ("containsCIDR", [cidr, other]) => {
            let parsed = if matches!(other, Value::String(_)) { letters(other, LETTER) } else { 0 };
            scaled(2 * size(cidr), LETTER) + letters(cidr, LETTER) + 1 + parsed
        }
        ("validate", [Value::Format(format), text]) => scaled(size(text) + 1, LETTER).saturating_mul(scaled(format.pattern(), PATTERN)),
        (
            "_==_",
            [
                Value::Quantity(_) | Value::Ip(_) | Value::Cidr(_) | Value::Format(_) | Value::Url(_) | Value::Semver(_) | Value::Rights(_),
                _,
            ],
        ) => 1,
        ("sets.contains" | "sets.intersects", [one, two]) => 1 + size(one).saturating_mul(size(two)),
        ("sets.equivalent", [one, two]) => 1 + size(one).saturating_mul(size(two)).saturating_mul(2),
        ("startsWith" | "endsWith" | "format", [text, ..]) if is_member => letters(text, LETTER),
        ("bytes", [text @ Value::String(_)]) | ("string", [text @ Value::Bytes(_)]) | ("strings.quote", [text]) => letters(text, LETTER),
        ("@in", [_, list @ Value::List(..)]) => size(list),
        ("_==_" | "_!=_", [one, two])
        | ("_<_" | "_<=_" | "_>_" | "_>=_", [one @ (Value::String(_) | Value::Bytes(_)), two @ (Value::String(_) | Value::Bytes(_))]) => {
            scaled(size(one).min(size(two)), LETTER)
        }
        ("_+_", [one @ (Value::String(_) | Value::Bytes(_)), two]) => scaled(size(one) + size(two), LETTER),
        ("contains", [text, part]) => letters(text, LETTER).saturating_mul(letters(part, LETTER)),
        _ => 1,
    }
}
