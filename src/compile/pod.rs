//! Pods: who they run as, where they run, what is in them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::resource::Diagnostics;
use crate::stack::model::{Pod, Spread, WorkloadKind};

use super::context::ServiceContext;
use super::marked::Marked;
use super::volumes::{self, Reader, Volumes};
use super::{container, identity, labels, settings};

const ZONE_KEY: &str = "topology.kubernetes.io/zone";
const HOST_KEY: &str = "kubernetes.io/hostname";

/// The pod template of a service's workload, and the claims that it needs.
pub(super) fn template(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> (Marked, Volumes) {
    let mut volumes = volumes::of(service, Reader::Service, diagnostics);
    let mut spec = base(service, diagnostics);
    let mounts = std::mem::take(&mut volumes.mounts);
    spec.put_list("containers", "name", vec![container::main(service, mounts, diagnostics)]);
    let mut first: Vec<Marked> = Vec::new();
    for (name, init) in &service.spec().init {
        first.push(container::init(service, name, init, diagnostics));
    }
    for (name, sidecar) in &service.spec().sidecars {
        first.push(container::sidecar(service, name, sidecar, diagnostics));
    }
    spec.put_list("initContainers", "name", first);
    spec.put_list("volumes", "name", std::mem::take(&mut volumes.pod));
    if service.is_serving() {
        put_spread(service, &mut spec);
    } else {
        spec.set("restartPolicy", "Never");
    }
    (wrap(service, labels::of_pods(service), spec), volumes)
}

/// The pod template of one of its hooks.
pub(super) fn hook_template(
    service: &ServiceContext<'_>,
    hook: &str,
    container: impl FnOnce(Vec<Marked>, &mut Diagnostics) -> Marked,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let volumes = volumes::of(service, Reader::Hook, diagnostics);
    let mut spec = base(service, diagnostics);
    spec.put_list("containers", "name", vec![container(volumes.mounts, diagnostics)]);
    spec.put_list("volumes", "name", volumes.pod);
    spec.set("restartPolicy", "Never");
    wrap(service, labels::of_hook_pods(service, hook), spec)
}

fn wrap(service: &ServiceContext<'_>, labels: Map<String, Value>, spec: Marked) -> Marked {
    let mut metadata = Marked::default();
    metadata.set("labels", labels);
    let pod = &service.spec().pod;
    for name in pod.labels.keys() {
        metadata.mark(format!("labels[{}]", Value::from(name.as_str())), Some(service.origin_at(&["pod", "labels", name])));
    }
    let annotations = annotations(service);
    if !annotations.is_empty() {
        metadata.set("annotations", json!(annotations));
        for name in pod.annotations.keys() {
            metadata.mark(format!("annotations[{}]", Value::from(name.as_str())), Some(service.origin_at(&["pod", "annotations", name])));
        }
    }
    let mut template = Marked::default();
    template.put("metadata", metadata);
    template.put("spec", spec);
    template
}

/// Annotations of the pods: where metrics are scraped, and what the service says.
fn annotations(service: &ServiceContext<'_>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    if let (Some(metrics), Some((_, port))) = (&service.spec().metrics, metrics_port(service)) {
        annotations.insert("prometheus.io/scrape".to_owned(), "true".to_owned());
        annotations.insert("prometheus.io/port".to_owned(), port.to_string());
        annotations.insert("prometheus.io/path".to_owned(), metrics.path.clone().unwrap_or_else(|| "/metrics".to_owned()));
    }
    annotations.extend(service.spec().pod.annotations.clone());
    annotations
}

/// The port that metrics are scraped at, by name and number.
pub(super) fn metrics_port<'a>(service: &ServiceContext<'a>) -> Option<(&'a str, u16)> {
    let metrics = service.spec().metrics.as_ref()?;
    named_port(service, metrics.port.as_deref())
}

/// A port by its name; the only one where none is named (of several, the one called `http`).
pub(super) fn named_port<'a>(service: &ServiceContext<'a>, name: Option<&str>) -> Option<(&'a str, u16)> {
    let ports = &service.spec().ports;
    let found = match name {
        Some(name) => ports.get_key_value(name),
        None if ports.len() == 1 => ports.iter().next(),
        None => ports.get_key_value("http"),
    };
    found.map(|(name, port)| (name.as_str(), port.port))
}

