//! Amounts as Kubernetes writes them (`250m`, `1.5Gi`, `12e6`): exact, and printed as the API server stores them.
//!
//! The API server rewrites what it is given in fields of this type: `1000m` is stored as `1`, `0.5` as `500m`, `1024Mi`
//! as `1Gi`. Who sends anything else never sees their own value again, so whatever spai applies is printed from here.
//! The rules are those of apimachinery's `resource.Quantity`, its shortcut included: a text that its fast path takes for
//! canonical is kept as it was written (`1.234` stays, though `1234m` would be the canonical form).

#[cfg(test)]
mod tests;
mod text;

use std::cmp::Ordering;

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
