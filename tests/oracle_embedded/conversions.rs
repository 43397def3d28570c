//! Definitions whose versions a webhook turns into one another, which nothing answers.

use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, JSON_PATCH, MERGE, step};
use super::{Sequence, Step};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn definition(run: &str, plural: &str, kind: &str, conversion: Value) -> Value {
    let group = format!("{run}.example.com");
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "a": {"type": "integer"}, "b": {"type": "string"}, "replicas": {"type": "integer"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": schema,
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "conversion": conversion,
            "versions": [version("v1", true), version("v2", false)]}})
}

/// Before everything: a definition whose webhook is away.
pub fn prepare(run: &str) -> Vec<Step> {
    let client = json!({"service": {"namespace": "default", "name": "is-away", "path": "/convert"}});
    let conversion = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client}});
    vec![step("POST", DEFINITIONS, JSON, definition(run, "turneds", "Turned", conversion))]
}

/// After everything.
pub fn clean(run: &str) -> Vec<Step> {
    vec![step("DELETE", format!("{DEFINITIONS}/turneds.{run}.example.com"), "", Value::Null)]
}

/// What a definition says of conversion, and is refused for or not.
fn said() -> Vec<Value> {
    let hook = |client: Value, versions: Value| json!({"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": versions}});
    let service = |more: Value| {
        let mut service = json!({"namespace": "a", "name": "b"});
        for (key, value) in more.as_object().unwrap() {
            service[key] = value.clone();
        }
        hook(json!({"service": service}), json!(["v1"]))
    };
    let url = |url: &str| hook(json!({"url": url}), json!(["v1", "v1beta1"]));
    let versions = |versions: Value| hook(json!({"url": "https://a.b/c"}), versions);
    vec![
        json!({"strategy": "None"}),
        json!({"strategy": "Webhook"}),
        json!({"strategy": "Other"}),
        json!({"strategy": "Webhook", "webhook": {}}),
        json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}),
        json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://a.b"}}}),
        hook(json!({}), json!(["v1"])),
        hook(json!({"url": "https://a.b", "service": {"namespace": "a", "name": "b"}}), json!(["v1"])),
        url("https://a.b"),
        url("https://a.b:80/c/d"),
        url("http://a.b"),
        url("a.b"),
        url("https://u:p@a.b/c?d=e#f"),
        url("https://"),
        service(json!({})),
        service(json!({"port": 1})),
        service(json!({"port": 0})),
        service(json!({"port": 65536})),
        service(json!({"name": ""})),
        service(json!({"namespace": ""})),
        service(json!({"path": "/a/b"})),
        service(json!({"path": "a/b"})),
        service(json!({"path": "/a//b"})),
        service(json!({"path": "/a/"})),
        service(json!({"path": "/"})),
        service(json!({"path": "/A"})),
        versions(json!([])),
        versions(json!(["v2"])),
        versions(json!(["v2", "v1"])),
        versions(json!(["v1", "v1"])),
        versions(json!(["v1", "1_x"])),
    ]
}

pub fn all(run: &str) -> Vec<Sequence> {
    let mut found = Vec::new();
    for conversion in said() {
        let body = definition(run, "others", "Other", conversion.clone());
        let steps = vec![step("POST", format!("{DEFINITIONS}?dryRun=All"), JSON, body)];
        found.push(Sequence { name: format!("conversion said {conversion}"), steps });
    }
    let all = |version: &str| format!("/apis/{run}.example.com/{version}/namespaces/{{ns}}/turneds");
    let one = |version: &str| format!("{}/x", all(version));
    let object = |version: &str, spec: Value| json!({"apiVersion": format!("{run}.example.com/{version}"), "kind": "Turned", "metadata": {"name": "x"}, "spec": spec});
    let create = |version: &str| step("POST", all(version), JSON, object(version, json!({"a": 1})));
    let get = |path: String| step("GET", path, "", Value::Null);
    let gone = |path: String| step("DELETE", path, "", Value::Null);
    let apply =
        |version: &str, spec: Value| step("PATCH", format!("{}?fieldManager=m&force=true", one(version)), APPLY, object(version, spec));
    let mut add = |name: &str, steps: Vec<Step>| found.push(Sequence { name: format!("conversion {name}"), steps });
    add(
        "nothing there",
        vec![get(all("v2")), get(one("v2")), gone(one("v2")), gone(all("v2")), step("PATCH", one("v2"), MERGE, json!({}))],
    );
    add(
        "created",
        vec![create("v2"), step("POST", format!("{}?dryRun=All", all("v2")), JSON, object("v2", json!({"a": 1}))), get(one("v1"))],
    );
    add(
        "created badly",
        vec![step("POST", all("v2"), JSON, object("v2", json!({"a": "x"}))), step("POST", all("v2"), JSON, object("v1", json!({})))],
    );
    add(
        "applied",
        vec![apply("v2", json!({"a": 1})), apply("v1", json!({"a": 1})), apply("v2", json!({"a": 2})), apply("v1", json!({"a": 3}))],
    );
    add(
        "read",
        vec![
            create("v1"),
            get(one("v1")),
            get(one("v2")),
            get(all("v1")),
            get(all("v2")),
            get(format!("{}?limit=1", all("v2"))),
            get(format!("{}?labelSelector=a%3Db", all("v2"))),
        ],
    );
    add(
        "changed",
        vec![
            create("v1"),
            step("PATCH", one("v2"), MERGE, json!({"spec": {"a": 2}})),
            step("PATCH", one("v2"), JSON_PATCH, json!([{"op": "replace", "path": "/spec/a", "value": 2}])),
            step("PUT", one("v2"), JSON, object("v2", json!({"a": 2}))),
            step("PATCH", one("v1"), MERGE, json!({"spec": {"a": 2}})),
            step("PUT", one("v1"), JSON, {
                let mut object = object("v1", json!({"a": 3}));
                object["metadata"]["resourceVersion"] = "{rv}".into();
                object
            }),
        ],
    );
    add(
        "parts",
        vec![
            create("v1"),
            get(format!("{}/status", one("v2"))),
            get(format!("{}/scale", one("v2"))),
            step("PATCH", format!("{}/status", one("v2")), MERGE, json!({"status": {"a": 2}})),
            step("PATCH", format!("{}/scale", one("v2")), MERGE, json!({"spec": {"replicas": 2}})),
            step("PATCH", format!("{}/status", one("v1")), MERGE, json!({"status": {"a": 2}})),
            step("PATCH", format!("{}/scale", one("v1")), MERGE, json!({"spec": {"replicas": 2}})),
        ],
    );
    add("deleted", vec![create("v1"), gone(one("v2")), gone(all("v2")), gone(one("v1")), get(one("v2"))]);
    found
}