/// What all pods of a service have, its hooks' included.
fn base(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Marked {
    let pod = &service.spec().pod;
    let mut spec = Marked::default();
    spec.set("serviceAccountName", service.name());
    spec.set("automountServiceAccountToken", identity::mounts_token(service));
    // Variables for every Service of the namespace: they only make pods depend on what they don't need.
    spec.set("enableServiceLinks", false);
    put_security(service, pod, &mut spec);
    let grace = settings::seconds(service, "pod.termination_grace", pod.termination_grace.as_deref(), diagnostics);
    spec.set_maybe("terminationGracePeriodSeconds", grace, Some(service.origin("pod.termination_grace")));
    spec.set_maybe("priorityClassName", pod.priority.as_deref(), Some(service.origin("pod.priority")));
    if !pod.node_selector.is_empty() {
        spec.set_from("nodeSelector", json!(pod.node_selector), Some(service.origin("pod.node_selector")));
    }
    let tolerations: Vec<Value> = pod.tolerations.iter().map(toleration).collect();
    if !tolerations.is_empty() {
        spec.set_from("tolerations", tolerations, Some(service.origin("pod.tolerations")));
    }
    put_pull_secrets(service, &mut spec);
    spec
}

fn put_security(service: &ServiceContext<'_>, pod: &Pod, spec: &mut Marked) {
    let mut security = Marked::default();
    security.set("runAsNonRoot", true);
    security.set("seccompProfile", json!({"type": "RuntimeDefault"}));
    security.set_maybe("runAsUser", pod.user, Some(service.origin("pod.user")));
    security.set_maybe("runAsGroup", pod.group, Some(service.origin("pod.group")));
    security.set_maybe("fsGroup", pod.fs_group, Some(service.origin("pod.fs_group")));
    spec.put("securityContext", security);
}

fn toleration(toleration: &crate::stack::model::Toleration) -> Value {
    let mut value = json!({ "operator": if toleration.value.is_some() { "Equal" } else { "Exists" } });
    for (name, text) in [("key", &toleration.key), ("value", &toleration.value), ("effect", &toleration.effect)] {
        if let Some(text) = text {
            value[name] = Value::from(text.as_str());
        }
    }
    value
}

fn put_pull_secrets(service: &ServiceContext<'_>, spec: &mut Marked) {
    let mut names: Vec<&String> = service.spec().pod.pull_secrets.iter().collect();
    let images = std::iter::once(&service.spec().image)
        .chain(service.spec().init.values().map(|container| &container.image))
        .chain(service.spec().sidecars.values().map(|container| &container.image))
        .chain(service.spec().hooks.before.values().map(|hook| &hook.image))
        .chain(service.spec().hooks.after.values().map(|hook| &hook.image));
    for registry in images.filter_map(|image| image.registry.as_ref()) {
        names.extend(service.at.resolved.registries.get(registry).and_then(|registry| registry.pull_secret.as_ref()));
    }
    names.sort();
    names.dedup();
    if !names.is_empty() {
        let list: Vec<Value> = names.into_iter().map(|name| json!({"name": name})).collect();
        spec.set_from("imagePullSecrets", list, Some(service.origin("pod.pull_secrets")));
    }
}

/// Replicas over zones and nodes. Where a roll-out makes a second set of pods, each set is spread by itself.
fn put_spread(service: &ServiceContext<'_>, spec: &mut Marked) {
    let pod = &service.spec().pod;
    if service.kind() == WorkloadKind::DaemonSet {
        return;
    }
    let selector = json!({"matchLabels": labels::selector(service)});
    let per_version = service.kind() == WorkloadKind::Deployment;
    let zone = pod.zone_spread.unwrap_or(Spread::Prefer);
    if zone != Spread::Off {
        let mut constraint = json!({
            "topologyKey": ZONE_KEY,
            "maxSkew": 1,
            "whenUnsatisfiable": if zone == Spread::Require { "DoNotSchedule" } else { "ScheduleAnyway" },
            "labelSelector": selector,
        });
        if per_version {
            constraint["matchLabelKeys"] = json!(["pod-template-hash"]);
        }
        spec.set_from("topologySpreadConstraints", json!([constraint]), Some(service.origin("pod.zone_spread")));
    }
    let node = pod.node_spread.unwrap_or(Spread::Prefer);
    if node != Spread::Off {
        let mut term = json!({"topologyKey": HOST_KEY, "labelSelector": selector});
        if per_version && node == Spread::Require {
            term["matchLabelKeys"] = json!(["pod-template-hash"]);
        }
        let rules = if node == Spread::Require {
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]})
        } else {
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]})
        };
        spec.set_from("affinity", json!({"podAntiAffinity": rules}), Some(service.origin("pod.node_spread")));
    }
}
