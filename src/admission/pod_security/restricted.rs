//! What `restricted` forbids beyond `baseline`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline::{adding, in_user_namespace, is_seccomp_profile, proc_mount, seccomp};
use super::{Check, Violation, items, named, names, plural, quoted, said, setters, text, uses, violation};

/// In the server's order.
pub(super) const CHECKS: [Check; 7] = [
    ("allowPrivilegeEscalation", |pod, minor| if minor >= 25 && is_windows(pod) { None } else { escalation(pod, minor) }),
    ("capabilities_restricted", |pod, minor| if minor < 22 || minor >= 25 && is_windows(pod) { None } else { capabilities(pod) }),
    ("procMount_restricted", |pod, minor| if minor < 35 { None } else { proc_mount(pod, minor) }),
    ("restrictedVolumes", volumes),
    ("runAsNonRoot", |pod, minor| if minor >= 35 && in_user_namespace(pod) { None } else { non_root(pod) }),
    ("runAsUser", |pod, minor| if minor < 23 || minor >= 35 && in_user_namespace(pod) { None } else { user(pod) }),
    ("seccompProfile_restricted", |pod, minor| if minor < 19 || minor >= 25 && is_windows(pod) { None } else { profile(pod, minor) }),
];

/// Whether a stricter check takes the place of a baseline one.
pub(super) fn overrides(baseline: &str, minor: u32) -> bool {
    match baseline {
        "capabilities_baseline" => minor >= 22,
        "hostPathVolumes" => true,
        "procMount" => minor >= 35,
        "seccompProfile_baseline" => minor >= 19,
        _ => false,
    }
}

/// Volumes that any pod may have.
const VOLUMES: [&str; 9] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"];

const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

fn is_windows(pod: &Value) -> bool {
    pod["spec"]["os"]["name"] == "windows"
}

fn escalation(pod: &Value, minor: u32) -> Option<Violation> {
    let bad = names(pod, |container| container["securityContext"]["allowPrivilegeEscalation"] != false);
    let detail = || format!("{} must set securityContext.allowPrivilegeEscalation=false", named("container", &bad));
    if bad.is_empty() || minor < 8 { None } else { Some(violation("allowPrivilegeEscalation != false", detail())) }
}

fn capabilities(pod: &Value) -> Option<Violation> {
    let keeps = names(pod, |container| !items(&container["securityContext"]["capabilities"]["drop"]).any(|dropped| dropped == "ALL"));
    let (bad, added) = adding(pod, |capability| capability == "NET_BIND_SERVICE");
    let mut details = Vec::new();
    if !keeps.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", named("container", &keeps)));
    }
    if !bad.is_empty() {
        details.push(format!("{} must not include {} in securityContext.capabilities.add", named("container", &bad), quoted(&added)));
    }
    if details.is_empty() { None } else { Some(violation("unrestricted capabilities", details.join("; "))) }
}

fn volumes(pod: &Value, _: u32) -> Option<Violation> {
    let has = |volume: &Value, source: &str| volume[source].is_object();
    let bad: Vec<&Value> = items(&pod["spec"]["volumes"]).filter(|volume| !VOLUMES.iter().any(|source| has(volume, source))).collect();
    if bad.is_empty() {
        return None;
    }
    let kinds: BTreeSet<&str> =
        bad.iter().map(|volume| OTHER_VOLUMES.into_iter().find(|source| has(volume, source)).unwrap_or("unknown")).collect();
    let names: Vec<String> = bad.iter().map(|volume| text(&volume["name"]).to_owned()).collect();
    let what = plural("restricted volume type", kinds.len());
    Some(violation("restricted volume types", format!("{} {} {what} {}", named("volume", &names), uses(names.len()), quoted(kinds))))
}

fn non_root(pod: &Value) -> Option<Violation> {
    let (of_pod, of_containers) = said(pod, "runAsNonRoot");
    let (mut explicit, mut implicit) = (Vec::new(), Vec::new());
    for (name, value) in of_containers {
        if *value == false {
            explicit.push(name.to_owned());
        } else if value.is_null() && *of_pod != true {
            implicit.push(name.to_owned());
        }
    }
    if let Some(by) = setters(*of_pod == false, &explicit) {
        return Some(violation("runAsNonRoot != true", format!("{by} must not set securityContext.runAsNonRoot=false")));
    }
    let detail = || format!("pod or {} must set securityContext.runAsNonRoot=true", named("container", &implicit));
    if implicit.is_empty() { None } else { Some(violation("runAsNonRoot != true", detail())) }
}

fn user(pod: &Value) -> Option<Violation> {
    let (of_pod, of_containers) = said(pod, "runAsUser");
    let bad: Vec<String> = of_containers.into_iter().filter(|(_, user)| **user == 0).map(|(name, _)| name.to_owned()).collect();
    let by = setters(*of_pod == 0, &bad)?;
    Some(violation("runAsUser=0", format!("{by} must not set runAsUser=0")))
}

fn profile(pod: &Value, minor: u32) -> Option<Violation> {
    if let Some(bad) = seccomp(pod, minor) {
        return Some(bad);
    }
    let (of_pod, of_containers) = said(pod, "seccompProfile");
    if of_pod.is_object() && is_seccomp_profile(text(&of_pod["type"])) {
        return None;
    }
    let silent: Vec<String> =
        of_containers.into_iter().filter(|(_, profile)| !profile.is_object()).map(|(name, _)| name.to_owned()).collect();
    let detail = || {
        format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            named("container", &silent)
        )
    };
    if silent.is_empty() { None } else { Some(violation("seccompProfile", detail())) }
}
