//! ReplicaSets: as many pods as are wanted.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pods::{self, PodName};
use super::status::{all_owned, condition, event, write};
use crate::embedded::api::Failure;
use crate::embedded::world::State;

/// Pods made at a time; the rest follows at once.
const BATCH: i64 = 500;

/// Does the next thing for a ReplicaSet.
pub(super) fn look(state: &mut State, set: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
    let mut all: Vec<Arc<Value>> = all_owned(state, "pods", set).into_iter().filter(|pod| pods::is_active(pod)).collect();
    let missing = wanted - i64::try_from(all.len()).unwrap_or(i64::MAX);
    let mut failed = None;
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    if missing > 0 {
        for _ in 0..missing.min(BATCH) {
            match pods::make(state, set, &set["spec"]["template"], &PodName::Prefix(name), "replicaset-controller") {
                Ok(pod) => all.push(pod),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
    } else if missing < 0 {
        // Those that aren't ready go first, then the youngest.
        all.sort_by_key(|pod| (pods::is_ready(pod), std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned))));
        for pod in all.drain(..usize::try_from(-missing).unwrap_or_default()) {
            let gone = pod["metadata"]["name"].as_str().unwrap_or_default();
            pods::end(state, &pod)?;
            event(state, set, "Normal", "SuccessfulDelete", &format!("Deleted pod: {gone}"), "replicaset-controller");
        }
    }
    let again = report(state, set, &all, failed.as_ref())?;
    Ok(if failed.is_some() { Some(SignedDuration::from_secs(1)) } else { again })
}

fn report(state: &mut State, set: &Arc<Value>, all: &[Arc<Value>], failed: Option<&Failure>) -> Result<Option<SignedDuration>, Failure> {
    let min_ready = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let mut again = None;
    let (mut ready, mut available, mut labeled) = (0, 0, 0);
    let wanted_labels = &set["spec"]["template"]["metadata"]["labels"];
    for pod in all {
        ready += i64::from(pods::is_ready(pod));
        labeled += i64::from(crate::embedded::api::matches_map(wanted_labels, &pod["metadata"]["labels"]));
        match pods::is_available(pod, min_ready, state.now) {
            Ok(is) => available += i64::from(is),
            Err(later) => again = Some(later),
        }
    }
    let mut next = Value::clone(set);
    let status = &mut next["status"];
    let conditions = status["conditions"].take();
    *status = json!({"replicas": all.len(), "observedGeneration": set["metadata"]["generation"]});
    for (field, count) in [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    if conditions.is_array() {
        status["conditions"] = conditions;
    }
    match failed {
        Some(failure) => condition(status, "ReplicaFailure", "True", "FailedCreate", &failure.message, state.now, false),
        None => {
            if let Some(all) = status["conditions"].as_array_mut() {
                all.retain(|one| one["type"] != "ReplicaFailure");
            }
            if status["conditions"].as_array().is_some_and(Vec::is_empty)
                && let Some(status) = status.as_object_mut()
            {
                status.remove("conditions");
            }
        }
    }
    write(state, set, next, super::status::MANAGER)?;
    Ok(again)
}
