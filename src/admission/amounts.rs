//! Amounts by resource name (`cpu`, `requests.storage`, `count/secrets`): what a pod needs, what a quota allows.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::resource::Quantity;

/// Amounts by resource name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<String, Quantity>);

impl Amounts {
    /// Reads a resource list; what is no quantity is left out (the server refuses such an object anyway).
    pub fn of(value: &Value) -> Self {
        value
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, amount)| Some((name.clone(), Quantity::from_json(amount).ok()?)))
            .collect()
    }

    /// So many of one thing.
    pub fn count(name: impl Into<String>, count: u64) -> Self {
        std::iter::once((name.into(), Quantity::count(count))).collect()
    }

    /// One amount.
    pub fn get(&self, name: &str) -> Option<&Quantity> {
        self.0.get(name)
    }

    /// Whether it is named at all, be it nothing.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets one amount.
    pub fn set(&mut self, name: impl Into<String>, amount: Quantity) {
        self.0.insert(name.into(), amount);
    }

    /// Sets one amount where nothing is said.
    pub fn set_missing(&mut self, name: &str, amount: &Quantity) {
        self.0.entry(name.to_owned()).or_insert_with(|| amount.clone());
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Quantity)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), amount))
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds name by name.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let sum = self.0.get(name).map_or_else(|| amount.clone(), |held| held.plus(amount));
            self.0.insert(name.clone(), sum);
        }
    }

    /// Raises each to the other's, where that is more.
    pub fn raise(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            if self.0.get(name).is_none_or(|held| amount > held) {
                self.0.insert(name.clone(), amount.clone());
            }
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// The difference; negative where the other is more.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        for (name, amount) in &other.0 {
            let held = rest.0.get(name).cloned().unwrap_or_default();
            rest.0.insert(name.clone(), held.minus(amount));
        }
        rest
    }

    /// The difference, and nothing where the other is more.
    #[must_use]
    pub fn minus_at_most(&self, other: &Self) -> Self {
        let rest = self.minus(other);
        rest.0.into_iter().map(|(name, amount)| (name, if amount.is_negative() { Quantity::ZERO } else { amount })).collect()
    }

    /// So many times.
    #[must_use]
    pub fn times(&self, factor: u64) -> Self {
        self.0.iter().map(|(name, amount)| (name.clone(), amount.times(factor))).collect()
    }

    /// Those that are named there.
    #[must_use]
    pub fn masked(&self, names: &Self) -> Self {
        self.filtered(|name, _| names.has(name))
    }

    /// Those that aren't nothing.
    #[must_use]
    pub fn without_zeros(&self) -> Self {
        self.filtered(|_, amount| !amount.is_zero())
    }

    /// Those of which this holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str, &Quantity) -> bool) -> Self {
        self.0.iter().filter(|(name, amount)| keep(name, amount)).map(|(name, amount)| (name.clone(), amount.clone())).collect()
    }

    /// Those that are more than there; what isn't named there has no bound.
    #[must_use]
    pub fn beyond(&self, bounds: &Self) -> Self {
        self.filtered(|name, amount| bounds.get(name).is_some_and(|bound| amount > bound))
    }

    /// As the server stores them.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string()))).collect::<Map<_, _>>())
    }
}

impl FromIterator<(String, Quantity)> for Amounts {
    fn from_iter<I: IntoIterator<Item = (String, Quantity)>>(amounts: I) -> Self {
        Self(amounts.into_iter().collect())
    }
}

impl fmt::Display for Amounts {
    /// `cpu=1,memory=2Gi`, as quotas' refusals have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, amount)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{name}={amount}")?;
        }
        Ok(())
    }
}
