//! Durations as people write them in a stack: `60s`, `5m`, `1h30m`, `30d`, `250ms`.

use std::fmt::Write as _;
use std::time::Duration;

/// Units, the largest first, in milliseconds. A day has 24 hours and a week 7 days: no calendar is asked.
const UNITS: [(&str, u64); 6] = [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// A number stands alone: `30`.
    #[error("a unit is missing behind {0}")]
    NoUnit(String),
    /// Something else than a whole number stands where a number must be.
    #[error("a whole number is missing before `{0}`")]
    NoNumber(String),
    /// There is no such unit.
    #[error("there is no unit `{0}`")]
    UnknownUnit(String),
    /// The units don't go from large to small: `30m1h`, `5m5m`.
    #[error("`{0}` can't stand behind what is before it: the largest unit comes first, each once")]
    Order(String),
    /// More than can be counted.
    #[error("it is too long")]
    TooLong,
}

/// What to do about a text that is no duration.
pub const HELP: &str = "write a whole number and a unit (`ms`, `s`, `m`, `h`, `d`, `w`): `30s`, `5m`, `1h30m`, `30d`";

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut millis: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::NoNumber(behind.to_owned()));
        }
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        if unit.is_empty() {
            return Err(DurationError::NoUnit(number.to_owned()));
        }
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let factor = factor.ok_or_else(|| DurationError::UnknownUnit(unit.trim().to_owned()))?;
        if factor >= smallest {
            return Err(DurationError::Order(format!("{number}{unit}")));
        }
        smallest = factor;
        let amount = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or(DurationError::TooLong)?;
        millis = millis.checked_add(amount).ok_or(DurationError::TooLong)?;
        rest = next;
    }
    Ok(Duration::from_millis(millis))
}

/// A duration in whole seconds, rounded up: what most of Kubernetes' fields take.
pub fn seconds(text: &str) -> Result<u64, DurationError> {
    parse(text).map(|duration| u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// The shortest text that says it in days and smaller units: `90m` → `1h30m`. Less than a millisecond is left out.
pub fn print(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    // Weeks are read but not written: `14d` is what people say.
    for (unit, factor) in UNITS.iter().skip(1) {
        if millis >= *factor {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", millis / factor);
            millis %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("60s", 60_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("250ms", 250),
            ("0s", 0),
            (" 2w ", 1_209_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(seconds("250ms"), Ok(1));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse(""), Err(DurationError::Empty));
        assert_eq!(parse("30"), Err(DurationError::NoUnit("30".to_owned())));
        assert_eq!(parse("-5m"), Err(DurationError::NoNumber("-5m".to_owned())));
        assert_eq!(parse("5 min"), Err(DurationError::UnknownUnit("min".to_owned())));
        assert_eq!(parse("30m1h"), Err(DurationError::Order("1h".to_owned())));
        assert_eq!(parse("99999999999999999999s"), Err(DurationError::TooLong));
        assert_eq!(parse("999999999999999999w"), Err(DurationError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in 0u64..u64::MAX) {
            let duration = Duration::from_millis(millis);
            proptest::prop_assert_eq!(parse(&print(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
