//! Pods: whom they run as, what Pod Security and compliance regimes refuse, names of containers; and how they are delivered.

use serde_json::Value;

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::model::{Patch, PodSecurity, Strategy};
use crate::stack::names;
use crate::stack::naming::is_dns_label;
use crate::stack::node::Node;

use super::subject::Subject;

/// Regimes that spai knows, and whether they are strict about how pods run and whom they talk to.
const REGIMES: [(&str, bool); 6] =
    [("gdpr", false), ("hipaa", true), ("iso-27001", false), ("pci-dss", true), ("soc2", false), ("fedramp", true)];
/// The largest id that Kubernetes takes.
const MOST_ID: i64 = 2_147_483_647;

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    ids(subject, diagnostics);
    names_of_containers(subject, diagnostics);
    compliance(subject, diagnostics);
    if let Some(strategy) = subject.spec.strategy.filter(|strategy| *strategy != Strategy::Rolling) {
        let message = format!("this version of spai delivers by `rolling`, not by `{strategy}`");
        subject.wrong(
            diagnostics,
            "stack::strategy",
            &["strategy"],
            (message, "can't be done"),
            "say `strategy = \"rolling\"`, or leave it out",
        );
    }
    let nodes = subject.node.get("patch").map(Node::items).unwrap_or_default();
    for (index, one) in subject.spec.patch.iter().enumerate() {
        patch(&format!("service `{}`", subject.name), one, nodes.get(index), subject.origin, subject.tenancy.pod_security, diagnostics);
    }
}

fn ids(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let pod = &subject.spec.pod;
    for (key, id) in [("user", pod.user), ("group", pod.group), ("fs_group", pod.fs_group)] {
        let Some(id) = id else { continue };
        if !(0..=MOST_ID).contains(&id) {
            let message = format!("`pod.{key}` is from 0 to {MOST_ID}, this is {id}");
            subject.wrong(
                diagnostics,
                "stack::out_of_range",
                &["pod", key],
                (message, "out of range"),
                "choose an id that the image knows, 1000 or more",
            );
        } else if id == 0 && key == "user" && subject.tenancy.pod_security == PodSecurity::Restricted {
            let help = "choose the id of another user, 1000 or more; or, if it must be root, `tenancy.pod_security = \"baseline\"`";
            subject.wrong(
                diagnostics,
                "stack::pod_security",
                &["pod", "user"],
                ("it would run as root, which Pod Security `restricted` refuses".to_owned(), "0 is root"),
                help,
            );
        }
    }
}

fn names_of_containers(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let paths = subject.containers().map(|(path, _)| path).chain(subject.hooks().map(|(path, _)| path));
    for path in paths {
        let name = path.last().copied().unwrap_or_default();
        let what = if path[0] == "hooks" { "hook" } else { "container" };
        if !is_dns_label(name) || name.len() > 63 {
            let diagnostic = Diagnostic::error("stack::bad_name", format!("service `{}`: `{name}` can't be a {what}'s name", subject.name));
            let help = "lower-case letters, digits and dashes, a letter or digit first and last, at most 63 characters";
            diagnostics.push(diagnostic.at(subject.key_at(&path), format!("{} characters", name.chars().count())).help(help));
        }
    }
    for name in subject.spec.init.keys().filter(|name| subject.spec.sidecars.contains_key(*name)) {
        let diagnostic = Diagnostic::error("stack::same_name", format!("service `{}`: two containers are called `{name}`", subject.name));
        diagnostics.push(
            diagnostic
                .at(subject.key_at(&["sidecars", name]), "this")
                .at(subject.key_at(&["init", name]), "and this")
                .help("rename one: a pod's containers have different names"),
        );
    }
}

fn compliance(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let items = subject.node.get("compliance").map(Node::items).unwrap_or_default();
    for (index, regime) in subject.spec.compliance.iter().enumerate() {
        let origin = items.get(index).map_or(subject.origin, |item| &item.origin);
        let known = REGIMES.iter().map(|(name, _)| *name);
        match REGIMES.iter().find(|(name, _)| name == regime) {
            None => {
                if let Some(label) = super::labels::no_label_value(regime) {
                    diagnostics.push(
                        Diagnostic::error("stack::label", format!("service `{}`: `{regime}` can't be a regime's name", subject.name))
                            .at(origin, label)
                            .help("it becomes a label: letters, digits and dashes, `pci-dss`"),
                    );
                } else if let Some(near) = names::nearest(regime, known) {
                    diagnostics.push(
                        Diagnostic::warning("stack::compliance", format!("service `{}`: spai knows no regime `{regime}`", subject.name))
                            .at(origin, format!("did you mean `{near}`?"))
                            .help("it becomes a label, and nothing is checked for it"),
                    );
                }
            }
            Some((regime, true)) => strict(subject, regime, origin, diagnostics),
            Some(_) => {}
        }
    }
}

