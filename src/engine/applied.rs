//! What a manager last applied to an object, read back out of the live object: the values at the paths of its Apply
//! entry in managedFields.

use serde_json::{Map, Value, json};

use crate::resource::{FieldManager, Object, PathElement};

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
    let mut applied = pick(live.value(), &entry["fieldsV1"]).filter(Value::is_object).unwrap_or_else(|| json!({}));
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

/// The part of `value` that the trie names. None: nothing of it is there any more.
fn pick(value: &Value, trie: &Value) -> Option<Value> {
    let steps: Vec<(PathElement, &Value)> = trie.as_object()?.iter().filter_map(|(step, below)| Some((element(step)?, below))).collect();
    if steps.is_empty() {
        // A leaf, or an atomic list or map: all of it.
        return Some(value.clone());
    }
    match value {
        Value::Object(map) => {
            let fields = steps.iter().filter_map(|(step, below)| match step {
                PathElement::Field(name) => Some((name.clone(), pick(map.get(name)?, below)?)),
                _ => None,
            });
            Some(Value::Object(fields.collect::<Map<_, _>>()))
        }
        // In the order of the live list, not of the trie.
        Value::Array(items) => {
            let picked = items.iter().enumerate().filter_map(|(index, item)| {
                let (step, below) = steps.iter().find(|(step, _)| step_leads_to(step, index, item))?;
                let mut picked = pick(item, below)?;
                if let (PathElement::Key(keys), Some(map)) = (step, picked.as_object_mut()) {
                    // An item is nothing without its keys.
                    for key in keys.keys() {
                        if let Some(value) = item.get(key) {
                            map.insert(key.clone(), value.clone());
                        }
                    }
                }
                Some(picked)
            });
            Some(Value::Array(picked.collect()))
        }
        _ => None,
    }
}

fn step_leads_to(step: &PathElement, index: usize, item: &Value) -> bool {
    match step {
        PathElement::Index(wanted) => *wanted == index,
        PathElement::Field(_) => false,
        step => step.get(&json!([item])).is_some(),
    }
}

fn element(step: &str) -> Option<PathElement> {
    let (tag, rest) = step.split_once(':')?;
    match tag {
        "f" => Some(PathElement::Field(rest.to_owned())),
        "k" => serde_json::from_str(rest).ok().map(PathElement::Key),
        "v" => serde_json::from_str(rest).ok().map(PathElement::Value),
        "i" => rest.parse().ok().map(PathElement::Index),
        _ => None,
    }
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
