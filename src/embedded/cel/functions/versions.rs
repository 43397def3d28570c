//! Semantic versions, and formats of names.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, no_overload};
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
    ("format.qualifiedName(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::QualifiedName))),
    ("format.labelValue(): kubernetes.NamedFormat", |_| Ok(Value::Format(Format::LabelValue))),
    ("format.named(string): optional_type(kubernetes.NamedFormat)", |args| match args {
        [Value::String(name)] => {
            let found = match &**name {
                "dns1123Label" => Some(Format::Label),
                "dns1123Subdomain" => Some(Format::Subdomain),
                "qualifiedName" => Some(Format::QualifiedName),
                "labelValue" => Some(Format::LabelValue),
                _ => None,
            };
            Ok(Value::optional(found.map(Value::Format)))
        }
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

/// What a name may have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Label,
    Subdomain,
    QualifiedName,
    LabelValue,
}

impl Format {
    fn problems(self, text: &str) -> Vec<String> {
        match self {
            Self::Label => names::dns_label(text),
            Self::Subdomain => names::dns_subdomain(text),
            Self::QualifiedName => names::qualified_name(text),
            Self::LabelValue => names::label_value(text),
        }
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
