//! What a pod says of itself: whether it found a node, pulled its images, started, crashes, or isn't let through by its probes.

use serde_json::Value;

use super::events::{Warning, warnings};
use super::{Evidence, Symptom, Trouble};
use crate::admission::readiness::{condition, words};
use crate::resource::Object;

/// Why this pod isn't ready.
pub(super) fn of_pod(evidence: &Evidence, pod: &Object) -> Vec<Symptom> {
    let status = &pod.value()["status"];
    let since = pod.value()["metadata"]["creationTimestamp"].as_str();
    if pod.is_being_deleted() {
        return Vec::new();
    }
    let ready = condition(pod, "Ready");
    if status["phase"] == "Succeeded" || ready.is_some_and(|ready| ready["status"] == "True") {
        return Vec::new();
    }
    if let Some(unscheduled) = condition(pod, "PodScheduled").filter(|scheduled| scheduled["status"] == "False") {
        let since = unscheduled["lastTransitionTime"].as_str().or(since);
        return vec![Symptom::passing(pod, since, unscheduled_words(unscheduled))];
    }
    let warnings = pod.uid().map(|uid| warnings(&evidence.events, uid, None)).unwrap_or_default();
    let mut found = Vec::new();
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            found.extend(of_container(evidence, pod, container, &warnings));
        }
    }
    if found.is_empty() && status["phase"] == "Failed" {
        found.push(Symptom::passing(pod, since, format!("the pod failed: {}", words(status))));
    }
    if found.is_empty() {
        // Nothing of the containers: volumes, the network, the sandbox, or a node that never took it up.
        let told = warnings.first().map(|warning| Symptom::passing(pod, warning.first, format!("{}: {}", warning.reason, warning.message)));
        found.push(told.unwrap_or_else(|| {
            let node = pod.value()["spec"]["nodeName"].as_str();
            Symptom::passing(
                pod,
                since,
                node.map_or_else(|| "waits to be scheduled".to_owned(), |node| format!("is being started on {node}")),
            )
        }));
    }
    found
}

fn unscheduled_words(scheduled: &Value) -> String {
    let message = scheduled["message"].as_str().unwrap_or_default();
    // What preemption would do adds nothing for whoever reads it.
    let message = message.split_once(" preemption: ").map_or(message, |(message, _)| message).trim_end_matches('.');
    match scheduled["reason"].as_str() {
        Some("SchedulingGated") => format!("its scheduling is held back: {message}"),
        _ if message.is_empty() => "can't be scheduled".to_owned(),
        _ => format!("can't be scheduled: {message}"),
    }
}

fn of_container(evidence: &Evidence, pod: &Object, container: &Value, warnings: &[Warning<'_>]) -> Option<Symptom> {
    let name = container["name"].as_str().unwrap_or_default();
    let image = container["image"].as_str().unwrap_or_default();
    let since = pod.value()["metadata"]["creationTimestamp"].as_str();
    let say = |trouble, since, text: String| Some(Symptom::new(pod, since, trouble, format!("container {name}: {text}")));
    let state = &container["state"];
    if let Some(waiting) = state.get("waiting").filter(|waiting| waiting.is_object()) {
        let reason = waiting["reason"].as_str().unwrap_or_default();
        let message = waiting["message"].as_str().unwrap_or_default();
        return match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {
                let why = pull_reason(message, warnings);
                say(
                    if is_lasting(&why) { Trouble::Final } else { Trouble::Passing },
                    since,
                    format!("its image \"{image}\" can't be pulled: {why}"),
                )
            }
            "InvalidImageName" => say(Trouble::Final, since, format!("its image's name \"{image}\" is no valid one: {message}")),
            "ErrImageNeverPull" => {
                say(Trouble::Final, since, format!("its image \"{image}\" isn't on the node, and its pull policy is Never"))
            }
            "CrashLoopBackOff" => {
                let (since, text) = crash(evidence, pod, container);
                say(Trouble::Passing, since, text)
            }
            "CreateContainerConfigError" if message.contains("runAsNonRoot") => say(Trouble::Final, since, message.to_owned()),
            "ContainerCreating" | "PodInitializing" | "" => None,
            _ if message.is_empty() => say(Trouble::Passing, since, reason.to_owned()),
            _ => say(Trouble::Passing, since, format!("{reason}: {message}")),
        };
    }
    if let Some(ended) = state.get("terminated").filter(|ended| ended.is_object() && ended["exitCode"] != 0) {
        return say(
            Trouble::Passing,
            ended["finishedAt"].as_str(),
            format!("{}{}", ended_words(pod, name, ended), log(evidence, pod, name)),
        );
    }
    let running = state.get("running").filter(|running| running.is_object())?;
    if container["ready"] == true {
        return None;
    }
    let since = running["startedAt"].as_str();
    let restarts = container["restartCount"].as_i64().unwrap_or(0);
    let after = if restarts > 0 { format!(", after {restarts} restarts") } else { String::new() };
    let probe = warnings.iter().find(|warning| warning.reason == "Unhealthy" && warning.container.is_none_or(|its| its == name));
    match probe {
        Some(probe) => say(Trouble::Passing, since, format!("runs{after}, but isn't ready: {}{}", probe.message, log(evidence, pod, name))),
        None if container["started"] == false => {
            say(Trouble::Passing, since, format!("runs{after}, but its startup probe hasn't passed yet"))
        }
        None => say(Trouble::Passing, since, format!("runs{after}, but its readiness probe hasn't passed yet{}", log(evidence, pod, name))),
    }
}

