//! `/scale`: a small object of its own, whose `spec.replicas` is a field of the parent.

use serde_json::{Value, json};

use super::managers::{Managers, ManagersError, same_owners};
use super::update::{finish, same_apart_from_managers};
use super::{Merged, Refused, Writer, apply, update};
use crate::merge::{FieldSet, set};
use crate::resource::{FieldPath, GroupKind};
use crate::schema::TypeRef;

const VERSION: &str = "autoscaling/v1";
/// A Scale has nothing that a write to it can't change.
static NOTHING: FieldSet = FieldSet::EMPTY;

/// Why an object can't be scaled so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScaleError {
    /// Its managedFields can't be read.
    #[error(transparent)]
    Managers(#[from] ManagersError),
    /// The server refuses: conflicts.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Where a built-in kind has the number that `/scale` sets. None: it can't be scaled. A custom kind says it in its definition.
pub fn replicas_path(kind: &GroupKind) -> Option<FieldPath> {
    let scales = match kind.group.as_str() {
        "" => kind.kind == "ReplicationController",
        "apps" => ["Deployment", "ReplicaSet", "StatefulSet"].contains(&kind.kind.as_str()),
        _ => false,
    };
    scales.then(|| FieldPath::fields(&["spec", "replicas"]))
}

/// The managedFields of the parent's scale: the entries that have its replicas, as of a Scale.
///
/// # Errors
/// The parent's managedFields can't be read.
pub fn scale_entries(parent: &Value, path: &FieldPath) -> Result<Vec<Value>, ManagersError> {
    let mut managers = Managers::read(parent)?;
    managers.0.retain(|_, entry| entry.fields.contains(path));
    for entry in managers.0.values_mut() {
        entry.fields = scale_fields();
        VERSION.clone_into(&mut entry.api_version);
    }
    Ok(managers.rendered())
}

/// What becomes of `parent` when the writer sets its scale to `replicas`; `apply` with or without force, or an update (None).
///
/// # Errors
/// The server refuses.
pub fn scaled(parent: &Value, path: &FieldPath, replicas: i64, force: Option<bool>, by: &Writer<'_>) -> Result<Merged, ScaleError> {
    let version = parent["apiVersion"].as_str().unwrap_or_default();
    let metadata =
        json!({"name": parent["metadata"]["name"], "namespace": parent["metadata"]["namespace"], "uid": parent["metadata"]["uid"]});
    let mut before = json!({"apiVersion": VERSION, "kind": "Scale", "metadata": metadata, "spec": {}, "status": {}});
    // A Scale doesn't store a zero: it is as if nothing were there.
    if let Some(now) = path.get(parent).filter(|now| now.as_i64() != Some(0)) {
        before["spec"]["replicas"] = now.clone();
    }
    before["metadata"]["managedFields"] = Value::Array(scale_entries(parent, path)?);
    let scale_by = Writer { of: TypeRef::any(), subresource: Some("scale"), reset: &NOTHING, ..*by };
    let after = match force {
        None => {
            let mut wanted = before.clone();
            wanted["spec"] = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
            update(Some(&before), &wanted, &scale_by)?.object
        }
        Some(force) => {
            let configuration = json!({"apiVersion": VERSION, "kind": "Scale", "metadata": {}, "spec": {"replicas": replicas}});
            apply(Some(&before), &configuration, &scale_by, force)?.object
        }
    };
    let mut object = parent.clone();
    set(&mut object, path, Value::from(replicas));
    let managers = to_parent(Managers::read(parent)?, Managers::read(&after)?, path, version);
    let is_as_text = by.of.name().is_none() || managers.0.values().all(|entry| entry.fields.is_in_order_of_names());
    managers.write(&mut object);
    if is_as_text {
        return Ok(finish(Some(parent), object));
    }
    // A scale writes down who owns what in the order of names as text, every other write to a built-in kind in that of a set. The
    // server compares bytes, so that it writes even if only times differ; and the next write that changes nothing is one too.
    let (values_changed, owners_changed) = (!same_apart_from_managers(parent, &object), !same_owners(parent, &object));
    Ok(Merged { object, values_changed, owners_changed })
}

/// The parent's entries after a write to its scale: who no longer has the replicas there loses them here. An update's entry is of
/// another version there, and so another one: it goes, and comes back with the replicas alone.
fn to_parent(parent: Managers, mut scale: Managers, path: &FieldPath, version: &str) -> Managers {
    let replicas = FieldSet::from_iter([path.clone()]);
    let mut result = Managers::default();
    for (id, mut entry) in parent.0 {
        if entry.fields.contains(path) && scale.0.remove(&id).is_none() {
            entry.fields = entry.fields.difference(&replicas);
        }
        if !entry.fields.is_empty() {
            result.0.insert(id, entry);
        }
    }
    for (id, mut entry) in scale.0 {
        if entry.fields.contains(&FieldPath::fields(&["spec", "replicas"])) {
            entry.fields = replicas.clone();
            version.clone_into(&mut entry.api_version);
            // The server looks for its time among the parent's.
            entry.time = result.0.get(&id).and_then(|known| known.time.clone());
            result.0.insert(id, entry);
        }
    }
    result
}

fn scale_fields() -> FieldSet {
    FieldSet::from_iter([FieldPath::fields(&["spec", "replicas"])])
}
