//! Who pods are to the Kubernetes API: a service account each, without a token unless there are rights to use it for.

use serde_json::{Value, json};

use crate::resource::Desired;
use crate::stack::model::Right;

use super::context::ServiceContext;
use super::marked::Marked;

/// The ServiceAccount; with `rights`, the Role that holds just these and its RoleBinding.
pub(super) fn objects(service: &ServiceContext<'_>) -> Vec<Desired> {
    let mut account = Marked::default();
    // The pods that need a token mount it themselves.
    account.set("automountServiceAccountToken", false);
    let mut objects: Vec<Desired> = service.object("v1", "ServiceAccount", &service.name(), account).into_iter().collect();
    let rights = &service.spec().rights;
    if rights.is_empty() {
        return objects;
    }
    let origin = service.origin("rights");
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
