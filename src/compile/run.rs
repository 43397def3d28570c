//! The whole compilation, from places to sorted objects.

use std::collections::BTreeMap;

use crate::resource::{Desired, Diagnostic, Diagnostics, ObjectKey};
use crate::schema::{BuiltIn, Minor, built_in};
use crate::stack::Resolved;
use crate::stack::model::WorkloadKind;
use crate::stack::parallel::side_by_side;

use super::context::{PlaceContext, ServiceContext};
use super::neighbours::Neighbours;
use super::network::Callers;
use super::order::Index;
use super::patches::Patches;
use super::{
    canonical, config, digests, disruption, exposure, hooks, identity, jobs, manifests, network, order, quota, routes, scaling, secrets,
    slo, tenancy, workload,
};

/// What one ConfigMap or Secret may hold, in bytes.
const LARGEST: usize = 1 << 20;

/// Every object that the stack wants in this environment, sorted by identity, with everything that is wrong.
///
/// Objects are whole where there are no errors; with errors they are what could be made.
pub fn compile(resolved: &Resolved) -> (Vec<Desired>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let places: Vec<PlaceContext<'_>> = resolved.places.iter().map(|place| PlaceContext { resolved, place }).collect();
    let neighbours = Neighbours::of(resolved);
    let callers = Callers::of_all(&places, &neighbours);
    let patches = Patches::of(resolved);

    let known = kubernetes(resolved);
    let of_places = side_by_side(places.len(), |index| of_place(places[index], known, &neighbours, &callers, &patches));
    let mut objects = Vec::new();
    for (made, more) in of_places {
        objects.extend(made);
        diagnostics.extend(more);
    }
    objects.extend(manifests::objects(resolved, known, &mut diagnostics));
    add_quotas(&places, known, &mut objects, &patches, &mut diagnostics);
    patches.finish(&mut diagnostics);

    let mut objects = unique(objects, &mut diagnostics);
    let index = Index::of(&objects);
    for service in places.iter().flat_map(|at| at.services()) {
        order::add(&service, &neighbours, &mut objects, &index, &mut diagnostics);
    }
    routes::check_twice(&objects, &mut diagnostics);
    check_sizes(&objects, &mut diagnostics);
    digests::annotate(&mut objects, &resolved.identity);
    jobs::settle_names(&mut objects);
    objects.sort_by_cached_key(Desired::key);
    diagnostics.sort();
    (objects, diagnostics)
}

/// What is known of the Kubernetes that the stack is for. Never a server's own: the same stack gives the same objects everywhere.
fn kubernetes(resolved: &Resolved) -> &'static BuiltIn {
    let pinned = resolved.stack.kubernetes.as_deref().and_then(|version| version.parse().ok());
    built_in(pinned.unwrap_or(Minor::DEFAULT))
}

/// Everything that one place makes, but for what counts the rest.
fn of_place<'a>(
    at: PlaceContext<'a>,
    known: &BuiltIn,
    neighbours: &Neighbours<'a>,
    callers: &Callers<'a>,
    patches: &Patches<'_>,
) -> (Vec<Desired>, Diagnostics) {
    let (mut objects, mut diagnostics) = (Vec::new(), Diagnostics::default());
    objects.extend(tenancy::namespace(at));
    objects.extend(secrets::objects(at));
    objects.extend(network::of_place(at));
    for service in at.services() {
        objects.extend(of_service(&service, neighbours, callers, &mut diagnostics));
    }
    settle(&mut objects, known, patches, &mut diagnostics);
    (objects, diagnostics)
}

