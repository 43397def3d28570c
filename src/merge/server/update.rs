//! Any write but an apply: who comes to own what, from what it changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::cap::capped;
use super::empty::empty_object;
use super::managers::{Managers, identity, same_owners, without_identity};
use super::versions::{Unconverted, Versioned};
use super::{Conflicts, Merged, Refused, Writer};
use crate::merge::typed::{Comparison, Duplicates, compare, reconciled, validate};
use crate::merge::{ManagerEntry, Operation};
use crate::resource::same_value;

/// The entry of what the write at hand changes, until it is put with the manager's own.
const CURRENT: &str = "current-operation";

/// What a PUT, POST or PATCH makes of `live` (none: it is created). `new` is the whole object as it is to be, with defaults, and
/// with the managedFields that the request has: an empty list there starts them anew.
///
/// # Errors
/// Somebody owns fields in a version of which only the server can tell what the object is in it ([`Refused::Unknown`]).
pub fn update(live: Option<&Value>, new: &Value, by: &Writer<'_>) -> Result<Merged, Refused> {
    let managers = given(live, new, by);
    let mut object = new.clone();
    remove_managers(&mut object);
    let is_new = live.is_none_or(|live| live["metadata"]["uid"].as_str().unwrap_or_default().is_empty());
    // Who owned what before nobody knows: nothing is recorded until the next apply.
    let tracked = !managers.is_empty() || is_new;
    let empty = live.is_none().then(|| empty_object(by.of, new));
    let before = live.or(empty.as_ref()).unwrap_or(&Value::Null);
    if tracked && let Some(managers) = written(before, &object, managers, by, by.manager)? {
        managers.write(&mut object);
    }
    Ok(finish(live, object))
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

/// Managers after `manager` has made `after` of `before`. None: one of the two isn't of its type, here or in a version that
/// somebody owns fields in, and the record ends there.
pub(super) fn written(
    before: &Value,
    after: &Value,
    managers: Managers,
    by: &Writer<'_>,
    manager: &str,
) -> Result<Option<Managers>, Refused> {
    let of_type = |object: &Value| validate(by.of, object, Duplicates::Allowed).is_ok();
    if !of_type(after) || !of_type(before) {
        return Ok(None);
    }
    let version = after["apiVersion"].as_str().unwrap_or_default().to_owned();
    let settled = by_todays_type(before, managers, by).and_then(|mut managers| {
        let changes = settle(before, after, &mut managers, None, by, true)?;
        Ok((managers, changes))
    });
    let (mut managers, changes) = match settled {
        Ok(settled) => settled,
        Err(unknown @ Refused::Unknown(_)) => return Err(unknown),
        Err(_) => return Ok(None),
    };
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
    Ok(Some(capped(managers)))
}

/// Every entry in terms of its version's type as it is now; those of versions that are gone, gone.
pub(super) fn by_todays_type(standing: &Value, managers: Managers, by: &Writer<'_>) -> Result<Managers, Refused> {
    let mut result = Managers::default();
    let standing = Versioned::written(standing, by);
    for (id, mut entry) in managers.0 {
        if let Some(there) = standing.to(&entry.api_version, by)? {
            entry.fields = reconciled(there.of, &entry.fields);
            result.0.insert(id, entry);
        }
    }
    Ok(result)
}

/// Takes what changed away from all managers but `except`; what is gone from those too that don't mind.
///
/// # Errors
/// Others own what changed, and it is not to be forced; or what changed can't be told in their versions.
pub(super) fn settle(
    before: &Value,
    after: &Value,
    managers: &mut Managers,
    except: Option<&str>,
    by: &Writer<'_>,
    force: bool,
) -> Result<Comparison, Refused> {
    let changes = compare(by.of, before, after).ignoring(by.reset);
    let version = after["apiVersion"].as_str().unwrap_or_default();
    let mut elsewhere: BTreeMap<String, Option<Comparison>> = BTreeMap::new();
    let (mut conflicts, mut taken, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (id, entry) in managers.0.iter().filter(|(id, _)| Some(id.as_str()) != except && id.as_str() != CURRENT) {
        let there = if entry.api_version == version {
            Some(&changes)
        } else {
            if !elsewhere.contains_key(&entry.api_version) {
                elsewhere.insert(entry.api_version.clone(), changes_in(&entry.api_version, before, after, by)?);
            }
            elsewhere.get(&entry.api_version).and_then(Option::as_ref)
        };
        let Some(there) = there else {
            missing.push(id.clone());
            continue;
        };
        let conflict = entry.fields.intersection(&there.written());
        if !conflict.is_empty() {
            conflicts.push((Conflicts::key(entry), Conflicts::of(entry, &conflict).collect()));
        }
        if !conflict.is_empty() || !there.removed.is_empty() {
            taken.push((id.clone(), conflict.union(&there.removed)));
        }
    }
    if !force && !conflicts.is_empty() {
        return Err(Conflicts::sorted(conflicts).into());
    }
    for (id, fields) in taken {
        if let Some(entry) = managers.0.get_mut(&id) {
            entry.fields = entry.fields.difference(&fields);
        }
    }
    managers.0.retain(|id, _| !missing.contains(id));
    managers.drop_empty();
    Ok(changes)
}

/// What changed in terms of another version. None: there is no such version.
fn changes_in(version: &str, before: &Value, after: &Value, by: &Writer<'_>) -> Result<Option<Comparison>, Unconverted> {
    let (before, after) = (Versioned::written(before, by), Versioned::written(after, by));
    let Some(before) = before.to(version, by).map_err(|why| why.at("failed to convert old object"))? else { return Ok(None) };
    let Some(after) = after.to(version, by).map_err(|why| why.at("failed to convert new object"))? else { return Ok(None) };
    let changes = compare(after.of, &before.object, &after.object);
    // What a write can't change is laid down for every version of a built-in kind, and for the written one of a custom kind.
    Ok(Some(if by.of.name().is_some() { changes.ignoring(by.reset) } else { changes }))
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

pub(super) fn same_apart_from_managers(a: &Value, b: &Value) -> bool {
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
