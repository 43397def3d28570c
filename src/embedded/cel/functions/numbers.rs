//! Arithmetic, conversions of numbers, quantities.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, no_overload};
use crate::resource::Quantity;

const OVERFLOW: &str = "integer overflow";
const UNSIGNED_OVERFLOW: &str = "unsigned integer overflow";

pub(super) const ALL: Functions = &[
    ("_+_(int, int): int", |args| whole(args, i64::checked_add)),
    ("_-_(int, int): int", |args| whole(args, i64::checked_sub)),
    ("_*_(int, int): int", |args| whole(args, i64::checked_mul)),
    ("_/_(int, int): int", |args| nonzero(args, "division by zero").and_then(|()| whole(args, i64::checked_div))),
    ("_%_(int, int): int", |args| nonzero(args, "modulus by zero").and_then(|()| whole(args, i64::checked_rem))),
    ("_+_(uint, uint): uint", |args| unsigned(args, u64::checked_add)),
    ("_-_(uint, uint): uint", |args| unsigned(args, u64::checked_sub)),
    ("_*_(uint, uint): uint", |args| unsigned(args, u64::checked_mul)),
    ("_/_(uint, uint): uint", |args| nonzero(args, "division by zero").and_then(|()| unsigned(args, u64::checked_div))),
    ("_%_(uint, uint): uint", |args| nonzero(args, "modulus by zero").and_then(|()| unsigned(args, u64::checked_rem))),
    ("_+_(double, double): double", |args| float(args, |one, two| one + two)),
    ("_-_(double, double): double", |args| float(args, |one, two| one - two)),
    ("_*_(double, double): double", |args| float(args, |one, two| one * two)),
    ("_/_(double, double): double", |args| float(args, |one, two| one / two)),
    ("-_(int): int", |args| match args {
        [Value::Int(value)] => value.checked_neg().map(Value::Int).ok_or_else(|| OVERFLOW.to_owned()),
        _ => no_overload(),
    }),
    ("-_(double): double", |args| match args {
        [Value::Double(value)] => Ok(Value::Double(-value)),
        _ => no_overload(),
    }),
    ("int(int): int", |args| Ok(args[0].clone())),
    ("int(uint): int", to_int),
    ("int(double): int", to_int),
    ("int(string): int", to_int),
    ("uint(uint): uint", |args| Ok(args[0].clone())),
    ("uint(int): uint", to_uint),
    ("uint(double): uint", to_uint),
    ("uint(string): uint", to_uint),
    ("double(double): double", |args| Ok(args[0].clone())),
    ("double(int): double", to_double),
    ("double(uint): double", to_double),
    ("double(string): double", to_double),
    ("bool(bool): bool", |args| Ok(args[0].clone())),
    ("bool(string): bool", |args| match args {
        [Value::String(text)] => match &**text {
            "1" | "t" | "true" | "TRUE" | "True" | "T" => Ok(Value::Bool(true)),
            "0" | "f" | "false" | "FALSE" | "False" | "F" => Ok(Value::Bool(false)),
            _ => Err(unparsable("bool")),
        },
        _ => no_overload(),
    }),
    ("quantity(string): kubernetes.Quantity", |args| match args {
        [Value::String(text)] => {
            let quantity = text.parse::<Quantity>().map_err(|_| format!("quantities must match the regular expression '{QUANTITY}'"))?;
            Ok(Value::Quantity(Arc::new(quantity)))
        }
        _ => no_overload(),
    }),
    ("isQuantity(string): bool", |args| match args {
        [Value::String(text)] => Ok(Value::Bool(text.parse::<Quantity>().is_ok())),
        _ => no_overload(),
    }),
    ("sign(kubernetes.Quantity): int", |args| match args {
        [Value::Quantity(one)] => Ok(Value::Int(sign(one.cmp(&Arc::new(Quantity::ZERO))))),
        _ => no_overload(),
    }),
    ("kubernetes.Quantity -> isGreaterThan(kubernetes.Quantity): bool", |args| compared(args, |order| Value::Bool(order.is_gt()))),
    ("kubernetes.Quantity -> isLessThan(kubernetes.Quantity): bool", |args| compared(args, |order| Value::Bool(order.is_lt()))),
    ("kubernetes.Quantity -> compareTo(kubernetes.Quantity): int", |args| compared(args, |order| Value::Int(sign(order)))),
    ("kubernetes.Quantity -> asInteger(): int", |args| match args {
        [Value::Quantity(one)] => one.whole().map(Value::Int).ok_or_else(|| "cannot convert value to integer".to_owned()),
        _ => no_overload(),
    }),
    ("kubernetes.Quantity -> isInteger(): bool", |args| match args {
        [Value::Quantity(one)] => Ok(Value::Bool(one.whole().is_some())),
        _ => no_overload(),
    }),
    ("kubernetes.Quantity -> asApproximateFloat(): double", |args| match args {
        [Value::Quantity(one)] => Ok(Value::Double(one.approximate())),
        _ => no_overload(),
    }),
    ("kubernetes.Quantity -> add(kubernetes.Quantity): kubernetes.Quantity", |args| summed(args, Quantity::plus)),
    ("kubernetes.Quantity -> add(int): kubernetes.Quantity", |args| summed(args, Quantity::plus)),
    ("kubernetes.Quantity -> sub(kubernetes.Quantity): kubernetes.Quantity", |args| summed(args, Quantity::minus)),
    ("kubernetes.Quantity -> sub(int): kubernetes.Quantity", |args| summed(args, Quantity::minus)),
];

