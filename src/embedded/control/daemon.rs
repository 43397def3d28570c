//! DaemonSets: a pod on each node.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::kubelet::template_hash;
use super::pods::{self, PodName};
use super::status::{MANAGER, all_owned, amount, write};
use crate::embedded::api::Failure;
use crate::embedded::world::State;

const REVISION: &str = "controller-revision-hash";

/// Does the next thing for a DaemonSet.
pub(super) fn look(state: &mut State, set: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let template = set["spec"]["template"].clone();
    let hash = template_hash(&template, 0);
    super::stateful::revision(state, set, &format!("{name}-{hash}"))?;
    let selector = &template["spec"]["nodeSelector"];
    let nodes: Vec<String> = state
        .store
        .all("nodes")
        .filter(|node| {
            selector.as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| node["metadata"]["labels"].get(key) == Some(value)))
        })
        .filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    let all: Vec<Arc<Value>> = all_owned(state, "pods", set).into_iter().filter(|pod| pods::is_active(pod)).collect();
    let min_ready = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let on = |node: &str| all.iter().find(|pod| pod["spec"]["nodeName"] == node);
    for node in nodes.iter().filter(|node| on(node).is_none()) {
        let mut template = template.clone();
        template["metadata"]["labels"][REVISION] = hash.as_str().into();
        template["spec"]["nodeName"] = node.as_str().into();
        pods::make(state, set, &template, &PodName::Prefix(&name), "daemonset-controller")?;
    }
    for pod in all.iter().filter(|pod| !nodes.iter().any(|node| pod["spec"]["nodeName"] == node.as_str())) {
        pods::end(state, pod)?;
    }
    let mut again = None;
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        let total = i64::try_from(nodes.len()).unwrap_or(0);
        let missing = amount(&set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], total, true).max(1);
        let now = state.now;
        let away = all.iter().filter(|pod| pods::is_available(pod, min_ready, now) != Ok(true)).count();
        let mut room = missing - i64::try_from(away).unwrap_or(0);
        for pod in all.iter().filter(|pod| pod["metadata"]["labels"][REVISION] != hash.as_str()) {
            // One that isn't there for anybody costs nothing.
            let idle = !pods::is_ready(pod);
            if room > 0 || idle {
                pods::end(state, pod)?;
                room -= i64::from(!idle);
            }
        }
    }
    let live: Vec<Arc<Value>> = all_owned(state, "pods", set).into_iter().filter(|pod| pods::is_active(pod)).collect();
    let mut available = 0;
    for pod in &live {
        match pods::is_available(pod, min_ready, state.now) {
            Ok(is) => available += i64::from(is),
            Err(later) => again = Some(later),
        }
    }
    let (wanted, total) = (i64::try_from(nodes.len()).unwrap_or(0), i64::try_from(live.len()).unwrap_or(0));
    let ready = i64::try_from(live.iter().filter(|pod| pods::is_ready(pod)).count()).unwrap_or(0);
    let updated = i64::try_from(live.iter().filter(|pod| pod["metadata"]["labels"][REVISION] == hash.as_str()).count()).unwrap_or(0);
    let mut status = json!({"observedGeneration": set["metadata"]["generation"], "currentNumberScheduled": total, "desiredNumberScheduled": wanted,
        "numberMisscheduled": 0, "numberReady": ready});
    for (field, count) in [("updatedNumberScheduled", updated), ("numberAvailable", available), ("numberUnavailable", wanted - available)] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    let mut next = Value::clone(set);
    next["status"] = status;
    write(state, set, next, MANAGER)?;
    Ok(again)
}
