//! Amounts as Kubernetes writes them (`250m`, `1.5Gi`, `12e6`): exact, and printed as the API server stores them.
//!
//! The API server rewrites what it is given in fields of this type: `1000m` is stored as `1`, `0.5` as `500m`, `1024Mi`
//! as `1Gi`. Who sends anything else never sees their own value again, so whatever spai applies is printed from here.
//! The rules are those of apimachinery's `resource.Quantity`, its shortcut included: a text that its fast path takes for
//! canonical is kept as it was written (`1.234` stays, though `1234m` would be the canonical form).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A billionth: the finest step that Kubernetes keeps.
const NANO: i128 = 1_000_000_000;

/// More than this has no suffix: 999E.
const LARGEST: i128 = 999_000_000_000_000_000_000 * NANO;

/// An exact amount. Equal when the amounts are, however they are written.
#[derive(Clone, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    /// What it was read from, where the API server keeps that as it is.
    text: Option<Box<str>>,
}

/// Which suffixes an amount is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `n`, `u`, `m`, none, `k`, `M`, …
    DecimalSi,
    /// `Ki`, `Mi`, …
    BinarySi,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It isn't a number and a suffix.
    #[error("`{0}` is no quantity: write a number with one of the suffixes n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, or none")]
    Format(String),
    /// The number is too large (beyond 999E).
    #[error("`{0}` is larger than Kubernetes can hold")]
    TooLarge(String),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi, text: None };

    /// A count: `3`.
    pub fn count(count: u64) -> Self {
        Self { nanos: i128::from(count) * NANO, format: Format::DecimalSi, text: None }
    }

    /// So many thousandths: 250 is `250m`.
    pub fn milli(thousandths: u64) -> Self {
        Self { nanos: i128::from(thousandths) * (NANO / 1000), format: Format::DecimalSi, text: None }
    }

    /// So many bytes, printed with binary suffixes: 1048576 is `1Mi`.
    pub fn bytes(bytes: u64) -> Self {
        Self { nanos: i128::from(bytes) * NANO, format: Format::BinarySi, text: None }
    }

    /// Reads a JSON value as the API server does: a string or a bare number.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.trim().parse(),
            Value::Number(number) => number.to_string().parse(),
            other => Err(QuantityError::Format(other.to_string())),
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// The sum, printed with the suffixes of the left side (of the right, where the left is nothing).
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self::new(self.nanos.saturating_add(other.nanos), format)
    }

    /// The difference, printed with the suffixes of the left side (of the right, where the left is nothing); may be negative.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self::new(self.nanos.saturating_sub(other.nanos), format)
    }

    /// So many of it.
    #[must_use]
    pub fn times(&self, factor: u64) -> Self {
        Self::new(self.nanos.saturating_mul(i128::from(factor)), self.format)
    }

    /// A part of it, rounded up to nothing finer than `step`.
    #[must_use]
    pub fn part(&self, part: Fraction, step: &Self) -> Self {
        let scaled = self.nanos.saturating_mul(i128::from(part.numerator));
        Self::new(divide_up(scaled, i128::from(part.denominator)), self.format).rounded_up(step)
    }

    /// The next multiple of `step` that isn't smaller.
    #[must_use]
    pub fn rounded_up(&self, step: &Self) -> Self {
        if step.nanos <= 0 || self.nanos % step.nanos == 0 {
            return self.clone();
        }
        Self::new(divide_up(self.nanos, step.nanos).saturating_mul(step.nanos), self.format)
    }

    /// As resource lists (requests, limits, quotas) hold it: nothing finer than a thousandth, rounded up.
    #[must_use]
    pub fn in_resource_list(&self) -> Self {
        self.rounded_up(&Self::milli(1))
    }

    /// Whole units, rounded up; 0 for less than nothing.
    pub fn ceil(&self) -> u64 {
        u64::try_from(divide_up(self.nanos, NANO).max(0)).unwrap_or(u64::MAX)
    }

    /// The amount, if it is a whole number.
    pub fn whole(&self) -> Option<i64> {
        (self.nanos % NANO == 0).then(|| i64::try_from(self.nanos / NANO).ok()).flatten()
    }

    /// The amount, as near as a float comes.
    #[allow(clippy::cast_precision_loss, reason = "as near as it comes")]
    pub fn approximate(&self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// Thousandths, rounded up; 0 for less than nothing.
    pub fn ceil_milli(&self) -> u64 {
        u64::try_from(divide_up(self.nanos, NANO / 1000).max(0)).unwrap_or(u64::MAX)
    }

    fn new(nanos: i128, format: Format) -> Self {
        Self { nanos: nanos.clamp(-LARGEST, LARGEST), format, text: None }
    }
}

