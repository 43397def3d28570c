//! What can be called: operators, CEL's own functions, and those of the server's libraries. A line each, with its signature;
//! `type -> name(…)` is called on a value.

#![allow(clippy::unnecessary_wraps, reason = "all that can be called is called in one way")]

mod lists;
mod network;
mod numbers;
mod operators;
mod rights;
mod strings;
mod times;
mod versions;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use lists::sorted;
pub use network::{Cidr, Url};
pub use rights::{Authority, Rights, Wanted};
pub use versions::{Format, Semver};

use super::types::Type;
use super::value::{Key, Value};

/// What a function does with its arguments, which are of the types that it takes.
type Call = fn(&[Value]) -> Result<Value, String>;

/// Lines of the table.
type Functions = &'static [(&'static str, Call)];

/// A function for arguments of certain types.
#[derive(Debug)]
pub struct Overload {
    /// What it takes, the value that it is called on first.
    pub takes: Vec<Type>,
    /// What it gives.
    pub gives: Type,
    call: Call,
}

/// By name.
type Table = BTreeMap<&'static str, Vec<Overload>>;

/// What is called by itself, and what is called on a value.
static TABLES: LazyLock<[Table; 2]> = LazyLock::new(|| {
    let mut tables = [Table::new(), Table::new()];
    let all = [operators::ALL, numbers::ALL, strings::ALL, lists::ALL, times::ALL, network::ALL, versions::ALL, rights::ALL];
    for (signature, call) in all.into_iter().flatten() {
        if let Some((name, is_member, takes, gives)) = parse(signature) {
            tables[usize::from(is_member)].entry(name).or_default().push(Overload { takes, gives, call: *call });
        }
    }
    for (name, call) in operators::COMPARISONS {
        let all = operators::ORDERED.map(|(one, two)| Overload { takes: vec![one, two], gives: Type::Bool, call: *call });
        tables[0].entry(name).or_default().extend(all);
    }
    tables
});

/// Whether something is called that.
pub fn is_known(name: &str, is_member: bool) -> bool {
    overloads(name, is_member).next().is_some()
}

/// All functions of a name.
pub fn overloads(name: &str, is_member: bool) -> impl Iterator<Item = &'static Overload> + use<> {
    TABLES[usize::from(is_member)].get(name).into_iter().flatten()
}

/// Calls the function that is for these values.
pub fn call(name: &str, is_member: bool, values: &[Value]) -> Result<Value, String> {
    let fits = |overload: &&Overload| {
        overload.takes.len() == values.len() && overload.takes.iter().zip(values).all(|(wanted, value)| value.is_of(wanted))
    };
    match overloads(name, is_member).find(fits) {
        Some(overload) => (overload.call)(values),
        None => Err("no such overload".to_owned()),
    }
}

/// A type by its name, as a value.
pub fn kind_named(name: &str) -> Option<Value> {
    Type::parse(name).map(|_| Value::Kind(name.into())).or_else(|| matches!(name, "list" | "map").then(|| Value::Kind(name.into())))
}

/// A map's key as a value.
pub fn key_value(key: &Key) -> Value {
    match key {
        Key::Bool(value) => Value::Bool(*value),
        Key::Int(value) => i64::try_from(*value).map_or_else(|_| Value::Uint(u64::try_from(*value).unwrap_or(u64::MAX)), Value::Int),
        Key::String(text) => Value::String(text.clone()),
    }
}

/// What a function has been given that its types rule out.
fn no_overload() -> Result<Value, String> {
    Err("no such overload".to_owned())
}

fn parse(signature: &'static str) -> Option<(&'static str, bool, Vec<Type>, Type)> {
    let (head, gives) = signature.rsplit_once("): ")?;
    let (receiver, head) = match head.split_once(" -> ") {
        Some((receiver, head)) => (Some(receiver), head),
        None => (None, head),
    };
    let (name, args) = head.split_once('(')?;
    let mut takes: Vec<Type> = receiver.map(Type::parse).into_iter().collect::<Option<_>>()?;
    let (mut depth, mut from) = (0, 0);
    for (at, letter) in args.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                takes.push(Type::parse(&args[from..at])?);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !args.is_empty() {
        takes.push(Type::parse(&args[from..])?);
    }
    Some((name, receiver.is_some(), takes, Type::parse(gives)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_is_one() {
        let all = [operators::ALL, numbers::ALL, strings::ALL, lists::ALL, times::ALL, network::ALL, versions::ALL, rights::ALL];
        for (signature, _) in all.into_iter().flatten() {
            assert!(parse(signature).is_some(), "{signature}");
        }
    }
}
