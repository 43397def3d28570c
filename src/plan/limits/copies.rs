//! How many pods a workload has, will have, and has at most while it changes.

use serde_json::Value;

use crate::resource::{Object, pod_template_path};

/// How many pods there are of it now.
pub(super) fn running(live: &Object) -> u64 {
    if !has_pods(live) {
        return 0;
    }
    let status = &live.value()["status"];
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    match live.kind() {
        "DaemonSet" => count("currentNumberScheduled"),
        "Job" => count("active"),
        "Pod" => u64::from(!matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"))),
        "CronJob" | "PodTemplate" => 0,
        _ => count("replicas"),
    }
}

/// Whether it is a pod, or makes some. Most objects do not, and aren't looked into.
fn has_pods(object: &Object) -> bool {
    pod_template_path(object.group(), object.kind()).is_some()
}

/// How many it is to have, once it stands: of a DaemonSet as many as it has nodes now, of a CronJob none.
pub(super) fn wanted(object: &Object, live: Option<&Object>) -> u64 {
    if !has_pods(object) {
        return 0;
    }
    let spec = &object.value()["spec"];
    match object.kind() {
        "DaemonSet" => live.map_or(0, |live| live.value()["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0)),
        "Job" if spec["suspend"] == true => 0,
        "Job" => {
            let parallel = spec["parallelism"].as_u64().unwrap_or(1);
            spec["completions"].as_u64().map_or(parallel, |completions| completions.min(parallel))
        }
        "Pod" => live.map_or(1, running),
        "CronJob" | "PodTemplate" => 0,
        _ => spec["replicas"].as_u64().unwrap_or(1),
    }
}

/// Whether there are pods of it that are about to go, or may be: those of a roll-out under way, of a smaller scale, of
/// what its controller has not seen yet. Quotas count them until they have gone.
pub(super) fn moves(live: &Object) -> bool {
    if !has_pods(live) {
        return false;
    }
    let (spec, status) = (&live.value()["spec"], &live.value()["status"]);
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    if live.value()["metadata"]["deletionTimestamp"].is_string() {
        return true;
    }
    let generation = live.value()["metadata"]["generation"].as_i64();
    let unseen = status["observedGeneration"].as_i64().is_some_and(|seen| generation.is_some_and(|now| seen < now));
    match live.kind() {
        "Deployment" if spec["paused"] == true => false,
        "Deployment" => unseen || count("terminatingReplicas") > 0 || count("replicas") > wanted(live, None) || exchanges(status),
        "DaemonSet" => unseen || count("updatedNumberScheduled") < count("desiredNumberScheduled"),
        "ReplicaSet" | "ReplicationController" | "StatefulSet" => {
            unseen || count("terminatingReplicas") > 0 || count("replicas") > wanted(live, None)
        }
        "Job" => count("terminating") > 0,
        _ => false,
    }
}

/// Whether some of a Deployment's pods are of an older template.
fn exchanges(status: &Value) -> bool {
    status["replicas"].as_u64().is_some_and(|all| status["updatedReplicas"].as_u64().unwrap_or(0) < all)
}

/// Whether its pods end by themselves, and are waited for.
pub(super) fn ends(object: &Object) -> bool {
    object.kind() == "Job"
}

/// How a roll-out goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RollOut {
    /// So many new pods may come before old ones go.
    pub surge: u64,
    /// So many old pods may go before new ones come.
    pub unavailable: u64,
}

/// How its pods are exchanged for new ones; None if the old ones go first anyway.
pub(super) fn roll_out(object: &Object, pods: u64) -> Option<RollOut> {
    let spec = &object.value()["spec"];
    let (strategy, surge, unavailable) = match object.kind() {
        "Deployment" => (&spec["strategy"], "25%", "25%"),
        "DaemonSet" => (&spec["updateStrategy"], "0", "1"),
        _ => return None,
    };
    if matches!(strategy["type"].as_str(), Some("Recreate" | "OnDelete")) {
        return None;
    }
    let rolling = &strategy["rollingUpdate"];
    let surge = share(&rolling["maxSurge"], surge, pods, true);
    let unavailable = share(&rolling["maxUnavailable"], unavailable, pods, false);
    // Both none would never end: then one may be away.
    Some(RollOut { surge, unavailable: if surge == 0 { unavailable.max(1) } else { unavailable } })
}

/// A count, or a percentage of the pods.
fn share(value: &Value, default: &str, pods: u64, up: bool) -> u64 {
    if let Some(count) = value.as_u64() {
        return count;
    }
    let text = value.as_str().unwrap_or(default);
    let Some(percent) = text.strip_suffix('%') else { return text.parse().unwrap_or(0) };
    let hundredths = pods.saturating_mul(percent.parse().unwrap_or(0));
    if up { hundredths.div_ceil(100) } else { hundredths / 100 }
}
