//! StatefulSets: pods with numbers, made and changed one after the other, each with claims of its own.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::kubelet::template_hash;
use super::pods::{self, PodName};
use super::status::{MANAGER, all_owned, create, owned_by, write};
use crate::embedded::api::Failure;
use crate::embedded::world::State;

const REVISION: &str = "controller-revision-hash";

/// Does the next thing for a StatefulSet.
pub(super) fn look(state: &mut State, set: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &set["spec"];
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let start = spec["ordinals"]["start"].as_i64().unwrap_or(0);
    let update = format!("{name}-{}", template_hash(&spec["template"], 0));
    revision(state, set, &update)?;
    let current = set["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
    let parallel = spec["podManagementPolicy"] == "Parallel";
    let min_ready = spec["minReadySeconds"].as_i64().unwrap_or(0);
    let ordinal =
        |pod: &Value| pod["metadata"]["name"].as_str().and_then(|full| full.strip_prefix(&name)?.strip_prefix('-')?.parse::<i64>().ok());
    let mut all: Vec<(i64, Arc<Value>)> = all_owned(state, "pods", set).into_iter().filter_map(|pod| Some((ordinal(&pod)?, pod))).collect();
    all.sort_by_key(|(number, _)| *number);
    let now = state.now;
    let mut again = None;
    let mut available = |pod: &Value| match pods::is_available(pod, min_ready, now) {
        Ok(is) => is,
        Err(later) => {
            again = Some(later);
            false
        }
    };
    let mut acted = false;
    for number in start..start + wanted {
        match all.iter().find(|(known, _)| *known == number) {
            None => {
                claims(state, set, number)?;
                let hash = revision_of(spec, number - start, &current, &update);
                make(state, set, number, &hash)?;
                acted = true;
                if !parallel {
                    break;
                }
            }
            Some((_, pod)) if matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded")) => {
                pods::end(state, pod)?;
                acted = true;
                break;
            }
            Some((_, pod)) if !parallel && !available(pod) => {
                acted = true;
                // A pod that isn't ready may be one that a new template would cure.
                if hash(pod) != update && hash(pod) != current && spec["updateStrategy"]["type"] != "OnDelete" {
                    pods::end(state, pod)?;
                }
                break;
            }
            Some(_) => {}
        }
    }
    if !acted {
        // Too many go from the last on.
        if let Some((_, pod)) = all.iter().rev().find(|(number, _)| *number >= start + wanted || *number < start) {
            pods::end(state, pod)?;
        } else if spec["updateStrategy"]["type"] != "OnDelete" {
            let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
            for (number, pod) in all.iter().rev().filter(|(number, _)| number - start >= partition) {
                let _ = number;
                if hash(pod) != update {
                    pods::end(state, pod)?;
                    break;
                }
                if !available(pod) {
                    break;
                }
            }
        }
    }
    report(state, set, &current, &update, min_ready)?;
    Ok(again)
}

fn hash(pod: &Value) -> String {
    pod["metadata"]["labels"][REVISION].as_str().unwrap_or_default().to_owned()
}

/// The revision that a pod is made of: below the partition it stays the current one.
fn revision_of(spec: &Value, index: i64, current: &str, update: &str) -> String {
    let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    if index < partition { current } else { update }.to_owned()
}

