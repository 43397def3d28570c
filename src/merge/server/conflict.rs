//! Conflicts, in the server's words.

use std::fmt;

use serde_json::{Value, json};

use super::managers::identity;
use crate::merge::{FieldSet, ManagerEntry, Operation, words};
use crate::resource::FieldPath;

/// A field that another manager owns, and that the configuration would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it.
    pub manager: String,
    /// How it came to own it.
    pub operation: Operation,
    /// In which version it is named so.
    pub api_version: String,
    /// When it wrote it.
    pub time: Option<String>,
    /// Through which subresource, if through one.
    pub subresource: Option<String>,
    /// What.
    pub path: FieldPath,
}

impl Conflict {
    /// `"kubectl" using apps/v1`, or `"hpa" with subresource "scale" using apps/v1`; of appliers the name alone.
    pub fn owner(&self) -> String {
        let mut text = words::quoted(&self.manager);
        if let Some(subresource) = &self.subresource {
            text = format!("{text} with subresource {}", words::quoted(subresource));
        }
        if self.operation == Operation::Update {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }

    /// `.spec.replicas`.
    pub fn field(&self) -> String {
        words::path(&self.path)
    }
}

impl fmt::Display for Conflict {
    /// `conflict with "kubectl" using apps/v1: .spec.replicas`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conflict with {}: {}", self.owner(), self.field())
    }
}

/// All conflicts of an apply, by manager. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    /// The server's message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: {only}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut owner = None;
        for conflict in &self.0 {
            let this = conflict.owner();
            if owner.as_ref() != Some(&this) {
                write!(f, "{}conflicts with {this}:", if owner.is_some() { "\n" } else { "" })?;
            }
            write!(f, "\n- {}", conflict.field())?;
            owner = Some(this);
        }
        Ok(())
    }
}

impl Conflicts {
    /// The causes in the server's answer. It lists managers in no particular order; here they are sorted.
    pub fn causes(&self) -> Vec<Value> {
        let cause = |conflict: &Conflict| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", conflict.owner()), "field": conflict.field()});
        self.0.iter().map(cause).collect()
    }

    /// Those of a manager.
    pub(super) fn of<'c>(entry: &'c ManagerEntry, fields: &FieldSet) -> impl Iterator<Item = Conflict> + use<'c> {
        fields.listed().into_iter().map(|path| Conflict {
            manager: entry.manager.clone(),
            operation: entry.operation,
            api_version: entry.api_version.clone(),
            time: entry.time.clone(),
            subresource: entry.subresource.clone(),
            path,
        })
    }

    /// In the server's order of managers. Those of one manager stay as they are.
    pub(super) fn sorted(mut conflicts: Vec<(String, Vec<Conflict>)>) -> Self {
        conflicts.sort_by(|a, b| a.0.cmp(&b.0));
        Self(conflicts.into_iter().flat_map(|(_, of_one)| of_one).collect())
    }

    /// The key to sort by.
    pub(super) fn key(entry: &ManagerEntry) -> String {
        identity(entry)
    }
}