/// Division that rounds towards positive infinity; `by` is positive.
fn divide_up(value: i128, by: i128) -> i128 {
    let quotient = value.div_euclid(by);
    if value.rem_euclid(by) == 0 { quotient } else { quotient + 1 }
}

/// An exact fraction, for shares that people write as decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    numerator: u64,
    denominator: u64,
}

impl Fraction {
    /// A fraction of two whole numbers; one with a denominator of 0 is none.
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        (denominator > 0).then_some(Self { numerator, denominator })
    }

    /// What a decimal says as it is written: 0.3 is exactly three tenths. None for negative, endless and huge numbers.
    pub fn of_decimal(decimal: f64) -> Option<Self> {
        if !decimal.is_finite() || decimal < 0.0 {
            return None;
        }
        // A float prints as the shortest decimal that reads back as itself: what the user wrote.
        let text = decimal.to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let denominator = 10u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
        Some(Self { numerator: format!("{whole}{decimals}").parse().ok()?, denominator })
    }

    /// That share of a count, rounded up.
    pub fn of_count(self, count: u64) -> u64 {
        u64::try_from((u128::from(count) * u128::from(self.numerator)).div_ceil(u128::from(self.denominator))).unwrap_or(u64::MAX)
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Format(text.to_owned());
        let too_large = || QuantityError::TooLarge(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let number_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_end);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if decimals.contains('.') || (whole.is_empty() && decimals.is_empty()) {
            return Err(wrong());
        }
        let (base, exponent, format) = read_suffix(suffix).ok_or_else(wrong)?;
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let digits = format!("{whole}{decimals}");

        let nanos = if digits.bytes().all(|digit| digit == b'0') {
            0
        } else {
            let significant = digits.trim_start_matches('0').trim_end_matches('0');
            let dropped = digits.len() - digits.trim_end_matches('0').len();
            let scale = i64::try_from(dropped).unwrap_or(i64::MAX) - i64::try_from(decimals.len()).unwrap_or(i64::MAX);
            to_nanos(significant, scale, base, exponent).ok_or_else(too_large)?
        };
        let (mut nanos, mut format) = (nanos, format);
        if format == Format::BinarySi {
            nanos = nanos.min(i128::from(i64::MAX) * NANO);
            if nanos > 0 && nanos < NANO {
                format = Format::DecimalSi;
            }
        }
        if nanos > LARGEST {
            return Err(too_large());
        }
        let kept = keeps_text(whole, decimals, &digits, exponent, format).then(|| text.into());
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format, text: kept })
    }
}

/// `significant × 10^scale × base^exponent` in billionths, rounded up; None when it is too large.
fn to_nanos(significant: &str, scale: i64, base: i128, exponent: i32) -> Option<i128> {
    let (scale, factor) = match base {
        2 => (scale, 1i128 << exponent),
        _ => (scale.saturating_add(i64::from(exponent)), 1),
    };
    let places = scale.saturating_add(9);
    let length = i64::try_from(significant.len()).ok()?;
    if length.saturating_add(places) > 38 {
        return None;
    }
    // What lies beyond this many digits behind the billionths can only round up.
    if significant.len() > 30 {
        return if length.saturating_add(places) < -25 { Some(1) } else { to_nanos_long(significant, places, factor) };
    }
    let value: i128 = significant.parse::<i128>().ok()?;
    scale_up(value, places, factor)
}

fn scale_up(value: i128, places: i64, factor: i128) -> Option<i128> {
    if places >= 0 {
        let power = 10i128.checked_pow(u32::try_from(places).ok()?)?;
        return value.checked_mul(power)?.checked_mul(factor);
    }
    match u32::try_from(-places).ok().and_then(|places| 10i128.checked_pow(places)) {
        Some(power) => {
            // Split, so that the product stays within range: whole part and rest are scaled apart.
            let (whole, rest) = (value / power, value % power);
            whole.checked_mul(factor)?.checked_add(divide_up(rest.checked_mul(factor)?, power))
        }
        None => Some(1),
    }
}

