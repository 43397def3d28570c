//! What a manager no longer applies, taken out of the object where nobody else wants it.

use std::borrow::Cow;

use serde_json::Value;

use super::Writer;
use super::managers::Managers;
use super::versions::{Unconverted, Versioned};
use crate::merge::typed::{fields_of, without_items};
use crate::merge::{FieldSet, ManagerEntry};

/// The merged object without what `last` lists and `managers` (the applier's new entry among them) don't. Fields that are only
/// in the object, and owned by nobody, stay.
pub(super) fn pruned(
    merged: Value,
    version: &str,
    last: &ManagerEntry,
    managers: &Managers,
    by: &Writer<'_>,
) -> Result<Value, Unconverted> {
    if last.fields.is_empty() {
        return Ok(merged);
    }
    let pruned = {
        let as_written = Versioned::written(&merged, by);
        let at_last = |why: Unconverted| why.at("failed to convert merged object to last applied version");
        let Some(whole) = as_written.to(&last.api_version, by).map_err(at_last)? else { return Ok(merged) };
        let left = without_items(whole.of, &whole.object, &named(&last.fields, &whole));
        let kept = with_owned(&whole, left, &last.api_version, managers, by).map_err(|why| why.at("failed add back owned items"))?;
        let left = with_dangling(&whole, kept, last, by).map_err(|why| why.at("failed add back dangling items"))?;
        let left = Versioned { object: Cow::Owned(left), of: whole.of };
        left.to(version, by)?.map(|left| left.object.into_owned())
    };
    Ok(pruned.unwrap_or(merged))
}

/// What is left, with what others own put back: by each version that something is owned in, the last applied first.
fn with_owned<'s>(
    whole: &Versioned<'_, 's>,
    left: Value,
    first: &str,
    managers: &Managers,
    by: &Writer<'s>,
) -> Result<Versioned<'static, 's>, Unconverted> {
    let mut whole = whole.clone().into_owned();
    let mut left = Versioned { object: Cow::Owned(left), of: whole.of };
    for (version, owned) in owned_by_version(first, managers) {
        let at = |which: &str, why: Unconverted| why.at(&format!("failed to convert {which} object at version {version}"));
        let Some(there) = whole.to(version, by).map_err(|why| at("merged", why))?.map(Versioned::into_owned) else { continue };
        let Some(left_there) = left.to(version, by).map_err(|why| at("pruned", why))? else { continue };
        let keep = named(&fields_of(there.of, &left_there.object), &there).union(&named(&owned, &there));
        let all = named(&fields_of(there.of, &there.object), &there);
        let object = without_items(there.of, &there.object, &all.difference(&keep));
        left = Versioned { object: Cow::Owned(object), of: there.of };
        whole = there;
    }
    Ok(left)
}

/// What is left, with what the applier had not applied put back.
fn with_dangling<'s>(
    whole: &Versioned<'_, 's>,
    left: Versioned<'_, 's>,
    last: &ManagerEntry,
    by: &Writer<'s>,
) -> Result<Value, Unconverted> {
    let at_last = |why: Unconverted| why.at("failed to convert pruned object to last applied version");
    let Some(left) = left.to(&last.api_version, by).map_err(at_last)? else { return Ok(whole.object.clone().into_owned()) };
    let all = named(&fields_of(whole.of, &whole.object), whole);
    let kept = named(&fields_of(left.of, &left.object), whole);
    Ok(without_items(whole.of, &whole.object, &all.difference(&kept).intersection(&named(&last.fields, whole))))
}

fn named(fields: &FieldSet, at: &Versioned<'_, '_>) -> FieldSet {
    fields.with_named_fields(Some(at.of))
}

/// What is owned in each version, in its terms; this version first.
fn owned_by_version<'m>(first: &str, managers: &'m Managers) -> Vec<(&'m str, FieldSet)> {
    let mut found: Vec<(&str, FieldSet)> = Vec::new();
    for entry in managers.0.values() {
        match found.iter_mut().find(|(known, _)| *known == entry.api_version) {
            Some((_, set)) => *set = set.union(&entry.fields),
            None => found.push((&entry.api_version, entry.fields.clone())),
        }
    }
    found.sort_by_key(|(known, _)| *known != first);
    found
}
