//! Texts: CEL's own functions, and those of its strings library and the server's regex library.

use std::fmt::Write as _;
use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, key_value, no_overload};

pub(super) const ALL: Functions = &[
    ("_+_(string, string): string", |args| text2(args, |one, two| Ok(Value::text(format!("{one}{two}"))))),
    ("_+_(bytes, bytes): bytes", |args| match args {
        [Value::Bytes(one), Value::Bytes(two)] => Ok(Value::Bytes([&**one, &**two].concat().into())),
        _ => no_overload(),
    }),
    ("size(string): int", size),
    ("size(bytes): int", size),
    ("string -> size(): int", size),
    ("bytes -> size(): int", size),
    ("string -> contains(string): bool", |args| text2(args, |text, part| Ok(Value::Bool(text.contains(part))))),
    ("string -> startsWith(string): bool", |args| text2(args, |text, part| Ok(Value::Bool(text.starts_with(part))))),
    ("string -> endsWith(string): bool", |args| text2(args, |text, part| Ok(Value::Bool(text.ends_with(part))))),
    ("string -> matches(string): bool", matches),
    ("matches(string, string): bool", matches),
    ("jsonpatch.escapeKey(string): string", |args| match args {
        [Value::String(key)] => Ok(Value::text(key.replace('~', "~0").replace('/', "~1"))),
        _ => no_overload(),
    }),
    ("string(string): string", |args| Ok(args[0].clone())),
    ("string(bool): string", shown),
    ("string(int): string", shown),
    ("string(uint): string", shown),
    ("string(double): string", shown),
    ("string(bytes): string", |args| match args {
        [Value::Bytes(bytes)] => {
            String::from_utf8(bytes.to_vec()).map(Value::text).map_err(|_| "invalid UTF-8 in bytes, cannot convert to string".to_owned())
        }
        _ => no_overload(),
    }),
    ("string(duration): string", shown),
    ("string(timestamp): string", shown),
    ("string(net.IP): string", shown),
    ("string(net.CIDR): string", shown),
    ("string(kubernetes.Quantity): string", shown),
    ("string(kubernetes.URL): string", shown),
    ("bytes(bytes): bytes", |args| Ok(args[0].clone())),
    ("bytes(string): bytes", |args| match args {
        [Value::String(text)] => Ok(Value::Bytes(text.as_bytes().into())),
        _ => no_overload(),
    }),
    ("string -> charAt(int): string", |args| match args {
        [Value::String(text), Value::Int(at)] => {
            let count = text.chars().count();
            match usize::try_from(*at).ok().filter(|at| *at <= count) {
                Some(at) => Ok(Value::text(text.chars().nth(at).map(String::from).unwrap_or_default())),
                None => Err(format!("index out of range: {at}")),
            }
        }
        _ => no_overload(),
    }),
    ("string -> indexOf(string): int", |args| index_of(args, false)),
    ("string -> indexOf(string, int): int", |args| index_of(args, false)),
    ("string -> lastIndexOf(string): int", |args| index_of(args, true)),
    ("string -> lastIndexOf(string, int): int", |args| index_of(args, true)),
    ("string -> lowerAscii(): string", |args| text1(args, |text| Value::text(text.to_ascii_lowercase()))),
    ("string -> upperAscii(): string", |args| text1(args, |text| Value::text(text.to_ascii_uppercase()))),
    ("string -> trim(): string", |args| text1(args, |text| Value::text(text.trim()))),
    ("string -> replace(string, string): string", replace),
    ("string -> replace(string, string, int): string", replace),
    ("string -> split(string): list(string)", split),
    ("string -> split(string, int): list(string)", split),
    ("string -> substring(int): string", substring),
    ("string -> substring(int, int): string", substring),
    ("list(string) -> join(): string", join),
    ("list(string) -> join(string): string", join),
    ("strings.quote(string): string", |args| text1(args, |text| Value::text(format!("{text:?}")))),
    ("string -> format(list(dyn)): string", |args| match args {
        [Value::String(text), Value::List(values, _)] => format(text, values).map(Value::text),
        _ => no_overload(),
    }),
    ("string -> find(string): string", |args| {
        text2(args, |text, pattern| Ok(Value::text(compiled(pattern)?.find(text).map_or("", |found| found.as_str()))))
    }),
    ("string -> findAll(string): list(string)", find_all),
    ("string -> findAll(string, int): list(string)", find_all),
];