/// Many digits: those that can't matter are cut, and counted as a bit more.
fn to_nanos_long(significant: &str, places: i64, factor: i128) -> Option<i128> {
    let (head, _) = significant.split_at(30);
    let cut = i64::try_from(significant.len() - 30).ok()?;
    scale_up(head.parse::<i128>().ok()?.checked_add(1)?, places.saturating_add(cut), factor)
}

/// Base, exponent and format of a suffix.
fn read_suffix(suffix: &str) -> Option<(i128, i32, Format)> {
    let decimal = |exponent| Some((10, exponent, Format::DecimalSi));
    let binary = |exponent| Some((2, exponent, Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            Some((10, exponent.parse().ok()?, Format::DecimalExponent))
        }
    }
}

/// Whether the API server keeps the text, taking it for canonical (apimachinery's fast path).
fn keeps_text(whole: &str, decimals: &str, digits: &str, exponent: i32, format: Format) -> bool {
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    match format {
        Format::BinarySi => {
            let room = 14 - length(whole) - i64::from(exponent) * 3 / 10;
            decimals.is_empty() && room >= 0 && digits.parse::<i64>().is_ok_and(|value| value & 7 != 0)
        }
        Format::DecimalSi | Format::DecimalExponent => {
            let scale = i64::from(exponent) - length(decimals);
            length(digits) <= 18 && scale >= -9 && scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
        }
    }
}

impl fmt::Display for Quantity {
    /// As the API server stores it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let whole = self.nanos % NANO == 0;
        if self.format == Format::BinarySi && whole && self.nanos.abs() >= 1024 * NANO {
            return print_binary(self.nanos / NANO, f);
        }
        print_decimal(self.nanos, self.format == Format::DecimalExponent, f)
    }
}

fn print_binary(mut value: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut suffixes = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter();
    let mut suffix = "";
    while value % 1024 == 0 {
        let Some(next) = suffixes.next() else { break };
        value /= 1024;
        suffix = next;
    }
    write!(f, "{value}{suffix}")
}

