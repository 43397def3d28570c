//! Pods are placed on a node and said to run, at once. Nothing does run. Marks make them behave worse, as the test control plane's
//! do: the label or annotation `spai.dev/test: never-ready` or `crash`, and images with `does-not-exist` in their name.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::status::{event, over};
use crate::embedded::api::{Failure, Part, remove_now};
use crate::embedded::clock::seconds;
use crate::embedded::random::letters;
use crate::embedded::store::Place;
use crate::embedded::world::State;

const MARK: &str = "spai.dev/test";

/// How a pod behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Good,
    NeverReady,
    Crashes,
    NoImage,
}

/// Does the next thing for a pod.
pub(super) fn look(state: &mut State, pod: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let place = Place { resource: "pods".into(), namespace: text("namespace"), name: text("name") };
    if pod["metadata"]["deletionTimestamp"].is_string() {
        // Its containers would have ended by now: nothing holds it but finalizers.
        if pod["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
            remove_now(state, &place, None)?;
        }
        return Ok(None);
    }
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return Ok(None);
    }
    let placed = pod["spec"]["nodeName"].is_string();
    let Some(node) = pod["spec"]["nodeName"].as_str().map(str::to_owned).or_else(|| node_for(state, pod)) else {
        return unplaced(state, pod);
    };
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    let conduct = conduct(state, pod);
    if phase == "Pending" && pod["status"]["startTime"].is_null() {
        let mut next = Value::clone(pod);
        next["spec"]["nodeName"] = node.as_str().into();
        next["status"] = status(state, pod, conduct, &node);
        if !placed {
            event(
                state,
                pod,
                "Normal",
                "Scheduled",
                &format!("Successfully assigned {}/{} to {node}", place.namespace, place.name),
                "default-scheduler",
            );
        }
        over(state, pod, next, Part::Status, "kubelet").and_then(|written| bind(state, &written, &node))?;
        match conduct {
            Conduct::Good => {}
            Conduct::NeverReady => {
                let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
                event(state, pod, "Warning", "Unhealthy", message, "kubelet");
            }
            Conduct::Crashes => event(state, pod, "Warning", "BackOff", "Back-off restarting failed container", "kubelet"),
            Conduct::NoImage => {
                let message = "Failed to pull image: rpc error: code = NotFound desc = failed to pull and unpack image: not found";
                event(state, pod, "Warning", "Failed", message, "kubelet");
                return Ok(Some(SignedDuration::from_secs(1)));
            }
        }
        return Ok(None);
    }
    if conduct == Conduct::NoImage {
        return backed_off(state, pod);
    }
    // A Job's pod has done what it had to.
    if phase == "Running" && conduct == Conduct::Good && ends(pod) {
        complete(state, pod)?;
    }
    Ok(None)
}

/// What a pod says to be like.
fn conduct(state: &State, pod: &Value) -> Conduct {
    let images = pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|container| container["image"].as_str());
    if images.into_iter().any(|image| image.contains("does-not-exist")) {
        return Conduct::NoImage;
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    // Of what has this name: its pods' names are this and a dash and more.
    if state.never_ready.iter().any(|owner| name.strip_prefix(owner.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
    {
        return Conduct::NeverReady;
    }
    let marked = |table: &str| pod["metadata"][table][MARK].as_str();
    match marked("labels").or_else(|| marked("annotations")) {
        Some("never-ready") => Conduct::NeverReady,
        Some("crash") => Conduct::Crashes,
        _ => Conduct::Good,
    }
}

fn is_of_job(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.iter().any(|owner| owner["kind"] == "Job"))
}

fn ends(pod: &Value) -> bool {
    is_of_job(pod)
}

/// The node that has the fewest pods of this kind, among those whose labels the pod accepts.
fn node_for(state: &State, pod: &Value) -> Option<String> {
    let wanted = &pod["spec"]["nodeSelector"];
    let labels = &pod["metadata"]["labels"];
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let nodes = state.store.all("nodes").filter(|node| {
        wanted.as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| node["metadata"]["labels"].get(key) == Some(value)))
            && node["spec"]["unschedulable"] != true
    });
    let load = |name: &str| {
        state
            .store
            .within("pods", namespace)
            .filter(|other| other["spec"]["nodeName"] == name && other["metadata"]["labels"] == *labels)
            .count()
    };
    nodes.filter_map(|node| node["metadata"]["name"].as_str()).min_by_key(|name| (load(name), (*name).to_owned())).map(str::to_owned)
}

fn unplaced(state: &mut State, pod: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let count = state.store.all("nodes").count();
    let message = format!("0/{count} nodes are available: {count} node(s) didn't match Pod's node affinity/selector.");
    let mut next = Value::clone(pod);
    let now = state.now;
    super::status::condition(&mut next["status"], "PodScheduled", "False", "Unschedulable", &message, now, false);
    let known = super::status::find_condition(&pod["status"], "PodScheduled").is_some();
    if !known {
        event(state, pod, "Warning", "FailedScheduling", &message, "default-scheduler");
        over(state, pod, next, Part::Status, "kube-scheduler")?;
    }
    Ok(Some(SignedDuration::from_secs(10)))
}

