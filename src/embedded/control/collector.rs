//! What nobody owns any more goes; what waits for its dependents goes after them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::status::{MANAGER, over};
use super::work::Eye;
use crate::embedded::api::{Failure, Part, put, remove_now};
use crate::embedded::clock::seconds;
use crate::embedded::store::{Change, Event, Place};
use crate::embedded::world::State;

/// Whether a write is to be looked at.
pub(super) fn concerns(state: &State, event: &Event) -> bool {
    let meta = &event.object["metadata"];
    if event.change == Change::Deleted {
        return false;
    }
    let waits = meta["deletionTimestamp"].is_string()
        && meta["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == "foregroundDeletion" || one == "orphan"));
    // An owner that is gone already, or never was.
    let owners = meta["ownerReferences"].as_array();
    waits
        || owners
            .is_some_and(|owners| owners.iter().any(|owner| find(state, owner, meta["namespace"].as_str().unwrap_or_default()).is_none()))
}

fn find(state: &State, owner: &Value, namespace: &str) -> Option<Arc<Value>> {
    let resource = state.catalog.of_kind(owner["apiVersion"].as_str()?, owner["kind"].as_str()?)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    let found = state.store.find(&resource.storage, namespace, owner["name"].as_str()?)?;
    (found["metadata"]["uid"] == owner["uid"]).then(|| Arc::clone(found))
}

/// When a dependent is gone, owners that wait for it look again.
pub(super) fn owners_look(state: &mut State, object: &Value, now: Timestamp) {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
        let Some(found) = find(state, owner, &namespace).filter(|found| found["metadata"]["deletionTimestamp"].is_string()) else {
            continue;
        };
        let Some(resource) =
            state.catalog.of_kind(owner["apiVersion"].as_str().unwrap_or_default(), owner["kind"].as_str().unwrap_or_default()).cloned()
        else {
            continue;
        };
        let name = format!("{}/{}", resource.storage, found["metadata"]["name"].as_str().unwrap_or_default());
        let within = found["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        state.work.add(Eye::Collector, &within, &name, now);
    }
}

/// Looks at an object, named `resource/name`.
pub(super) fn look(state: &mut State, namespace: &str, name: &str) -> Result<Option<SignedDuration>, Failure> {
    let Some((resource, name)) = name.split_once('/') else { return Ok(None) };
    let Some(object) = state.store.find(resource, namespace, name).cloned() else { return Ok(None) };
    let meta = &object["metadata"];
    let has = |finalizer: &str| meta["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == finalizer));
    if meta["deletionTimestamp"].is_string() {
        let uid = meta["uid"].as_str().unwrap_or_default();
        if has("orphan") {
            for dependent in dependents(state, uid) {
                let mut next = Value::clone(&dependent);
                if let Some(owners) = next["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| owner["uid"] != uid);
                }
                if next["metadata"]["ownerReferences"].as_array().is_some_and(Vec::is_empty)
                    && let Some(meta) = next["metadata"].as_object_mut()
                {
                    meta.remove("ownerReferences");
                }
                over(state, &dependent, next, Part::Main, MANAGER)?;
            }
            return release(state, &object, "orphan");
        }
        if has("foregroundDeletion") {
            let left = dependents(state, uid);
            let blocking = |one: &Arc<Value>| {
                one["metadata"]["ownerReferences"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true))
            };
            if !left.iter().any(blocking) {
                return release(state, &object, "foregroundDeletion");
            }
            for dependent in left {
                delete_in(state, &dependent, true)?;
            }
        }
        return Ok(None);
    }
    let owners = meta["ownerReferences"].as_array().cloned().unwrap_or_default();
    if owners.is_empty() {
        return Ok(None);
    }
    let left: Vec<&Value> = owners.iter().filter(|owner| find(state, owner, namespace).is_some()).collect();
    if left.is_empty() {
        delete_in(state, &object, false)?;
    } else if left.len() < owners.len() {
        let mut next = Value::clone(&object);
        next["metadata"]["ownerReferences"] = json!(left);
        over(state, &object, next, Part::Main, MANAGER)?;
    }
    Ok(None)
}

fn dependents(state: &State, uid: &str) -> Vec<Arc<Value>> {
    state.work.owned(uid).iter().filter_map(|place| state.store.get(place).cloned()).collect()
}

fn release(state: &mut State, object: &Arc<Value>, finalizer: &str) -> Result<Option<SignedDuration>, Failure> {
    let mut next = Value::clone(object);
    if let Some(all) = next["metadata"]["finalizers"].as_array_mut() {
        all.retain(|one| one != finalizer);
    }
    over(state, object, next, Part::Main, MANAGER)?;
    Ok(None)
}

/// Deletes an object, in the background.
pub(super) fn delete(state: &mut State, _resource: &str, object: &Arc<Value>) -> Result<(), Failure> {
    delete_in(state, object, false)
}

/// Deletes an object: at once, or, if something holds it, as soon as that lets go. `foreground`: after its own dependents.
pub(super) fn delete_in(state: &mut State, object: &Arc<Value>, foreground: bool) -> Result<(), Failure> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    let Some(resource) = state.catalog.of_kind(api_version, kind).cloned() else { return Ok(()) };
    let place = Place { resource: Arc::clone(&resource.storage), namespace: text("namespace"), name: text("name") };
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Ok(());
    }
    let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if foreground && !state.work.owned(&text("uid")).is_empty() {
        finalizers.push("foregroundDeletion".into());
    }
    if finalizers.is_empty() && kind != "Namespace" {
        remove_now(state, &place, None)?;
        return Ok(());
    }
    let mut ending = Value::clone(object);
    ending["metadata"]["deletionTimestamp"] = seconds(state.now).into();
    ending["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    ending["metadata"]["finalizers"] = finalizers.into();
    put(state, &place, ending)?;
    Ok(())
}
