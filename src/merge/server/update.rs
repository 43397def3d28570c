//! Any write but an apply: who comes to own what, from what it changed.

use serde_json::{Map, Value};

use super::cap::capped;
use super::empty::empty_object;
use super::managers::{Managers, identity, same_owners, without_identity};
use super::{Conflicts, Merged, Writer};
use crate::merge::typed::{Comparison, Duplicates, compare, reconciled, validate};
use crate::merge::{ManagerEntry, Operation};
use crate::resource::same_value;

/// The entry of what the write at hand changes, until it is put with the manager's own.
const CURRENT: &str = "current-operation";

/// What a PUT, POST or PATCH makes of `live` (none: it is created). `new` is the whole object as it is to be, with defaults, and
/// with the managedFields that the request has: an empty list there starts them anew.
pub fn update(live: Option<&Value>, new: &Value, by: &Writer<'_>) -> Merged {
    let managers = given(live, new, by);
    let mut object = new.clone();
    remove_managers(&mut object);
    let is_new = live.is_none_or(|live| live["metadata"]["uid"].as_str().unwrap_or_default().is_empty());
    // Who owned what before nobody knows: nothing is recorded until the next apply.
    let tracked = !managers.is_empty() || is_new;
    let empty = live.is_none().then(|| empty_object(by.of, new));
    let before = live.or(empty.as_ref()).unwrap_or(&Value::Null);
    if tracked && let Some(managers) = written(before, &object, managers, by, by.manager) {
        managers.write(&mut object);
    }
    finish(live, object)
}

/// The managers that the request says there are; if it doesn't, those that there are.
fn given(live: Option<&Value>, new: &Value, by: &Writer<'_>) -> Managers {
    let standing = || live.and_then(|live| Managers::read(live).ok()).unwrap_or_default();
    if by.subresource.is_some() {
        return standing();
    }
    match new["metadata"]["managedFields"].as_array().map(Vec::as_slice) {
        Some([]) => return Managers::default(),
        Some([only]) if only.as_object().is_some_and(|entry| entry.values().all(|value| value.is_null() || *value == "")) => {
            return Managers::default();
        }
        _ => {}
    }
    Managers::read(new).ok().filter(|managers| !managers.is_empty()).unwrap_or_else(standing)
}

/// Managers after `manager` has made `after` of `before`. None: one of the two isn't of its type, and the record ends there.
pub(super) fn written(before: &Value, after: &Value, managers: Managers, by: &Writer<'_>, manager: &str) -> Option<Managers> {
    validate(by.of, after, Duplicates::Allowed).ok()?;
    validate(by.of, before, Duplicates::Allowed).ok()?;
    let version = after["apiVersion"].as_str().unwrap_or_default().to_owned();
    let mut managers = by_todays_type(managers, &version, by);
    let Ok(changes) = settle(before, after, &version, &mut managers, None, by, true) else { return Some(managers) };
    let fields = without_identity(&changes.written().without(by.reset));
    if !fields.is_empty() {
        let mut entry = ManagerEntry {
            manager: if manager.is_empty() { "unknown" } else { manager }.to_owned(),
            operation: Operation::Update,
            api_version: version,
            time: Some(by.time.to_owned()),
            subresource: by.subresource.map(str::to_owned),
            fields,
        };
        if let Some(known) = managers.0.get(&identity(&entry)) {
            entry.fields = entry.fields.union(&known.fields);
        }
        managers.put(entry);
    }
    Some(capped(managers))
}

/// Every entry in terms of the type as it is now; those of versions that are gone, gone.
pub(super) fn by_todays_type(managers: Managers, version: &str, by: &Writer<'_>) -> Managers {
    let mut result = Managers::default();
    for (id, mut entry) in managers.0 {
        match by.converted(&entry.fields, &entry.api_version, version) {
            None => continue,
            Some(fields) => {
                let now = reconciled(by.of, &fields);
                if now != fields {
                    entry.fields = by.converted(&now, version, &entry.api_version).unwrap_or(now);
                }
            }
        }
        result.0.insert(id, entry);
    }
    result
}

/// Takes what changed away from all managers but `except`; what is gone from those too that don't mind.
///
/// # Errors
/// Others own what changed, and it is not to be forced.
pub(super) fn settle(
    before: &Value,
    after: &Value,
    version: &str,
    managers: &mut Managers,
    except: Option<&str>,
    by: &Writer<'_>,
    force: bool,
) -> Result<Comparison, Conflicts> {
    let changes = compare(by.of, before, after).ignoring(by.reset);
    let written = changes.written();
    let (mut conflicts, mut taken) = (Vec::new(), Vec::new());
    for (id, entry) in managers.0.iter().filter(|(id, _)| Some(id.as_str()) != except && id.as_str() != CURRENT) {
        let (Some(written), Some(removed)) =
            (by.converted(&written, version, &entry.api_version), by.converted(&changes.removed, version, &entry.api_version))
        else {
            continue;
        };
        let conflict = entry.fields.intersection(&written);
        if !conflict.is_empty() {
            conflicts.push((Conflicts::key(entry), Conflicts::of(entry, &conflict).collect()));
        }
        if !conflict.is_empty() || !removed.is_empty() {
            taken.push((id.clone(), conflict.union(&removed)));
        }
    }
    if !force && !conflicts.is_empty() {
        return Err(Conflicts::sorted(conflicts));
    }
    for (id, fields) in taken {
        if let Some(entry) = managers.0.get_mut(&id) {
            entry.fields = entry.fields.difference(&fields);
        }
    }
    managers.drop_empty();
    Ok(changes)
}

/// The object as it will stand, unless nothing is to be written: then as it stands.
pub(super) fn finish(live: Option<&Value>, mut object: Value) -> Merged {
    let Some(live) = live else { return Merged { object, values_changed: true, owners_changed: true } };
    let owners_changed = !same_owners(live, &object);
    let values_changed = !same_apart_from_managers(live, &object);
    if !owners_changed
        && !values_changed
        && let (Some(metadata), Some(entries)) =
            (object.get_mut("metadata").and_then(Value::as_object_mut), live["metadata"].get("managedFields"))
    {
        // Times alone are no reason to write.
        metadata.insert("managedFields".to_owned(), entries.clone());
    }
    Merged { object, values_changed, owners_changed }
}

fn same_apart_from_managers(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let metadata = |map: &Map<String, Value>| {
        let mut metadata = map.get("metadata").cloned().unwrap_or_default();
        metadata.as_object_mut().map(|map| map.remove("managedFields"));
        metadata
    };
    a.len() == b.len()
        && a.iter().all(|(name, value)| name == "metadata" || b.get(name).is_some_and(|other| same_value(value, other)))
        && metadata(a) == metadata(b)
}

pub(super) fn remove_managers(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}
