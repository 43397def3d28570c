//! Names that don't exist: every place of a stack's files where another part of the stack is named, whatever the environment.

use crate::resource::{Diagnostic, Diagnostics, ObjectKey};

use super::load::Stack;
use super::names;
use super::node::Node;
use super::reference::is_template;

/// Checks all names of environments, tiers, tenants and services.
pub fn check(stack: &Stack, diagnostics: &mut Diagnostics) {
    let names = Names::of(stack);
    names.check_when(stack.root(), diagnostics);
    names.check_service(stack.root().get("defaults"), diagnostics);
    for (_, entry) in stack.root().entries(&["tiers"]) {
        names.check_service(entry.node.get("defaults"), diagnostics);
    }
    for (_, entry) in stack.root().entries(&["when", "environment"]).chain(stack.root().entries(&["when", "tier"])) {
        names.check_service(entry.node.get("defaults"), diagnostics);
        check_keys(&entry.node, "tiers", "tier", &names.tiers, diagnostics);
    }
    for file in stack.services().values() {
        names.check_service(Some(&file.node), diagnostics);
    }
    for (name, file) in stack.environment_files() {
        let node = &file.node;
        check_list(node, "tenants", "tenant", &names.tenants, diagnostics);
        check_list(node, "services", "service", &names.services, diagnostics);
        check_keys(node, "tiers", "tier", &names.tiers, diagnostics);
        for (_, entry) in node.entries(&["tiers"]) {
            names.check_service(entry.node.get("defaults"), diagnostics);
        }
        names.check_services_of(node, diagnostics);
        check_values(node, "environment", diagnostics);
        if !file.broken {
            check_cluster(name, node, diagnostics);
        }
    }
    for (name, file) in stack.tenants() {
        let node = &file.node;
        check_list(node, "environments", "environment", &names.environments, diagnostics);
        names.check_services_of(node, diagnostics);
        check_values(node, "tenant", diagnostics);
        if !file.broken {
            names.check_tier(name, node, diagnostics);
            check_pooled(stack, name, node, diagnostics);
        }
    }
    for (_, entry) in stack.root().entries(&["tiers"]) {
        check_values(&entry.node, "tier", diagnostics);
    }
}

/// All names of a stack.
struct Names<'s> {
    environments: Vec<&'s str>,
    tiers: Vec<&'s str>,
    tenants: Vec<&'s str>,
    services: Vec<&'s str>,
}

impl<'s> Names<'s> {
    fn of(stack: &'s Stack) -> Self {
        Self {
            environments: stack.environment_files().keys().map(String::as_str).collect(),
            tiers: stack.root().entries(&["tiers"]).map(|(name, _)| name.as_str()).collect(),
            tenants: stack.tenants().keys().map(String::as_str).collect(),
            services: stack.services().keys().map(String::as_str).collect(),
        }
    }

    /// What has the shape of a service: names in it, and in its `when`.
    fn check_service(&self, node: Option<&Node>, diagnostics: &mut Diagnostics) {
        let Some(node) = node else { return };
        check_list(node, "needs", "service", &self.services, diagnostics);
        check_list(node, "tiers", "tier", &self.tiers, diagnostics);
        for item in node.get("after").map(Node::items).unwrap_or_default() {
            let Some(text) = item.as_str().filter(|text| !is_template(text)) else { continue };
            match text.strip_prefix("service.") {
                Some(service) if self.services.contains(&service) => {}
                Some(service) => diagnostics.push(names::unknown("service", service, &item.origin, self.services.iter().copied())),
                None if text.parse::<ObjectKey>().is_ok() => {}
                None => diagnostics.push(
                    Diagnostic::error("stack::after", format!("`{text}` names neither a service nor an object"))
                        .at(&item.origin, "comes first, but what is it?")
                        .help("write `service.NAME`, or an object as KIND/NAMESPACE/NAME (KIND/NAME where there is no namespace)"),
                ),
            }
        }
        self.check_when(node, diagnostics);
        for (_, entry) in node.entries(&["when", "environment"]).chain(node.entries(&["when", "tier"])) {
            self.check_service(Some(&entry.node), diagnostics);
        }
    }

    /// `defaults` and `[service.X]` of an environment's or a tenant's file.
    fn check_services_of(&self, node: &Node, diagnostics: &mut Diagnostics) {
        self.check_service(node.get("defaults"), diagnostics);
        check_keys(node, "service", "service", &self.services, diagnostics);
        for (_, entry) in node.entries(&["service"]) {
            self.check_service(Some(&entry.node), diagnostics);
        }
    }

    fn check_when(&self, node: &Node, diagnostics: &mut Diagnostics) {
        if let Some(when) = node.get("when") {
            check_keys(when, "environment", "environment", &self.environments, diagnostics);
            check_keys(when, "tier", "tier", &self.tiers, diagnostics);
        }
    }

