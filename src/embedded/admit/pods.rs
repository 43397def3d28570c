//! Pods and what makes them: service accounts, priorities, LimitRanges, Pod Security.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission::limit_range::{LimitRange, joined};
use crate::admission::pod_security::Policy;
use crate::embedded::api::Failure;
use crate::embedded::catalog::Resource;
use crate::embedded::world::State;
use crate::resource::Object;

/// The minor version, which Pod Security's `latest` means.
const MINOR: u32 = 36;

/// Gives a pod what the cluster gives every pod.
pub(super) fn fill_in(state: &State, resource: &Resource, pod: &mut Value, suffix: &str) -> Result<(), Failure> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let account = pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default").to_owned();
    if state.store.find("serviceaccounts", &namespace, &account).is_none() {
        let why = format!("error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found");
        return Err(Failure::forbidden(resource, &name, &why));
    }
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = account.as_str().into();
    spec["serviceAccount"] = account.into();
    let class = spec["priorityClassName"].as_str().unwrap_or_default().to_owned();
    if class.is_empty() {
        let default = state.store.all("priorityclasses.scheduling.k8s.io").find(|class| class["globalDefault"] == true);
        spec["priority"] = default.map_or(json!(0), |class| class["value"].clone());
        if let Some(class) = default {
            spec["priorityClassName"] = class["metadata"]["name"].clone();
        }
        spec["preemptionPolicy"] = default.map_or(json!("PreemptLowerPriority"), |class| class["preemptionPolicy"].clone());
    } else {
        let Some(found) = state.store.find("priorityclasses.scheduling.k8s.io", "", &class) else {
            return Err(Failure::forbidden(resource, &name, &format!("no PriorityClass with name {class} was found")));
        };
        spec["priority"] = found["value"].clone();
        spec["preemptionPolicy"] = found["preemptionPolicy"].clone();
    }
    let mounts = state.store.find("serviceaccounts", &namespace, spec["serviceAccountName"].as_str().unwrap_or_default());
    let wanted = spec["automountServiceAccountToken"].as_bool().or_else(|| mounts?["automountServiceAccountToken"].as_bool());
    if wanted != Some(false) {
        mount_token(spec, suffix);
    }
    tolerate(spec);
    if let Ok(mut object) = Object::try_from(pod.clone()) {
        for range in ranges(state, &namespace) {
            range.complete(&mut object);
        }
        *pod = object.into();
    }
    Ok(())
}

/// The volume that a pod's credentials would be in.
fn mount_token(spec: &mut Value, suffix: &str) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let name = format!("kube-api-access-{suffix}");
    let mut used = false;
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let mut mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if mounts.iter().any(|mount| mount["mountPath"] == PATH) {
                continue;
            }
            mounts.push(json!({"name": name, "readOnly": true, "mountPath": PATH}));
            container["volumeMounts"] = mounts.into();
            used = true;
        }
    }
    if used {
        let mut volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
        volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}));
        spec["volumes"] = volumes.into();
    }
}

/// A pod stays for five minutes on a node that is away.
pub(super) fn tolerate(spec: &mut Value) {
    let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = all.iter().any(|one| {
            (one["key"] == key || (one["key"].is_null() && one["operator"] == "Exists"))
                && (one["effect"].is_null() || one["effect"] == "NoExecute")
        });
        if !covered {
            all.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    spec["tolerations"] = all.into();
}

fn ranges(state: &State, namespace: &str) -> Vec<LimitRange> {
    let all = state.store.within("limitranges", namespace);
    all.filter_map(|range| Some(LimitRange::of(&Object::try_from(Value::clone(range)).ok()?))).collect()
}

/// What refuses an object, or warns of it.
pub(super) fn check(state: &State, resource: &Resource, object: &Value, old: Option<&Arc<Value>>) -> Result<Vec<String>, Failure> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let is_pod = resource.is("", "Pod");
    let is_claim = resource.is("", "PersistentVolumeClaim");
    let templated = matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
            | ("batch", "Job" | "CronJob")
            | ("", "ReplicationController" | "PodTemplate")
    );
    if !is_pod && !is_claim && !templated {
        return Ok(Vec::new());
    }
    let Ok(this) = Object::try_from(object.clone()) else { return Ok(Vec::new()) };
    if (is_pod && old.is_none()) || is_claim {
        let refusals: Vec<String> = ranges(state, namespace)
            .iter()
            .flat_map(|range| if is_pod { range.refuses_pod(&this) } else { range.refuses_claim(&this) })
            .collect();
        if !refusals.is_empty() {
            return Err(Failure::forbidden(resource, name, &joined(&refusals)));
        }
    }
    if is_claim {
        return Ok(Vec::new());
    }
    let Some(space) = state.store.find("namespaces", "", namespace).and_then(|space| Object::try_from(Value::clone(space)).ok()) else {
        return Ok(Vec::new());
    };
    let (policy, _) = Policy::of(&space);
    let verdict = if is_pod {
        let old = old.and_then(|old| Object::try_from(Value::clone(old)).ok());
        policy.on_pod(&this, old.as_ref(), MINOR)
    } else {
        policy.on_template(&this, MINOR)
    };
    match verdict.refused {
        Some(why) => Err(Failure::forbidden(resource, name, &why)),
        None => Ok(verdict.warning.into_iter().collect()),
    }
}
