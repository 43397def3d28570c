//! Gathers what tells why an object isn't ready: what it made, its pods, their claims, warnings, and the end of a log.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::kinds::segment;
use super::list::Selection;
use super::transport::Call;
use super::{Cluster, ClusterError, Symptom};
use crate::admission::symptoms::{Evidence, Trouble, in_motion, is_owned_by, symptoms};
use crate::resource::{GroupKind, Object, ObjectKey};

/// Kinds that have pods.
const WORKLOADS: [(&str, &str); 7] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("", "ReplicationController"),
    ("", "Pod"),
];

/// How many lines of a log are told, and how long it may take to get them.
const LOG_LINES: usize = 5;
const LOG_WAIT: Duration = Duration::from_secs(3);

/// Why the object isn't ready: what can't pass by itself first, then causes before consequences. Empty: nothing was found.
///
/// A [`super::terminal`] symptom may be of a moment ago (a controller may be about to try again after a quota was raised): it is
/// to be believed when it is found a second time.
///
/// # Errors
/// The object itself can't be read. What else can't be read is left out.
pub async fn diagnose(cluster: &Cluster, key: &ObjectKey) -> Result<Vec<Symptom>, ClusterError> {
    let Some(object) = cluster.get(key).await? else {
        return Ok(vec![Symptom { since: None, object: key.clone(), text: "is not there".to_owned(), trouble: Trouble::Passing }]);
    };
    let mut evidence = Evidence::of(object);
    if let Some(namespace) = &key.namespace {
        Box::pin(gather(cluster, namespace, &mut evidence)).await;
    }
    Ok(symptoms(&evidence))
}

async fn gather(cluster: &Cluster, namespace: &str, evidence: &mut Evidence) {
    let list = |group: &'static str, kind: &'static str, fields: Option<&'static str>| async move {
        let Some(kind) = cluster.kinds().await.ok()?.get(&GroupKind::new(group, kind)).cloned() else { return Some(Vec::new()) };
        cluster.list_selected(&kind, Selection { namespace: Some(namespace), labels: None, fields }).await.ok()
    };
    let gvk = evidence.object.gvk();
    if !WORKLOADS.contains(&(gvk.group.as_str(), gvk.kind.as_str())) {
        evidence.events = list("", "Event", Some("type=Warning")).await.unwrap_or_default();
        if gvk.group.is_empty() && gvk.kind == "PersistentVolumeClaim" {
            evidence.claims = vec![evidence.object.clone()];
        }
        return;
    }
    let (sets, pods, events, claims, quotas) = tokio::join!(
        list("apps", "ReplicaSet", None),
        list("", "Pod", None),
        list("", "Event", Some("type=Warning")),
        list("", "PersistentVolumeClaim", None),
        list("", "ResourceQuota", None),
    );
    let (sets, pods) = (sets.unwrap_or_default(), pods.unwrap_or_default());
    evidence.events = events.unwrap_or_default();
    evidence.quotas = quotas;
    evidence.in_motion = in_motion(&evidence.object, &sets, &pods);
    if let Some(uid) = evidence.object.uid().map(str::to_owned) {
        evidence.owned = sets.into_iter().filter(|set| is_owned_by(set, &uid)).collect();
        let owners: BTreeSet<&str> = evidence.owned.iter().filter_map(Object::uid).chain([uid.as_str()]).collect();
        let ours = |pod: &Object| pod.uid() == Some(&uid) || owners.iter().any(|owner| is_owned_by(pod, owner));
        evidence.pods = pods.into_iter().filter(ours).collect();
    }
    let used: BTreeSet<String> = evidence.current_pods().into_iter().flat_map(claim_names).collect();
    evidence.claims = claims.unwrap_or_default().into_iter().filter(|claim| used.contains(claim.name())).collect();
    if let Some((pod, container, previous)) = worth_a_log(evidence) {
        let lines = tokio::time::timeout(LOG_WAIT, last_lines(cluster, namespace, &pod, &container, previous)).await;
        if let Ok(Some(lines)) = lines {
            evidence.logs.insert((pod, container), lines);
        }
    }
}

fn claim_names(pod: &Object) -> Vec<String> {
    let volumes = pod.value()["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str().map(str::to_owned)).collect()
}

/// The first container that crashed, or that runs and isn't ready; and whether its log is that of the run before.
fn worth_a_log(evidence: &Evidence) -> Option<(String, String, bool)> {
    for pod in evidence.current_pods() {
        for list in ["initContainerStatuses", "containerStatuses"] {
            for container in pod.value()["status"][list].as_array().into_iter().flatten() {
                let state = &container["state"];
                let crashed = state["waiting"]["reason"] == "CrashLoopBackOff";
                let failed = state["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0);
                let unready = state.get("running").is_some_and(Value::is_object) && container["ready"] == false;
                if let Some(name) = container["name"].as_str().filter(|_| crashed || failed || unready) {
                    return Some((pod.name().to_owned(), name.to_owned(), crashed));
                }
            }
        }
    }
    None
}

/// The end of a container's log, at best: nodes that are away, or that are none, have none.
async fn last_lines(cluster: &Cluster, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Vec<String>> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&previous={previous}&tailLines={LOG_LINES}&limitBytes=4096",
        segment(namespace),
        segment(pod),
        segment(container)
    );
    let answer = cluster.transport.once(&Call { accept: "*/*", ..Call::get(path) }).await.ok()?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let lines: Vec<String> =
        text.lines().map(|line| line.trim_end().chars().take(200).collect()).filter(|line: &String| !line.is_empty()).collect();
    (!lines.is_empty()).then_some(lines)
}