    fn check_tier(&self, tenant: &str, node: &Node, diagnostics: &mut Diagnostics) {
        match node.get("tier") {
            Some(tier) => {
                if let Some(name) = tier.as_str().filter(|name| !self.tiers.contains(name)) {
                    diagnostics.push(names::unknown("tier", name, &tier.origin, self.tiers.iter().copied()));
                }
            }
            None => diagnostics.push(
                Diagnostic::error("stack::no_tier", format!("tenant `{tenant}` has no tier"))
                    .at(&node.origin, "`tier = \"…\"` is missing")
                    .help(match self.tiers[..] {
                        [] => "declare one in stack.toml, `[tiers.standard]`, and name it here".to_owned(),
                        _ => format!("there are: {}", names::listed(&self.tiers)),
                    }),
            ),
        }
    }
}

/// A list of names: `needs`, `tiers`, …
fn check_list(node: &Node, key: &str, what: &str, known: &[&str], diagnostics: &mut Diagnostics) {
    // Services' lists may have references in them; those that choose what is where may not.
    let may_refer = matches!(key, "needs" | "tiers");
    for item in node.get(key).map(Node::items).unwrap_or_default() {
        let Some(name) = item.as_str().filter(|name| !(may_refer && is_template(name))) else { continue };
        if !known.contains(&name) {
            diagnostics.push(names::unknown(what, name, &item.origin, known.iter().copied()));
        }
    }
}

/// A table whose keys are names.
fn check_keys(node: &Node, key: &str, what: &str, known: &[&str], diagnostics: &mut Diagnostics) {
    for (name, entry) in node.entries(&[key]).filter(|(name, _)| !known.contains(&name.as_str())) {
        diagnostics.push(names::unknown(what, name, &entry.key_origin, known.iter().copied()));
    }
}

/// An environment says where it runs, in one way.
fn check_cluster(name: &str, node: &Node, diagnostics: &mut Diagnostics) {
    const HELP: &str =
        "one of `{ context = \"…\" }` (\"*\" is the kubeconfig's current one), `{ in_cluster = true }`, `{ embedded = true }`";
    // That it says none at all, the shape check has found.
    let Some(cluster) = node.get("cluster") else { return };
    let said: Vec<&Node> = cluster.entries(&[]).map(|(_, entry)| &entry.node).filter(|node| node.as_bool() != Some(false)).collect();
    if cluster.as_table().is_some() && said.len() != 1 {
        let text = if said.is_empty() { "says nothing" } else { "says several things at once" };
        diagnostics.push(
            Diagnostic::error("stack::which_cluster", format!("which cluster is environment `{name}` in?"))
                .at(&cluster.origin, text)
                .help(HELP),
        );
    }
}

/// A tenant whose tier is pooled has no instances of its own that could differ.
fn check_pooled(stack: &Stack, tenant: &str, node: &Node, diagnostics: &mut Diagnostics) {
    let tier = node.get("tier").and_then(Node::as_str).unwrap_or_default();
    let Some(isolation) = stack.root().at(&["tiers", tier, "isolation"]).filter(|isolation| isolation.as_str() == Some("pooled")) else {
        return;
    };
    for key in ["defaults", "service", "secrets", "limits", "patch"] {
        if let Some(entry) = node.as_table().and_then(|table| table.get(key)) {
            diagnostics.push(
                Diagnostic::warning(
                    "stack::pooled_tenant",
                    format!("`{key}` of tenant `{tenant}` has no effect: it shares its tier's instances"),
                )
                .at(&entry.key_origin, "has no effect")
                .at(&isolation.origin, format!("tier `{tier}` is pooled"))
                .help(format!("say it in `[tiers.{tier}]`, or move the tenant to a dedicated tier")),
            );
        }
    }
}

/// `[values]` must not hide what a reference means otherwise.
fn check_values(node: &Node, what: &str, diagnostics: &mut Diagnostics) {
    let taken: &[&str] = match what {
        "environment" => &["name", "namespace", "description", "domain", "zones", "production", "confirm"],
        "tenant" => &["name", "namespace", "tier", "description", "display_name", "region", "data_classes"],
        _ => &["name", "description", "cpu", "memory", "replicas", "best_effort", "isolation", "rank"],
    };
    for (key, entry) in node.entries(&["values"]).filter(|(key, _)| taken.contains(&key.as_str())) {
        diagnostics.push(
            Diagnostic::error("stack::reserved_value", format!("`${{{what}.{key}}}` already means something"))
                .at(&entry.key_origin, "can't be the name of a value")
                .help("choose another name"),
        );
    }
}