/// What a strict regime refuses.
fn strict(subject: &Subject<'_>, regime: &str, origin: &Origin, diagnostics: &mut Diagnostics) {
    let mut wrong = |at: &Origin, message: &str, label: &str, help: &str| {
        diagnostics.push(
            Diagnostic::error("stack::compliance", format!("service `{}` is under {regime}, and {message}", subject.name))
                .at(at, label)
                .at(origin, format!("under {regime}"))
                .help(help),
        );
    };
    if subject.spec.pod.read_only_root == Some(false) {
        wrong(
            subject.at(&["pod", "read_only_root"]),
            "its file system could be written to",
            "writable",
            "remove `read_only_root = false`; what must be written goes onto a volume: `[volumes.tmp]` with `empty`",
        );
    }
    if subject.tenancy.pod_security != PodSecurity::Restricted {
        wrong(
            origin,
            "its namespace doesn't enforce Pod Security `restricted`",
            "wants `restricted`",
            "say `tenancy.pod_security = \"restricted\"`",
        );
    }
    if !subject.tenancy.network_policies {
        wrong(origin, "its namespace has no network policies", "wants them", "say `tenancy.network_policies = true`");
    }
    for (name, rule) in &subject.spec.network {
        let wide = rule.cidr.as_deref().is_some_and(|cidr| cidr.ends_with("/0"));
        if wide && rule.ports.is_empty() {
            wrong(
                subject.at(&["network", name, "cidr"]),
                "it could talk to the whole world",
                "every address, every port",
                "name the ports: `ports = [443]`, or a smaller range",
            );
        }
    }
}

/// Checks a patch: that it says something, and what it may not do to pods.
pub(super) fn patch(
    shown: &str,
    patch: &Patch,
    node: Option<&Node>,
    fallback: &Origin,
    security: PodSecurity,
    diagnostics: &mut Diagnostics,
) {
    let origin = node.map_or(fallback, |node| &node.origin);
    let at = |key: &str| node.and_then(|node| node.get(key)).map_or(origin, |node| &node.origin);
    if patch.kind.contains(['/', ' ']) || !patch.kind.starts_with(|c: char| c.is_ascii_uppercase()) {
        let message = format!("{shown}: `{}` is no kind of objects", patch.kind);
        let diagnostic = Diagnostic::error("stack::patch", message).at(at("kind"), "which objects?");
        diagnostics.push(diagnostic.help("write the kind alone, as Kubernetes does: `kind = \"Deployment\"`"));
    }
    if patch.fields.is_empty() {
        let diagnostic = Diagnostic::error("stack::patch", format!("{shown}: a patch that changes nothing")).at(origin, "no fields");
        diagnostics.push(diagnostic.help("say what shall be: `spec.template.spec.priorityClassName = \"high\"`"));
    }
    for key in ["apiVersion", "status"].into_iter().filter(|key| patch.fields.contains_key(*key)) {
        let diagnostic = Diagnostic::error("stack::patch", format!("{shown}: a patch can't change `{key}`"));
        diagnostics.push(diagnostic.at(at(key), "not to be changed").help("remove it"));
    }
    if security == PodSecurity::Restricted {
        let mut found = Vec::new();
        for (key, value) in &patch.fields {
            forbidden(key, value, &mut found);
        }
        for (key, what) in found {
            let message = format!("{shown}: a patch {what}, which Pod Security `restricted` refuses");
            let place = node.and_then(|node| deep(node, &key)).unwrap_or(origin);
            let diagnostic = Diagnostic::error("stack::pod_security", message).at(place, "here");
            diagnostics.push(diagnostic.help("remove it; or, if it must be, `tenancy.pod_security = \"privileged\"`"));
        }
    }
}

/// Fields that Pod Security refuses, anywhere in a patch.
fn forbidden(key: &str, value: &Value, found: &mut Vec<(String, &'static str)>) {
    let what = match (key, value) {
        ("privileged", Value::Bool(true)) => Some("makes a container privileged"),
        ("allowPrivilegeEscalation", Value::Bool(true)) => Some("lets a process get more rights"),
        ("runAsNonRoot", Value::Bool(false)) => Some("lets a container run as root"),
        ("runAsUser", Value::Number(id)) if id.as_i64() == Some(0) => Some("runs a container as root"),
        ("hostNetwork", Value::Bool(true)) => Some("puts pods on the node's network"),
        ("hostPID" | "hostIPC", Value::Bool(true)) => Some("lets pods see the node's processes"),
        ("hostPath", _) => Some("mounts a folder of the node"),
        _ => None,
    };
    found.extend(what.map(|what| (key.to_owned(), what)));
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| forbidden(key, value, found)),
        Value::Array(items) => items.iter().for_each(|item| forbidden("", item, found)),
        _ => {}
    }
}

/// Where a key stands, however deep.
fn deep<'n>(node: &'n Node, key: &str) -> Option<&'n Origin> {
    if let Some(entry) = node.as_table().and_then(|table| table.get(key)) {
        return Some(&entry.key_origin);
    }
    let below = node.as_table().into_iter().flat_map(|table| table.values().map(|entry| &entry.node)).chain(node.items());
    below.into_iter().find_map(|node| deep(node, key))
}