fn text1(args: &[Value], then: fn(&str) -> Value) -> Result<Value, String> {
    match args {
        [Value::String(text)] => Ok(then(text)),
        _ => no_overload(),
    }
}

fn text2(args: &[Value], then: impl Fn(&str, &str) -> Result<Value, String>) -> Result<Value, String> {
    match args {
        [Value::String(one), Value::String(two)] => then(one, two),
        _ => no_overload(),
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn size(args: &[Value]) -> Result<Value, String> {
    match &args[0] {
        Value::String(text) => Ok(Value::Int(count(text.chars().count()))),
        Value::Bytes(bytes) => Ok(Value::Int(count(bytes.len()))),
        _ => no_overload(),
    }
}

fn compiled(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|_| format!("error parsing regexp: `{pattern}`"))
}

fn matches(args: &[Value]) -> Result<Value, String> {
    text2(args, |text, pattern| Ok(Value::Bool(compiled(pattern)?.is_match(text))))
}

fn find_all(args: &[Value]) -> Result<Value, String> {
    let limit = match args.get(2) {
        Some(Value::Int(limit)) => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    text2(&args[..2], |text, pattern| {
        let found = compiled(pattern)?.find_iter(text).take(limit).map(|found| Value::text(found.as_str())).collect();
        Ok(Value::list(found))
    })
}

fn index_of(args: &[Value], last: bool) -> Result<Value, String> {
    let (Value::String(text), Value::String(part)) = (&args[0], &args[1]) else { return no_overload() };
    let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
    let from = match args.get(2) {
        Some(Value::Int(from)) => {
            usize::try_from(*from).ok().filter(|from| *from <= text.len()).ok_or_else(|| format!("index out of range: {from}"))?
        }
        _ if last => text.len(),
        _ => 0,
    };
    let is_at = |at: &usize| text[*at..].starts_with(&part);
    let found = if last { (0..=from).rev().find(is_at) } else { (from..=text.len()).find(is_at) };
    Ok(Value::Int(found.map_or(-1, count)))
}

fn replace(args: &[Value]) -> Result<Value, String> {
    let (Value::String(text), Value::String(from), Value::String(to)) = (&args[0], &args[1], &args[2]) else { return no_overload() };
    Ok(Value::text(match args.get(3) {
        Some(Value::Int(times)) if *times >= 0 => text.replacen(&**from, to, usize::try_from(*times).unwrap_or(usize::MAX)),
        _ => text.replace(&**from, to),
    }))
}

fn split(args: &[Value]) -> Result<Value, String> {
    let (Value::String(text), Value::String(by)) = (&args[0], &args[1]) else { return no_overload() };
    let limit = match args.get(2) {
        Some(Value::Int(0)) => return Ok(Value::list(Vec::new())),
        Some(Value::Int(limit)) => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    if by.is_empty() {
        let mut parts: Vec<String> = text.chars().map(String::from).collect();
        if parts.len() > limit {
            let rest = parts.split_off(limit - 1).concat();
            parts.push(rest);
        }
        return Ok(Value::list(parts.into_iter().map(Value::text).collect()));
    }
    Ok(Value::list(text.splitn(limit, &**by).map(Value::text).collect()))
}

fn substring(args: &[Value]) -> Result<Value, String> {
    let Value::String(text) = &args[0] else { return no_overload() };
    let letters: Vec<char> = text.chars().collect();
    let bound = |value: &Value| match value {
        Value::Int(at) => usize::try_from(*at).ok().filter(|at| *at <= letters.len()).ok_or_else(|| format!("index out of range: {at}")),
        _ => Err("no such overload".to_owned()),
    };
    let from = bound(&args[1])?;
    let to = args.get(2).map_or(Ok(letters.len()), bound)?;
    if from > to {
        return Err(format!("invalid substring range. start: {from}, end: {to}"));
    }
    Ok(Value::text(letters[from..to].iter().collect::<String>()))
}

fn join(args: &[Value]) -> Result<Value, String> {
    let Value::List(items, _) = &args[0] else { return no_overload() };
    let between = match args.get(1) {
        Some(Value::String(between)) => Arc::clone(between),
        _ => "".into(),
    };
    let parts: Vec<&str> = items.iter().map(|item| if let Value::String(text) = item { &**text } else { "" }).collect();
    Ok(Value::text(parts.join(&between)))
}

fn shown(args: &[Value]) -> Result<Value, String> {
    Ok(Value::text(show(&args[0])))
}

/// A value as `string()` and `%s` show it.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Duration(time) => {
            #[allow(clippy::cast_precision_loss, reason = "seconds with a fraction are what is shown")]
            let seconds = time.as_nanos() as f64 / 1e9;
            format!("{seconds}s")
        }
        Value::Timestamp(time) => time.to_string(),
        Value::List(items, _) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            format!(
                "{{{}}}",
                map.iter().map(|(key, value)| format!("{}: {}", show(&key_value(key)), show(value))).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Quantity(quantity) => quantity.to_string(),
        Value::Url(url) => url.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(cidr) => cidr.to_string(),
        Value::Semver(version) => version.to_string(),
        Value::Kind(name) => name.to_string(),
        Value::Optional(Some(inner)) => show(inner),
        Value::Optional(None) | Value::Format(_) | Value::Rights(_) | Value::Made(..) | Value::Failed(_) => String::new(),
    }
}

/// `"%s has %d".format([…])`.
fn format(text: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter().enumerate();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut precision = None;
        if letters.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = digits.parse::<usize>().ok();
        }
        let Some(verb) = letters.next() else { return Err("unexpected end of string".to_owned()) };
        let Some((index, value)) = values.next() else {
            return Err(format!("index {} out of range", out.matches('%').count()));
        };
        put(&mut out, verb, precision, value).ok_or_else(|| {
            format!("error during formatting: no formatting clause '%{verb}' for argument {index} of type {}", value.type_name())
        })?;
    }
    Ok(out)
}

