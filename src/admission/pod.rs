//! The pod that a workload's template becomes, and what it needs: counted as quotas, limit ranges and the scheduler count.

use serde_json::{Map, Value, json};

use super::Amounts;
use crate::resource::Object;

/// Which half of `resources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is set aside.
    Requests,
    /// What is allowed at most.
    Limits,
}

impl Side {
    fn field(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// The pod that a workload makes, or the pod itself, completed as the server completes pods before admission: requests
/// from limits, amounts of the whole pod, host ports of the host's network. None for what has no pods.
pub fn pod_of(object: &Object) -> Option<Object> {
    let template = object.pod_template()?;
    let mut pod = if object.kind() == "Pod" {
        object.value().clone()
    } else {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), object.name().into());
        metadata.extend(object.namespace().map(|namespace| ("namespace".to_owned(), namespace.into())));
        for field in ["labels", "annotations"] {
            metadata.extend(template["metadata"].get(field).map(|value| (field.to_owned(), value.clone())));
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"].clone()})
    };
    complete(&mut pod["spec"]);
    Object::try_from(pod).ok()
}

fn complete(spec: &mut Value) {
    for container in containers_mut(spec) {
        let said = container["resources"]["limits"].clone();
        for (name, amount) in said.as_object().into_iter().flatten() {
            set_missing(container, &["resources", "requests"], name, amount);
        }
    }
    complete_pod_level(spec);
    if spec["hostNetwork"] == true {
        for container in containers_mut(spec) {
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if port.is_object() && port["hostPort"].as_u64().unwrap_or(0) == 0 {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
}

/// What the whole pod says of itself, where it says something.
fn complete_pod_level(spec: &mut Value) {
    let said = |spec: &Value, side: Side| Amounts::of(&spec["resources"][side.field()]);
    let (requests, limits) = (said(spec, Side::Requests), said(spec, Side::Limits));
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    for (name, amount) in sum_of_containers(spec, &Value::Null, Side::Limits).iter() {
        if name.starts_with(HUGE_PAGES) && !requests.has(name) {
            set_missing(spec, &["resources", "limits"], name, &amount.to_string().into());
        }
    }
    let limits = said(spec, Side::Limits);
    if limits.is_empty() {
        return;
    }
    for (name, amount) in sum_of_containers(spec, &Value::Null, Side::Requests).iter() {
        // What can't be overcommitted is as much as the limit says.
        if matches!(name, "cpu" | "memory") {
            set_missing(spec, &["resources", "requests"], name, &amount.to_string().into());
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| is_pod_level(name)) {
        set_missing(spec, &["resources", "requests"], name, &amount.to_string().into());
    }
}

pub(super) const HUGE_PAGES: &str = "hugepages-";

/// Whether a pod as a whole may say it.
pub(super) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with(HUGE_PAGES)
}

/// Whether the pod as a whole says what it needs, so that its containers need not.
pub(super) fn has_pod_level(spec: &Value) -> bool {
    let named = |side: &str| spec["resources"][side].as_object().is_some_and(|amounts| amounts.keys().any(|name| is_pod_level(name)));
    named("requests") || named("limits")
}

/// What a pod needs, its overhead included: what its status says of a resize under way counts too.
pub fn needs(pod: &Object, side: Side) -> Amounts {
    let (spec, status) = (&pod.value()["spec"], &pod.value()["status"]);
    let mut sum = sum_of_containers(spec, status, side);
    override_by_pod_level(&mut sum, spec, side, is_pod_level);
    let overhead = Amounts::of(&spec["overhead"]);
    match side {
        Side::Requests => sum.add(&overhead),
        // What has no limit gets none by it.
        Side::Limits => sum.add(&overhead.filtered(|name, _| sum.get(name).is_some_and(|limit| !limit.is_zero()))),
    }
    sum
}

/// What a limit range takes a pod to need: what is declared, without overhead.
pub(super) fn declared_needs(spec: &Value, side: Side) -> Amounts {
    let mut sum = sum_of_containers(spec, &Value::Null, side);
    override_by_pod_level(&mut sum, spec, side, |name| matches!(name, "cpu" | "memory"));
    sum
}

fn override_by_pod_level(sum: &mut Amounts, spec: &Value, side: Side, counts: impl Fn(&str) -> bool) {
    for (name, amount) in Amounts::of(&spec["resources"][side.field()]).iter().filter(|(name, _)| counts(name)) {
        sum.set(name, amount.clone());
    }
}

/// Containers and sidecars together; or an init container with the sidecars before it, where that is more.
fn sum_of_containers(spec: &Value, status: &Value, side: Side) -> Amounts {
    let mut sum = Amounts::default();
    for container in items(&spec["containers"]) {
        sum.add(&effective(container, status, "containerStatuses", side));
    }
    let (mut sidecars, mut first) = (Amounts::default(), Amounts::default());
    for container in items(&spec["initContainers"]) {
        if container["restartPolicy"] == "Always" {
            let own = effective(container, status, "initContainerStatuses", side);
            sum.add(&own);
            sidecars.add(&own);
            first.raise(&sidecars);
        } else {
            first.raise(&declared(container, side).plus(&sidecars));
        }
    }
    sum.raise(&first);
    sum
}

/// What a container says.
pub(super) fn declared(container: &Value, side: Side) -> Amounts {
    Amounts::of(&container["resources"][side.field()])
}

/// What a container has, while a resize of it is under way: the most of what it says, was given and runs with.
fn effective(container: &Value, status: &Value, list: &str, side: Side) -> Amounts {
    let said = declared(container, side);
    let known = items(&status[list]).find(|known| known["name"] == container["name"]).filter(|known| known["resources"].is_object());
    let Some(known) = known else { return said };
    let mut amounts = Amounts::of(&known["resources"][side.field()]);
    if side == Side::Requests {
        amounts.raise(&Amounts::of(&known["allocatedResources"]));
    }
    let infeasible = items(&status["conditions"]).any(|c| c["type"] == "PodResizePending" && c["reason"] == "Infeasible");
    if !infeasible {
        amounts.raise(&said);
    }
    amounts
}

/// Whether none of its containers says anything about CPU or memory: the first to be evicted.
pub fn is_best_effort(pod: &Object) -> bool {
    let (spec, status) = (&pod.value()["spec"], &pod.value()["status"]);
    if let Some(class) = status["qosClass"].as_str().filter(|class| !class.is_empty()) {
        return class == "BestEffort";
    }
    let says = |holder: &Value| {
        [Side::Requests, Side::Limits].iter().any(|side| {
            declared(holder, *side)
                .iter()
                .any(|(name, amount)| matches!(name, "cpu" | "memory") && !amount.is_zero() && !amount.is_negative())
        })
    };
    if spec["resources"].is_object() { !says(spec) } else { !containers(spec).any(says) }
}

/// Whether it ends by itself.
pub fn is_terminating(pod: &Object) -> bool {
    pod.value()["spec"]["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0)
}

/// Whether its affinity looks into other namespaces.
pub fn looks_across_namespaces(pod: &Object) -> bool {
    let affinity = &pod.value()["spec"]["affinity"];
    let across = |term: &Value| items(&term["namespaces"]).next().is_some() || term["namespaceSelector"].is_object();
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let kind = &affinity[kind];
        items(&kind["requiredDuringSchedulingIgnoredDuringExecution"]).any(across)
            || items(&kind["preferredDuringSchedulingIgnoredDuringExecution"]).any(|weighted| across(&weighted["podAffinityTerm"]))
    })
}

/// Containers, then those that run before them.
pub(super) fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    items(&spec["containers"]).chain(items(&spec["initContainers"]))
}

pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn containers_mut(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = spec.as_object_mut().into_iter().flat_map(Map::iter_mut);
    lists.filter(|(name, _)| matches!(name.as_str(), "containers" | "initContainers")).filter_map(|(_, list)| list.as_array_mut()).flatten()
}

/// Sets a value in a table, which is made if it isn't there, where it has none.
pub(super) fn set_missing(holder: &mut Value, tables: &[&str], name: &str, value: &Value) {
    let mut at = holder;
    if !at.is_object() {
        return;
    }
    for table in tables {
        if !at[*table].is_object() {
            at[*table] = json!({});
        }
        at = &mut at[*table];
    }
    if at.get(name).is_none() {
        at[name] = value.clone();
    }
}
