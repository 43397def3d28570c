//! What was read of the cluster about one object, and what it tells.

use std::collections::BTreeMap;

use super::events::{last_written, warnings};
use super::{Symptom, containers, refusal};
use crate::admission::readiness::{Readiness, condition, holding, readiness, words};
use crate::resource::Object;

/// As many symptoms as fit on a screen.
const MOST: usize = 8;

/// How many of an object's own warnings are told.
const WARNINGS: usize = 3;

/// What was read of the cluster about one object. Incomplete evidence gives fewer symptoms, never wrong ones.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The object that isn't ready.
    pub object: Object,
    /// What it made: a Deployment's replica sets, of all revisions.
    pub owned: Vec<Object>,
    /// Its pods, of all revisions.
    pub pods: Vec<Object>,
    /// The volume claims that its pods use.
    pub claims: Vec<Object>,
    /// Events of its namespace, warnings at least.
    pub events: Vec<Object>,
    /// The last lines of logs, by pod and container.
    pub logs: BTreeMap<(String, String), Vec<String>>,
    /// The quotas of its namespace, as they are now; None if they couldn't be read.
    pub quotas: Option<Vec<Object>>,
    /// Pods of its namespace are on their way out, so that quota will come free.
    pub in_motion: bool,
}

impl Evidence {
    /// Of an object of which nothing else is known.
    pub fn of(object: Object) -> Self {
        Self {
            object,
            owned: Vec::new(),
            pods: Vec::new(),
            claims: Vec::new(),
            events: Vec::new(),
            logs: BTreeMap::new(),
            quotas: None,
            in_motion: false,
        }
    }

    /// The replica set of a Deployment's newest revision.
    pub fn newest_replica_set(&self) -> Option<&Object> {
        let revision =
            |set: &Object| set.annotation("deployment.kubernetes.io/revision").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        self.owned.iter().filter(|set| set.kind() == "ReplicaSet").max_by_key(|set| revision(set))
    }

    /// The pods that count: of a Deployment, those of the newest revision. Not the old ones, which are to go.
    pub fn current_pods(&self) -> Vec<&Object> {
        match self.newest_replica_set().and_then(Object::uid) {
            Some(uid) => self.pods.iter().filter(|pod| is_owned_by(pod, uid)).collect(),
            None => self.pods.iter().collect(),
        }
    }
}

/// Whether pods of a namespace are on their way out, so that quota will come free: some are being ended, or replica sets
/// shrink, or another Deployment than `object` replaces its pods. (Its own old pods may wait for the very pods
/// that don't fit.)
pub fn in_motion(object: &Object, replica_sets: &[Object], pods: &[Object]) -> bool {
    let replicas = |set: &Object, part: &str| set.value()[part]["replicas"].as_i64().unwrap_or(0);
    let owner = |set: &Object| set.value()["metadata"]["ownerReferences"][0]["uid"].as_str().map(str::to_owned);
    let others_old = |set: &Object| {
        let its = owner(set);
        its.is_some()
            && its.as_deref() != object.uid()
            && replica_sets.iter().any(|other| owner(other) == its && revision(other) > revision(set))
    };
    let going = |set: &Object| replicas(set, "status") > replicas(set, "spec") || (replicas(set, "status") > 0 && others_old(set));
    pods.iter().any(Object::is_being_deleted) || replica_sets.iter().any(going)
}

