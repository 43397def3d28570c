//! Values of CEL, from and to JSON.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::declared::escaped;
use super::functions::{Cidr, Format, Rights, Semver, Url};
use super::types::{ListKind, Type};
use crate::resource::Quantity;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Duration(SignedDuration),
    Timestamp(Timestamp),
    List(Arc<Vec<Value>>, ListKind),
    Map(Arc<BTreeMap<Key, Value>>),
    Optional(Option<Arc<Value>>),
    /// What an expression made of a type, by name, and its fields.
    Made(Arc<str>, Arc<BTreeMap<String, Value>>),
    /// A type, by name.
    Kind(Arc<str>),
    Quantity(Arc<Quantity>),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Semver(Arc<Semver>),
    Format(Format),
    /// A question about rights, or its answer.
    Rights(Arc<Rights>),
    /// What could not be told, and why: it matters to whoever asks for it.
    Failed(Arc<str>),
}

/// A map's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    /// Whole numbers are one kind of key, signed or not.
    Int(i128),
    String(Arc<str>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A list.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items), ListKind::Atomic)
    }

    /// A map.
    pub fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self::Map(Arc::new(entries.into_iter().map(|(key, value)| (Key::String(key.into()), value)).collect()))
    }

    /// An optional.
    pub fn optional(value: Option<Self>) -> Self {
        Self::Optional(value.map(Arc::new))
    }

    /// The value of a type that a piece of JSON is.
    pub fn read(json: &Json, of: &Type) -> Self {
        match (json, of) {
            (Json::Null, _) => Self::Null,
            (Json::Bool(value), _) => Self::Bool(*value),
            (Json::Number(number), Type::Double) => Self::Double(number.as_f64().unwrap_or_default()),
            (Json::Number(number), _) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Int(whole),
                #[allow(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
                (_, Some(float)) if *of == Type::Int && float.fract() == 0.0 && float.abs() < 9e15 => Self::Int(float as i64),
                (_, float) => Self::Double(float.unwrap_or_default()),
            },
            (Json::String(text), Type::Timestamp) => read_timestamp(text).map_or_else(|| failed("timestamp", text), Self::Timestamp),
            (Json::String(text), Type::Duration) => read_duration(text).map_or_else(|| failed("duration", text), Self::Duration),
            (Json::String(text), Type::Bytes) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_or_else(|_| failed("bytes", text), |bytes| Self::Bytes(bytes.into())),
            (Json::String(text), _) => Self::text(text.as_str()),
            (Json::Array(items), of) => {
                let (item, kind) = match of {
                    Type::List(item, kind) => (&**item, kind.clone()),
                    _ => (&Type::Dyn, ListKind::Atomic),
                };
                Self::List(Arc::new(items.iter().map(|one| Self::read(one, item)).collect()), kind)
            }
            (Json::Object(map), Type::Object(object)) => Self::map(map.iter().filter_map(|(name, value)| {
                // Types that no schema declared have their fields' names as they are.
                let name = if object.fields.contains_key(name) { name.clone() } else { escaped(name)? };
                let value = Self::read(value, object.fields.get(&name)?);
                Some((name, value))
            })),
            (Json::Object(map), of) => {
                let value_type = if let Type::Map(_, value) = of { value } else { &Type::Dyn };
                Self::map(map.iter().map(|(name, value)| (name.clone(), Self::read(value, value_type))))
            }
        }
    }

    /// As JSON. None: it has no such form.
    pub fn json(&self) -> Option<Json> {
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::from(*value),
            Self::Int(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::Double(value) => Json::from(*value),
            Self::String(text) => Json::from(&**text),
            Self::Bytes(bytes) => Json::from(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::Duration(value) => Json::from(format!("{}s", value.as_secs_f64())),
            Self::Timestamp(moment) => Json::from(moment.to_string()),
            Self::List(items, _) => items.iter().map(Self::json).collect::<Option<Vec<_>>>()?.into(),
            Self::Map(entries) => {
                let entry = |(key, value): (&Key, &Self)| match key {
                    Key::String(name) => Some((name.to_string(), value.json()?)),
                    _ => None,
                };
                entries.iter().map(entry).collect::<Option<serde_json::Map<_, _>>>()?.into()
            }
            Self::Made(_, fields) => {
                fields.iter().map(|(name, value)| Some((name.clone(), value.json()?))).collect::<Option<serde_json::Map<_, _>>>()?.into()
            }
            Self::Optional(Some(inner)) => inner.json()?,
            _ => return None,
        })
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(..) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Made(..) => "Object",
            Self::Kind(_) => "type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Rights(rights) => rights.type_name(),
            Self::Failed(_) => "error",
        }
    }

    /// Whether it is of a type, as far as a call is chosen by that.
    pub fn is_of(&self, of: &Type) -> bool {
        match (self, of) {
            (_, Type::Dyn | Type::Param(_))
            | (Self::Null, Type::Null)
            | (Self::Bool(_), Type::Bool)
            | (Self::Int(_), Type::Int)
            | (Self::Uint(_), Type::Uint)
            | (Self::Double(_), Type::Double)
            | (Self::String(_), Type::String)
            | (Self::Bytes(_), Type::Bytes)
            | (Self::Duration(_), Type::Duration)
            | (Self::Timestamp(_), Type::Timestamp)
            | (Self::Map(_), Type::Map(..) | Type::Object(_))
            | (Self::Optional(_), Type::Optional(_))
            | (Self::Kind(_), Type::Kind) => true,
            (Self::List(items, _), Type::List(item, _)) => items.iter().all(|one| one.is_of(item)),
            (Self::Made(name, _), Type::Made(wanted)) => name == wanted,
            (value, Type::Opaque(name)) => value.type_name() == *name,
            _ => false,
        }
    }

    /// As a map's key.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Bool(value) => Some(Key::Bool(*value)),
            Self::Int(value) => Some(Key::Int(i128::from(*value))),
            Self::Uint(value) => Some(Key::Int(i128::from(*value))),
            #[allow(clippy::cast_possible_truncation, reason = "it is whole; what is beyond is no key of any map")]
            Self::Double(value) if value.fract() == 0.0 => Some(Key::Int(*value as i128)),
            Self::String(text) => Some(Key::String(Arc::clone(text))),
            _ => None,
        }
    }

    /// The order of two values, if they have one.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(two)),
            (Self::Uint(one), Self::Uint(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Uint(two)) => Some(i128::from(*one).cmp(&i128::from(*two))),
            (Self::Uint(one), Self::Int(two)) => Some(i128::from(*one).cmp(&i128::from(*two))),
            (Self::Double(_), _) | (_, Self::Double(_)) => self.float()?.partial_cmp(&other.float()?),
            (Self::String(one), Self::String(two)) => Some(one.cmp(two)),
            (Self::Bytes(one), Self::Bytes(two)) => Some(one.cmp(two)),
            (Self::Duration(one), Self::Duration(two)) => Some(one.cmp(two)),
            (Self::Timestamp(one), Self::Timestamp(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers of two types are compared as floats")]
    fn float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Uint(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }
}

fn failed(kind: &str, text: &str) -> Value {
    Value::Failed(format!("Invalid {kind} {text}").into())
}

/// A time as fields have it: a moment, or a day.
pub fn read_timestamp(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

/// A duration as Go writes them: `1h30m`, `-1.5s`.
pub fn read_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut nanos: f64 = 0.0;
    let mut whole: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        match number.parse::<i128>() {
            Ok(number) => whole += number.checked_mul(scale)?,
            #[allow(clippy::cast_precision_loss, reason = "a fraction of a unit is given to the nanosecond")]
            Err(_) => nanos += number.parse::<f64>().ok()? * scale as f64,
        }
        rest = after;
    }
    #[allow(clippy::cast_possible_truncation, reason = "what is beyond is refused below")]
    let sum = whole + nanos.round() as i128;
    let sum = if negative { -sum } else { sum };
    i64::try_from(sum).ok().map(SignedDuration::from_nanos)
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(one, kind), Self::List(two, other)) => equal_lists(one, two, if *kind == ListKind::Atomic { other } else { kind }),
            (Self::Map(one), Self::Map(two)) => one == two,
            (Self::Optional(one), Self::Optional(two)) => one == two,
            (Self::Made(name, one), Self::Made(other, two)) => name == other && one == two,
            (Self::Kind(one), Self::Kind(two)) => one == two,
            (Self::Quantity(one), Self::Quantity(two)) => one.cmp(two) == Ordering::Equal,
            (Self::Url(one), Self::Url(two)) => one == two,
            (Self::Ip(one), Self::Ip(two)) => one == two,
            (Self::Cidr(one), Self::Cidr(two)) => one == two,
            (Self::Semver(one), Self::Semver(two)) => one.compare(two) == Ordering::Equal,
            (Self::Format(one), Self::Format(two)) => one == two,
            (Self::Rights(one), Self::Rights(two)) => one == two,
            (one, two) => one.order(two) == Some(Ordering::Equal),
        }
    }
}

/// Sets and keyed lists are the same in any order.
fn equal_lists(one: &[Value], two: &[Value], kind: &ListKind) -> bool {
    one.len() == two.len()
        && match kind {
            ListKind::Atomic => one == two,
            ListKind::Set | ListKind::Map(_) => one.iter().all(|item| two.contains(item)),
        }
}
