//! What controllers know of pods, and how they make and end them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::status::{create, event, find_condition, owned_by, time, until};
use crate::embedded::api::{Failure, remove_now};
use crate::embedded::clock::seconds;
use crate::embedded::store::Place;
use crate::embedded::world::State;

/// Whether a pod is still of use: neither ended nor ending.
pub(super) fn is_active(pod: &Value) -> bool {
    !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) && !is_ending(pod)
}

/// Whether its deletion has begun.
pub(super) fn is_ending(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

/// Whether it is ready.
pub(super) fn is_ready(pod: &Value) -> bool {
    find_condition(&pod["status"], "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Whether it has been ready for long enough; else, if it is ready, how long that takes.
pub(super) fn is_available(pod: &Value, min_ready: i64, now: Timestamp) -> Result<bool, SignedDuration> {
    if !is_ready(pod) {
        return Ok(false);
    }
    let since = find_condition(&pod["status"], "Ready").and_then(|ready| time(&ready["lastTransitionTime"])).unwrap_or(now);
    until(since, min_ready, now).map_or(Ok(true), Err)
}

/// Makes a pod of a template. The refusal, if there is one, is told as an event of the owner.
pub(super) fn make(state: &mut State, owner: &Value, template: &Value, name: &PodName<'_>, component: &str) -> Result<Arc<Value>, Failure> {
    let mut meta = json!({"namespace": owner["metadata"]["namespace"], "ownerReferences": owned_by(owner)});
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            meta[field] = template["metadata"][field].clone();
        }
    }
    match name {
        PodName::Prefix(prefix) => meta["generateName"] = format!("{prefix}-").into(),
        PodName::Exact(name) => meta["name"] = (*name).into(),
    }
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]});
    let made = create(state, object, true);
    match &made {
        Ok(pod) => {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            event(state, owner, "Normal", "SuccessfulCreate", &format!("Created pod: {name}"), component);
        }
        Err(failure) => event(state, owner, "Warning", "FailedCreate", &format!("Error creating: {}", failure.message), component),
    }
    made
}

/// What a pod is to be called.
pub(super) enum PodName<'n> {
    /// Something that begins so.
    Prefix(&'n str),
    /// Exactly so.
    Exact(&'n str),
}

/// Ends a pod: it goes once its time is over, which is at once here, where nothing runs.
pub(super) fn end(state: &mut State, pod: &Value) -> Result<(), Failure> {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let place = Place { resource: "pods".into(), namespace: text("namespace"), name: text("name") };
    let held = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if !held {
        remove_now(state, &place, None)?;
        return Ok(());
    }
    let Some(old) = state.store.get(&place).cloned() else { return Ok(()) };
    if is_ending(&old) {
        return Ok(());
    }
    let mut ending = Value::clone(&old);
    ending["metadata"]["deletionTimestamp"] = seconds(state.now).into();
    ending["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    crate::embedded::api::put(state, &place, ending)?;
    Ok(())
}
