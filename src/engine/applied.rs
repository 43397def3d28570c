//! What a manager last applied to an object, read back out of the live object: the values at the paths of its Apply
//! entry in managedFields.

use serde_json::{Value, json};

use crate::merge::FieldSet;
use crate::resource::{FieldManager, Object};

/// The manager's entry of what it last applied to the object itself.
pub fn entry<'o>(live: &'o Object, manager: &FieldManager) -> Option<&'o Value> {
    live.managed_fields().iter().find(|entry| {
        entry["manager"] == manager.as_str()
            && entry["operation"] == "Apply"
            && entry["subresource"].as_str().unwrap_or_default().is_empty()
    })
}

/// What the manager last applied, as far as it is still there; None if it never applied anything.
///
/// Atomic lists and maps come with what the server filled in; nothing else does.
pub fn extract(live: &Object, manager: &FieldManager) -> Option<Object> {
    let entry = entry(live, manager)?;
    let fields = FieldSet::parse(&entry["fieldsV1"]).unwrap_or_default();
    let mut applied = fields.extract(live.value()).filter(Value::is_object).unwrap_or_else(|| json!({}));
    let from = live.value();
    for field in ["apiVersion", "kind"] {
        applied[field] = from[field].clone();
    }
    if !applied["metadata"].is_object() {
        applied["metadata"] = json!({});
    }
    applied["metadata"]["name"] = from["metadata"]["name"].clone();
    if let Some(namespace) = live.namespace() {
        applied["metadata"]["namespace"] = namespace.into();
    }
    Object::try_from(applied).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Object {
        Object::try_from(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "acme", "uid": "u", "labels": {"app": "web", "theirs": "x"}, "finalizers": ["a/b", "c/d"],
                "managedFields": [
                    {"manager": "spai:hello:development", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": {}}},
                    {"manager": "spai:hello:development", "operation": "Apply", "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:app": {}, "f:gone": {}}, "f:finalizers": {"v:\"c/d\"": {}}},
                        "f:spec": {"f:selector": {}, "f:template": {"f:spec": {"f:containers": {
                            "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}, "f:ports": {
                                "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}}},
                    {"manager": "other", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                ],
            },
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"dnsPolicy": "ClusterFirst", "containers": [
                {"name": "sidecar", "image": "s"},
                {"name": "app", "image": "i", "imagePullPolicy": "Always", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
            ]}}},
        }))
        .unwrap()
    }

    #[test]
    fn what_we_applied_is_extracted_and_nothing_of_others_or_the_servers() {
        let applied = extract(&live(), &FieldManager("spai:hello:development".into())).unwrap();
        assert_eq!(
            applied.value(),
            &json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "acme", "labels": {"app": "web"}, "finalizers": ["c/d"]},
                "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [
                    {"name": "app", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                ]}}},
            })
        );
        assert!(extract(&live(), &FieldManager("spai:hello:production".into())).is_none());
    }
}
