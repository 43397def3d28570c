//! Labels: Kubernetes' recommended ones, spai's own (the basis of listing and recovery), and the selectors made of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

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
pub(super) fn of_place(at: &PlaceContext<'_>) -> BTreeMap<String, String> {
    let mut labels = common(at);
    labels.insert(COMPONENT.to_owned(), "tenancy".to_owned());
    labels.extend(at.place.labels.clone());
    labels.extend(own(at));
    labels
}

/// Labels of a service's objects.
pub(super) fn of_service(service: &ServiceContext<'_>) -> BTreeMap<String, String> {
    let at = &service.at;
    let mut labels = common(at);
    labels.insert(NAME.to_owned(), service.name());
    labels.insert(INSTANCE.to_owned(), instance(service));
    let component = match service.kind() {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "service",
        WorkloadKind::Job | WorkloadKind::CronJob => "job",
    };
    labels.insert(COMPONENT.to_owned(), component.to_owned());
    for regime in &service.spec().compliance {
        labels.insert(format!("compliance.spai.dev/{regime}"), "true".to_owned());
    }
    labels.extend(at.place.labels.clone());
    labels.extend(service.spec().labels.clone());
    labels.extend(own(at));
    labels.insert(StackIdentity::SERVICE.to_owned(), service.instance.service.clone());
    labels
}

/// Labels of a service's pods.
pub(super) fn of_pods(service: &ServiceContext<'_>) -> BTreeMap<String, String> {
    let mut labels = of_service(service);
    labels.extend(service.spec().pod.labels.clone());
    labels.extend(own(&service.at));
    labels.insert(StackIdentity::SERVICE.to_owned(), service.instance.service.clone());
    if service.is_serving() {
        labels.insert(StackIdentity::TRACK.to_owned(), STABLE.to_owned());
    }
    labels
}

/// Labels of the pods of a hook: the network's rules for the service hold for them too, its selector doesn't find them.
pub(super) fn of_hook_pods(service: &ServiceContext<'_>, hook: &str) -> BTreeMap<String, String> {
    let mut labels = of_pods(service);
    labels.remove(StackIdentity::TRACK);
    labels.insert(COMPONENT.to_owned(), "hook".to_owned());
    labels.insert(HOOK.to_owned(), hook.to_owned());
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

fn common(at: &PlaceContext<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(PART_OF.to_owned(), at.resolved.identity.stack.clone()), (MANAGED.to_owned(), MANAGED_BY.to_owned())])
}

fn own(at: &PlaceContext<'_>) -> BTreeMap<String, String> {
    let identity = &at.resolved.identity;
    let mut labels = BTreeMap::from([
        (StackIdentity::STACK.to_owned(), identity.stack.clone()),
        (StackIdentity::ENVIRONMENT.to_owned(), identity.environment.clone()),
        (MANAGED.to_owned(), MANAGED_BY.to_owned()),
    ]);
    if let Some(tenant) = at.tenant() {
        labels.insert(StackIdentity::TENANT.to_owned(), tenant.to_owned());
    }
    if let Some(tier) = at.tier_name() {
        labels.insert(StackIdentity::TIER.to_owned(), tier.to_owned());
    }
    labels
}

fn instance(service: &ServiceContext<'_>) -> String {
    let at = &service.at;
    let of = at.tenant().or(at.tier_name()).unwrap_or(&at.resolved.identity.environment);
    names::joined(&[&service.instance.service, of])
}
