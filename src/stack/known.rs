//! Names that don't exist: every place of a stack's files where another part of the stack is named, whatever the environment.

use crate::resource::{Diagnostic, Diagnostics};

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
    for file in stack.environment_files().values() {
        let node = &file.node;
        check_list(node, "tenants", "tenant", &names.tenants, diagnostics);
        check_list(node, "services", "service", &names.services, diagnostics);
        check_keys(node, "tiers", "tier", &names.tiers, diagnostics);
        for (_, entry) in node.entries(&["tiers"]) {
            names.check_service(entry.node.get("defaults"), diagnostics);
        }
        names.check_services_of(node, diagnostics);
        check_values(node, "environment", diagnostics);
    }
    for (name, file) in stack.tenants() {
        let node = &file.node;
        check_list(node, "environments", "environment", &names.environments, diagnostics);
        names.check_services_of(node, diagnostics);
        check_values(node, "tenant", diagnostics);
        if !file.broken {
            names.check_tier(name, node, diagnostics);
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
            let service = item.as_str().and_then(|text| text.strip_prefix("service."));
            if let Some(service) = service.filter(|service| !self.services.contains(service)) {
                diagnostics.push(names::unknown("service", service, &item.origin, self.services.iter().copied()));
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
    for item in node.get(key).map(Node::items).unwrap_or_default() {
        let Some(name) = item.as_str().filter(|name| !is_template(name)) else { continue };
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
