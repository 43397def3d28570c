//! Deployments: a ReplicaSet for each template, and pods moved from the old ones to the new within the strategy's bounds.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::kubelet::template_hash;
use super::status::{MANAGER, all_owned, amount, condition, create, event, find_condition, over, owned_by, time, until, write};
use crate::embedded::api::{Failure, Part, remove_now};
use crate::embedded::store::Place;
use crate::embedded::typed::equal;
use crate::embedded::world::State;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
const COMPONENT: &str = "deployment-controller";

/// Annotations of a Deployment that aren't its ReplicaSets'.
const OWN: [&str; 5] = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAX];

/// A Deployment with its ReplicaSets.
struct Rollout {
    deployment: Arc<Value>,
    /// The ReplicaSet of the template that is wanted.
    new: Option<Arc<Value>>,
    /// All others, oldest first.
    old: Vec<Arc<Value>>,
}

fn count(object: &Value, of: &str, field: &str) -> i64 {
    object[of][field].as_i64().unwrap_or(0)
}

fn replicas(set: &Value) -> i64 {
    set["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Does the next thing for a Deployment.
pub(super) fn look(state: &mut State, deployment: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let mut rollout = find(state, deployment);
    if deployment["spec"]["paused"] == true {
        scale_in_proportion(state, &rollout)?;
        return report(state, &rollout);
    }
    if rollout.new.is_none() {
        rollout.new = Some(make(state, &rollout)?);
    } else {
        annotate(state, &mut rollout)?;
    }
    if is_scaled(&rollout) {
        scale_in_proportion(state, &rollout)?;
    } else if deployment["spec"]["strategy"]["type"] == "Recreate" {
        recreate(state, &rollout)?;
    } else {
        roll(state, &rollout)?;
    }
    // What was just scaled says so when it is read again.
    let rollout = find(state, &current(state, deployment));
    if is_complete(&rollout) {
        tidy(state, &rollout)?;
    }
    report(state, &rollout)
}

fn current(state: &State, deployment: &Arc<Value>) -> Arc<Value> {
    let namespace = deployment["metadata"]["namespace"].as_str().unwrap_or_default();
    state.store.find("deployments.apps", namespace, name(deployment)).cloned().unwrap_or_else(|| Arc::clone(deployment))
}

fn find(state: &State, deployment: &Arc<Value>) -> Rollout {
    let mut all = all_owned(state, "replicasets.apps", deployment);
    all.sort_by_key(|set| (revision(set), set["metadata"]["creationTimestamp"].as_str().map(str::to_owned)));
    let wanted = &deployment["spec"]["template"];
    let new = all.iter().position(|set| same_template(&set["spec"]["template"], wanted)).map(|index| all.remove(index));
    Rollout { deployment: Arc::clone(deployment), new, old: all }
}

/// Whether two templates are the same but for the hash.
fn same_template(one: &Value, two: &Value) -> bool {
    let plain = |template: &Value| {
        let mut template = template.clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        if let Some(meta) = template["metadata"].as_object_mut() {
            meta.remove("creationTimestamp");
        }
        template
    };
    equal(&plain(one), &plain(two))
}

fn surge(deployment: &Value) -> i64 {
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        return 0;
    }
    amount(&deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], replicas(deployment), true)
}

fn unavailable(deployment: &Value) -> i64 {
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        return 0;
    }
    let wanted = replicas(deployment);
    let most = amount(&deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], wanted, false);
    // Both zero would never get anywhere.
    if most == 0 && surge(deployment) == 0 { 1 } else { most.min(wanted) }
}

/// The ReplicaSet of a template that none has yet.
fn make(state: &mut State, rollout: &Rollout) -> Result<Arc<Value>, Failure> {
    let deployment = &rollout.deployment;
    let mut template = deployment["spec"]["template"].clone();
    let hash = template_hash(&template, count(deployment, "status", "collisionCount"));
    template["metadata"]["labels"][HASH] = hash.as_str().into();
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = hash.as_str().into();
    let newest = rollout.old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
    let room = (replicas(deployment) + surge(deployment) - rollout.old.iter().map(|set| replicas(set)).sum::<i64>()).max(0);
    let first = if deployment["spec"]["strategy"]["type"] == "Recreate" {
        if rollout.old.iter().all(|set| count(set, "status", "replicas") == 0) { replicas(deployment) } else { 0 }
    } else {
        room.min(replicas(deployment))
    };
    let mut annotations = copied(deployment);
    annotations.insert(REVISION.to_owned(), newest.to_string().into());
    scale_notes(&mut annotations, deployment);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)), "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"], "annotations": annotations, "ownerReferences": owned_by(deployment),
        },
        "spec": {"replicas": first, "selector": selector, "template": template, "minReadySeconds": deployment["spec"]["minReadySeconds"]},
    });
    let made = create(state, object, false)?;
    if first > 0 {
        scaled_event(state, deployment, "up", name(&made), 0, first);
    }
    note_revision(state, deployment, newest)?;
    Ok(made)
}

