//! The whole compilation, from places to sorted objects.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::resource::{Desired, Diagnostic, Diagnostics, FieldOrigins, KeyRef, Tree};
use crate::schema::{BuiltIn, Minor, built_in};
use crate::stack::Resolved;
use crate::stack::model::WorkloadKind;
use crate::stack::parallel::side_by_side;

use super::context::{PlaceContext, ServiceContext};
use super::demand::Needs;
use super::neighbours::Neighbours;
use super::network::Callers;
use super::order::Index;
use super::patches::Patches;
use super::pattern::Patterns;
use super::{
    canonical, config, digests, disruption, exposure, hooks, identity, jobs, labels, manifests, network, order, quota, routes, scaling,
    secrets, slo, tenancy, workload,
};

/// So many places' quotas are computed by one hand at a time.
const COUNTED: usize = 16;

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
    let (patches, patterns) = (Patches::of(resolved), Patterns::of(resolved));

    let known = kubernetes(resolved);
    let shared = Shared { known, neighbours: &neighbours, callers: &callers, patches: &patches, patterns: &patterns };
    let of_places = side_by_side(places.len(), 8, |index| of_place(places[index], &shared));
    let mut objects = Vec::new();
    for (made, more) in of_places {
        objects.extend(made);
        diagnostics.extend(more);
    }
    let mut manifests = manifests::objects(resolved, known, &mut diagnostics);
    pack(&mut manifests);
    objects.extend(manifests);
    let quotas = quotas(&places, &shared, &objects, &mut diagnostics);
    objects.extend(quotas);
    patches.finish(&mut diagnostics);

    let mut objects = unique(objects, &mut diagnostics);
    share_origins(&mut objects);
    let (additions, digests) = {
        let index = Index::of(&objects);
        let services = places.iter().flat_map(|at| at.services());
        let additions: Vec<_> = services.map(|service| order::of(&service, &neighbours, &index, &mut diagnostics)).collect();
        routes::check_twice(&objects, &index, &mut diagnostics);
        check_sizes(&objects, &index, &mut diagnostics);
        (additions, digests::of(&objects, &index, &resolved.identity))
    };
    order::add(&mut objects, additions);
    digests::annotate(&mut objects, &digests);
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

/// What all places are made with.
struct Shared<'s, 'a> {
    known: &'s BuiltIn,
    neighbours: &'s Neighbours<'a>,
    callers: &'s Callers<'a>,
    patches: &'s Patches<'a>,
    patterns: &'s Patterns<'a>,
}

/// Everything that one place makes, but for what counts the rest.
fn of_place<'a>(at: PlaceContext<'a>, shared: &Shared<'_, 'a>) -> (Vec<Desired>, Diagnostics) {
    let (mut objects, mut diagnostics) = (Vec::new(), Diagnostics::default());
    objects.extend(tenancy::namespace(at));
    objects.extend(secrets::objects(at));
    objects.extend(network::of_place(at));
    settle(&mut objects, shared.known, shared.patches, &mut diagnostics);
    for service in at.services() {
        let labels = labels::of_service(&service);
        let service = service.with_labels(&labels);
        let mut others = network::of_neighbours(&service, shared.neighbours, shared.callers, &mut diagnostics);
        settle(&mut others, shared.known, shared.patches, &mut diagnostics);
        objects.extend(others);
        objects.extend(own_objects(at, &service, shared, &mut diagnostics));
        let mut texts = with_texts(&service, &mut diagnostics);
        settle(&mut texts, shared.known, shared.patches, &mut diagnostics);
        objects.extend(texts);
    }
    pack(&mut objects);
    (objects, diagnostics)
}

/// Packs them: from here on nobody looks far into any of them.
pub(super) fn pack(objects: &mut [Desired]) {
    for desired in objects {
        desired.object.pack();
    }
}

/// What runs a service and speaks of nothing but itself, settled: made after what one like it has, if there is one.
fn own_objects<'a>(
    at: PlaceContext<'a>,
    service: &ServiceContext<'_>,
    shared: &Shared<'_, 'a>,
    diagnostics: &mut Diagnostics,
) -> Vec<Desired> {
    if let Some(objects) = shared.patterns.make(service) {
        return objects;
    }
    let said = diagnostics.0.len();
    let mut objects = identity::objects(service);
    objects.extend(exposure::objects(service));
    objects.extend(workload::objects(service, diagnostics));
    objects.extend(scaling::object(service, diagnostics));
    objects.extend(disruption::object(service, diagnostics));
    objects.extend(network::of_service(service, diagnostics));
    if service.kind() == WorkloadKind::Job
        && let Some(job) = objects.iter_mut().find(|desired| desired.object.kind() == "Job" && desired.object.name() == service.name())
    {
        jobs::wants_digest(job);
    }
    settle(&mut objects, shared.known, shared.patches, diagnostics);
    if diagnostics.0.len() == said {
        shared.patterns.keep(at, service, &objects, shared.patches);
    }
    objects
}

