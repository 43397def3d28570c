//! What an object uses of a quota, by the names that quotas have for it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Counted;
use crate::admission::Amounts;
use crate::admission::pod::{self, HUGE_PAGES, Side, items};
use crate::resource::{Object, Quantity};

const BY_CLASS: &str = ".storageclass.storage.k8s.io/";

/// Names that only containers can use up, and that each of them must state once a quota names them.
const MUST_BE_STATED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What an object uses; `now` tells pods that should be gone by now, and count no more.
pub fn usage(object: &Object, plural: &str, now: Option<Timestamp>) -> Amounts {
    let mut used = Amounts::count(count_name(object, plural), 1);
    match (object.gvk().group.as_str(), plural) {
        ("", "pods") if lives(object, now) => {
            used.add(&pod_usage(&pod::needs(object, Side::Requests), &pod::needs(object, Side::Limits)));
        }
        ("", "services") => used.add(&service(object)),
        ("", "persistentvolumeclaims") => used.add(&claim(object)),
        ("", "configmaps" | "secrets" | "resourcequotas" | "replicationcontrollers") => used.add(&Amounts::count(plural, 1)),
        _ => {}
    }
    used
}

/// Whether a quota's name is about such objects.
pub fn counted(object: &Object, plural: &str, name: &str) -> bool {
    if name == count_name(object, plural) {
        return true;
    }
    match (object.gvk().group.as_str(), plural) {
        ("", "pods") => {
            let plain = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
            name == "pods"
                || matches!(plain, "cpu" | "memory" | "ephemeral-storage")
                || name.starts_with(HUGE_PAGES)
                || name.strip_prefix("requests.").is_some_and(|device| device.starts_with(HUGE_PAGES) || is_device(device))
        }
        ("", "services") => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        ("", "persistentvolumeclaims") => {
            let plain = name.find(BY_CLASS).map_or(name, |at| &name[at + BY_CLASS.len()..]);
            matches!(plain, "persistentvolumeclaims" | "requests.storage")
        }
        ("", "configmaps" | "secrets" | "resourcequotas" | "replicationcontrollers") => name == plural,
        _ => false,
    }
}

/// Whether quota admission looks at such a request at all.
pub(super) fn handles(new: Counted<'_>, old: Option<Counted<'_>>) -> bool {
    let Some(old) = old else { return true };
    match new.plural {
        "services" | "persistentvolumeclaims" => true,
        "pods" => pod::is_terminating(old.object) != pod::is_terminating(new.object),
        _ => false,
    }
}

/// That every container states what a quota names of CPU and memory.
pub(super) fn constraints(watched: &Amounts, pod: &Object) -> Result<(), String> {
    let spec = &pod.value()["spec"];
    if pod::has_pod_level(spec) {
        return Ok(());
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in pod::containers(spec) {
        let stated = pod_usage(&pod::declared(container, Side::Requests), &pod::declared(container, Side::Limits));
        for name in MUST_BE_STATED.into_iter().filter(|name| watched.has(name) && !stated.has(name)) {
            missing.entry(name).or_default().insert(container["name"].as_str().unwrap_or_default());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = missing
        .into_iter()
        .map(|(name, containers)| format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(",")))
        .collect();
    Err(format!("must specify {}", each.join("; ")))
}

fn count_name(object: &Object, plural: &str) -> String {
    let group = object.gvk().group;
    if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") }
}

/// Whether a pod still counts: it hasn't ended, and isn't overdue to be gone.
fn lives(pod: &Object, now: Option<Timestamp>) -> bool {
    let (metadata, status) = (&pod.value()["metadata"], &pod.value()["status"]);
    if matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return false;
    }
    let ends = metadata["deletionTimestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let grace = metadata["deletionGracePeriodSeconds"].as_i64();
    match (ends, grace, now) {
        (Some(ends), Some(grace), Some(now)) => ends.checked_add(SignedDuration::from_secs(grace)).is_ok_and(|end| now <= end),
        _ => true,
    }
}

fn pod_usage(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::count("pods", 1);
    for (name, amount) in requests.iter() {
        let plain = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with(HUGE_PAGES);
        if plain {
            used.set(name, amount.clone());
        }
        if plain || is_device(name) {
            used.set(format!("requests.{name}"), amount.clone());
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| matches!(*name, "cpu" | "memory" | "ephemeral-storage")) {
        used.set(format!("limits.{name}"), amount.clone());
    }
    used
}

/// Whether a resource is neither Kubernetes' own nor a request's name already.
fn is_device(name: &str) -> bool {
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    !native && !name.starts_with("requests.") || name.starts_with("deviceclass.resource.kubernetes.io/")
}

fn service(service: &Object) -> Amounts {
    let spec = &service.value()["spec"];
    let ports = items(&spec["ports"]);
    let (balancers, node_ports) = match spec["type"].as_str() {
        Some("NodePort") => (0, ports.count()),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == false => {
            (1, ports.filter(|port| port["nodePort"].as_u64().unwrap_or(0) != 0).count())
        }
        Some("LoadBalancer") => (1, ports.count()),
        _ => (0, 0),
    };
    let counts = [("services", 1), ("services.loadbalancers", balancers), ("services.nodeports", node_ports)];
    counts.into_iter().map(|(name, count)| (name.to_owned(), Quantity::count(u64::try_from(count).unwrap_or(u64::MAX)))).collect()
}

fn claim(claim: &Object) -> Amounts {
    let (spec, status) = (&claim.value()["spec"], &claim.value()["status"]);
    let class = claim.annotation("volume.beta.kubernetes.io/storage-class").or_else(|| spec["storageClassName"].as_str());
    let class = class.filter(|class| !class.is_empty());
    let mut used = Amounts::count("persistentvolumeclaims", 1);
    let storage = |value: &Value| Quantity::from_json(&value["storage"]).ok().map(|size| size.rounded_up(&Quantity::count(1)));
    if let Some(asked) = storage(&spec["resources"]["requests"]) {
        used.set("requests.storage", storage(&status["allocatedResources"]).filter(|given| *given > asked).unwrap_or(asked));
    }
    if let Some(class) = class {
        let by_class: Amounts = used.iter().map(|(name, amount)| (format!("{class}{BY_CLASS}{name}"), amount.clone())).collect();
        used.add(&by_class);
    }
    used
}
