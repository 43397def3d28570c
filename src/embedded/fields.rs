//! Who owns which field: `merge`, as the server's field manager uses it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::api::{Failure, Part};
use super::catalog::Resource;
use super::clock::seconds;
use super::convert;
use super::world::State;
use crate::merge::{self, Converted, Refused, ScaleError, Writer};
use crate::resource::{FieldPath, GroupKind};
use crate::schema::TypeRef;

/// Who writes.
pub struct Owner {
    /// The manager's name.
    pub manager: String,
    /// Which part it writes.
    pub part: Part,
    /// When.
    pub now: Timestamp,
}

/// Does something as the writer that an owner is. `api_version`: the version that the object is written in.
fn writing<T>(state: &State, resource: &Resource, owner: &Owner, api_version: &str, with: impl FnOnce(&Writer<'_>) -> T) -> T {
    let of = type_of(state, resource, api_version);
    let subresource = Some(owner.part.subresource()).filter(|name| !name.is_empty());
    let custom_status = resource.custom.is_some() && resource.has_status();
    let reset = merge::reset_fields(&GroupKind::new(&resource.group, &resource.kind), subresource, custom_status);
    let time = seconds(owner.now);
    let convert = |object: &Value, to: &str| in_terms_of(state, resource, object, to);
    with(&Writer { of, manager: &owner.manager, subresource, reset: &reset, time: &time, convert: &convert })
}

/// The type of a resource's objects in a version.
pub fn type_of<'s>(state: &'s State, resource: &Resource, api_version: &str) -> TypeRef<'s> {
    if resource.custom.is_some() { state.definitions.type_of(resource) } else { state.schemas.kind(api_version, &resource.kind) }
}

/// An object as another version of its kind has it.
fn in_terms_of<'s>(state: &'s State, resource: &Resource, object: &Value, to: &str) -> Converted<'s> {
    let find = |api_version: &str| {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        state.catalog.find(group, version, &resource.plural)
    };
    match (find(to), find(object["apiVersion"].as_str().unwrap_or_default())) {
        (Some(wanted), _) if resource.custom.is_some() => Converted::by_name(object, to, type_of(state, wanted, to)),
        (Some(wanted), Some(given)) => {
            let mut object = convert::out(wanted, &convert::kept(given, object.clone()));
            object["apiVersion"] = to.into();
            Converted::Object(object, type_of(state, wanted, to))
        }
        _ if resource.custom.is_some() => Converted::Fails(format!("request to convert CR to an invalid group/version: {to}")),
        _ => Converted::Missing,
    }
}

/// What a POST, PUT or patch makes of the managed fields. Those that can't be read are started anew.
pub fn update(state: &State, resource: &Resource, owner: &Owner, old: Option<&Arc<Value>>, object: &mut Value) {
    if convert::has_another_form(resource) && object["apiVersion"] != resource.api_version() {
        // Owners are of fields in the version that was written.
        let (shown, live) = (convert::out(resource, object), old.map(|old| convert::out(resource, old)));
        if let Ok(merged) = writing(state, resource, owner, &resource.api_version(), |by| merge::update(live.as_ref(), &shown, by)) {
            match &merged.object["metadata"]["managedFields"] {
                Value::Null => drop(object["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"))),
                managed => object["metadata"]["managedFields"] = managed.clone(),
            }
        }
        return;
    }
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let live = old.map(|old| in_version(old, &api_version));
    // Every version is converted here: an update doesn't fail.
    if let Ok(merged) = writing(state, resource, owner, &api_version, |by| merge::update(live.as_deref(), object, by)) {
        *object = merged.object;
    }
}

/// Server-side apply: the object that it makes.
///
/// # Errors
/// Other managers own fields with other values, or the configuration isn't of its type.
pub fn apply(
    state: &State,
    resource: &Resource,
    owner: &Owner,
    old: Option<&Arc<Value>>,
    config: &Value,
    force: bool,
) -> Result<Value, Failure> {
    let live = old.map(|old| convert::out(resource, old));
    let applied = writing(state, resource, owner, &resource.api_version(), |by| merge::apply(live.as_ref(), config, by, force));
    applied.map(|merged| merged.object).map_err(refused)
}

/// What a write to the scale makes of an object; applied with or without force, or written (None).
///
/// # Errors
/// Another manager owns the replicas.
pub fn scale(
    state: &State,
    resource: &Resource,
    owner: &Owner,
    old: &Value,
    path: &FieldPath,
    replicas: i64,
    force: Option<bool>,
) -> Result<Value, Failure> {
    let api_version = old["apiVersion"].as_str().unwrap_or_default().to_owned();
    let scaled = writing(state, resource, owner, &api_version, |by| merge::scaled(old, path, replicas, force, by));
    scaled.map(|merged| merged.object).map_err(|error| match error {
        ScaleError::Refused(error) => refused(error),
        ScaleError::Managers(error) => internal(error.to_string()),
    })
}

fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Conflicts(conflicts) => Failure::apply_conflict(conflicts.to_string(), conflicts.causes()),
        Refused::BadRequest(message) => Failure::bad_request(message),
        other => internal(other.to_string()),
    }
}

/// A configuration that isn't of its type: the server answers so, without a word of an internal error.
fn internal(message: String) -> Failure {
    Failure { code: 500, reason: "", message, details: None }
}

/// An object in another version, which the versions that are served two of agree on.
fn in_version(object: &Arc<Value>, api_version: &str) -> Arc<Value> {
    if object["apiVersion"] == api_version {
        return Arc::clone(object);
    }
    let mut object = Value::clone(object);
    object["apiVersion"] = api_version.into();
    Arc::new(object)
}

/// Whether nothing changed but times of managed fields, which then stay as they were.
pub fn same_but_times(old: &Value, object: &mut Value) -> bool {
    let timeless = |value: &Value| {
        let mut managed = value["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        for entry in &mut managed {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        managed
    };
    let without = |value: &Value| -> Option<(Value, Value)> {
        let mut metadata = value["metadata"].clone();
        metadata.as_object_mut()?.remove("managedFields");
        Some((metadata, value["spec"].clone()))
    };
    // Cheap first: most writes that change anything change this.
    if without(old) != without(object) || timeless(old) != timeless(object) {
        return false;
    }
    let managed = old["metadata"]["managedFields"].clone();
    let Some(meta) = object["metadata"].as_object_mut() else { return false };
    if managed.is_null() {
        meta.remove("managedFields");
    } else {
        meta.insert("managedFields".to_owned(), managed);
    }
    *object == *old
}
