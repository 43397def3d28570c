//! Labels, annotations, names of environment variables: what Kubernetes would refuse, and how long it may be.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, Origin, PREFIX};
use crate::stack::model::ConfigValue;
use crate::stack::node::Node;

use super::subject::Subject;

/// The longest value of a label, and the longest name in a key.
const LONGEST: usize = 63;
/// All annotations of an object together, in bytes.
const ANNOTATIONS: usize = 256 << 10;

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let spec = subject.spec;
    let shown = format!("service `{}`", subject.name);
    let table = |path: &[&str]| subject.node.at(path);
    labels(&shown, &spec.labels, table(&["labels"]), subject.origin, diagnostics);
    labels(&shown, &spec.pod.labels, table(&["pod", "labels"]), subject.origin, diagnostics);
    annotations(&shown, &spec.annotations, table(&["annotations"]), subject.origin, diagnostics);
    annotations(&shown, &spec.pod.annotations, table(&["pod", "annotations"]), subject.origin, diagnostics);
    selector(&shown, &spec.pod.node_selector, table(&["pod", "node_selector"]), subject.origin, diagnostics);
    for (name, rule) in &spec.network {
        if let Some(peer) = &rule.peer {
            selector(&shown, &peer.labels, table(&["network", name, "peer", "labels"]), subject.origin, diagnostics);
        }
    }
    for (name, route) in &spec.routes {
        annotations(&shown, &route.annotations, table(&["routes", name, "annotations"]), subject.origin, diagnostics);
    }
    variables(subject, &["config"], subject.config, diagnostics);
    for (path, container) in subject.containers() {
        variables(subject, &[&path[..], &["config"]].concat(), &container.config, diagnostics);
    }
    for (path, hook) in subject.hooks() {
        variables(subject, &[&path[..], &["config"]].concat(), &hook.config, diagnostics);
    }
    for (index, toleration) in spec.pod.tolerations.iter().enumerate() {
        const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if let Some(effect) = toleration.effect.as_ref().filter(|effect| !EFFECTS.contains(&effect.as_str())) {
            let origin = table(&["pod", "tolerations"])
                .and_then(|list| list.items().get(index)?.get("effect"))
                .map_or(subject.origin, |node| &node.origin);
            let near = crate::stack::names::nearest(effect, EFFECTS)
                .map_or_else(|| "not one of its words".to_owned(), |near| format!("did you mean `{near}`?"));
            diagnostics.push(
                Diagnostic::error("stack::unknown_word", format!("{shown}: `effect` can't be `{effect}`"))
                    .at(origin, near)
                    .help(format!("it is one of {}", crate::stack::names::listed(&EFFECTS))),
            );
        }
    }
}

/// Labels that spai puts on objects.
pub(super) fn labels(
    shown: &str,
    labels: &BTreeMap<String, String>,
    node: Option<&Node>,
    fallback: &Origin,
    diagnostics: &mut Diagnostics,
) {
    for key in labels.keys() {
        reserved(shown, "label", key, places(node, key, fallback).0, diagnostics);
    }
    selector(shown, labels, node, fallback, diagnostics);
}

/// Labels that are looked for.
fn selector(shown: &str, labels: &BTreeMap<String, String>, node: Option<&Node>, fallback: &Origin, diagnostics: &mut Diagnostics) {
    for (key, value) in labels {
        let (key_origin, origin) = places(node, key, fallback);
        check_key(shown, "label", key, key_origin, diagnostics);
        if let Some(label) = no_label_value(value) {
            let message = format!("{shown}: `{value}` can't be the value of the label `{key}`");
            let help = format!(
                "letters, digits, `-`, `_` and `.`, a letter or digit first and last, at most {LONGEST} characters; longer texts can be annotations"
            );
            diagnostics.push(Diagnostic::error("stack::label", message).at(origin, label).help(help));
        }
    }
}

/// Annotations that spai puts on objects.
pub(super) fn annotations(
    shown: &str,
    annotations: &BTreeMap<String, String>,
    node: Option<&Node>,
    fallback: &Origin,
    diagnostics: &mut Diagnostics,
) {
    for key in annotations.keys() {
        let origin = places(node, key, fallback).0;
        reserved(shown, "annotation", key, origin, diagnostics);
        check_key(shown, "annotation", key, origin, diagnostics);
    }
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS {
        let message = format!("{shown}: the annotations are {size} bytes together");
        diagnostics.push(
            Diagnostic::error("stack::too_large", message)
                .at(node.map_or(fallback, |node| &node.origin), "too much for one object")
                .help("Kubernetes takes 256 KiB at most"),
        );
    }
}

