//! Amounts read from text, and printed as the API server stores them.

use std::fmt;
use std::str::FromStr;

use super::{Format, LARGEST, NANO, Quantity, QuantityError, divide_up};

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
