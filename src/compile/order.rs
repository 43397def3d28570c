//! What comes after what because the stack says so: `needs`, references, `after`, hooks; and what `lifecycle` names.
//!
//! An edge to a service leads to its workload; it starts at the caller's workload and at the first of its hooks before.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::resource::{Desired, Diagnostic, Diagnostics, Edge, EdgeReason, FieldPath, KeyRef, ObjectKey};

use super::context::{ServiceContext, edge};
use super::hooks;
use super::neighbours::Neighbours;

/// Finds objects in the list that is being compiled, sorted by identity.
pub(super) struct Index<'o> {
    /// Their identities, looked up once.
    pub keys: Vec<KeyRef<'o>>,
    /// By identity without the group, as people name objects; made when the first is asked for.
    loose: OnceLock<HashMap<ObjectKey, usize>>,
}

impl<'o> Index<'o> {
    pub fn of(objects: &'o [Desired]) -> Self {
        Self { keys: objects.iter().map(|desired| desired.object.key_ref()).collect(), loose: OnceLock::new() }
    }

    pub fn position(&self, key: KeyRef<'_>) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    /// The object that people mean, whether or not they give its group.
    fn find(&self, key: &ObjectKey) -> Option<ObjectKey> {
        if self.position(key.as_ref()).is_some() {
            return Some(key.clone());
        }
        if !key.group.is_empty() {
            return None;
        }
        let loose = self.loose.get_or_init(|| {
            let keys = self.keys.iter().map(|key| KeyRef { group: "", ..*key }.to_key());
            keys.enumerate().map(|(position, key)| (key, position)).collect()
        });
        loose.get(key).map(|position| self.keys[*position].to_key())
    }
}

/// What a service adds to its objects, by their positions.
#[derive(Default)]
pub(super) struct Addition {
    edges: Vec<(usize, Vec<Edge>)>,
    lifecycle: Option<(usize, Vec<FieldPath>, Vec<ObjectKey>)>,
}

/// A service's edges and lifecycle.
pub(super) fn of<'a>(
    service: &ServiceContext<'a>,
    neighbours: &Neighbours<'a>,
    index: &Index<'_>,
    diagnostics: &mut Diagnostics,
) -> Addition {
    let mut edges: Vec<Edge> = Vec::new();
    // What is missing is reported with the network's edges.
    for needed in neighbours.needed(service, &mut Diagnostics::default()) {
        edges.push(edge(needed.service.workload_key(), needed.reason, needed.origin));
    }
    for (position, after) in service.spec().after.iter().enumerate() {
        let item = format!("after.{position}");
        let origin = if service.instance.provenance.0.contains_key(&item) { service.origin(&item) } else { service.origin("after") };
        let target = match after.strip_prefix("service.") {
            Some(name) => neighbours.find(&service.at, name).map(|service| service.workload_key()),
            None => after.parse().ok().and_then(|key| index.find(&key)),
        };
        match target {
            Some(target) => edges.push(edge(target, EdgeReason::After, origin)),
            None => diagnostics.push(
                Diagnostic::error(
                    "compile::unknown_after",
                    format!("{} comes after `{after}`, which isn't in this environment", service.title()),
                )
                .at(origin, "")
                .help("name a service (`service.auth`) or an object of the stack (`ConfigMap/NAMESPACE/NAME`)"),
            ),
        }
    }
    let mut addition = Addition::default();
    if let Some(position) = first_hook(service).and_then(|key| index.position(key.as_ref())) {
        addition.edges.push((position, edges.clone()));
    }
    if let Some((hook, name)) = hooks::last_before(service) {
        edges.push(edge(hook, EdgeReason::After, service.origin_at(&["hooks", "before", name])));
    }
    if let Some(position) = index.position(service.workload_key().as_ref()) {
        addition.edges.push((position, edges));
        let (ignored, triggers) = lifecycle(service, index, diagnostics);
        addition.lifecycle = Some((position, ignored, triggers));
    }
    addition
}

/// Adds what services add to the objects.
pub(super) fn add(objects: &mut [Desired], additions: Vec<Addition>) {
    for Addition { edges, lifecycle } in additions {
        for (position, edges) in edges {
            objects[position].edges.extend(edges);
        }
        if let Some((position, ignored, triggers)) = lifecycle {
            objects[position].lifecycle.ignore_changes = ignored;
            objects[position].lifecycle.replace_triggered_by = triggers;
        }
    }
}

fn first_hook(service: &ServiceContext<'_>) -> Option<ObjectKey> {
    let name = service.spec().hooks.before.keys().next()?;
    Some(hooks::key(service, name))
}

fn lifecycle(service: &ServiceContext<'_>, index: &Index<'_>, diagnostics: &mut Diagnostics) -> (Vec<FieldPath>, Vec<ObjectKey>) {
    let said = &service.spec().lifecycle;
    let mut ignored = Vec::new();
    for text in &said.ignore_changes {
        match text.parse::<FieldPath>() {
            Ok(path) => ignored.push(path),
            Err(error) => service.error(
                diagnostics,
                "compile::field_path",
                "lifecycle.ignore_changes",
                error.to_string(),
                "write it as `spec.template.metadata.annotations` or `spec.template.spec.containers[app].image`",
            ),
        }
    }
    let mut triggers = Vec::new();
    for text in &said.replace_triggered_by {
        let key = text
            .parse::<ObjectKey>()
            .ok()
            .map(|key| ObjectKey { namespace: key.namespace.or_else(|| Some(service.namespace().to_owned())), ..key });
        match key.and_then(|key| index.find(&key)) {
            Some(key) => triggers.push(key),
            None => service.error(
                diagnostics,
                "compile::unknown_trigger",
                "lifecycle.replace_triggered_by",
                format!("{} is to be replaced with `{text}`, which isn't in this environment", service.title()),
                "name an object of the stack: `ConfigMap/NAME` in the same namespace, or `KIND/NAMESPACE/NAME`",
            ),
        }
    }
    (ignored, triggers)
}
