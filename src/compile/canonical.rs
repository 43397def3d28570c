//! Values as the API server stores them: amounts in canonical form, Secrets as `data`, nothing that would vanish.
//!
//! Built-in kinds only. A custom resource's texts stay as they are written: its own schema says what they are, and a text
//! that looks like an amount is stored as a text there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::resource::{Diagnostic, Diagnostics, Object, Origin, Quantity};

/// Paths to amounts, by kind. `*` is every item of a list or every value of a map; `@pod` stands for the paths of a pod's
/// spec, `@claim` for those of a claim's. A path that ends in `!` leads to a resource list, where nothing is finer than a thousandth.
const AMOUNTS: &[(&str, &str, &[&str])] = &[
    ("", "Pod", &["spec @pod"]),
    ("", "PodTemplate", &["template spec @pod"]),
    ("", "ReplicationController", &["spec template spec @pod"]),
    ("", "PersistentVolumeClaim", &["spec @claim"]),
    ("", "PersistentVolume", &["spec capacity * !"]),
    ("", "ResourceQuota", &["spec hard * !"]),
    (
        "",
        "LimitRange",
        &[
            "spec limits * max * !",
            "spec limits * min * !",
            "spec limits * default * !",
            "spec limits * defaultRequest * !",
            "spec limits * maxLimitRequestRatio * !",
        ],
    ),
    ("apps", "Deployment", &["spec template spec @pod"]),
    ("apps", "ReplicaSet", &["spec template spec @pod"]),
    ("apps", "DaemonSet", &["spec template spec @pod"]),
    ("apps", "StatefulSet", &["spec template spec @pod", "spec volumeClaimTemplates * spec @claim"]),
    ("batch", "Job", &["spec template spec @pod"]),
    ("batch", "CronJob", &["spec jobTemplate spec template spec @pod"]),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        &[
            "spec metrics * resource target averageValue",
            "spec metrics * containerResource target averageValue",
            "spec metrics * pods target averageValue",
            "spec metrics * object target averageValue",
            "spec metrics * object target value",
            "spec metrics * external target averageValue",
            "spec metrics * external target value",
            "spec behavior scaleUp tolerance",
            "spec behavior scaleDown tolerance",
        ],
    ),
    ("node.k8s.io", "RuntimeClass", &["overhead podFixed * !"]),
    ("storage.k8s.io", "CSIStorageCapacity", &["capacity", "maximumVolumeSize"]),
];

const POD: &[&str] = &[
    "containers * resources limits * !",
    "containers * resources requests * !",
    "containers * env * valueFrom resourceFieldRef divisor",
    "initContainers * resources limits * !",
    "initContainers * resources requests * !",
    "initContainers * env * valueFrom resourceFieldRef divisor",
    "resources limits * !",
    "resources requests * !",
    "overhead * !",
    "volumes * emptyDir sizeLimit",
    "volumes * ephemeral volumeClaimTemplate spec @claim",
    "volumes * downwardAPI items * resourceFieldRef divisor",
    "volumes * projected sources * downwardAPI items * resourceFieldRef divisor",
];

const CLAIM: &[&str] = &["resources limits * !", "resources requests * !"];

/// Writes an object's values as the API server stores them.
pub(super) fn settle(object: &mut Object, origin: Option<&Origin>, diagnostics: &mut Diagnostics) {
    let gvk = object.gvk();
    if !is_built_in(&gvk.group) {
        return;
    }
    let key = object.key();
    if gvk.group.is_empty() && gvk.kind == "Secret" {
        settle_secret(object, origin, diagnostics);
    }
    for (_, _, paths) in AMOUNTS.iter().filter(|(group, kind, _)| *group == gvk.group && *kind == gvk.kind) {
        for path in *paths {
            let steps: Vec<&str> = path.split(' ').collect();
            walk(object.value_mut(), &steps, &mut |value, in_list| {
                let Some(written) = value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string())) else {
                    return;
                };
                match Quantity::from_json(value) {
                    Ok(amount) => *value = Value::from(if in_list { amount.in_resource_list().to_string() } else { amount.to_string() }),
                    Err(error) => diagnostics.push(
                        Diagnostic::error("compile::quantity", format!("{key}: {error}"))
                            .at_maybe(origin, format!("`{written}` stands in this object"))
                            .help("write an amount like `500m`, `2`, `256Mi` or `1.5Gi`"),
                    ),
                }
            });
        }
    }
    settle_empty(object.value_mut());
}

/// Whether Kubernetes itself serves the group.
pub(super) fn is_built_in(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy" | "extensions")
        || (group.ends_with(".k8s.io")
            && matches!(
                group.trim_end_matches(".k8s.io"),
                "admissionregistration"
                    | "apiextensions"
                    | "apiregistration"
                    | "authentication"
                    | "authorization"
                    | "certificates"
                    | "coordination"
                    | "discovery"
                    | "events"
                    | "flowcontrol.apiserver"
                    | "internal.apiserver"
                    | "networking"
                    | "node"
                    | "rbac.authorization"
                    | "resource"
                    | "scheduling"
                    | "storage"
                    | "storagemigration"
            ))
}

