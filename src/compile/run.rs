//! The whole compilation, from places to sorted objects.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::resource::{Desired, Diagnostic, Diagnostics, FieldOrigins, KeyRef};
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
    canonical, config, digests, disruption, exposure, hooks, identity, jobs, labels, manifests, network, order, quota, routes, scaling,
    secrets, slo, tenancy, workload,
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
    let of_places = side_by_side(places.len(), 8, |index| of_place(places[index], known, &neighbours, &callers, &patches));
    let mut objects = Vec::new();
    for (made, more) in of_places {
        objects.extend(made);
        diagnostics.extend(more);
    }
    objects.extend(manifests::objects(resolved, known, &mut diagnostics));
    add_quotas(&places, known, &mut objects, &patches, &mut diagnostics);
    patches.finish(&mut diagnostics);

    let mut objects = unique(objects, &mut diagnostics);
    share_origins(&mut objects);
    let index = Index::default();
    for service in places.iter().flat_map(|at| at.services()) {
        order::add(&service, &neighbours, &mut objects, &index, &mut diagnostics);
    }
    routes::check_twice(&objects, &mut diagnostics);
    check_sizes(&objects, &mut diagnostics);
    digests::annotate(&mut objects, &resolved.identity);
    if jobs::settle_names(&mut objects) {
        objects = by_identity(objects);
    }
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
        let labels = labels::of_service(&service);
        objects.extend(of_service(&service.with_labels(&labels), neighbours, callers, &mut diagnostics));
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
        && let Some(job) = objects.iter_mut().find(|desired| desired.object.kind() == "Job" && desired.object.name() == service.name())
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
    let mut all: Vec<Desired> = Vec::with_capacity(objects.len());
    for desired in by_identity(objects) {
        let Some(first) = all.last().filter(|first| first.object.key_ref() == desired.object.key_ref()) else {
            all.push(desired);
            continue;
        };
        diagnostics.push(
            Diagnostic::error("compile::object_twice", format!("{} is made twice", desired.key()))
                .at_maybe(desired.declared.object.as_ref(), "the second")
                .at_maybe(first.declared.object.as_ref(), "the first")
                .help("give one of them another name, or take one out"),
        );
    }
    all
}

/// Sorts by identity; those of one identity stay in their order.
fn by_identity(objects: Vec<Desired>) -> Vec<Desired> {
    let keys: Vec<KeyRef<'_>> = objects.iter().map(|desired| desired.object.key_ref()).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|index| keys[*index]);
    let mut objects: Vec<Option<Desired>> = objects.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| objects[index].take()).collect()
}

/// What is alike for many tenants has the same lines: one copy of them is kept.
fn share_origins(objects: &mut [Desired]) {
    let mut seen: HashMap<(&str, &str), FieldOrigins> = HashMap::new();
    for desired in objects {
        let Desired { object, declared, .. } = desired;
        match seen.entry((object.kind(), object.name())) {
            Entry::Vacant(vacant) => {
                vacant.insert(declared.fields.clone());
            }
            Entry::Occupied(mut occupied) => {
                if !declared.fields.share(occupied.get()) {
                    occupied.insert(declared.fields.clone());
                }
            }
        }
    }
}

fn check_sizes(objects: &[Desired], diagnostics: &mut Diagnostics) {
    for desired in objects {
        let object = &desired.object;
        if !matches!(object.kind(), "ConfigMap" | "Secret") || !object.group().is_empty() {
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
