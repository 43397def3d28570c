//! Settings that people write as texts, read into numbers: durations, counts or percentages.

use serde_json::Value;

use crate::resource::Diagnostics;
use crate::stack::duration;
use crate::stack::model::CountOrPercent;

use super::context::ServiceContext;

/// A duration in whole seconds, rounded up. What can't be read is an error at its line.
pub(super) fn seconds(service: &ServiceContext<'_>, path: &str, text: Option<&str>, diagnostics: &mut Diagnostics) -> Option<u64> {
    match duration::seconds(text?) {
        Ok(seconds) => Some(seconds),
        Err(error) => {
            service.error(diagnostics, "compile::duration", path, error.to_string(), duration::HELP);
            None
        }
    }
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
    fn shares_of_a_whole() {
        assert_eq!(of_whole(&Value::from("25%"), 6, true), Some(2));
        assert_eq!(of_whole(&Value::from("25%"), 6, false), Some(1));
        assert_eq!(of_whole(&Value::from(3), 6, false), Some(3));
        assert_eq!(of_whole(&Value::from("x"), 6, false), None);
    }
}
