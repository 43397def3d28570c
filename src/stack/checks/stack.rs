//! What is of no service: the stack, its environments, tiers and places.

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::model::{CountOrPercent, Environment, Patch, PodSecurity, StackFile, Tenancy, Tier};
use crate::stack::naming::is_dns_label;
use crate::stack::node::Node;
use crate::stack::resolved::{Place, PlaceKind};

use super::{amounts, figures, labels, network, pods};

/// Checks `stack.toml`, whatever the environment.
pub fn root(node: &Node, diagnostics: &mut Diagnostics) {
    let text = |path: &[&str]| node.at(path).and_then(|node| Some((node.as_str()?, &node.origin)));
    if let Some((version, origin)) = text(&["kubernetes"]).filter(|(version, _)| !is_kubernetes(version)) {
        diagnostics.push(
            Diagnostic::error("stack::kubernetes_version", format!("`{version}` is no minor version of Kubernetes"))
                .at(origin, "not like 1.36")
                .help("write major and minor version: `kubernetes = \"1.36\"`"),
        );
    }
    for (name, entry) in node.entries(&["registries"]) {
        let Some(url) = entry.node.get("url") else {
            diagnostics.push(
                Diagnostic::error("stack::registry", format!("registry `{name}` has no `url`"))
                    .at(&entry.key_origin, "`url` is missing")
                    .help("say where its images are: `url = \"registry.example/team\"`"),
            );
            continue;
        };
        if let Some(text) = url.as_str().filter(|text| text.contains("://") || text.ends_with('/') || text.is_empty()) {
            let label = if text.contains("://") { "an address of the web" } else { "ends in nothing" };
            diagnostics.push(
                Diagnostic::error("stack::registry", format!("registry `{name}`: `{text}` is no beginning of an image's name"))
                    .at(&url.origin, label)
                    .help("write the first part of the images' names, without `https://` and without `/` at the end: `\"registry.example/team\"`"),
            );
        }
    }
    for (name, entry) in node.entries(&["slos"]) {
        for key in ["latency_p95", "window"] {
            if let Some((text, origin)) = entry.node.get(key).and_then(|node| Some((node.as_str()?, &node.origin)))
                && !text.contains("${")
            {
                figures::read_duration(&format!("slo `{name}`: `{key}`"), text, origin, (0, None), diagnostics);
            }
        }
    }
}

/// Checks what of `stack.toml` and the environment's file is layered into nothing else.
pub fn environment(stack: &StackFile, environment: &Environment, (root, file): (&Node, &Node), diagnostics: &mut Diagnostics) {
    labels::labels("stack.toml", &stack.labels, root.get("labels"), &root.origin, diagnostics);
    labels::annotations("stack.toml", &stack.annotations, root.get("annotations"), &root.origin, diagnostics);
    let at = |key: &str| file.get(key).map_or(&file.origin, |node| &node.origin);
    labels::labels("this environment", &environment.labels, file.get("labels"), &file.origin, diagnostics);
    labels::annotations("this environment", &environment.annotations, file.get("annotations"), &file.origin, diagnostics);
    if let Some(domain) = environment.domain.as_ref().filter(|domain| !network::is_host(domain) || domain.starts_with('*')) {
        diagnostics.push(
            Diagnostic::error("stack::domain", format!("`{domain}` is no DNS domain"))
                .at(at("domain"), "can't be a domain")
                .help("lower-case letters, digits and dashes, parted by dots: `\"example.com\"`"),
        );
    }
    let zones = file.get("zones").map(Node::items).unwrap_or_default();
    for (index, zone) in environment.zones.iter().enumerate() {
        let origin = zones.get(index).map_or(at("zones"), |node| &node.origin);
        if let Some(label) = labels::no_label_value(zone).or_else(|| zone.is_empty().then(|| "empty".to_owned())) {
            diagnostics.push(
                Diagnostic::error("stack::zone", format!("`{zone}` can't be a zone"))
                    .at(origin, label)
                    .help("write the zones as the nodes' label `topology.kubernetes.io/zone` has them"),
            );
        }
        if environment.zones[..index].contains(zone) {
            diagnostics
                .push(Diagnostic::error("stack::zone", format!("zone `{zone}` is there twice")).at(origin, "again").help("remove it"));
        }
    }
}