/// What holds a service's own texts: its configuration, names and hosts that may differ from tenant to tenant.
fn with_texts(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut objects: Vec<Desired> = config::config_map(service).into_iter().collect();
    objects.extend(config::files_map(service, diagnostics));
    objects.extend(hooks::objects(service, diagnostics));
    objects.extend(routes::objects(service, diagnostics));
    objects.extend(slo::rules(service, diagnostics));
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
fn quotas(places: &[PlaceContext<'_>], shared: &Shared<'_, '_>, objects: &[Desired], diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut by_namespace: HashMap<&str, Vec<(KeyRef<'_>, &Desired)>> = HashMap::new();
    for desired in objects {
        let key = desired.object.key_ref();
        if let Some(namespace) = key.namespace {
            by_namespace.entry(namespace).or_default().push((key, desired));
        }
    }
    // Neighbouring places need the same, so they are counted together.
    let batches: Vec<&[PlaceContext<'_>]> = places.chunks(COUNTED).collect();
    let of_batches = side_by_side(batches.len(), 1, |index| {
        let (mut made, mut diagnostics, mut needs) = (Vec::new(), Diagnostics::default(), Needs::default());
        for at in batches[index] {
            let content = by_namespace.get(at.place.namespace.as_str()).map_or(&[][..], Vec::as_slice);
            made.extend(quota::objects(*at, content, &mut needs, &mut diagnostics));
        }
        settle(&mut made, shared.known, shared.patches, &mut diagnostics);
        pack(&mut made);
        (made, diagnostics)
    });
    let mut quotas = Vec::new();
    for (made, more) in of_batches {
        quotas.extend(made);
        diagnostics.extend(more);
    }
    quotas
}

/// The objects by identity; one that is there twice is an error that names both lines.
fn unique(objects: Vec<Desired>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let keys: Vec<KeyRef<'_>> = objects.iter().map(|desired| desired.object.key_ref()).collect();
    let order = order_of(&keys);
    let again: Vec<bool> = (0..order.len()).map(|place| place > 0 && keys[order[place]] == keys[order[place - 1]]).collect();
    let mut all: Vec<Desired> = Vec::with_capacity(objects.len());
    for (desired, again) in in_order(objects, &order).zip(again) {
        let Some(first) = all.last().filter(|_| again) else {
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
    let order = order_of(&objects.iter().map(|desired| desired.object.key_ref()).collect::<Vec<_>>());
    in_order(objects, &order).collect()
}

/// The places of identities when they are sorted; equal ones stay in their order.
fn order_of(keys: &[KeyRef<'_>]) -> Vec<usize> {
    // By kind first: there are few, and within each the objects mostly stand in order already, place after place.
    let mut by_kind: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (place, key) in keys.iter().enumerate() {
        by_kind.entry((key.group, key.kind)).or_default().push(place);
    }
    for places in by_kind.values_mut() {
        places.sort_by_key(|place| (keys[*place].namespace, keys[*place].name));
    }
    by_kind.into_values().flatten().collect()
}

fn in_order(objects: Vec<Desired>, order: &[usize]) -> impl Iterator<Item = Desired> {
    let mut objects: Vec<Option<Desired>> = objects.into_iter().map(Some).collect();
    order.iter().filter_map(move |place| objects[*place].take())
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

fn check_sizes(objects: &[Desired], index: &Index<'_>, diagnostics: &mut Diagnostics) {
    for (key, desired) in index.keys.iter().zip(objects) {
        if !matches!(key.kind, "ConfigMap" | "Secret") || !key.group.is_empty() {
            continue;
        }
        let tape = desired.object.tape();
        let table = |field: &str| tape.tree().get(field).map(Tree::map).into_iter().flatten();
        let length = |value: Tree<'_>| value.text().map_or(0, str::len);
        // A Secret's and binary data's values are base64: three bytes in four characters.
        let encoded = key.kind == "Secret";
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
