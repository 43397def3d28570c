//! Who pods are to the Kubernetes API: a service account each, without a token unless there are rights to use it for.

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics};
use crate::stack::model::Right;

use super::context::ServiceContext;
use super::marked::Marked;

/// The ServiceAccount; with `rights`, the Role that holds just these and its RoleBinding.
pub(super) fn objects(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut account = Marked::default();
    // The pods that need a token mount it themselves.
    account.set("automountServiceAccountToken", false);
    let mut objects: Vec<Desired> = service.object("v1", "ServiceAccount", &service.name(), account).into_iter().collect();
    let rights = &service.spec().rights;
    if rights.is_empty() {
        return objects;
    }
    let origin = service.origin("rights");
    for right in rights {
        check(service, right, diagnostics);
    }
    let mut role = Marked::default();
    role.set_from("rules", rights.iter().map(rule).collect::<Vec<_>>(), Some(origin));
    let mut binding = Marked::default();
    binding.set("roleRef", json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": service.name()}));
    binding.set("subjects", json!([{"kind": "ServiceAccount", "name": service.name(), "namespace": service.namespace()}]));
    for (kind, body) in [("Role", role), ("RoleBinding", binding)] {
        if let Some(mut object) = service.object("rbac.authorization.k8s.io/v1", kind, &service.name(), body) {
            object.declared.object = Some(origin.clone());
            objects.push(object);
        }
    }
    objects
}

/// Whether its pods get a token.
pub(super) fn mounts_token(service: &ServiceContext<'_>) -> bool {
    service.spec().pod.token.unwrap_or(!service.spec().rights.is_empty())
}

fn rule(right: &Right) -> Value {
    let groups = if right.groups.is_empty() { vec![String::new()] } else { right.groups.clone() };
    let mut rule = json!({"apiGroups": groups, "resources": right.resources, "verbs": right.verbs});
    if !right.names.is_empty() {
        rule["resourceNames"] = json!(right.names);
    }
    rule
}

fn check(service: &ServiceContext<'_>, right: &Right, diagnostics: &mut Diagnostics) {
    let origin = service.origin("rights");
    let all = [&right.groups, &right.resources, &right.verbs];
    if all.iter().any(|words| words.iter().any(|word| word == "*")) {
        diagnostics.push(
            Diagnostic::error("compile::rights_too_wide", format!("{} asks for rights with `*`", service.title()))
                .at(origin, "")
                .help("least privilege: name the groups, resources and verbs that it needs"),
        );
    }
    if right.resources.is_empty() || right.verbs.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                "compile::rights_empty",
                format!("a right of {} names no {}", service.title(), if right.verbs.is_empty() { "verbs" } else { "resources" }),
            )
            .at(origin, "")
            .help("for example `resources = [\"configmaps\"]` and `verbs = [\"get\"]`"),
        );
    }
}
