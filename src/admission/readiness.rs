//! Whether an object does what it is for, from its own status: the meaning that kstatus gave it, kind by kind.
//!
//! Ready at once are kinds that have nothing to wait for (ConfigMap, Role, NetworkPolicy, …) and those that wait for something
//! that isn't theirs: an autoscaler for metrics, a budget for its pods, a Service or an Ingress for a load balancer.

use serde_json::Value;

use crate::resource::Object;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does what it is for.
    Ready,
    /// Not yet.
    Progressing {
        /// What is missing: `3 of 5 ready`.
        reason: String,
    },
    /// It won't without a change.
    Failed {
        /// Why, in the controller's words.
        reason: String,
    },
}

impl Readiness {
    fn progressing(reason: impl Into<String>) -> Self {
        Self::Progressing { reason: reason.into() }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }
}

/// How far an object is.
pub fn readiness(object: &Object) -> Readiness {
    if object.is_being_deleted() {
        return Readiness::progressing("is being deleted");
    }
    let gvk = object.gvk();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "Namespace") => namespace(object),
        ("", "PersistentVolumeClaim") => volume_claim(object),
        ("", "ResourceQuota") => quota(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => conditional(object, "Available"),
        ("", "ReplicationController") => observed(object).unwrap_or_else(|| replica_set(object)),
        ("apps", kind) => observed(object).unwrap_or_else(|| match kind {
            "Deployment" => deployment(object),
            "StatefulSet" => stateful_set(object),
            "DaemonSet" => daemon_set(object),
            "ReplicaSet" => replica_set(object),
            _ => Readiness::Ready,
        }),
        ("" | "autoscaling" | "batch" | "networking.k8s.io" | "policy" | "rbac.authorization.k8s.io" | "storage.k8s.io", _) => {
            Readiness::Ready
        }
        _ => custom(object),
    }
}

/// Not yet, if the controller hasn't even seen what is wanted.
fn observed(object: &Object) -> Option<Readiness> {
    let seen = object.value()["status"]["observedGeneration"].as_i64();
    (seen < object.generation()).then(|| Readiness::progressing("its controller hasn't seen it yet"))
}

/// A raised quota counts once its controller has seen it: until then the old one refuses what comes next.
fn quota(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    match status.get("hard") {
        Some(enforced) if *enforced != spec["hard"] => Readiness::progressing("the old limits still hold"),
        _ => Readiness::Ready,
    }
}

fn deployment(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    if let Some(stuck) = condition(object, "Progressing").filter(|c| c["reason"] == "ProgressDeadlineExceeded") {
        let seconds = spec["progressDeadlineSeconds"].as_i64().unwrap_or(600);
        return Readiness::failed(format!("no progress for {seconds} s: {}", text(&stuck["message"])));
    }
    if spec["paused"] == true {
        // Somebody wants it to stand still.
        return Readiness::Ready;
    }
    let (all, updated, available) = (count(status, "replicas"), count(status, "updatedReplicas"), count(status, "availableReplicas"));
    if updated < wanted {
        return Readiness::progressing(format!("{updated} of {wanted} updated"));
    }
    if all > updated {
        return Readiness::progressing(format!(
            "{} old {} going",
            all.saturating_sub(updated),
            if all.saturating_sub(updated) == 1 { "pod is" } else { "pods are" }
        ));
    }
    enough(count(status, "readyReplicas").min(available), wanted)
}

fn stateful_set(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let ready = enough(count(status, "readyReplicas"), wanted);
    if ready != Readiness::Ready || spec["updateStrategy"]["type"] == "OnDelete" {
        return ready;
    }
    let all = count(status, "replicas");
    if all > wanted {
        return Readiness::progressing(format!("{} of {all} pods are to go", all.saturating_sub(wanted)));
    }
    let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    let (updated, to_update) = (count(status, "updatedReplicas"), wanted.saturating_sub(partition).max(0));
    if updated < to_update {
        return Readiness::progressing(format!("{updated} of {to_update} updated"));
    }
    if partition == 0 && status["currentRevision"] != status["updateRevision"] {
        return Readiness::progressing("the new revision isn't the current one yet");
    }
    enough(status["availableReplicas"].as_i64().unwrap_or(wanted), wanted)
}

fn daemon_set(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    let wanted = count(status, "desiredNumberScheduled");
    if spec["updateStrategy"]["type"] != "OnDelete" {
        let updated = count(status, "updatedNumberScheduled");
        if updated < wanted {
            return Readiness::progressing(format!("{updated} of {wanted} updated"));
        }
    }
    enough(count(status, "numberReady").min(count(status, "numberAvailable")), wanted)
}

