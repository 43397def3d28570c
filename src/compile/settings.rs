//! Settings that people write as texts, read into numbers: durations, counts or percentages.

use serde_json::Value;

use crate::resource::Diagnostics;
use crate::stack::model::CountOrPercent;

use super::context::ServiceContext;

/// A duration in whole seconds, rounded up. What can't be read is an error at its line.
pub(super) fn seconds(service: &ServiceContext<'_>, path: &str, text: Option<&str>, diagnostics: &mut Diagnostics) -> Option<u64> {
    let text = text?;
    let seconds = parse_seconds(text);
    if seconds.is_none() {
        let help = "write a duration like `30s`, `5m`, `1h30m` or `30d`";
        service.error(diagnostics, "compile::duration", path, format!("`{text}` is no duration"), help);
    }
    seconds
}

/// Whole seconds, rounded up; None for what is no duration.
pub(super) fn parse_seconds(text: &str) -> Option<u64> {
    parse_millis(text).map(|millis| millis.div_ceil(1000))
}

/// `90s`, `1h30m`, `250ms` in thousandths of a second; None for anything else.
pub(super) fn parse_millis(text: &str) -> Option<u64> {
    let mut millis: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let factor = match &rest[..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        millis = millis.checked_add(amount.checked_mul(factor)?)?;
        rest = &rest[unit_end..];
    }
    Some(millis)
}

/// As Kubernetes takes it: a number, or a text with `%`.
pub(super) fn count_or_percent(value: &CountOrPercent) -> Value {
    match value {
        CountOrPercent::Count(count) => Value::from(*count),
        CountOrPercent::Percent(percent) => Value::from(percent.as_str()),
    }
}

/// How many that is of `whole`; percentages are rounded up or down. None for a text that is no percentage.
pub(super) fn of_whole(value: &Value, whole: u64, up: bool) -> Option<u64> {
    if let Some(count) = value.as_u64() {
        return Some(count);
    }
    let percent: u64 = value.as_str()?.trim().strip_suffix('%')?.trim().parse().ok()?;
    let product = whole.checked_mul(percent)?;
    Some(if up { product.div_ceil(100) } else { product / 100 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("60s", Some(60)),
            ("1h30m", Some(5400)),
            ("250ms", Some(1)),
            ("30d", Some(2_592_000)),
            ("", None),
            ("5", None),
            ("m", None),
            ("5x", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_seconds(text), seconds, "{text}");
        }
    }

    #[test]
    fn shares_of_a_whole() {
        assert_eq!(of_whole(&Value::from("25%"), 6, true), Some(2));
        assert_eq!(of_whole(&Value::from("25%"), 6, false), Some(1));
        assert_eq!(of_whole(&Value::from(3), 6, false), Some(3));
        assert_eq!(of_whole(&Value::from("x"), 6, false), None);
    }
}
