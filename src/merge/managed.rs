//! `metadata.managedFields`, read.

use serde_json::Value;

use super::FieldSet;
use crate::resource::{FieldManager, FieldPath, Object};

/// How a manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// In any other way.
    Update,
}

/// One entry: what one manager owns, by one operation, in one version, through one subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The manager's name.
    pub manager: String,
    /// How it wrote.
    pub operation: Operation,
    /// In which version of the kind.
    pub api_version: String,
    /// When it last did, as the server wrote it.
    pub time: Option<String>,
    /// `status`, `scale`; empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// All entries of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedFields(pub Vec<Entry>);

impl ManagedFields {
    /// Reads an object's entries.
    pub fn of(object: &Object) -> Self {
        Self(object.managed_fields().iter().map(entry).collect())
    }

    /// What this manager last applied to the object itself.
    pub fn applied(&self, manager: &FieldManager) -> Option<&Entry> {
        self.0.iter().find(|entry| is_applied(entry, manager))
    }

    /// Who else owns the field (or an atomic whole that it is in), the latest first.
    pub fn owners(&self, path: &FieldPath, but: &FieldManager) -> Vec<&Entry> {
        let mut owners: Vec<&Entry> = self.0.iter().filter(|entry| !is_applied(entry, but) && entry.fields.owns(path)).collect();
        owners.sort_by(|a, b| (&b.time, &a.manager).cmp(&(&a.time, &b.manager)));
        owners
    }
}

fn is_applied(entry: &Entry, manager: &FieldManager) -> bool {
    entry.manager == manager.as_str() && entry.operation == Operation::Apply && entry.subresource.is_empty()
}

fn entry(value: &Value) -> Entry {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    Entry {
        manager: text("manager"),
        operation: if value["operation"] == "Apply" { Operation::Apply } else { Operation::Update },
        api_version: text("apiVersion"),
        time: value["time"].as_str().map(str::to_owned),
        subresource: text("subresource"),
        fields: FieldSet::parse(&value["fieldsV1"]),
    }
}

/// What a manager last applied to the object itself, without reading the other entries: the hot path of a plan.
pub fn applied_set(object: &Object, manager: &FieldManager) -> Option<FieldSet> {
    object
        .managed_fields()
        .iter()
        .find(|entry| {
            entry["manager"] == manager.as_str()
                && entry["operation"] == "Apply"
                && entry["subresource"].as_str().unwrap_or_default().is_empty()
        })
        .map(|entry| FieldSet::parse(&entry["fieldsV1"]))
}
