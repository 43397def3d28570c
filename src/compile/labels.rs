//! Labels: Kubernetes' recommended ones, spai's own (the basis of listing and recovery), and the selectors made of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::resource::{MANAGED_BY, StackIdentity};
use crate::stack::model::WorkloadKind;

use super::context::{PlaceContext, ServiceContext};
use super::names;

/// Label: what the object is a part of: the stack, unless it says otherwise.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Label: the service's name.
pub const NAME: &str = "app.kubernetes.io/name";
/// Label: the service in its tenant.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Label: `spai`.
pub const MANAGED: &str = "app.kubernetes.io/managed-by";
/// Label: `service`, `job`, `hook`, or `tenancy` for what a namespace itself has.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label on the pods of a hook: which one.
pub const HOOK: &str = "spai.dev/hook";
/// The only track until a strategy makes others.
pub const STABLE: &str = "stable";

/// Every label that spai itself puts on generated objects.
pub const SPAI_LABELS: &[&str] = &[
    NAME,
    INSTANCE,
    PART_OF,
    MANAGED,
    COMPONENT,
    StackIdentity::STACK,
    StackIdentity::ENVIRONMENT,
    StackIdentity::TENANT,
    StackIdentity::TIER,
    StackIdentity::SERVICE,
];

/// Labels of what a namespace itself has.
pub(super) fn of_place(at: &PlaceContext<'_>) -> Map<String, Value> {
    let mut labels = common(at);
    put(&mut labels, COMPONENT, "tenancy");
    put_all(&mut labels, &at.place.labels);
    put_own(&mut labels, at);
    labels
}

/// Labels of a service's objects.
pub(super) fn of_service(service: &ServiceContext<'_>) -> Map<String, Value> {
    let at = &service.at;
    let mut labels = common(at);
    put(&mut labels, NAME, &service.name());
    put(&mut labels, INSTANCE, &instance(service));
    let component = match service.kind() {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "service",
        WorkloadKind::Job | WorkloadKind::CronJob => "job",
    };
    put(&mut labels, COMPONENT, component);
    for regime in &service.spec().compliance {
        put(&mut labels, &format!("compliance.spai.dev/{regime}"), "true");
    }
    put_all(&mut labels, &at.place.labels);
    put_all(&mut labels, &service.spec().labels);
    put_own(&mut labels, at);
    put(&mut labels, StackIdentity::SERVICE, &service.instance.service);
    labels
}

/// Labels of a service's pods.
pub(super) fn of_pods(service: &ServiceContext<'_>) -> Map<String, Value> {
    let mut labels = service.labels().into_owned();
    put_all(&mut labels, &service.spec().pod.labels);
    put_own(&mut labels, &service.at);
    put(&mut labels, StackIdentity::SERVICE, &service.instance.service);
    if service.is_serving() {
        put(&mut labels, StackIdentity::TRACK, STABLE);
    }
    labels
}

/// Labels of the pods of a hook: the network's rules for the service hold for them too, its selector doesn't find them.
pub(super) fn of_hook_pods(service: &ServiceContext<'_>, hook: &str) -> Map<String, Value> {
    let mut labels = of_pods(service);
    labels.remove(StackIdentity::TRACK);
    put(&mut labels, COMPONENT, "hook");
    put(&mut labels, HOOK, hook);
    labels
}

/// What finds the pods that serve, and nothing else. A workload's selector is immutable, so it says no more than it must:
/// the stack (two stacks may meet in a namespace), the service, and the track that strategies tell versions apart by.
pub(super) fn selector(service: &ServiceContext<'_>) -> Value {
    json!({
        StackIdentity::STACK: service.at.resolved.identity.stack,
        StackIdentity::SERVICE: service.instance.service,
        StackIdentity::TRACK: STABLE,
    })
}

/// What finds all pods of a service, its hooks' included: for the network.
pub(super) fn pods_of(service: &ServiceContext<'_>) -> Value {
    json!({ StackIdentity::STACK: service.at.resolved.identity.stack, StackIdentity::SERVICE: service.instance.service })
}

/// Texts as a JSON mapping: what labels and annotations are.
pub(super) fn texts(from: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut all = Map::new();
    put_all(&mut all, from);
    all
}

/// Adds texts to others; those that are there already are replaced.
pub(super) fn put_all(all: &mut Map<String, Value>, from: &BTreeMap<String, String>) {
    for (name, text) in from {
        put(all, name, text);
    }
}

fn put(labels: &mut Map<String, Value>, name: &str, text: &str) {
    labels.insert(name.to_owned(), Value::from(text));
}

fn common(at: &PlaceContext<'_>) -> Map<String, Value> {
    let mut labels = Map::new();
    put(&mut labels, PART_OF, &at.resolved.identity.stack);
    put(&mut labels, MANAGED, MANAGED_BY);
    labels
}

/// Those that the stack finds its objects by: nobody else's word counts.
fn put_own(labels: &mut Map<String, Value>, at: &PlaceContext<'_>) {
    let identity = &at.resolved.identity;
    put(labels, StackIdentity::STACK, &identity.stack);
    put(labels, StackIdentity::ENVIRONMENT, &identity.environment);
    put(labels, MANAGED, MANAGED_BY);
    if let Some(tenant) = at.tenant() {
        put(labels, StackIdentity::TENANT, tenant);
    }
    if let Some(tier) = at.tier_name() {
        put(labels, StackIdentity::TIER, tier);
    }
}

fn instance(service: &ServiceContext<'_>) -> String {
    let at = &service.at;
    let of = at.tenant().or(at.tier_name()).unwrap_or(&at.resolved.identity.environment);
    names::joined(&[&service.instance.service, of])
}