fn places<'n>(node: Option<&'n Node>, key: &str, fallback: &'n Origin) -> (&'n Origin, &'n Origin) {
    node.and_then(Node::as_table)
        .and_then(|table| table.get(key))
        .map_or((fallback, fallback), |entry| (&entry.key_origin, &entry.node.origin))
}

fn reserved(shown: &str, what: &str, key: &str, origin: &Origin, diagnostics: &mut Diagnostics) {
    const OWN: [&str; 3] = ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"];
    let prefix = key.split_once('/').map(|(prefix, _)| prefix);
    if prefix == Some(PREFIX) || OWN.contains(&key) {
        let message = format!("{shown}: the {what} `{key}` is spai's own");
        diagnostics.push(
            Diagnostic::error("stack::reserved_label", message)
                .at(origin, "set by spai")
                .help("remove it, or choose another key; by these spai knows its objects again"),
        );
    }
}

/// `name`, or `prefix/name`.
fn check_key(shown: &str, what: &str, key: &str, origin: &Origin, diagnostics: &mut Diagnostics) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let label = if prefix.is_some_and(|prefix| !super::network::is_host(prefix) || prefix.starts_with('*')) {
        "what is before `/` must be a DNS name, at most 253 characters".to_owned()
    } else if name.is_empty() {
        "nothing stands behind `/`".to_owned()
    } else if name.len() > LONGEST {
        format!("{} characters, and {LONGEST} are the most", name.chars().count())
    } else if no_label_value(name).is_some() {
        "has other characters".to_owned()
    } else {
        return;
    };
    let message = format!("{shown}: `{key}` can't be the key of {} {what}", if what == "label" { "a" } else { "an" });
    let help =
        "letters, digits, `-`, `_` and `.`, a letter or digit first and last; a DNS name and `/` may stand before: `example.com/team`";
    diagnostics.push(Diagnostic::error("stack::label", message).at(origin, label).help(help));
}

/// Why a text can't be a label's value.
pub(super) fn no_label_value(value: &str) -> Option<String> {
    if value.len() > LONGEST {
        return Some(format!("{} characters, and {LONGEST} are the most", value.chars().count()));
    }
    let bytes = value.as_bytes();
    if let Some(other) = value.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        return Some(format!("has {}", if other == ' ' { "a space".to_owned() } else { format!("`{other}`") }));
    }
    let ends = bytes.first().into_iter().chain(bytes.last()).all(u8::is_ascii_alphanumeric);
    (!ends).then(|| "begins or ends with a sign".to_owned())
}

fn variables(subject: &Subject<'_>, path: &[&str], values: &BTreeMap<String, ConfigValue>, diagnostics: &mut Diagnostics) {
    for (name, value) in values {
        let at = [path, &[name.as_str()]].concat();
        let bytes = name.as_bytes();
        let allowed = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
        let label = if name.is_empty() {
            "has no name"
        } else if !allowed {
            "has other characters"
        } else if bytes[0].is_ascii_digit() {
            "begins with a digit"
        } else if name == "." || name.starts_with("..") {
            "can't be this"
        } else {
            ""
        };
        if !label.is_empty() {
            let diagnostic =
                Diagnostic::error("stack::variable_name", format!("service `{}`: `{name}` can't be an environment variable", subject.name));
            diagnostics
                .push(diagnostic.at(subject.key_at(&at), label).help("letters, digits, `_`, `-` and `.`, no digit first: `LOG_LEVEL`"));
        }
        if let ConfigValue::Field(source) = value {
            check_field(subject, &at, &source.field, diagnostics);
        }
    }
}

/// A field of the pod that a variable may be taken from.
fn check_field(subject: &Subject<'_>, at: &[&str], field: &str, diagnostics: &mut Diagnostics) {
    const FIELDS: [&str; 10] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
        "metadata.labels['…']",
    ];
    let of_map = ["metadata.labels['", "metadata.annotations['"].iter().any(|prefix| field.starts_with(prefix) && field.ends_with("']"));
    if of_map || FIELDS[..9].contains(&field) {
        return;
    }
    let label = crate::stack::names::nearest(field, FIELDS[..9].iter().copied())
        .map_or_else(|| "can't be read by a container".to_owned(), |near| format!("did you mean `{near}`?"));
    let path = [at, &["field"]].concat();
    subject.wrong(
        diagnostics,
        "stack::field",
        &path,
        (format!("`{field}` is no field that a pod can know of itself"), label),
        format!("it is one of {}", crate::stack::names::listed(&FIELDS)),
    );
}