fn copied(deployment: &Value) -> Map<String, Value> {
    let all = deployment["metadata"]["annotations"].as_object();
    all.into_iter().flatten().filter(|(key, _)| !OWN.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn scale_notes(annotations: &mut Map<String, Value>, deployment: &Value) {
    annotations.insert(DESIRED.to_owned(), replicas(deployment).to_string().into());
    annotations.insert(MAX.to_owned(), (replicas(deployment) + surge(deployment)).to_string().into());
}

/// A template that comes again is the newest revision; what changed of the Deployment's annotations is the ReplicaSet's too.
fn annotate(state: &mut State, rollout: &mut Rollout) -> Result<(), Failure> {
    let Some(set) = rollout.new.clone() else { return Ok(()) };
    let deployment = Arc::clone(&rollout.deployment);
    let newest = rollout.old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
    let mut next = Value::clone(&set);
    let mut annotations = next["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|key, _| OWN.contains(&key.as_str()));
    annotations.extend(copied(&deployment));
    if revision(&set) < newest {
        if revision(&set) > 0 {
            let history = annotations.get(HISTORY).and_then(Value::as_str).unwrap_or_default();
            let history = if history.is_empty() { revision(&set).to_string() } else { format!("{history},{}", revision(&set)) };
            annotations.insert(HISTORY.to_owned(), history.into());
        }
        annotations.insert(REVISION.to_owned(), newest.to_string().into());
    }
    next["metadata"]["annotations"] = annotations.into();
    if deployment["spec"]["minReadySeconds"] != set["spec"]["minReadySeconds"] {
        next["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"].clone();
    }
    let set = over(state, &set, next, Part::Main, MANAGER)?;
    note_revision(state, &deployment, revision(&set))?;
    rollout.new = Some(set);
    Ok(())
}

fn note_revision(state: &mut State, deployment: &Arc<Value>, number: i64) -> Result<(), Failure> {
    if revision(deployment) == number {
        return Ok(());
    }
    let live = current(state, deployment);
    let mut next = Value::clone(&live);
    next["metadata"]["annotations"][REVISION] = number.to_string().into();
    // As its status: a revision is no change of what is wanted, and no new generation.
    over(state, &live, next, Part::Status, MANAGER)?;
    Ok(())
}

/// Whether the number of pods that are wanted changed since the ReplicaSets were told.
fn is_scaled(rollout: &Rollout) -> bool {
    let wanted = replicas(&rollout.deployment);
    rollout.old.iter().chain(&rollout.new).filter(|set| replicas(set) > 0).any(|set| {
        set["metadata"]["annotations"][DESIRED].as_str().and_then(|text| text.parse::<i64>().ok()).is_some_and(|known| known != wanted)
    })
}

/// Gives every ReplicaSet its share of what is wanted now.
fn scale_in_proportion(state: &mut State, rollout: &Rollout) -> Result<(), Failure> {
    let deployment = &rollout.deployment;
    let wanted = replicas(deployment);
    let active: Vec<&Arc<Value>> = rollout.old.iter().chain(&rollout.new).filter(|set| replicas(set) > 0).collect();
    if active.len() <= 1 {
        if let Some(set) = active.first().copied().or(rollout.new.as_ref())
            && replicas(set) != wanted
        {
            scale(state, deployment, set, wanted)?;
        }
        return Ok(());
    }
    let total: i64 = active.iter().map(|set| replicas(set)).sum();
    let most = if wanted > 0 { wanted + surge(deployment) } else { 0 };
    let mut left = most - total;
    for (index, set) in active.iter().enumerate() {
        let before = set["metadata"]["annotations"][MAX].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(total).max(1);
        let share =
            if index + 1 == active.len() { left } else { (replicas(set) * most / before - replicas(set)).clamp(left.min(0), left.max(0)) };
        left -= share;
        scale(state, deployment, set, (replicas(set) + share).max(0))?;
    }
    Ok(())
}

fn recreate(state: &mut State, rollout: &Rollout) -> Result<(), Failure> {
    let deployment = &rollout.deployment;
    let mut ending = false;
    for set in rollout.old.iter().filter(|set| replicas(set) > 0) {
        scale(state, deployment, set, 0)?;
        ending = true;
    }
    let running = rollout.old.iter().any(|set| {
        all_owned(state, "pods", set).iter().any(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")))
    });
    if ending || running {
        return Ok(());
    }
    match &rollout.new {
        Some(new) if replicas(new) != replicas(deployment) => scale(state, deployment, new, replicas(deployment)),
        _ => Ok(()),
    }
}

/// One step of a rolling update: up within the surge, else down within what may be missing.
fn roll(state: &mut State, rollout: &Rollout) -> Result<(), Failure> {
    let (deployment, Some(new)) = (&rollout.deployment, &rollout.new) else { return Ok(()) };
    let wanted = replicas(deployment);
    let total: i64 = rollout.old.iter().chain(std::iter::once(new)).map(|set| replicas(set)).sum();
    if replicas(new) > wanted {
        return scale(state, deployment, new, wanted);
    }
    let room = wanted + surge(deployment) - total;
    if replicas(new) < wanted && room > 0 {
        return scale(state, deployment, new, (replicas(new) + room).min(wanted));
    }
    if rollout.old.iter().all(|set| replicas(set) == 0) {
        return Ok(());
    }
    let least = wanted - unavailable(deployment);
    let not_there = replicas(new) - count(new, "status", "availableReplicas");
    let mut may_go = total - least - not_there;
    // Old pods that aren't available serve nobody.
    for set in &rollout.old {
        let idle = replicas(set) - count(set, "status", "availableReplicas");
        if may_go <= 0 || idle <= 0 || count(set, "status", "observedGeneration") < set["metadata"]["generation"].as_i64().unwrap_or(0) {
            continue;
        }
        let going = idle.min(may_go);
        scale(state, deployment, set, replicas(set) - going)?;
        return Ok(());
    }
    let available: i64 = rollout.old.iter().chain(std::iter::once(new)).map(|set| count(set, "status", "availableReplicas")).sum();
    may_go = may_go.min(available - least);
    for set in rollout.old.iter().filter(|set| replicas(set) > 0) {
        if may_go <= 0 {
            break;
        }
        let going = replicas(set).min(may_go);
        scale(state, deployment, set, replicas(set) - going)?;
        may_go -= going;
    }
    Ok(())
}

fn scale(state: &mut State, deployment: &Value, set: &Arc<Value>, to: i64) -> Result<(), Failure> {
    let namespace = set["metadata"]["namespace"].as_str().unwrap_or_default();
    let Some(live) = state.store.find("replicasets.apps", namespace, name(set)).cloned() else { return Ok(()) };
    let from = replicas(&live);
    let mut next = Value::clone(&live);
    next["spec"]["replicas"] = to.into();
    let mut annotations = next["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    scale_notes(&mut annotations, deployment);
    next["metadata"]["annotations"] = annotations.into();
    over(state, &live, next, Part::Main, MANAGER)?;
    if from != to {
        scaled_event(state, deployment, if to > from { "up" } else { "down" }, name(set), from, to);
    }
    Ok(())
}

fn scaled_event(state: &mut State, deployment: &Value, way: &str, set: &str, from: i64, to: i64) {
    let message = format!("Scaled {way} replica set {set} from {from} to {to}");
    event(state, deployment, "Normal", "ScalingReplicaSet", &message, COMPONENT);
}

fn is_complete(rollout: &Rollout) -> bool {
    let (deployment, Some(new)) = (&rollout.deployment, &rollout.new) else { return false };
    let wanted = replicas(deployment);
    let old: i64 = rollout.old.iter().map(|set| count(set, "status", "replicas") + replicas(set)).sum();
    old == 0 && count(new, "status", "replicas") == wanted && count(new, "status", "availableReplicas") == wanted && replicas(new) == wanted
}

/// Old ReplicaSets beyond the history go.
fn tidy(state: &mut State, rollout: &Rollout) -> Result<(), Failure> {
    let kept = usize::try_from(rollout.deployment["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10)).unwrap_or(usize::MAX);
    let empty: Vec<&Arc<Value>> = rollout.old.iter().filter(|set| replicas(set) == 0 && count(set, "status", "replicas") == 0).collect();
    let beyond = empty.len().saturating_sub(kept);
    for set in empty.into_iter().take(beyond) {
        let namespace = set["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let place = Place { resource: "replicasets.apps".into(), namespace, name: name(set).to_owned() };
        remove_now(state, &place, None)?;
    }
    Ok(())
}

fn report(state: &mut State, rollout: &Rollout) -> Result<Option<SignedDuration>, Failure> {
    let deployment = current(state, &rollout.deployment);
    let sum = |field: &str| rollout.old.iter().chain(&rollout.new).map(|set| count(set, "status", field)).sum::<i64>();
    let wanted = replicas(&deployment);
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let updated = rollout.new.as_ref().map_or(0, |set| count(set, "status", "replicas"));
    let before = &deployment["status"];
    let mut next = Value::clone(&deployment);
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for field in ["conditions", "collisionCount"] {
        if !before[field].is_null() {
            status[field] = before[field].clone();
        }
    }
    let missing = (total - available).max(wanted - available).max(0);
    for (field, count) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", missing),
    ] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    let now = state.now;
    if available >= wanted - unavailable(&deployment) {
        condition(&mut status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now, true);
    } else {
        condition(
            &mut status,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
            true,
        );
    }
    let failure = rollout.new.iter().chain(&rollout.old).find_map(|set| find_condition(&set["status"], "ReplicaFailure").cloned());
    match failure {
        Some(failure) => {
            let (reason, message) = (failure["reason"].as_str().unwrap_or_default(), failure["message"].as_str().unwrap_or_default());
            condition(&mut status, "ReplicaFailure", "True", reason, message, now, true);
        }
        None => {
            if let Some(all) = status["conditions"].as_array_mut() {
                all.retain(|one| one["type"] != "ReplicaFailure");
            }
        }
    }
    let again = progress(&deployment, rollout, &mut status, now);
    next["status"] = status;
    write(state, &deployment, next, MANAGER)?;
    Ok(again)
}

/// Whether it gets on; when that has to be looked at again.
fn progress(deployment: &Value, rollout: &Rollout, status: &mut Value, now: jiff::Timestamp) -> Option<SignedDuration> {
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
    let set = rollout.new.as_ref().map_or_else(|| name(deployment), |set| name(set)).to_owned();
    if deployment["spec"]["paused"] == true {
        condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now, true);
        return None;
    }
    if is_complete(rollout) {
        let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
        condition(status, "Progressing", "True", "NewReplicaSetAvailable", &message, now, true);
        return None;
    }
    let before = &deployment["status"];
    let known = find_condition(before, "Progressing").cloned();
    let more = |field: &str| status[field].as_i64().unwrap_or(0) > before[field].as_i64().unwrap_or(0);
    let old = |status: &Value| status["replicas"].as_i64().unwrap_or(0) - status["updatedReplicas"].as_i64().unwrap_or(0);
    let moves = more("updatedReplicas") || more("readyReplicas") || more("availableReplicas") || old(status) < old(before);
    let renewed = before["observedGeneration"] != deployment["metadata"]["generation"];
    if known.is_none() {
        let message = format!("Created new replica set \"{set}\"");
        condition(status, "Progressing", "True", "NewReplicaSetCreated", &message, now, true);
    } else if moves || renewed {
        let message = format!("ReplicaSet \"{set}\" is progressing.");
        // It moved now, whatever it said before.
        if let Some(all) = status["conditions"].as_array_mut() {
            for one in all.iter_mut().filter(|one| one["type"] == "Progressing") {
                one["message"] = "".into();
            }
        }
        condition(status, "Progressing", "True", "ReplicaSetUpdated", &message, now, true);
    }
    let since = find_condition(status, "Progressing").and_then(|one| time(&one["lastUpdateTime"])).unwrap_or(now);
    match until(since, deadline, now) {
        Some(later) => Some(later),
        None => {
            let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
            condition(status, "Progressing", "False", "ProgressDeadlineExceeded", &message, now, true);
            None
        }
    }
}