fn make(state: &mut State, set: &Arc<Value>, number: i64, hash: &str) -> Result<(), Failure> {
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    let mut template = template_of(state, set, hash);
    let pod_name = format!("{name}-{number}");
    let labels = &mut template["metadata"]["labels"];
    labels[REVISION] = hash.into();
    labels["statefulset.kubernetes.io/pod-name"] = pod_name.as_str().into();
    labels["apps.kubernetes.io/pod-index"] = number.to_string().into();
    template["spec"]["hostname"] = pod_name.as_str().into();
    if !set["spec"]["serviceName"].is_null() {
        template["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    }
    let mut volumes = template["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let volume = claim["metadata"]["name"].as_str().unwrap_or_default();
        volumes.retain(|one| one["name"] != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": format!("{volume}-{pod_name}")}}));
    }
    if !volumes.is_empty() {
        template["spec"]["volumes"] = volumes.into();
    }
    pods::make(state, set, &template, &PodName::Exact(&pod_name), "statefulset-controller")?;
    Ok(())
}

/// The template of a revision: the one of now, or what a revision kept.
fn template_of(state: &State, set: &Value, hash: &str) -> Value {
    let namespace = set["metadata"]["namespace"].as_str().unwrap_or_default();
    let kept = state.store.find("controllerrevisions.apps", namespace, hash).map(|one| one["data"]["spec"]["template"].clone());
    let mut template = kept.filter(Value::is_object).unwrap_or_else(|| set["spec"]["template"].clone());
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    template
}

/// A revision is kept, so that it can be gone back to.
pub(super) fn revision(state: &mut State, set: &Arc<Value>, name: &str) -> Result<(), Failure> {
    let owned = all_owned(state, "controllerrevisions.apps", set);
    let newest = owned.iter().filter_map(|one| one["revision"].as_i64()).max().unwrap_or(0);
    if let Some(known) = owned.iter().find(|one| one["metadata"]["name"] == name) {
        if known["revision"].as_i64() != Some(newest) {
            let mut next = Value::clone(known);
            next["revision"] = (newest + 1).into();
            super::status::over(state, known, next, crate::embedded::api::Part::Main, MANAGER)?;
        }
        return Ok(());
    }
    let mut template = set["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    let mut labels = set["spec"]["template"]["metadata"]["labels"].clone();
    labels["controller.kubernetes.io/hash"] = name.rsplit('-').next().unwrap_or_default().into();
    let object = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": set["metadata"]["namespace"], "labels": labels, "ownerReferences": owned_by(set)},
        "data": {"spec": {"template": template}}, "revision": newest + 1,
    });
    create(state, object, false)?;
    Ok(())
}

/// The claims of a pod's volumes; they outlive it.
fn claims(state: &mut State, set: &Value, number: i64) -> Result<(), Failure> {
    let (name, namespace) = (set["metadata"]["name"].as_str().unwrap_or_default(), &set["metadata"]["namespace"]);
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim_name = format!("{}-{name}-{number}", claim["metadata"]["name"].as_str().unwrap_or_default());
        if state.store.find("persistentvolumeclaims", namespace.as_str().unwrap_or_default(), &claim_name).is_some() {
            continue;
        }
        let mut meta = json!({"name": claim_name, "namespace": namespace, "labels": claim["metadata"]["labels"], "annotations": claim["metadata"]["annotations"]});
        for (key, value) in set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
            meta["labels"][key] = value.clone();
        }
        create(state, json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim["spec"]}), true)?;
    }
    Ok(())
}

fn report(state: &mut State, set: &Arc<Value>, current: &str, update: &str, min_ready: i64) -> Result<(), Failure> {
    let all: Vec<Arc<Value>> = all_owned(state, "pods", set).into_iter().filter(|pod| !pods::is_ending(pod)).collect();
    let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
    let count = |holds: &dyn Fn(&Value) -> bool| i64::try_from(all.iter().filter(|pod| holds(pod)).count()).unwrap_or(0);
    let now = state.now;
    let updated = count(&|pod| hash(pod) == update);
    let ready = count(&pods::is_ready);
    let available = count(&|pod| pods::is_available(pod, min_ready, now) == Ok(true));
    let total = count(&|_| true);
    let partition = set["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    let done = updated == wanted && total == wanted && ready == wanted && partition <= 0;
    let current = if done { update } else { current };
    let mut status = json!({"observedGeneration": set["metadata"]["generation"], "replicas": total, "currentRevision": current, "updateRevision": update, "collisionCount": 0,
        "availableReplicas": available});
    for (field, count) in [("readyReplicas", ready), ("updatedReplicas", updated), ("currentReplicas", count(&|pod| hash(pod) == current))]
    {
        if count > 0 {
            status[field] = count.into();
        }
    }
    let mut next = Value::clone(set);
    next["status"] = status;
    write(state, set, next, MANAGER)?;
    Ok(())
}