fn replica_set(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let all = count(status, "replicas");
    if all > wanted {
        return Readiness::progressing(format!("{} of {all} pods are to go", all.saturating_sub(wanted)));
    }
    enough(count(status, "readyReplicas").min(count(status, "availableReplicas")), wanted)
}

fn job(object: &Object) -> Readiness {
    let (spec, status) = parts(object);
    for kind in ["Failed", "FailureTarget"] {
        if let Some(failed) = holding(object, kind) {
            return Readiness::failed(words(failed));
        }
    }
    if holding(object, "Complete").is_some() || spec["suspend"] == true {
        return Readiness::Ready;
    }
    let (done, active) = (count(status, "succeeded"), count(status, "active"));
    match spec["completions"].as_i64() {
        Some(wanted) if wanted > 1 => Readiness::progressing(format!("{done} of {wanted} completed, {active} running")),
        _ if active > 0 => Readiness::progressing("is running"),
        _ => Readiness::progressing("hasn't started yet"),
    }
}

fn pod(object: &Object) -> Readiness {
    let status = &object.value()["status"];
    match text(&status["phase"]) {
        "Succeeded" => Readiness::Ready,
        "Failed" => Readiness::failed(words(status)),
        "Running" if holding(object, "Ready").is_some() => Readiness::Ready,
        "Running" => Readiness::progressing(condition(object, "Ready").map_or_else(|| "isn't ready yet".to_owned(), words)),
        _ => match condition(object, "PodScheduled").filter(|c| c["status"] == "False") {
            Some(unscheduled) => Readiness::progressing(words(unscheduled)),
            None => Readiness::progressing("is being started"),
        },
    }
}

fn namespace(object: &Object) -> Readiness {
    match text(&object.value()["status"]["phase"]) {
        "Active" => Readiness::Ready,
        phase => Readiness::progressing(if phase.is_empty() { "isn't active yet" } else { phase }),
    }
}

/// A claim whose class binds only when a pod comes can't be told from one for which there is no volume; waiting for the
/// former would be for ever, as the pod comes later. So only a claim that is being provisioned is waited for; what
/// ails the other shows at the pods that use it.
fn volume_claim(object: &Object) -> Readiness {
    match text(&object.value()["status"]["phase"]) {
        "Lost" => Readiness::failed("its volume is gone"),
        "Bound" => Readiness::Ready,
        _ => match object.annotation("volume.kubernetes.io/storage-provisioner") {
            Some(provisioner) => Readiness::progressing(format!("{provisioner} is making its volume")),
            None => Readiness::Ready,
        },
    }
}

fn definition(object: &Object) -> Readiness {
    if let Some(refused) = condition(object, "NamesAccepted").filter(|c| c["status"] == "False") {
        return Readiness::failed(words(refused));
    }
    conditional(object, "Established")
}

/// Ready when one condition holds.
fn conditional(object: &Object, kind: &str) -> Readiness {
    match condition(object, kind) {
        Some(found) if found["status"] == "True" => Readiness::Ready,
        Some(found) => Readiness::progressing(words(found)),
        None => Readiness::progressing(format!("isn't {} yet", kind.to_lowercase())),
    }
}

/// A kind of somebody else's: by the conditions that most of them have. One without any is ready.
fn custom(object: &Object) -> Readiness {
    let seen = object.value()["status"]["observedGeneration"].as_i64();
    if seen.is_some() && seen < object.generation() {
        return Readiness::progressing("its controller hasn't seen it yet");
    }
    if let Some(stalled) = holding(object, "Stalled") {
        return Readiness::failed(words(stalled));
    }
    if let Some(reconciling) = holding(object, "Reconciling") {
        return Readiness::progressing(words(reconciling));
    }
    match condition(object, "Ready") {
        Some(ready) if ready["status"] != "True" => Readiness::progressing(words(ready)),
        _ => Readiness::Ready,
    }
}

fn enough(ready: i64, wanted: i64) -> Readiness {
    if ready >= wanted { Readiness::Ready } else { Readiness::progressing(format!("{ready} of {wanted} ready")) }
}

fn parts(object: &Object) -> (&Value, &Value) {
    (&object.value()["spec"], &object.value()["status"])
}

fn count(status: &Value, field: &str) -> i64 {
    status[field].as_i64().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A condition of the status.
pub(super) fn condition<'o>(object: &'o Object, kind: &str) -> Option<&'o Value> {
    object.value()["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// A condition that holds.
pub(super) fn holding<'o>(object: &'o Object, kind: &str) -> Option<&'o Value> {
    condition(object, kind).filter(|condition| condition["status"] == "True")
}

