//! What things of a stack are called in Kubernetes. One mapping, documented: `_` becomes `-`.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, Origin};

/// The longest name of a namespace, a label's value, a Service: a DNS label.
pub const MAX_LABEL: usize = 63;
/// The longest name of a stack: it stands in labels and in the field manager's name, with the environment's.
pub const MAX_STACK: usize = 40;
/// The longest name of a service: what Kubernetes adds to pods' names must fit behind it.
pub const MAX_SERVICE: usize = 52;

/// `enterprise_plus` → `enterprise-plus`.
pub fn kubernetes_name(name: &str) -> String {
    name.replace('_', "-")
}

/// A tenant's namespace: `<root>-<tenant>`.
pub fn tenant_namespace(root: &str, tenant: &str) -> String {
    format!("{root}-{}", kubernetes_name(tenant))
}

/// A pooled tier's namespace, also that of services with `scope = "tier"`: `<root>-tier-<tier>`.
pub fn tier_namespace(root: &str, tier: &str) -> String {
    format!("{root}-tier-{}", kubernetes_name(tier))
}

/// The namespace of services with `scope = "environment"`: `<root>-shared`.
pub fn shared_namespace(root: &str) -> String {
    format!("{root}-shared")
}

/// Checks a stack's name.
pub fn check_stack_name(name: &str, origin: &Origin, diagnostics: &mut Diagnostics) {
    if !is_dns_label(name) || name.len() > MAX_STACK {
        diagnostics.push(
            Diagnostic::error("stack::bad_name", format!("`{name}` can't be a stack's name"))
                .at(origin, format!("{} characters", name.chars().count()))
                .help(format!("lower-case letters, digits and dashes, a letter or digit first and last, at most {MAX_STACK} characters")),
        );
    }
}

/// Checks the names of one kind of thing: that Kubernetes would take them, and that no two become one.
pub fn check_names<'n>(what: &str, names: impl Iterator<Item = (&'n str, &'n Origin)>, diagnostics: &mut Diagnostics) {
    let longest = if what == "service" { MAX_SERVICE } else { MAX_LABEL };
    let mut seen: BTreeMap<String, (&str, &Origin)> = BTreeMap::new();
    for (name, origin) in names {
        let mapped = kubernetes_name(name);
        if !is_dns_label(&mapped) || mapped.len() > longest {
            diagnostics.push(
                Diagnostic::error(
                    "stack::bad_name",
                    format!("`{name}` can't be the name of a{} {what}", if what == "environment" { "n" } else { "" }),
                )
                .at(origin, format!("{} characters", name.chars().count()))
                .help(format!(
                    "lower-case letters, digits, dashes and underscores, a letter or digit first and last, at most {longest} characters"
                )),
            );
        }
        if what == "tenant" && (mapped == "shared" || mapped.starts_with("tier-")) {
            diagnostics.push(
                Diagnostic::error("stack::reserved_name", format!("a tenant can't be called `{name}`"))
                    .at(origin, "its namespace would be one that spai keeps for what tenants share")
                    .help("`shared` and names that begin with `tier-` are taken; choose another"),
            );
        }
        if let Some((other, first)) = seen.insert(mapped.clone(), (name, origin)) {
            diagnostics.push(
                Diagnostic::error(
                    "stack::same_name",
                    format!("{what}s `{other}` and `{name}` would both be called `{mapped}` in Kubernetes"),
                )
                .at(origin, "this one")
                .at(first, "and this one")
                .help("rename one: `_` becomes `-`, for Kubernetes knows no underscores in names"),
            );
        }
    }
}

/// Checks the namespaces of an environment: length, and that they are different.
pub fn check_namespaces<'n>(
    root: &str,
    places: impl Iterator<Item = (&'n str, &'n Origin)>,
    root_origin: &Origin,
    diagnostics: &mut Diagnostics,
) {
    if !is_dns_label(root) || root.len() > MAX_LABEL {
        diagnostics.push(
            Diagnostic::error("stack::bad_namespace", format!("`{root}` can't be the name of a namespace"))
                .at(root_origin, format!("{} characters", root.chars().count()))
                .help(format!("lower-case letters, digits and dashes, a letter or digit first and last, at most {MAX_LABEL} characters")),
        );
        return;
    }
    let mut seen: BTreeMap<&str, &Origin> = BTreeMap::new();
    for (namespace, origin) in places {
        if namespace.len() > MAX_LABEL {
            diagnostics.push(
                Diagnostic::error(
                    "stack::bad_namespace",
                    format!("the namespace `{namespace}` is too long: {} characters", namespace.len()),
                )
                .at(origin, "its name is the end of it")
                .at(root_origin, format!("`{root}` is the beginning"))
                .help(format!(
                    "a namespace's name has at most {MAX_LABEL} characters; set a shorter `namespace` in the environment's file"
                )),
            );
        }
        if let Some(first) = seen.insert(namespace, origin) {
            diagnostics.push(
                Diagnostic::error("stack::same_name", format!("the namespace `{namespace}` would be that of two"))
                    .at(origin, "of this one")
                    .at(first, "and of this one")
                    .help("rename one"),
            );
        }
    }
}

/// Whether Kubernetes takes it as a name that DNS must know (RFC 1123), whatever its length.
pub fn is_dns_label(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.iter().all(|b| allowed(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| allowed(*b))
        && bytes.last().is_some_and(|b| allowed(*b))
}