fn print_decimal(mut value: i128, exponential: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut exponent = -9;
    while value % 1000 == 0 && (exponential || exponent < 18) {
        value /= 1000;
        exponent += 3;
    }
    let suffix = match exponent {
        0 => "",
        _ if exponential => return write!(f, "{value}e{exponent}"),
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        _ => "E",
    };
    write!(f, "{value}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Quantity>().map_or_else(|e| e.to_string(), |q| q.to_string())
    }

    /// Each pair was printed by apimachinery v0.36.3.
    const AS_THE_SERVER: &[(&str, &str)] = &[
        ("0", "0"),
        ("00", "0"),
        ("0m", "0"),
        ("0Gi", "0"),
        ("0.0", "0"),
        ("1", "1"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1.234", "1.234"),
        ("1.500", "1.500"),
        ("1.5000", "1500m"),
        ("+5", "+5"),
        ("007", "007"),
        ("005Mi", "005Mi"),
        ("-250m", "-250m"),
        ("100", "100"),
        ("1000", "1k"),
        ("10000", "10k"),
        ("12345", "12345"),
        ("1k", "1k"),
        ("1000k", "1M"),
        ("2M", "2M"),
        ("0.1", "100m"),
        ("0.0001", "100u"),
        ("0.00000001", "10n"),
        ("0.0000000001", "1n"),
        ("1.0000000001", "1000000001n"),
        ("1n", "1n"),
        ("1000n", "1u"),
        ("1500u", "1500u"),
        ("2000000u", "2"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("0.5Mi", "512Ki"),
        ("1Ki", "1Ki"),
        ("1023Ki", "1023Ki"),
        ("1024Ki", "1Mi"),
        ("1025Ki", "1025Ki"),
        ("2048Mi", "2Gi"),
        ("1536Mi", "1536Mi"),
        ("100Ti", "100Ti"),
        ("1024Ti", "1Pi"),
        ("8Ei", "9223372036854775807"),
        ("1Ei", "1Ei"),
        ("0.1Ki", "102400m"),
        ("0.0001Ki", "102400u"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("1000e3", "1e6"),
        ("12e6", "12e6"),
        ("5e-1", "500e-3"),
        ("1e-3", "1e-3"),
        ("1e0", "1e0"),
        ("123e1", "1230"),
        ("1E", "1E"),
        ("1.5E", "1500P"),
        ("0.5k", "500"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("1.1Gi", "1181116006400m"),
        ("500Mi", "500Mi"),
        ("512Mi", "512Mi"),
        ("16000m", "16"),
        ("4000m", "4"),
        ("200m", "200m"),
        ("256Mi", "256Mi"),
        ("32Gi", "32Gi"),
        ("1.", "1."),
        ("0.25", "250m"),
        ("3.0", "3"),
        (".5", "500m"),
        ("1e-12", "1e-9"),
        ("100000000000000000000", "100E"),
        ("0.000000000000000000000000000000000000000000000000001", "1n"),
        ("1.0000000000000000000000000000000000000000000000000000001", "1000000001n"),
    ];

    #[test]
    fn prints_what_the_api_server_stores() {
        for (given, stored) in AS_THE_SERVER {
            assert_eq!(canonical(given), *stored, "{given}");
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for bad in ["", "m", ".", "1.2.3", "1 Gi", "1gi", "1KiB", "Gi", "--1", "1e", "1e1.5", "1x", "½", "0x10", "1e99999999999", "1e40"] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }

    #[test]
    fn compares_by_amount() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(q("1000m"), q("1"));
        assert_eq!(q("1Gi"), q("1073741824"));
        assert!(q("1G") < q("1Gi"));
        assert!(q("-1") < Quantity::ZERO);
    }

    #[test]
    fn sums_products_and_parts_are_exact_and_round_up() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(q("1.5Gi").plus(&q("512Mi")).to_string(), "2Gi");
        assert_eq!(Quantity::ZERO.plus(&q("512Mi")).to_string(), "512Mi");
        assert_eq!(q("250m").times(4).to_string(), "1");
        let third = Fraction::new(1, 3).unwrap();
        assert_eq!(q("1").part(third, &Quantity::milli(1)).to_string(), "334m");
        let share = Fraction::of_decimal(0.3).unwrap();
        assert_eq!(q("200m").part(share, &Quantity::milli(1)).to_string(), "60m");
        assert_eq!(q("256Mi").part(share, &Quantity::bytes(1 << 20)).to_string(), "77Mi");
        assert_eq!(q("1u").in_resource_list().to_string(), "1m");
        assert_eq!((q("1500m").ceil(), q("1500m").ceil_milli(), q("-2").ceil()), (2, 1500, 0));
    }

    #[test]
    fn shares_are_what_was_written() {
        assert_eq!(Fraction::of_decimal(0.25), Fraction::new(25, 100));
        assert_eq!(Fraction::of_decimal(2.0), Fraction::new(2, 1));
        assert_eq!(Fraction::of_decimal(1.1).map(|f| f.of_count(10)), Some(11));
        assert_eq!(Fraction::of_decimal(-1.0), None);
        assert_eq!(Fraction::of_decimal(f64::NAN), None);
    }

    #[test]
    fn numbers_of_yaml_are_quantities_too() {
        assert_eq!(Quantity::from_json(&serde_json::json!(0.5)).unwrap().to_string(), "500m");
        assert_eq!(Quantity::from_json(&serde_json::json!(2)).unwrap().to_string(), "2");
        assert!(Quantity::from_json(&serde_json::json!(true)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back_and_stays(nanos in -1_000_000_000_000_000_000_000i128..1_000_000_000_000_000_000_000, binary in proptest::bool::ANY) {
            let format = if binary { Format::BinarySi } else { Format::DecimalSi };
            let printed = Quantity::new(nanos, format).to_string();
            let read: Quantity = printed.parse().unwrap();
            proptest::prop_assert_eq!(read.nanos, nanos);
            proptest::prop_assert_eq!(read.to_string(), printed);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+]?[0-9.]{0,60}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,12}") {
            if let Ok(quantity) = text.parse::<Quantity>() {
                let _ = quantity.to_string();
            }
        }
    }
}