/// What a condition says: its message, with its reason before it unless the message says as much.
pub(super) fn words(condition: &Value) -> String {
    let (reason, message) = (text(&condition["reason"]), text(&condition["message"]));
    match (reason, message) {
        ("", "") => "says no reason".to_owned(),
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) if message.contains(reason) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(api_version: &str, kind: &str, spec: Value, status: Value) -> Readiness {
        let object =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec, "status": status});
        readiness(&Object::try_from(object).unwrap())
    }

    fn reason(readiness: Readiness) -> String {
        match readiness {
            Readiness::Ready => "ready".to_owned(),
            Readiness::Progressing { reason } => reason,
            Readiness::Failed { reason } => format!("failed: {reason}"),
        }
    }

    #[test]
    fn a_deployment_is_ready_when_all_its_pods_are_new_and_available() {
        for (status, expected) in [
            (json!({}), "its controller hasn't seen it yet"),
            (
                json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}),
                "its controller hasn't seen it yet",
            ),
            (json!({"observedGeneration": 2}), "0 of 3 updated"),
            (
                json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 4, "readyReplicas": 4}),
                "1 old pod is going",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 2}),
                "2 of 3 ready",
            ),
            (json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}), "ready"),
        ] {
            assert_eq!(reason(of("apps/v1", "Deployment", json!({"replicas": 3}), status.clone())), expected, "{status}");
        }
        let stuck = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"x\" has timed out progressing."}]});
        assert_eq!(
            reason(of("apps/v1", "Deployment", json!({"progressDeadlineSeconds": 60}), stuck)),
            "failed: no progress for 60 s: ReplicaSet \"x\" has timed out progressing."
        );
        assert_eq!(reason(of("apps/v1", "Deployment", json!({"replicas": 0}), json!({"observedGeneration": 2}))), "ready");
    }

    #[test]
    fn a_stateful_set_is_ready_when_its_new_revision_is_the_current_one() {
        let spec = json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate"}});
        let status = |updated: i64, current: &str| json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": updated, "availableReplicas": 2, "currentRevision": current, "updateRevision": "b"});
        assert_eq!(reason(of("apps/v1", "StatefulSet", spec.clone(), status(1, "a"))), "1 of 2 updated");
        assert_eq!(reason(of("apps/v1", "StatefulSet", spec.clone(), status(2, "a"))), "the new revision isn't the current one yet");
        assert_eq!(reason(of("apps/v1", "StatefulSet", spec, status(2, "b"))), "ready");
        let held = json!({"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
        assert_eq!(reason(of("apps/v1", "StatefulSet", held, status(1, "a"))), "ready");
    }

    #[test]
    fn jobs_end_and_definitions_are_established() {
        let job = |conditions: Value| of("batch/v1", "Job", json!({"completions": 1}), json!({"active": 1, "conditions": conditions}));
        assert_eq!(reason(job(json!([]))), "is running");
        assert_eq!(reason(job(json!([{"type": "Complete", "status": "True"}]))), "ready");
        let failed = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]);
        assert_eq!(reason(job(failed)), "failed: BackoffLimitExceeded: Job has reached the specified backoff limit");
        let crd =
            |conditions: Value| of("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), json!({"conditions": conditions}));
        assert_eq!(reason(crd(json!([]))), "isn't established yet");
        assert_eq!(reason(crd(json!([{"type": "NamesAccepted", "status": "False", "message": "taken"}]))), "failed: taken");
        assert_eq!(reason(crd(json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]))), "ready");
    }

    #[test]
    fn what_has_nothing_to_wait_for_is_ready() {
        for (api_version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Service"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("policy/v1", "PodDisruptionBudget"),
            ("networking.k8s.io/v1", "Ingress"),
            ("example.com/v1", "Widget"),
        ] {
            assert_eq!(of(api_version, kind, json!({}), json!({})), Readiness::Ready, "{kind}");
        }
        let claim = |status: Value| of("v1", "PersistentVolumeClaim", json!({}), status);
        assert_eq!(claim(json!({"phase": "Pending"})), Readiness::Ready);
        assert_eq!(reason(claim(json!({"phase": "Lost"}))), "failed: its volume is gone");
    }

    #[test]
    fn a_custom_resource_is_told_by_its_conditions() {
        let widget = |status: Value| reason(of("example.com/v1", "Widget", json!({}), status));
        assert_eq!(widget(json!({"observedGeneration": 1})), "its controller hasn't seen it yet");
        assert_eq!(
            widget(json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Waiting", "message": "for a key"}]})),
            "Waiting: for a key"
        );
        assert_eq!(widget(json!({"conditions": [{"type": "Stalled", "status": "True", "message": "broken"}]})), "failed: broken");
        assert_eq!(widget(json!({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]})), "ready");
    }
}