fn put(out: &mut String, verb: char, precision: Option<usize>, value: &Value) -> Option<()> {
    let places = precision.unwrap_or(6);
    let written = match (verb, value) {
        ('s', value) => write!(out, "{}", show(value)),
        ('d', Value::Int(_) | Value::Uint(_)) => write!(out, "{}", show(value)),
        ('f', Value::Double(value)) => write!(out, "{value:.places$}"),
        ('e', Value::Double(value)) => write!(out, "{value:.places$e}"),
        ('b', Value::Int(value)) => write!(out, "{value:b}"),
        ('b', Value::Uint(value)) => write!(out, "{value:b}"),
        ('b', Value::Bool(value)) => write!(out, "{}", u8::from(*value)),
        ('o', Value::Int(value)) => write!(out, "{value:o}"),
        ('o', Value::Uint(value)) => write!(out, "{value:o}"),
        ('x', Value::Int(value)) => write!(out, "{value:x}"),
        ('x', Value::Uint(value)) => write!(out, "{value:x}"),
        ('X', Value::Int(value)) => write!(out, "{value:X}"),
        ('X', Value::Uint(value)) => write!(out, "{value:X}"),
        ('x' | 'X', Value::String(_) | Value::Bytes(_)) => {
            let bytes = show(value).into_bytes();
            bytes.iter().try_for_each(|byte| if verb == 'x' { write!(out, "{byte:02x}") } else { write!(out, "{byte:02X}") })
        }
        _ => return None,
    };
    written.ok()
}
