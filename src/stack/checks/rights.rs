//! What a service may do with the Kubernetes API; and objects and fields that it names.

use crate::resource::{Diagnostic, Diagnostics, FieldPath, ObjectKey};
use crate::stack::names;
use crate::stack::node::Node;

use super::subject::Subject;

const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    for (index, right) in subject.spec.rights.iter().enumerate() {
        let node = subject.node.get("rights").and_then(|list| list.items().get(index));
        let at = |key: &str, value: &str| {
            let list = node.and_then(|node| node.get(key));
            let item = list.and_then(|list| list.items().iter().find(|item| item.as_str() == Some(value)));
            item.or(list).or(node).map_or(subject.origin, |node| &node.origin)
        };
        let mut wrong = |key: &str, value: &str, message: String, label: &str, help: &str| {
            let diagnostic = Diagnostic::error("stack::rights", format!("service `{}`: {message}", subject.name));
            diagnostics.push(diagnostic.at(at(key, value), label).help(help));
        };
        for (key, values, example) in [
            ("groups", &right.groups, "name the groups: `groups = [\"apps\"]`; `\"\"` is that of pods and services"),
            ("resources", &right.resources, "name the resources: `resources = [\"configmaps\"]`"),
            ("verbs", &right.verbs, "name the verbs: `verbs = [\"get\", \"list\", \"watch\"]`"),
        ] {
            if values.iter().any(|value| value == "*") {
                wrong(
                    key,
                    "*",
                    "a right to everything is no right that spai gives".to_owned(),
                    "`*`",
                    &format!("least privilege: {example}"),
                );
            }
            if values.is_empty() && key != "groups" && node.is_some_and(|node| node.get(key).is_some()) {
                wrong(key, "", format!("a right without {key} is none"), "empty", example);
            }
        }
        for verb in right.verbs.iter().filter(|verb| *verb != "*" && !VERBS.contains(&verb.as_str())) {
            let label =
                names::nearest(verb, VERBS).map_or_else(|| "no verb of the API".to_owned(), |near| format!("did you mean `{near}`?"));
            // Some resources have verbs of their own (`use`, `bind`, `impersonate`): these widen rights in ways that nobody sees.
            wrong("verbs", verb, format!("`{verb}` is no verb that spai gives"), &label, &format!("verbs are {}", names::listed(&VERBS)));
        }
        for resource in right.resources.iter().filter(|resource| resource.bytes().any(|b| b.is_ascii_uppercase())) {
            let meant = format!("`\"{}s\"`", resource.to_lowercase().trim_end_matches('s'));
            wrong(
                "resources",
                resource,
                format!("`{resource}` is a kind, and rights name resources"),
                "has capital letters",
                &format!("resources are lower-case and plural: {meant}"),
            );
        }
    }
    after(subject, diagnostics);
    lifecycle(subject, diagnostics);
}

fn after(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    for item in subject.node.get("after").map(Node::items).unwrap_or_default() {
        let Some(text) = item.as_str() else { continue };
        if text.strip_prefix("service.") == Some(subject.name) {
            diagnostics.push(
                Diagnostic::error("stack::needs_itself", format!("service `{}` comes after itself", subject.name))
                    .at(&item.origin, "here")
                    .help("remove it"),
            );
        }
    }
}

fn lifecycle(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let items = |key: &str| subject.node.at(&["lifecycle", key]).map(Node::items).unwrap_or_default();
    for item in items("ignore_changes") {
        let Some(text) = item.as_str() else { continue };
        if let Err(error) = text.parse::<FieldPath>() {
            diagnostics.push(
                Diagnostic::error("stack::lifecycle", format!("service `{}`: `{text}` is no field's path", subject.name))
                    .at(&item.origin, error.to_string())
                    .help("write it as in a plan: `spec.template.metadata.annotations`, `spec.template.spec.containers[name=app].image`"),
            );
        }
    }
    for item in items("replace_triggered_by") {
        let Some(text) = item.as_str() else { continue };
        if text.parse::<ObjectKey>().is_err() && text.split('/').filter(|part| !part.is_empty()).count() != 2 {
            diagnostics.push(
                Diagnostic::error("stack::lifecycle", format!("service `{}`: `{text}` names no object", subject.name))
                    .at(&item.origin, "not KIND/NAME")
                    .help("write KIND/NAME, or KIND/NAMESPACE/NAME for another namespace: `\"ConfigMap/settings\"`"),
            );
        }
    }
}