fn walk(value: &mut Value, steps: &[&str], found: &mut dyn FnMut(&mut Value, bool)) {
    match steps {
        [] => found(value, false),
        ["!"] => found(value, true),
        ["@pod"] => nested(value, POD, found),
        ["@claim"] => nested(value, CLAIM, found),
        ["*", rest @ ..] => match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, rest, found)),
            Value::Object(map) => map.values_mut().for_each(|item| walk(item, rest, found)),
            _ => {}
        },
        [name, rest @ ..] => {
            if let Some(next) = value.as_object_mut().and_then(|map| map.get_mut(*name)) {
                walk(next, rest, found);
            }
        }
    }
}

fn nested(value: &mut Value, paths: &[&str], found: &mut dyn FnMut(&mut Value, bool)) {
    for path in paths {
        let steps: Vec<&str> = path.split(' ').collect();
        walk(value, &steps, found);
    }
}

/// `stringData` is write-only: what is taken out of it stays for ever. So it becomes `data`; base64 gets one form.
fn settle_secret(object: &mut Object, origin: Option<&Origin>, diagnostics: &mut Diagnostics) {
    let key = object.key();
    let Some(root) = object.value_mut().as_object_mut() else { return };
    let mut data = match root.remove("data") {
        Some(Value::Object(data)) => data,
        Some(Value::Null) | None => Map::new(),
        Some(other) => {
            root.insert("data".to_owned(), other);
            return;
        }
    };
    for (name, value) in &mut data {
        let Some(text) = value.as_str() else { continue };
        let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        match STANDARD.decode(&joined) {
            Ok(bytes) => *value = Value::from(STANDARD.encode(bytes)),
            Err(_) => diagnostics.push(
                Diagnostic::error("compile::not_base64", format!("{key}: the value of `{name}` in `data` is not base64"))
                    .at_maybe(origin, "this object")
                    .help("encode it (`base64`), or write it as it is under `stringData`"),
            ),
        }
    }
    if let Some(Value::Object(texts)) = root.remove("stringData") {
        for (name, value) in texts {
            if let Some(text) = value.as_str() {
                data.insert(name, Value::from(STANDARD.encode(text)));
            }
        }
    }
    if !data.is_empty() {
        root.insert("data".to_owned(), Value::Object(data));
    }
}

/// What isn't stored: nulls anywhere, and empty tables where they mean nothing.
fn settle_empty(value: &mut Value) {
    drop_nulls(value);
    drop_empty(value, &["metadata", "labels"]);
    drop_empty(value, &["metadata", "annotations"]);
    for field in ["data", "binaryData", "secrets", "imagePullSecrets"] {
        drop_empty(value, &[field]);
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, item| !item.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn drop_empty(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(value, |value, name| value.as_object_mut()?.get_mut(*name));
    if let Some(map) = parent.and_then(Value::as_object_mut) {
        let empty = match map.get(*last) {
            Some(Value::Object(inner)) => inner.is_empty(),
            Some(Value::Array(inner)) => inner.is_empty(),
            _ => false,
        };
        if empty {
            map.remove(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settled(value: Value) -> (Value, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let mut object = Object::try_from(value).unwrap();
        settle(&mut object, None, &mut diagnostics);
        (object.value().clone(), diagnostics)
    }

    #[test]
    fn amounts_of_built_in_kinds_are_written_as_they_are_stored() {
        let (value, diagnostics) = settled(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {}},
            "spec": {"template": {"spec": {
                "containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}}}],
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1.5Gi"}}, {"name": "w", "emptyDir": {}}]}}},
        }));
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["resources"], json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}));
        assert_eq!(pod["volumes"][0]["emptyDir"]["sizeLimit"], "1536Mi");
        assert_eq!(pod["volumes"][1]["emptyDir"], json!({}), "an empty emptyDir means something");
        assert!(value["metadata"].get("labels").is_none());
        assert_eq!(diagnostics, Diagnostics::default());
    }

    #[test]
    fn a_custom_resource_keeps_its_texts() {
        let given = json!({"apiVersion": "example.dev/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"spec": {"overhead": {"cpu": "1000m"}}}}});
        assert_eq!(settled(given.clone()).0, given);
    }

    #[test]
    fn secrets_are_sent_as_data() {
        let (value, _) = settled(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "aHVu\ndGVyMg=="}, "stringData": {"b": "hunter2"},
        }));
        assert_eq!(value["data"], json!({"a": "aHVudGVyMg==", "b": "aHVudGVyMg=="}));
        assert!(value.get("stringData").is_none());
        let (_, diagnostics) = settled(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "s3cret!"}}));
        assert_eq!(diagnostics.0[0].code, "compile::not_base64");
        assert!(!format!("{diagnostics:?}").contains("s3cret"), "no secret in an error");
    }
}
