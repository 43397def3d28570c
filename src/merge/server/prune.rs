//! What a manager no longer applies, taken out of the object where nobody else wants it.

use serde_json::Value;

use super::Writer;
use super::managers::Managers;
use crate::merge::typed::{fields_of, without_items};
use crate::merge::{FieldSet, ManagerEntry};

/// The merged object without what `last` lists and `managers` (the applier's new entry among them) don't. Fields that are only
/// in the object, and owned by nobody, stay.
pub(super) fn pruned(merged: Value, version: &str, last: &ManagerEntry, managers: &Managers, by: &Writer<'_>) -> Value {
    let of = Some(by.of);
    if last.fields.is_empty() {
        return merged;
    }
    let Some(last) = by.converted(&last.fields, &last.api_version, version) else { return merged };
    let last = last.with_named_fields(of);
    let all = fields_of(by.of, &merged).with_named_fields(of);

    let mut left = without_items(by.of, &merged, &last);
    for owned in owned_by_version(version, managers, by) {
        let keep = fields_of(by.of, &left).with_named_fields(of).union(&owned.with_named_fields(of));
        left = without_items(by.of, &merged, &all.difference(&keep));
    }
    let kept = fields_of(by.of, &left).with_named_fields(of);
    without_items(by.of, &merged, &all.difference(&kept).intersection(&last))
}

/// What is owned in each version, in terms of this one; that which is written in it first.
fn owned_by_version(version: &str, managers: &Managers, by: &Writer<'_>) -> Vec<FieldSet> {
    let mut found: Vec<(&str, FieldSet)> = Vec::new();
    for entry in managers.0.values() {
        match found.iter_mut().find(|(known, _)| *known == entry.api_version) {
            Some((_, set)) => *set = set.union(&entry.fields),
            None => found.push((&entry.api_version, entry.fields.clone())),
        }
    }
    found.sort_by_key(|(known, _)| *known != version);
    found.into_iter().filter_map(|(known, set)| by.converted(&set, known, version)).collect()
}