const QUANTITY: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

fn whole(args: &[Value], operation: fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    match args {
        [Value::Int(one), Value::Int(two)] => operation(*one, *two).map(Value::Int).ok_or_else(|| OVERFLOW.to_owned()),
        _ => no_overload(),
    }
}

fn unsigned(args: &[Value], operation: fn(u64, u64) -> Option<u64>) -> Result<Value, String> {
    match args {
        [Value::Uint(one), Value::Uint(two)] => operation(*one, *two).map(Value::Uint).ok_or_else(|| UNSIGNED_OVERFLOW.to_owned()),
        _ => no_overload(),
    }
}

fn nonzero(args: &[Value], otherwise: &str) -> Result<(), String> {
    match args {
        [_, Value::Int(0) | Value::Uint(0)] => Err(otherwise.to_owned()),
        _ => Ok(()),
    }
}

fn float(args: &[Value], operation: fn(f64, f64) -> f64) -> Result<Value, String> {
    match args {
        [Value::Double(one), Value::Double(two)] => Ok(Value::Double(operation(*one, *two))),
        _ => no_overload(),
    }
}

fn to_int(args: &[Value]) -> Result<Value, String> {
    match &args[0] {
        Value::Uint(value) => i64::try_from(*value).map(Value::Int).map_err(|_| OVERFLOW.to_owned()),
        #[allow(clippy::cast_possible_truncation, reason = "what doesn't fit is refused")]
        Value::Double(value) if value.abs() < 9.223_372_036_854_775e18 => Ok(Value::Int(*value as i64)),
        Value::Double(_) => Err(OVERFLOW.to_owned()),
        Value::String(text) => text.parse().map(Value::Int).map_err(|_| unparsable("int")),
        _ => no_overload(),
    }
}

fn to_uint(args: &[Value]) -> Result<Value, String> {
    match &args[0] {
        Value::Int(value) => u64::try_from(*value).map(Value::Uint).map_err(|_| UNSIGNED_OVERFLOW.to_owned()),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what doesn't fit is refused")]
        Value::Double(value) if (0.0..1.844_674_407_370_955e19).contains(value) => Ok(Value::Uint(*value as u64)),
        Value::Double(_) => Err(UNSIGNED_OVERFLOW.to_owned()),
        Value::String(text) => text.parse().map(Value::Uint).map_err(|_| unparsable("uint")),
        _ => no_overload(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a float is what was asked for")]
fn to_double(args: &[Value]) -> Result<Value, String> {
    match &args[0] {
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::String(text) => text.parse().map(Value::Double).map_err(|_| unparsable("double")),
        _ => no_overload(),
    }
}

fn unparsable(kind: &str) -> String {
    format!("type conversion error from 'string' to '{kind}'")
}

fn sign(order: Ordering) -> i64 {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

fn compared(args: &[Value], then: fn(Ordering) -> Value) -> Result<Value, String> {
    match args {
        [Value::Quantity(one), Value::Quantity(two)] => Ok(then(one.cmp(two))),
        _ => no_overload(),
    }
}

fn summed(args: &[Value], operation: fn(&Quantity, &Quantity) -> Quantity) -> Result<Value, String> {
    match args {
        [Value::Quantity(one), Value::Quantity(two)] => Ok(Value::Quantity(Arc::new(operation(one, two)))),
        [Value::Quantity(one), Value::Int(two)] => {
            let magnitude = Quantity::count(two.unsigned_abs());
            let two = if *two < 0 { Quantity::ZERO.minus(&magnitude) } else { magnitude };
            Ok(Value::Quantity(Arc::new(operation(one, &two))))
        }
        _ => no_overload(),
    }
}
