//! What is asked: the same for each kind, and some of one kind only.

use serde_json::{Value, json};

use super::kinds::{self, Kind};
use super::{Sequence, Step, wrong};

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

pub fn step(method: &'static str, path: impl Into<String>, content: &'static str, body: Value) -> Step {
    Step { method, path: path.into(), content, body, as_whom: &[] }
}

fn get(path: impl Into<String>) -> Step {
    step("GET", path, "", Value::Null)
}

/// Before everything: the definition.
pub fn prepare(run: &str) -> Vec<Step> {
    vec![step("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", JSON, kinds::definition(run))]
}

/// After everything.
pub fn clean(run: &str) -> Vec<Step> {
    vec![step("DELETE", format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{run}.example.com"), "", Value::Null)]
}

/// A sequence's namespace, with the account that pods have.
pub fn namespace() -> Vec<Step> {
    vec![
        step("POST", "/api/v1/namespaces", JSON, json!({"metadata": {"name": "{ns}"}})),
        step("POST", "/api/v1/namespaces/{ns}/serviceaccounts", JSON, json!({"metadata": {"name": "default"}})),
    ]
}

pub fn end() -> Step {
    step("DELETE", "/api/v1/namespaces/{ns}", "", Value::Null)
}

pub fn all(run: &str) -> Vec<Sequence> {
    let mut found = Vec::new();
    for kind in kinds::all(run) {
        found.extend(of(&kind));
    }
    found.extend(wrong::all(run));
    found
}

fn with(object: &Value, path: &[&str], value: Value) -> Value {
    let mut object = object.clone();
    let mut at = &mut object;
    for part in path {
        at = &mut at[*part];
    }
    *at = value;
    object
}

fn changed(kind: &Kind) -> Value {
    fn merge(target: &mut Value, patch: &Value) {
        match patch.as_object() {
            Some(map) => map.iter().for_each(|(key, value)| merge(&mut target[key], value)),
            None => *target = patch.clone(),
        }
    }
    let mut object = kind.object.clone();
    merge(&mut object, &kind.change);
    object
}

/// What every kind is asked.
fn of(kind: &Kind) -> Vec<Sequence> {
    let (all, one, object) = (kind.all(), kind.one(), &kind.object);
    let create = || step("POST", all.clone(), JSON, object.clone());
    let manager = |name: &str, more: &str| format!("{one}?fieldManager={name}{more}");
    let apply = |name: &str, more: &str, config: Value| step("PATCH", manager(name, more), APPLY, config);
    let gone = || vec![step("DELETE", one.clone(), "", Value::Null), get(one.clone())];
    let mut sequences = Vec::new();
    let mut add = |name: &str, steps: Vec<Step>| sequences.push(Sequence { name: format!("{} {name}", kind.name), steps });
    let labelled = with(object, &["metadata", "labels"], json!({"l": "1"}));

    add("life", [vec![get(one.clone()), create(), create(), get(one.clone())], gone()].concat());
    add(
        "put",
        [
            vec![
                step("PUT", one.clone(), JSON, with(object, &["metadata", "uid"], "00000000-0000-4000-8000-000000000000".into())),
                create(),
                step("PUT", one.clone(), JSON, with(object, &["metadata", "resourceVersion"], "{rv}".into())),
                step("PUT", one.clone(), JSON, with(&labelled, &["metadata", "resourceVersion"], "{rv}".into())),
                step("PUT", one.clone(), JSON, with(&labelled, &["metadata", "resourceVersion"], "1".into())),
                step("PUT", one.clone(), JSON, with(&labelled, &["metadata", "name"], "other".into())),
                step("PUT", one.clone(), JSON, with(&changed(kind), &["metadata", "resourceVersion"], "{rv}".into())),
            ],
            gone(),
        ]
        .concat(),
    );
    add(
        "put blindly",
        [vec![step("PUT", one.clone(), JSON, object.clone()), create(), step("PUT", one.clone(), JSON, labelled.clone())], gone()].concat(),
    );
    add(
        "apply",
        [
            vec![
                apply("one", "", object.clone()),
                apply("one", "", object.clone()),
                apply("one", "", changed(kind)),
                apply("two", "", object.clone()),
                apply("two", "&force=true", object.clone()),
                apply("one", "", json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": object["metadata"]["name"], "labels": {"z": "1"}}})),
                step("PATCH", one.clone(), APPLY, object.clone()),
                apply("one", "", json!({"apiVersion": "v9", "kind": "Nothing", "metadata": {"name": object["metadata"]["name"]}})),
            ],
            gone(),
        ]
        .concat(),
    );
    add(
        "apply over writes",
        [
            vec![
                create(),
                step("PATCH", manager("edit", ""), MERGE, kind.change.clone()),
                apply("one", "", object.clone()),
                apply("one", "&force=true", object.clone()),
                apply("one", "&dryRun=All", changed(kind)),
                get(one.clone()),
            ],
            gone(),
        ]
        .concat(),
    );
    add(
        "patch",
        [
            vec![
                step("PATCH", one.clone(), MERGE, kind.change.clone()),
                create(),
                step("PATCH", one.clone(), MERGE, kind.change.clone()),
                step("PATCH", one.clone(), MERGE, kind.change.clone()),
                step("PATCH", one.clone(), MERGE, json!({"metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}}})),
                step("PATCH", one.clone(), MERGE, json!({"metadata": {"labels": {"a": null}}})),
                step("PATCH", one.clone(), MERGE, json!({"metadata": {"name": "other"}})),
                step("PATCH", one.clone(), MERGE, json!({"metadata": {"resourceVersion": "1"}})),
                step("PATCH", format!("{one}?force=true"), MERGE, json!({})),
                step("PATCH", one.clone(), "text/plain", json!({})),
            ],
            gone(),
        ]
        .concat(),
    );
    add(
        "json patch",
        [
            vec![
                create(),
                step("PATCH", one.clone(), JSON_PATCH, json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}])),
                step("PATCH", one.clone(), JSON_PATCH, json!([{"op": "test", "path": "/metadata/labels/a", "value": "c"}])),
                step("PATCH", one.clone(), JSON_PATCH, json!([{"op": "remove", "path": "/metadata/none"}])),
                step("PATCH", one.clone(), JSON_PATCH, json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}])),
                step(
                    "PATCH",
                    one.clone(),
                    JSON_PATCH,
                    json!([{"op": "replace", "path": "/metadata/uid", "value": "00000000-0000-4000-8000-000000000000"}]),
                ),
                step("PATCH", one.clone(), JSON_PATCH, json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])),
            ],
            gone(),
        ]
        .concat(),
    );
    if kind.name != "Widget" {
        add(
            "strategic patch",
            [
                vec![
                    create(),
                    step("PATCH", one.clone(), STRATEGIC, kind.change.clone()),
                    step("PATCH", one.clone(), STRATEGIC, json!({"metadata": {"finalizers": ["a.example/f"]}})),
                    step("PATCH", one.clone(), STRATEGIC, json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.example/f"]}})),
                ],
                gone(),
            ]
            .concat(),
        );
    }
    add(
        "dry",
        vec![
            step("POST", format!("{all}?dryRun=All"), JSON, object.clone()),
            get(one.clone()),
            create(),
            step("PATCH", format!("{one}?dryRun=All"), MERGE, kind.change.clone()),
            step("DELETE", format!("{one}?dryRun=All"), "", Value::Null),
            get(one.clone()),
            step("POST", format!("{all}?dryRun=Some"), JSON, object.clone()),
            step("DELETE", one.clone(), "", Value::Null),
        ],
    );
    add(
        "deletes",
        vec![
            step("DELETE", one.clone(), "", Value::Null),
            create(),
            step("DELETE", one.clone(), JSON, json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}})),
            step("DELETE", one.clone(), JSON, json!({"preconditions": {"resourceVersion": "1"}})),
            step("DELETE", one.clone(), JSON, json!({"propagationPolicy": "Sideways"})),
            step("PATCH", one.clone(), MERGE, json!({"metadata": {"finalizers": ["a.example/f"]}})),
            step("DELETE", one.clone(), JSON, json!({"propagationPolicy": "Background"})),
            get(one.clone()),
            step("DELETE", one.clone(), "", Value::Null),
            step("PATCH", one.clone(), MERGE, json!({"metadata": {"finalizers": ["a.example/f", "a.example/g"]}})),
            step("PATCH", one.clone(), MERGE, json!({"metadata": {"finalizers": null}})),
            get(one.clone()),
        ],
    );
    add(
        "orphans",
        vec![
            create(),
            step("DELETE", one.clone(), JSON, json!({"propagationPolicy": "Orphan"})),
            step("PATCH", one.clone(), MERGE, json!({"metadata": {"finalizers": null}})),
            get(one.clone()),
        ],
    );
    if kind.namespaced {
        add(
            "lists",
            vec![
                get(all.clone()),
                step("POST", all.clone(), JSON, labelled.clone()),
                step("POST", all.clone(), JSON, with(object, &["metadata", "name"], "y".into())),
                get(all.clone()),
                get(format!("{all}?labelSelector=l%3D1")),
                get(format!("{all}?labelSelector=l")),
                get(format!("{all}?labelSelector=%21l")),
                get(format!("{all}?fieldSelector=metadata.name%3Dy")),
                get(format!("{all}?fieldSelector=nothing%3Dy")),
                get(format!("{all}?labelSelector=l%20in%20x")),
                get(format!("{all}?limit=1")),
                get(format!("{all}?limit=x")),
                get(format!("{all}?resourceVersion=abc")),
                get(format!("{all}?continue=abc")),
                step("DELETE", format!("{all}?labelSelector=l%3D1"), "", Value::Null),
                get(all.clone()),
            ],
        );
    }
    add(
        "bad names",
        vec![
            step("POST", all.clone(), JSON, with(object, &["metadata", "name"], "A_b-{ns}".into())),
            step("POST", all.clone(), JSON, with(object, &["metadata", "labels"], json!({"a b": "c d"}))),
            step("POST", all.clone(), JSON, with(object, &["metadata", "annotations"], json!({"a b": "c"}))),
            step("POST", all.clone(), JSON, with(object, &["metadata", "finalizers"], json!(["x"]))),
            step("POST", all.clone(), JSON, with(object, &["metadata"], json!({}))),
            step("POST", all.clone(), JSON, with(object, &["metadata", "namespace"], "elsewhere".into())),
            step(
                "POST",
                all.clone(),
                JSON,
                with(object, &["metadata", "ownerReferences"], json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": ""}])),
            ),
            step("POST", all.clone(), JSON, with(object, &["metadata", "resourceVersion"], "5".into())),
        ],
    );
    add(
        "strange bodies",
        vec![
            step("POST", format!("{all}?fieldValidation=Strict"), JSON, with(object, &["nothing"], 1.into())),
            step("POST", format!("{all}?fieldValidation=Warn&dryRun=All"), JSON, with(object, &["nothing"], 1.into())),
            step("POST", format!("{all}?fieldValidation=Ignore&dryRun=All"), JSON, with(object, &["nothing"], 1.into())),
            step("POST", format!("{all}?fieldValidation=Sometimes"), JSON, object.clone()),
            step("POST", all.clone(), JSON, with(object, &["metadata", "labels"], json!({"a": 1}))),
            step("POST", all.clone(), JSON, with(object, &["kind"], "Other".into())),
            step("POST", all.clone(), JSON, json!([])),
            step("POST", all.clone(), "text/plain", object.clone()),
            step("POST", format!("{all}?fieldManager={}", "m".repeat(200)), JSON, object.clone()),
            step("PATCH", all.clone(), MERGE, json!({})),
            step("POST", one.clone(), JSON, object.clone()),
        ],
    );
    add(
        "status",
        vec![
            create(),
            get(format!("{one}/status")),
            step("PATCH", format!("{one}/status"), MERGE, json!({"metadata": {"labels": {"s": "1"}}})),
            get(one.clone()),
            get(format!("{one}/nothing")),
        ],
    );
    if matches!(kind.name, "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" | "Widget") {
        add(
            "scale",
            vec![
                apply("one", "", object.clone()),
                get(format!("{one}/scale")),
                step("PATCH", format!("{one}/scale"), MERGE, json!({"spec": {"replicas": 5}})),
                get(one.clone()),
                apply("one", "", object.clone()),
                step("PATCH", format!("{one}/scale"), MERGE, json!({"spec": {"replicas": -1}})),
                step(
                    "PUT",
                    format!("{one}/scale"),
                    JSON,
                    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "x", "namespace": "{ns}"}, "spec": {"replicas": 2}}),
                ),
                get(one.clone()),
            ],
        );
    }
    sequences
}