/// A pod's node is written by itself: status writes don't reach it.
fn bind(state: &mut State, pod: &Arc<Value>, node: &str) -> Result<Arc<Value>, Failure> {
    if pod["spec"]["nodeName"] == node {
        return Ok(Arc::clone(pod));
    }
    let mut next = Value::clone(pod);
    next["spec"]["nodeName"] = node.into();
    over(state, pod, next, Part::Main, "kube-scheduler")
}

fn status(state: &mut State, pod: &Value, conduct: Conduct, node: &str) -> Value {
    let now = seconds(state.now);
    let job = is_of_job(pod);
    let ready = conduct == Conduct::Good;
    let condition = |kind: &str, holds: bool, reason: Option<(&str, String)>| {
        let mut condition =
            json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": now});
        if let Some((reason, message)) = reason {
            condition["reason"] = reason.into();
            condition["message"] = message.into();
        }
        condition
    };
    let names: Vec<&str> = pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    let unready = || {
        let reason = if conduct == Conduct::Crashes && job { "PodFailed" } else { "ContainersNotReady" };
        Some((reason, format!("containers with unready status: [{}]", names.join(" "))))
    };
    let containers: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| container_status(pod, container, conduct, job, &now))
        .collect();
    let phase = match conduct {
        Conduct::NoImage => "Pending",
        Conduct::Crashes if job => "Failed",
        _ => "Running",
    };
    let ip = address(pod);
    let mut status = json!({
        "phase": phase,
        "conditions": [
            condition("PodReadyToStartContainers", true, None),
            condition("Initialized", true, None),
            condition("Ready", ready, if ready { None } else { unready() }),
            condition("ContainersReady", ready, if ready { None } else { unready() }),
            condition("PodScheduled", true, None),
        ],
        "containerStatuses": containers,
        "hostIP": "10.1.0.1", "hostIPs": [{"ip": "10.1.0.1"}],
        "podIP": ip, "podIPs": [{"ip": ip}],
        "startTime": now,
        "qosClass": pod["status"]["qosClass"],
        "observedGeneration": pod["metadata"]["generation"],
    });
    let init: Vec<Value> = pod["spec"]["initContainers"].as_array().into_iter().flatten().map(|container| {
        json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": true, "restartCount": 0, "started": false,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}})
    }).collect();
    if !init.is_empty() {
        status["initContainerStatuses"] = init.into();
    }
    let _ = node;
    status
}

fn container_status(pod: &Value, container: &Value, conduct: Conduct, job: bool, now: &str) -> Value {
    let image = container["image"].as_str().unwrap_or_default();
    let mut status = json!({"name": container["name"], "image": image, "imageID": "", "ready": false, "restartCount": 0, "started": true, "state": {"running": {"startedAt": now}}});
    match conduct {
        Conduct::Good => status["ready"] = true.into(),
        Conduct::NeverReady => status["started"] = container["startupProbe"].is_null().into(),
        Conduct::NoImage if image.contains("does-not-exist") => {
            status["started"] = false.into();
            status["state"] = json!({"waiting": {"reason": "ErrImagePull", "message": no_image(image)}});
        }
        Conduct::NoImage => status["ready"] = true.into(),
        Conduct::Crashes => {
            let ended = json!({"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now});
            status["started"] = false.into();
            if job {
                status["state"] = json!({"terminated": ended});
            } else {
                let meta = &pod["metadata"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let message = format!(
                    "back-off 40s restarting failed container={} pod={}_{}({})",
                    text(&container["name"]),
                    text(&meta["name"]),
                    text(&meta["namespace"]),
                    text(&meta["uid"])
                );
                status["restartCount"] = 3.into();
                status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
                status["lastState"] = json!({"terminated": ended});
            }
        }
    }
    status
}

fn no_image(image: &str) -> String {
    format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": not found")
}

/// The second try fails as the first one did.
fn backed_off(state: &mut State, pod: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let mut next = Value::clone(pod);
    for container in next["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        if container["state"]["waiting"]["reason"] == "ErrImagePull" {
            let image = container["image"].as_str().unwrap_or_default().to_owned();
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {}", no_image(&image));
            container["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
        }
    }
    over(state, pod, next, Part::Status, "kubelet")?;
    Ok(None)
}

fn complete(state: &mut State, pod: &Arc<Value>) -> Result<(), Failure> {
    let now = seconds(state.now);
    let mut next = Value::clone(pod);
    next["status"]["phase"] = "Succeeded".into();
    for container in next["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        container["ready"] = false.into();
        container["started"] = false.into();
        container["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}});
    }
    let time = state.now;
    for kind in ["Ready", "ContainersReady"] {
        super::status::condition(&mut next["status"], kind, "False", "PodCompleted", "", time, false);
    }
    over(state, pod, next, Part::Status, "kubelet")?;
    Ok(())
}

/// An address of the pod's own, by its uid: nobody can connect to it.
fn address(pod: &Value) -> String {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let hash = crc32fast::hash(uid.as_bytes());
    format!("10.{}.{}.{}", 64 + (hash >> 16) % 64, (hash >> 8) & 0xff, 1 + (hash & 0xff) % 254)
}

/// A template's hash, as the names of what is made of it end.
pub(super) fn template_hash(template: &Value, collisions: i64) -> String {
    let text = format!("{template}{collisions}");
    letters(u64::from(crc32fast::hash(text.as_bytes())) | u64::from(crc32fast::hash(&[text.as_bytes(), b"+"].concat())) << 32, 10)
}