/// Everything that one service in one place makes.
fn of_service<'a>(
    service: &ServiceContext<'a>,
    neighbours: &Neighbours<'a>,
    callers: &Callers<'a>,
    diagnostics: &mut Diagnostics,
) -> Vec<Desired> {
    let mut objects = identity::objects(service);
    objects.extend(config::config_map(service));
    objects.extend(config::files_map(service, diagnostics));
    objects.extend(exposure::objects(service));
    objects.extend(workload::objects(service, diagnostics));
    objects.extend(hooks::objects(service, diagnostics));
    objects.extend(scaling::object(service, diagnostics));
    objects.extend(disruption::object(service, diagnostics));
    objects.extend(network::of_service(service, neighbours, callers, diagnostics));
    objects.extend(routes::objects(service, diagnostics));
    objects.extend(slo::rules(service, diagnostics));
    if service.kind() == WorkloadKind::Job
        && let Some(job) = objects.iter_mut().find(|object| object.key() == service.workload_key())
    {
        jobs::wants_digest(job);
    }
    objects
}

/// Patches generated objects, then writes their values as the API server stores them.
fn settle(objects: &mut [Desired], known: &BuiltIn, patches: &Patches<'_>, diagnostics: &mut Diagnostics) {
    patches.apply(objects, diagnostics);
    for desired in objects {
        let origin = desired.declared.object.clone();
        canonical::settle(&mut desired.object, known, origin.as_ref(), diagnostics);
    }
}

/// Quotas count what is there, so they come last.
fn add_quotas(
    places: &[PlaceContext<'_>],
    known: &BuiltIn,
    objects: &mut Vec<Desired>,
    patches: &Patches<'_>,
    diagnostics: &mut Diagnostics,
) {
    let mut made = Vec::new();
    {
        let mut by_namespace: BTreeMap<&str, Vec<&Desired>> = BTreeMap::new();
        for desired in objects.iter() {
            if let Some(namespace) = desired.object.namespace() {
                by_namespace.entry(namespace).or_default().push(desired);
            }
        }
        for at in places {
            let content = by_namespace.get(at.place.namespace.as_str()).map_or(&[][..], Vec::as_slice);
            made.extend(quota::objects(*at, content, diagnostics));
        }
    }
    settle(&mut made, known, patches, diagnostics);
    objects.extend(made);
}

/// The objects by identity; one that is there twice is an error that names both lines.
fn unique(objects: Vec<Desired>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut all: BTreeMap<ObjectKey, Desired> = BTreeMap::new();
    for desired in objects {
        let key = desired.key();
        if let Some(first) = all.get(&key) {
            diagnostics.push(
                Diagnostic::error("compile::object_twice", format!("{key} is made twice"))
                    .at_maybe(desired.declared.object.as_ref(), "the second")
                    .at_maybe(first.declared.object.as_ref(), "the first")
                    .help("give one of them another name, or take one out"),
            );
            continue;
        }
        all.insert(key, desired);
    }
    all.into_values().collect()
}

fn check_sizes(objects: &[Desired], diagnostics: &mut Diagnostics) {
    for desired in objects {
        let object = &desired.object;
        if !object.gvk().group.is_empty() || !matches!(object.kind(), "ConfigMap" | "Secret") {
            continue;
        }
        let table = |field: &str| object.value().get(field).and_then(serde_json::Value::as_object).into_iter().flatten();
        let length = |value: &serde_json::Value| value.as_str().map_or(0, str::len);
        // A Secret's and binary data's values are base64: three bytes in four characters.
        let encoded = object.kind() == "Secret";
        let data: usize = table("data").map(|(key, value)| key.len() + if encoded { length(value) / 4 * 3 } else { length(value) }).sum();
        let binary: usize = table("binaryData").map(|(key, value)| key.len() + length(value) / 4 * 3).sum();
        let bytes = data + binary;
        if bytes > LARGEST {
            diagnostics.push(
                Diagnostic::error(
                    "compile::too_large",
                    format!("{} holds {bytes} bytes, more than the 1 MiB that Kubernetes takes", desired.key()),
                )
                .at_maybe(desired.declared.object.as_ref(), "")
                .help("split it, or bring large files with the image or a volume"),
            );
        }
    }
}