fn revision(set: &Object) -> u64 {
    set.annotation("deployment.kubernetes.io/revision").and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether `owner` is among the object's owners.
pub fn is_owned_by(object: &Object, owner: &str) -> bool {
    object.value()["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.iter().any(|o| o["uid"] == owner))
}

/// Why the object isn't ready: what can't pass by itself first, then causes before consequences. Empty: nothing was found.
pub fn symptoms(evidence: &Evidence) -> Vec<Symptom> {
    let object = &evidence.object;
    if object.is_being_deleted() {
        return vec![deletion(object)];
    }
    let mut found = refusals(evidence);
    for pod in evidence.current_pods() {
        found.extend(containers::of_pod(evidence, pod));
    }
    found.extend(evidence.claims.iter().filter_map(|claim| unbound(evidence, claim)));
    let mut found = folded(found);
    found.sort_by_key(|symptom| symptom.trouble);
    found.truncate(MOST);
    if found.is_empty() {
        found.extend(own_warnings(evidence));
    }
    // The object's own word comes last: `no progress for 600 s` is what follows from the others.
    match readiness(object) {
        Readiness::Failed { reason } => {
            let since = ["Progressing", "Failed", "Stalled", "NamesAccepted"].iter().find_map(|kind| condition(object, kind));
            found.push(Symptom::last(object, since.and_then(|c| c["lastTransitionTime"].as_str()), reason));
        }
        Readiness::Progressing { reason } if found.is_empty() => found.push(Symptom::passing(object, None, reason)),
        _ => {}
    }
    found
}

fn deletion(object: &Object) -> Symptom {
    let metadata = &object.value()["metadata"];
    let since = metadata["deletionTimestamp"].as_str();
    let finalizers: Vec<&str> = metadata["finalizers"].as_array().into_iter().flatten().filter_map(|f| f.as_str()).collect();
    // A namespace tells what is left in it.
    let left = ["NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure"];
    let left: Vec<String> = left.iter().filter_map(|kind| holding(object, kind)).map(words).collect();
    let text = match (left.is_empty(), finalizers.is_empty()) {
        (false, _) => format!("is being deleted: {}", left.join("; ")),
        (true, false) => {
            format!("is being deleted, and held by the finalizer{} {}", if finalizers.len() == 1 { "" } else { "s" }, finalizers.join(", "))
        }
        (true, true) => "is being deleted".to_owned(),
    };
    Symptom::passing(object, since, text)
}

/// Pods that the server refuses to create: the newest replica set's condition tells it as it is now; other controllers only
/// have events, of which those older than the last change of the object say nothing about it.
fn refusals(evidence: &Evidence) -> Vec<Symptom> {
    let object = &evidence.object;
    let read = |on: &Object, since: Option<&str>, message: &str| {
        let refusal = refusal::read(message, evidence.in_motion, evidence.quotas.as_deref());
        Symptom::new(on, since, refusal.trouble, refusal.text)
    };
    if let Some(set) = evidence.newest_replica_set() {
        let failure = holding(set, "ReplicaFailure");
        return failure
            .map(|f| read(set, f["lastTransitionTime"].as_str(), f["message"].as_str().unwrap_or_default()))
            .into_iter()
            .collect();
    }
    if let Some(failure) = holding(object, "ReplicaFailure") {
        return vec![read(object, failure["lastTransitionTime"].as_str(), failure["message"].as_str().unwrap_or_default())];
    }
    if let Some(failure) = condition(object, "Progressing").filter(|c| c["reason"] == "ReplicaSetCreateError") {
        return vec![Symptom::passing(object, failure["lastTransitionTime"].as_str(), words(failure))];
    }
    let events = object.uid().map(|uid| warnings(&evidence.events, uid, last_written(object))).unwrap_or_default();
    let created =
        evidence.pods.iter().filter_map(|pod| pod.value()["metadata"]["creationTimestamp"].as_str()).filter_map(super::events::time).max();
    let failures = events.into_iter().filter(|event| event.reason == "FailedCreate");
    // A pod that was made after the failure shows that it has passed.
    let failures = failures.filter(|event| created.is_none() || event.last.and_then(super::events::time) >= created);
    failures.take(1).map(|event| read(object, event.first, event.message)).collect()
}

fn unbound(evidence: &Evidence, claim: &Object) -> Option<Symptom> {
    let status = &claim.value()["status"];
    let since = claim.value()["metadata"]["creationTimestamp"].as_str();
    match status["phase"].as_str() {
        Some("Bound") => None,
        Some("Lost") => Some(Symptom::last(claim, since, "its volume is gone")),
        _ => {
            let warning = claim.uid().and_then(|uid| warnings(&evidence.events, uid, None).into_iter().next());
            let class = claim.value()["spec"]["storageClassName"]
                .as_str()
                .map_or_else(|| "no storage class".to_owned(), |class| format!("the storage class {class}"));
            let why = warning.map_or_else(String::new, |warning| format!(": {}: {}", warning.reason, warning.message));
            Some(Symptom::passing(claim, since, format!("has no volume yet, of {class}{why}")))
        }
    }
}

fn own_warnings(evidence: &Evidence) -> Vec<Symptom> {
    let object = &evidence.object;
    let Some(uid) = object.uid() else { return Vec::new() };
    let events = warnings(&evidence.events, uid, last_written(object));
    let told = events.into_iter().take(WARNINGS);
    told.map(|event| Symptom::passing(object, event.first, format!("{}: {}", event.reason, event.message))).collect()
}

/// Pods that suffer alike are told once: `3 pods: …`. Alike by the first line, for only one has its log read.
fn folded(found: Vec<Symptom>) -> Vec<Symptom> {
    let mut groups: Vec<(Symptom, usize)> = Vec::new();
    for symptom in found {
        let head = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let alike = |known: &Symptom| {
            known.object.kind == "Pod"
                && symptom.object.kind == "Pod"
                && known.trouble == symptom.trouble
                && head(&known.text) == head(&symptom.text)
        };
        match groups.iter_mut().find(|(known, _)| alike(known)) {
            Some((known, count)) => {
                *count += 1;
                known.since = known.since.take().into_iter().chain(symptom.since).min();
                if symptom.text.len() > known.text.len() {
                    known.text = symptom.text;
                }
            }
            None => groups.push((symptom, 1)),
        }
    }
    let told = |(mut symptom, count): (Symptom, usize)| {
        if count > 1 {
            symptom.text = format!("{count} pods: {}", symptom.text);
        }
        symptom
    };
    groups.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Trouble, terminal};
    use super::*;
    use serde_json::{Value, json};

    fn object(value: Value) -> Object {
        Object::try_from(value).unwrap()
    }

    fn deployment() -> Evidence {
        let deployment = object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend", "namespace": "acme", "uid": "d", "generation": 1},
            "spec": {"replicas": 3}, "status": {"observedGeneration": 1}}),
        );
        let set = |uid: &str, revision: &str| {
            object(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": uid, "namespace": "acme", "uid": uid,
            "annotations": {"deployment.kubernetes.io/revision": revision}}, "status": {}}))
        };
        Evidence { owned: vec![set("new", "10"), set("old", "9")], ..Evidence::of(deployment) }
    }

    fn pod(name: &str, set: &str, status: Value) -> Object {
        object(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "acme", "uid": name, "creationTimestamp": "2026-11-24T02:38:11Z",
            "ownerReferences": [{"uid": set, "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "resources": {"limits": {"memory": "256Mi"}}}]}, "status": status}),
        )
    }

    fn container(state: Value, last: Value, restarts: i64) -> Value {
        json!({"phase": "Running", "containerStatuses": [{"name": "app", "image": "r/app:1", "ready": false, "restartCount": restarts, "state": state, "lastState": last}]})
    }

    fn event(uid: &str, reason: &str, message: &str, last: &str) -> Object {
        object(
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "acme"}, "type": "Warning", "reason": reason, "message": message,
            "involvedObject": {"uid": uid}, "firstTimestamp": last, "lastTimestamp": last}),
        )
    }

    fn texts(evidence: &Evidence) -> Vec<String> {
        symptoms(evidence).into_iter().map(|symptom| symptom.text).collect()
    }

    fn only(status: Value) -> (String, bool) {
        let mut found = symptoms(&Evidence { pods: vec![pod("a", "new", status)], ..deployment() });
        assert_eq!(found.len(), 1, "{found:?}");
        let symptom = found.remove(0);
        (symptom.text.clone(), terminal(&symptom))
    }

    #[test]
    fn an_image_that_is_not_there_is_final_and_a_registry_that_is_away_is_not() {
        let waiting =
            |reason: &str, message: &str| only(container(json!({"waiting": {"reason": reason, "message": message}}), json!({}), 0));
        let backing_off = "Back-off pulling image \"r/app:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"r/app:1\": not found";
        assert_eq!(
            waiting("ImagePullBackOff", backing_off),
            ("container app: its image \"r/app:1\" can't be pulled: not found".to_owned(), true)
        );
        let (text, last) =
            waiting("ErrImagePull", "rpc error: code = Unknown desc = failed to resolve reference \"r/app:1\": dial tcp: i/o timeout");
        assert_eq!((text.as_str(), last), ("container app: its image \"r/app:1\" can't be pulled: dial tcp: i/o timeout", false));
        assert!(waiting("InvalidImageName", "couldn't parse").1 && waiting("ErrImageNeverPull", "").1);
        assert_eq!(
            waiting("CreateContainerConfigError", "secret \"db\" not found"),
            ("container app: CreateContainerConfigError: secret \"db\" not found".to_owned(), false)
        );
    }

    #[test]
    fn crashes_are_told_with_exit_code_restarts_and_log() {
        let crash = |last: Value| {
            container(json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}), json!({"terminated": last}), 3)
        };
        assert_eq!(
            only(crash(json!({"exitCode": 1, "reason": "Error"}))).0,
            "container app: crashes: it ended with exit code 1, 3 restarts"
        );
        let (text, last) = only(crash(json!({"exitCode": 137, "reason": "OOMKilled"})));
        assert_eq!(
            (text.as_str(), last),
            ("container app: crashes: it was killed for using more memory than its limit of 256Mi, 3 restarts", false)
        );
        let logs = BTreeMap::from([(("a".to_owned(), "app".to_owned()), vec!["panic: no \u{1b}[31mdatabase".to_owned()])]);
        let pods = vec![pod("a", "new", crash(json!({"exitCode": 2}))), pod("b", "new", crash(json!({"exitCode": 2})))];
        assert_eq!(
            texts(&Evidence { pods, logs, ..deployment() }),
            ["2 pods: container app: crashes: it ended with exit code 2, 3 restarts\n  | panic: no [31mdatabase"]
        );
    }

    #[test]
    fn a_probe_that_never_passes_is_told_in_the_kubelets_words() {
        let running = container(json!({"running": {"startedAt": "2026-11-24T02:38:12Z"}}), json!({}), 0);
        assert_eq!(only(running.clone()).0, "container app: runs, but its readiness probe hasn't passed yet");
        let events =
            vec![event("a", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "2026-11-24T02:38:20Z")];
        let evidence = Evidence { pods: vec![pod("a", "new", running)], events, ..deployment() };
        assert_eq!(
            texts(&evidence),
            ["container app: runs, but isn't ready: Readiness probe failed: HTTP probe failed with statuscode: 503"]
        );
    }

    #[test]
    fn pods_that_find_no_node_are_counted_and_old_ones_left_out() {
        let message = "0/6 nodes are available: 6 Insufficient cpu. preemption: 0/6 nodes are available: 6 No preemption victims found.";
        let pending = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
        let pods = vec![pod("a", "new", pending.clone()), pod("b", "new", pending.clone()), pod("c", "old", pending)];
        assert_eq!(texts(&Evidence { pods, ..deployment() }), ["2 pods: can't be scheduled: 0/6 nodes are available: 6 Insufficient cpu"]);
    }

    #[test]
    fn a_refusal_of_the_newest_revision_counts_and_an_older_ones_does_not() {
        let mut evidence = deployment();
        let failure = json!([{"type": "ReplicaFailure", "status": "True", "message": "pods \"x-1\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"}]);
        evidence.owned[1].value_mut()["status"]["conditions"] = failure.clone();
        assert_eq!(texts(&evidence), ["0 of 3 updated"]);
        evidence.owned[0].value_mut()["status"]["conditions"] = failure;
        let found = symptoms(&evidence);
        assert!(found[0].text.starts_with("its pods don't fit in the quota q") && terminal(&found[0]), "{found:?}");
        evidence.in_motion = true;
        assert!(!terminal(&symptoms(&evidence)[0]));
    }

    #[test]
    fn quota_comes_free_when_others_are_replaced_not_when_ours_wait() {
        let set = |owner: &str, revision: &str, wanted: i64, there: i64| {
            object(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "x", "annotations": {"deployment.kubernetes.io/revision": revision}, "ownerReferences": [{"uid": owner}]},
            "spec": {"replicas": wanted}, "status": {"replicas": there}}))
        };
        let ours = deployment().object;
        let moves = |sets: &[Object]| in_motion(&ours, sets, &[]);
        assert!(!moves(&[set("d", "1", 3, 3), set("d", "2", 1, 0)]), "our own old pods wait for the new ones");
        assert!(moves(&[set("d", "1", 2, 3), set("d", "2", 1, 0)]), "they are being scaled down");
        assert!(moves(&[set("other", "9", 3, 3), set("other", "10", 1, 0)]), "another is rolled out");
        assert!(!moves(&[set("other", "9", 0, 0), set("other", "10", 3, 3)]), "it is done");
    }

    #[test]
    fn events_from_before_the_last_change_say_nothing_about_it() {
        let set = object(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "acme", "uid": "s", "generation": 1,
            "managedFields": [{"manager": "spai", "operation": "Apply", "time": "2026-11-24T03:00:00Z"}, {"subresource": "status", "time": "2026-11-24T03:09:00Z"}]},
            "spec": {"replicas": 1}, "status": {"observedGeneration": 1}}),
        );
        let refused =
            "create Pod s-0 in StatefulSet s failed error: pods \"s-0\" is forbidden: violates PodSecurity \"restricted:latest\": x";
        let at = |time: &str| Evidence { events: vec![event("s", "FailedCreate", refused, time)], ..Evidence::of(set.clone()) };
        assert_eq!(texts(&at("2026-11-24T02:59:00Z")), ["0 of 1 ready"]);
        assert_eq!(texts(&at("2026-11-24T03:01:00Z")), ["Pod Security refuses its pods: violates \"restricted:latest\": x"]);
    }

    #[test]
    fn what_follows_from_the_others_stands_last() {
        let mut evidence = deployment();
        evidence.object.value_mut()["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        let running = container(json!({"running": {}}), json!({}), 0);
        evidence.pods = vec![pod("a", "new", running)];
        let found = symptoms(&evidence);
        assert_eq!(found.iter().map(|s| s.trouble).collect::<Vec<_>>(), [Trouble::Passing, Trouble::Final]);
        assert_eq!(found[1].text, "no progress for 600 s: timed out");
    }

    #[test]
    fn a_deletion_that_is_held_names_the_finalizers() {
        let held = object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "deletionTimestamp": "2026-11-24T02:38:11Z", "finalizers": ["a/b"]}}),
        );
        assert_eq!(texts(&Evidence::of(held)), ["is being deleted, and held by the finalizer a/b"]);
    }

    #[test]
    fn a_claim_without_a_volume_says_of_which_class() {
        let claim = object(
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "acme", "uid": "c"},
            "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}}),
        );
        let events = vec![event("c", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found", "2026-11-24T02:38:20Z")];
        let evidence = Evidence { claims: vec![claim], events, ..deployment() };
        assert_eq!(
            texts(&evidence),
            ["has no volume yet, of the storage class fast: ProvisioningFailed: storageclass.storage.k8s.io \"fast\" not found"]
        );
    }
}
