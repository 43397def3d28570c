//! PodDisruptionBudgets: how many pods may go.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pods;
use super::status::{MANAGER, amount, condition, write};
use crate::embedded::api::{Failure, matches_labels};
use crate::embedded::store::Place;
use crate::embedded::world::State;

/// Brings a budget's status up to date.
pub(super) fn look(state: &mut State, budget: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let pods = of(state, budget);
    let expected = expected(state, &pods);
    let healthy = i64::try_from(pods.iter().filter(|pod| pods::is_ready(pod)).count()).unwrap_or(0);
    let spec = &budget["spec"];
    let desired = if spec["maxUnavailable"].is_null() {
        match &spec["minAvailable"] {
            Value::Null => 1,
            least => amount(least, expected, true),
        }
    } else {
        (expected - amount(&spec["maxUnavailable"], expected, true)).max(0)
    };
    let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
    let mut next = Value::clone(budget);
    let conditions = budget["status"]["conditions"].clone();
    let mut status = json!({"observedGeneration": budget["metadata"]["generation"], "currentHealthy": healthy, "desiredHealthy": desired,
        "disruptionsAllowed": allowed, "expectedPods": expected});
    if conditions.is_array() {
        status["conditions"] = conditions;
    }
    let (holds, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    condition(&mut status, "DisruptionAllowed", holds, reason, "", state.now, false);
    for one in status["conditions"].as_array_mut().into_iter().flatten() {
        one["observedGeneration"] = budget["metadata"]["generation"].clone();
        one["message"] = "".into();
    }
    next["status"] = status;
    write(state, budget, next, MANAGER)?;
    Ok(None)
}

fn of(state: &State, budget: &Value) -> Vec<Arc<Value>> {
    let namespace = budget["metadata"]["namespace"].as_str().unwrap_or_default();
    let selects = |pod: &&Arc<Value>| matches_labels(&budget["spec"]["selector"], &pod["metadata"]["labels"]) && pods::is_active(pod);
    state.store.within("pods", namespace).filter(selects).cloned().collect()
}

/// How many pods their owners want.
fn expected(state: &State, pods: &[Arc<Value>]) -> i64 {
    let mut owners = std::collections::BTreeMap::new();
    let mut lone = 0;
    for pod in pods {
        let owner = pod["metadata"]["ownerReferences"].as_array().and_then(|all| all.iter().find(|one| one["controller"] == true)).cloned();
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let resource = match owner.as_ref().and_then(|owner| owner["kind"].as_str()) {
            Some("ReplicaSet") => "replicasets.apps",
            Some("StatefulSet") => "statefulsets.apps",
            _ => {
                lone += 1;
                continue;
            }
        };
        let name = owner.as_ref().and_then(|owner| owner["name"].as_str()).unwrap_or_default();
        let Some(set) = state.store.find(resource, namespace, name) else { continue };
        let above = set["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default();
        // A Deployment that rolls has pods of two sets, and wants as many as it says.
        let wanted = state.store.find("deployments.apps", namespace, above).unwrap_or(set);
        let key = format!("{}/{}", wanted["kind"], wanted["metadata"]["name"]);
        owners.insert(key, wanted["spec"]["replicas"].as_i64().unwrap_or(1));
    }
    owners.values().sum::<i64>() + lone
}

/// Whether a pod may be evicted: all its budgets have room.
///
/// # Errors
/// 429, as long as one has none.
pub fn may_evict(state: &State, place: &Place) -> Result<(), Failure> {
    let Some(pod) = state.store.get(place) else { return Ok(()) };
    for budget in state.store.within("poddisruptionbudgets.policy", &place.namespace) {
        let covers = matches_labels(&budget["spec"]["selector"], &pod["metadata"]["labels"]);
        if covers && pods::is_ready(pod) && budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) < 1 {
            let name = budget["metadata"]["name"].as_str().unwrap_or_default();
            let (healthy, desired) = (&budget["status"]["currentHealthy"], &budget["status"]["desiredHealthy"]);
            let cause = format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
            return Err(Failure {
                code: 429,
                reason: "TooManyRequests",
                message: "Cannot evict pod as it would violate the pod's disruption budget.".to_owned(),
                details: Some(json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]})),
            });
        }
    }
    Ok(())
}
