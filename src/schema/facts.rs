//! What no schema tells: real defaults, fields whose zero values aren't stored, and what can't change. Tables per minor
//! version, found by probing real API servers (`tests/schema-tables` writes them, a test holds them to a server).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::built_in::{MINORS, nearest};
use super::immutable::Immutable;
use super::minor::Minor;
use super::types::{Schema, Shape};

static TABLES: [LazyLock<Facts>; MINORS.len()] = [
    LazyLock::new(|| Facts::read(include_str!("facts/1.35.json"))),
    LazyLock::new(|| Facts::read(include_str!("facts/1.36.json"))),
    LazyLock::new(|| Facts::read(include_str!("facts/1.37.json"))),
];

/// What probing found of one minor version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// By type and field: what the server puts there when it is missing, whatever else there is. What depends on other
    /// fields is a rule (`rules`).
    pub defaults: BTreeMap<String, BTreeMap<String, Value>>,
    /// By type: fields whose zero value is the same as none.
    pub omits_zero: BTreeMap<String, BTreeSet<String>>,
    /// By kind (`apps/v1 Deployment`): what can't change.
    pub immutable: BTreeMap<String, Immutable>,
}

impl Facts {
    /// The tables of a minor version; of the nearest one that is known.
    pub fn of(minor: Minor) -> &'static Self {
        &TABLES[nearest(minor)]
    }

    /// The tables are files of ours, and a test reads them.
    fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl Schema {
    /// The same, its built-in types completed with what only probing tells.
    #[must_use]
    pub fn with_facts(mut self, facts: &Facts) -> Self {
        for (name, of) in self.named_mut() {
            let (defaults, zeros) = (facts.defaults.get(name), facts.omits_zero.get(name));
            let Shape::Map { fields, .. } = &mut of.shape else { continue };
            if defaults.is_none() && zeros.is_none() {
                continue;
            }
            for field in fields {
                field.default = defaults.and_then(|defaults| defaults.get(&field.name)).cloned();
                field.omits_zero = zeros.is_some_and(|zeros| zeros.contains(&field.name));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_read() {
        for text in [include_str!("facts/1.35.json"), include_str!("facts/1.36.json"), include_str!("facts/1.37.json")] {
            serde_json::from_str::<Facts>(text).unwrap();
        }
    }
}