/// Why a container crashes, and since when it is down.
fn crash<'p>(evidence: &Evidence, pod: &Object, container: &'p Value) -> (Option<&'p str>, String) {
    let name = container["name"].as_str().unwrap_or_default();
    let restarts = container["restartCount"].as_i64().unwrap_or(0);
    let ended = &container["lastState"]["terminated"];
    let what = if ended.is_object() { ended_words(pod, name, ended) } else { "ends again and again".to_owned() };
    let times = if restarts == 1 { "1 restart".to_owned() } else { format!("{restarts} restarts") };
    (ended["finishedAt"].as_str(), format!("crashes: {what}, {times}{}", log(evidence, pod, name)))
}

fn ended_words(pod: &Object, name: &str, ended: &Value) -> String {
    let (reason, message) = (ended["reason"].as_str().unwrap_or_default(), ended["message"].as_str().unwrap_or_default().trim());
    if reason == "OOMKilled" {
        let limit = memory_limit(pod, name).map_or_else(String::new, |limit| format!(" of {limit}"));
        return format!("it was killed for using more memory than its limit{limit}");
    }
    let code = ended["exitCode"].as_i64().unwrap_or(0);
    let signal = match ended["signal"].as_i64().filter(|signal| *signal > 0) {
        Some(signal) => format!("it was ended by signal {signal}"),
        None => format!("it ended with exit code {code}"),
    };
    let reason = if reason.is_empty() || reason == "Error" { String::new() } else { format!(" ({reason})") };
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{signal}{reason}{message}")
}

fn memory_limit<'p>(pod: &'p Object, name: &str) -> Option<&'p str> {
    let container = pod.value()["spec"]["containers"].as_array()?.iter().find(|container| container["name"] == name)?;
    container["resources"]["limits"]["memory"].as_str()
}

/// The last lines of its log, each on a line of its own.
fn log(evidence: &Evidence, pod: &Object, container: &str) -> String {
    let lines = evidence.logs.get(&(pod.name().to_owned(), container.to_owned())).map_or(&[][..], Vec::as_slice);
    lines.iter().fold(String::new(), |text, line| text + "\n  | " + line)
}

/// The registry's own words, out of the layers of the kubelet's and the runtime's.
fn pull_reason(message: &str, warnings: &[Warning<'_>]) -> String {
    let mut words = message;
    // While it backs off, older kubelets say nothing but that: the event has the reason.
    if words.is_empty() || (words.starts_with("Back-off pulling image") && !words.contains("Err")) {
        let pulls = |warning: &&Warning<'_>| warning.reason == "Failed" && warning.message.contains("pull");
        words = warnings.iter().find(pulls).map_or(words, |warning| warning.message);
    }
    for marker in ["ErrImagePull: ", "desc = ", "failed to pull and unpack image ", "failed to resolve reference "] {
        if let Some((_, rest)) = words.split_once(marker) {
            words = rest;
        }
    }
    if let Some((_, rest)) = words.strip_prefix('"').and_then(|rest| rest.split_once("\": ")) {
        words = rest;
    }
    if words.is_empty() { "the node doesn't say why".to_owned() } else { words.to_owned() }
}

/// What a registry says that it will say again: there is no such image, or not for us.
fn is_lasting(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    [
        "not found",
        "manifest unknown",
        "does not exist",
        "repository name not known",
        "access denied",
        "access forbidden",
        "unauthorized",
        "invalid reference",
        "no match for platform",
    ]
    .iter()
    .any(|sign| reason.contains(sign))
}