/// Whether it is a minor version of Kubernetes: `1.36`.
fn is_kubernetes(text: &str) -> bool {
    matches!(text.split_once('.'), Some(("1", minor)) if !minor.is_empty() && minor.len() <= 3 && minor.bytes().all(|b| b.is_ascii_digit()))
}

/// Checks the budget of deletes.
pub fn deletes(max: Option<&CountOrPercent>, origin: &Origin, diagnostics: &mut Diagnostics) {
    if let Some(max) = max {
        figures::percent("`deletes.max`", max, origin, 100, diagnostics);
    }
}

/// Checks a tier as it is in an environment.
pub fn tier(name: &str, tier: &Tier, node: &Node, diagnostics: &mut Diagnostics) {
    for (key, amount) in [("cpu", &tier.cpu), ("memory", &tier.memory)] {
        if let Some(text) = amount {
            let origin = node.get(key).map_or(&node.origin, |node| &node.origin);
            amounts::read(&format!("tier `{name}`: `{key}`"), key, text, origin, diagnostics);
        }
    }
    if let Some(limits) = node.get("limits") {
        amounts::limits(&format!("tier `{name}`"), &tier.limits, limits, diagnostics);
    }
}

/// Checks a place: what all that is in it shares.
pub fn place(
    place: &Place,
    tenancy: &Node,
    (labels_node, annotations_node): (&Node, &Node),
    limits: Option<&Node>,
    diagnostics: &mut Diagnostics,
) {
    let shown = "this";
    labels::labels(shown, &place.labels, Some(labels_node), &place.origin, diagnostics);
    labels::annotations(shown, &place.annotations, Some(annotations_node), &place.origin, diagnostics);
    peers(&place.tenancy, tenancy, diagnostics);
    if let PlaceKind::Tenant { name, tenant, .. } = &place.kind {
        if let Some(limits) = limits {
            amounts::limits(&format!("tenant `{name}`"), &tenant.limits, limits, diagnostics);
        }
        for class in &tenant.data_classes {
            if let Some(label) = labels::no_label_value(class) {
                diagnostics.push(
                    Diagnostic::error("stack::label", format!("tenant `{name}`: `{class}` can't be a class of data"))
                        .at(&place.origin, label)
                        .help("it becomes a label: letters, digits, `-`, `_` and `.`"),
                );
            }
        }
        for one in &tenant.patch {
            pods::patch(&format!("tenant `{name}`"), one, None, &place.origin, place.tenancy.pod_security, diagnostics);
        }
    }
}

fn peers(tenancy: &Tenancy, node: &Node, diagnostics: &mut Diagnostics) {
    for (key, peer) in [("gateway", &tenancy.gateway), ("monitoring", &tenancy.monitoring), ("dns", &tenancy.dns)] {
        let Some(peer) = peer else { continue };
        let node = node.get(key);
        let origin =
            node.and_then(|node| node.get("namespace")).or(node).map_or_else(crate::stack::defaults::origin, |node| node.origin.clone());
        if !is_dns_label(&peer.namespace) {
            let message = format!("`tenancy.{key}`: `{}` is no namespace", peer.namespace);
            diagnostics.push(
                Diagnostic::error("stack::peer", message)
                    .at(&origin, "whose pods?")
                    .help(format!("say which: `[tenancy.{key}]` with `namespace = \"…\"`")),
            );
        }
    }
}

/// Checks a patch of the stack's or an environment's file.
pub fn patch(patch: &Patch, node: &Node, security: PodSecurity, diagnostics: &mut Diagnostics) {
    pods::patch(&node.origin.file, patch, Some(node), &node.origin, security, diagnostics);
}
