//! Secrets as the services of a place refer to them.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, Origin, Sensitive};

use super::draft::Draft;
use super::evaluate::{Evaluation, Scope};
use super::layer::Layered;
use super::node::Node;
use super::resolved::PlaceSecret;
use super::{defaults, names, naming};

/// Which secrets, and which of their keys, the services of a place refer to, and where.
#[derive(Debug, Default)]
pub struct Used {
    names: Vec<(String, Origin)>,
    keys: Vec<(String, String, Origin)>,
}

impl Used {
    /// Notes what a service, its references resolved, refers to.
    pub fn of_service(&mut self, service: &Node, declared: &Node) {
        self.of_values(service, &["config"]);
        self.of_values(service, &["files"]);
        for path in [&["init"][..], &["sidecars"], &["hooks", "before"], &["hooks", "after"]] {
            for (_, entry) in service.entries(path) {
                self.of_values(&entry.node, &["config"]);
            }
        }
        for (_, entry) in service.entries(&["volumes"]) {
            self.name(entry.node.get("secret"));
        }
        // These name Secrets of the cluster, which may be the stack's own.
        let mut of_cluster: Vec<&Node> = service.entries(&["routes"]).filter_map(|(_, entry)| entry.node.get("tls")).collect();
        of_cluster.extend(service.at(&["pod", "pull_secrets"]).map(Node::items).unwrap_or_default());
        for node in of_cluster {
            let Some(name) = node.as_str() else { continue };
            let of_stack = declared.entries(&[]).find(|(key, entry)| object_name(key, &entry.node) == name);
            if let Some((key, _)) = of_stack {
                self.names.push((key.clone(), node.origin.clone()));
            }
        }
    }

    fn of_values(&mut self, node: &Node, path: &[&str]) {
        for (_, entry) in node.entries(path) {
            self.name(entry.node.get("secret"));
            let text = |key| entry.node.get(key).and_then(Node::as_str);
            if let (Some(secret), Some(key), Some(at)) = (text("secret"), text("key"), entry.node.get("key")) {
                self.keys.push((secret.to_owned(), key.to_owned(), at.origin.clone()));
            }
        }
    }

    fn name(&mut self, node: Option<&Node>) {
        if let Some((name, origin)) = node.and_then(|node| Some((node.as_str()?, &node.origin))) {
            self.names.push((name.to_owned(), origin.clone()));
        }
    }
}

/// The secrets that are used in a place. Unknown secrets and keys are errors.
pub fn of_place(
    draft: &Draft<'_>,
    place: usize,
    declared: &Node,
    used: &Used,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, PlaceSecret> {
    let mut secrets = BTreeMap::new();
    let known = || declared.entries(&[]).map(|(name, _)| name.as_str());
    for (name, origin) in &used.names {
        let Some(entry) = declared.as_table().and_then(|table| table.get(name)) else {
            let help = format!("declare it in stack.toml: `[secrets.{name}]`, with `external = true` if it is there already");
            let diagnostic = names::unknown("secret", name, origin, known());
            diagnostics.push(if declared.entries(&[]).next().is_none() { diagnostic.help(help) } else { diagnostic });
            continue;
        };
        if secrets.contains_key(name) {
            continue;
        }
        if let Some(secret) = one(draft, place, name, &entry.node, &entry.key_origin, diagnostics) {
            secrets.insert(name.clone(), secret);
        }
    }
    for (name, key, origin) in &used.keys {
        let Some(values) = secrets.get(name).and_then(|secret| secret.values.as_ref()) else { continue };
        if !values.contains_key(key) {
            diagnostics.push(names::unknown("secret key", key, origin, values.keys().map(String::as_str)));
        }
    }
    secrets
}

fn one(draft: &Draft<'_>, place: usize, name: &str, node: &Node, origin: &Origin, diagnostics: &mut Diagnostics) -> Option<PlaceSecret> {
    let layer = super::layer::Layer { name: String::new(), rank: 0, node, service: false };
    let mut layered = Layered::of(vec![layer], origin, diagnostics);
    if let Some(node) = defaults::of("secret") {
        layered.fill(&[], node, defaults::LAYER);
    }
    let mut evaluation = Evaluation::new(draft, Scope { place: Some(place), ..Scope::default() }, diagnostics).of_secret_values();
    let node = evaluation.node(&layered.node);
    if evaluation.has_failed() {
        return None;
    }
    let flag = |key: &str| node.get(key).and_then(Node::as_bool).unwrap_or_default();
    let values: BTreeMap<String, Sensitive> = node
        .entries(&["values"])
        .map(|(key, entry)| {
            let text = entry.node.as_str().map_or_else(|| entry.node.to_toml(), str::to_owned);
            (key.clone(), Sensitive::new(text))
        })
        .collect();
    let external = flag("external");
    if !external && values.is_empty() {
        diagnostics.push(
            Diagnostic::error("stack::empty_secret", format!("secret `{name}` has no values"))
                .at(origin, "neither `values` nor `external = true`")
                .help("`external = true` if it is there already; else `values = { key = \"${input.…}\" }` with a sensitive input"),
        );
        return None;
    }
    Some(PlaceSecret {
        object_name: object_name(name, &node),
        values: (!external).then_some(values),
        kind: node.get("type").and_then(Node::as_str).unwrap_or("Opaque").to_owned(),
        immutable: flag("immutable"),
        origin: origin.clone(),
    })
}

/// A secret's name in the cluster.
pub fn object_name(name: &str, secret: &Node) -> String {
    secret.get("name").and_then(Node::as_str).map_or_else(|| naming::kubernetes_name(name), str::to_owned)
}
