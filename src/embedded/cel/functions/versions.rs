//! Semantic versions, and formats of names.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, Url, no_overload};
use crate::embedded::rules::names;

pub(super) const ALL: Functions = &[
    ("semver(string): kubernetes.Semver", |args| semver(args, false)),
    ("semver(string, bool): kubernetes.Semver", |args| semver(&args[..1], args[1] == Value::Bool(true))),
    ("isSemver(string): bool", |args| Ok(Value::Bool(semver(args, false).is_ok()))),
    ("isSemver(string, bool): bool", |args| Ok(Value::Bool(semver(&args[..1], args[1] == Value::Bool(true)).is_ok()))),
    ("kubernetes.Semver -> major(): int", |args| part(args, 0)),
    ("kubernetes.Semver -> minor(): int", |args| part(args, 1)),
    ("kubernetes.Semver -> patch(): int", |args| part(args, 2)),
    ("kubernetes.Semver -> isGreaterThan(kubernetes.Semver): bool", |args| compared(args, |order| Value::Bool(order.is_gt()))),
    ("kubernetes.Semver -> isLessThan(kubernetes.Semver): bool", |args| compared(args, |order| Value::Bool(order.is_lt()))),
    ("kubernetes.Semver -> compareTo(kubernetes.Semver): int", |args| {
        compared(args, |order| {
            Value::Int(match order {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })
        })
    }),
    ("format.dns1123Label(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Label))),
    ("format.dns1123Subdomain(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Subdomain))),
    ("format.dns1035Label(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::OldLabel))),
    ("format.qualifiedName(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::QualifiedName))),
    ("format.dns1123LabelPrefix(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::LabelPrefix))),
    ("format.dns1123SubdomainPrefix(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::SubdomainPrefix))),
    ("format.dns1035LabelPrefix(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::OldLabelPrefix))),
    ("format.labelValue(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::LabelValue))),
    ("format.uri(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Uri))),
    ("format.uuid(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Uuid))),
    ("format.byte(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Byte))),
    ("format.date(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::Date))),
    ("format.datetime(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::DateTime))),
    ("format.named(string): optional_type(kubernetes.NamedFormat)", |args| match args {
        [Value::String(name)] => Ok(Value::optional(Format::named(name).map(Value::Format))),
        _ => no_overload(),
    }),
    ("kubernetes.NamedFormat -> validate(string): optional_type(list(string))", |args| match args {
        [Value::Format(format), Value::String(text)] => {
            let problems = format.problems(text);
            Ok(Value::optional((!problems.is_empty()).then(|| Value::list(problems.into_iter().map(Value::text).collect()))))
        }
        _ => no_overload(),
    }),
];

/// What a text may have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Label,
    Subdomain,
    OldLabel,
    QualifiedName,
    LabelPrefix,
    SubdomainPrefix,
    OldLabelPrefix,
    LabelValue,
    Uri,
    Uuid,
    Byte,
    Date,
    DateTime,
}

const UUID: &str = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
const TIME: &str = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
const BASE64: &str = r"^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})$";

impl Format {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dns1123Label" => Self::Label,
            "dns1123Subdomain" => Self::Subdomain,
            "dns1035Label" => Self::OldLabel,
            "qualifiedName" => Self::QualifiedName,
            "dns1123LabelPrefix" => Self::LabelPrefix,
            "dns1123SubdomainPrefix" => Self::SubdomainPrefix,
            "dns1035LabelPrefix" => Self::OldLabelPrefix,
            "labelValue" => Self::LabelValue,
            "uri" => Self::Uri,
            "uuid" => Self::Uuid,
            "byte" => Self::Byte,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            _ => return None,
        })
    }

    /// How long the pattern is that it is checked by, as costs go.
    pub fn pattern(self) -> u64 {
        match self {
            Self::Label | Self::LabelPrefix | Self::OldLabel | Self::OldLabelPrefix => 30,
            Self::Subdomain | Self::SubdomainPrefix | Self::QualifiedName => 60,
            Self::LabelValue => 40,
            Self::Uri => 1103,
            Self::Uuid => UUID.len() as u64,
            Self::Byte => 84,
            Self::Date | Self::DateTime => TIME.len() as u64,
        }
    }

    fn problems(self, text: &str) -> Vec<String> {
        let matches = |pattern: &str, text: &str| regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
        let told = |holds: bool, why: &str| if holds { Vec::new() } else { vec![why.to_owned()] };
        match self {
            Self::Label => names::dns_label(text),
            Self::Subdomain => names::dns_subdomain(text),
            Self::OldLabel => names::dns1035_label(text),
            Self::LabelPrefix => names::dns_label(&prefix(text)),
            Self::SubdomainPrefix => names::dns_subdomain(&prefix(text)),
            Self::OldLabelPrefix => names::dns1035_label(&prefix(text)),
            Self::QualifiedName => names::qualified_name(text),
            Self::LabelValue => names::label_value(text),
            Self::Uri => told(Url::read(text).is_some(), &format!("parse {text:?}: invalid URI for request")),
            Self::Uuid => told(matches(UUID, text), "does not match the UUID format"),
            Self::Byte => told(matches(BASE64, text), "invalid base64"),
            Self::Date => told(is_date(text), "invalid date"),
            Self::DateTime => {
                let lower = text.to_lowercase();
                let mut parts = lower.split('t');
                let (day, time) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let in_day = || time.get(..2) <= Some("23") && time.get(3..5) <= Some("59") && time.get(6..8) <= Some("59");
                told(is_date(day) && matches(TIME, time) && in_day(), "invalid datetime")
            }
        }
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// A prefix may end in a dash: what follows makes a name of it.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{}a", &rest[..rest.len() - rest.chars().last().map_or(0, char::len_utf8)]),
        _ => text.to_owned(),
    }
}

/// A semantic version.
#[derive(Clone, Debug)]
pub struct Semver {
    numbers: [u64; 3],
    /// What it is before: `rc.1`.
    before: Vec<String>,
    text: String,
}

impl Semver {
    fn read(text: &str) -> Option<Self> {
        let (rest, build) = text.split_once('+').unwrap_or((text, "0"));
        let (core, before) = rest.split_once('-').map_or((rest, None), |(core, before)| (core, Some(before)));
        let number = |text: &str| {
            let leads = text.len() > 1 && text.starts_with('0');
            (!leads && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u64>().ok()).flatten()
        };
        let numbers: Vec<u64> = core.split('.').map(number).collect::<Option<_>>()?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let before: Vec<String> = before.map(|before| before.split('.').map(str::to_owned).collect()).unwrap_or_default();
        if !before.iter().all(|word| is_word(word)) || !build.split('.').all(is_word) {
            return None;
        }
        Some(Self { numbers: numbers.try_into().ok()?, before, text: text.to_owned() })
    }

    /// Their order; what comes before a version is smaller than it.
    pub fn compare(&self, other: &Self) -> Ordering {
        let words = match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = self.before.iter().zip(&other.before).map(|(one, two)| match (one.parse::<u64>(), two.parse::<u64>()) {
                    (Ok(one), Ok(two)) => one.cmp(&two),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    _ => one.cmp(two),
                });
                pairs.fold(Ordering::Equal, Ordering::then).then(self.before.len().cmp(&other.before.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then(words)
    }
}

impl fmt::Display for Semver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads a version; leniently: with a `v` before it, with parts left out, with zeros before numbers.
fn semver(args: &[Value], leniently: bool) -> Result<Value, String> {
    let [Value::String(text)] = args else { return no_overload() };
    let text = if leniently { normal(text) } else { text.to_string() };
    let version = Semver::read(&text).ok_or_else(|| "No Major.Minor.Patch elements found".to_owned())?;
    Ok(Value::Semver(Arc::new(version)))
}

fn normal(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (core, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let mut parts: Vec<&str> =
        core.split('.').map(|part| part.trim_start_matches('0')).map(|part| if part.is_empty() { "0" } else { part }).collect();
    while parts.len() < 3 {
        parts.push("0");
    }
    format!("{}{rest}", parts.join("."))
}

fn part(args: &[Value], at: usize) -> Result<Value, String> {
    match args {
        [Value::Semver(version)] => Ok(Value::Int(i64::try_from(version.numbers[at]).unwrap_or(i64::MAX))),
        _ => no_overload(),
    }
}

fn compared(args: &[Value], then: fn(Ordering) -> Value) -> Result<Value, String> {
    match args {
        [Value::Semver(one), Value::Semver(two)] => Ok(then(one.compare(two))),
        _ => no_overload(),
    }
}
