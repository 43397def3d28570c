//! Tokens of service accounts, and questions about who somebody is and what they may do.

use serde_json::{Value, json};

use super::sequences::{JSON, step};
use super::{Sequence, Step};

const ACCOUNTS: &str = "/api/v1/namespaces/{ns}/serviceaccounts";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const RIGHTS: &str = "/apis/authorization.k8s.io/v1";

fn token(body: Value) -> Step {
    step("POST", format!("{ACCOUNTS}/default/token"), JSON, body)
}

fn spec(spec: Value) -> Step {
    token(json!({"spec": spec}))
}

fn review(spec: Value) -> Step {
    step("POST", REVIEWS, JSON, json!({"spec": spec}))
}

fn bound(kind: &str, name: &str) -> Value {
    json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}})
}

/// A request for a token, alone.
fn requests() -> Vec<Step> {
    let to = |path: &str, body: Value| step("POST", path, JSON, body);
    vec![
        token(json!({})),
        token(
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {"labels": {"a": "b"}, "generateName": "g"}}),
        ),
        token(json!({"apiVersion": "v1", "kind": "TokenRequest"})),
        token(json!({"apiVersion": "v1", "kind": "Pod"})),
        token(json!([])),
        spec(json!({"expirationSeconds": 700, "audiences": ["x", "y"]})),
        spec(json!({"expirationSeconds": 600})),
        spec(json!({"expirationSeconds": 599})),
        spec(json!({"expirationSeconds": 0})),
        spec(json!({"expirationSeconds": -1})),
        spec(json!({"expirationSeconds": 4_294_967_296_i64})),
        spec(json!({"expirationSeconds": 4_294_967_297_i64})),
        spec(json!({"expirationSeconds": "700"})),
        spec(json!({"audiences": []})),
        spec(json!({"audiences": "x"})),
        spec(json!({"unknown": 1})),
        step("POST", format!("{ACCOUNTS}/default/token?fieldValidation=Strict"), JSON, json!({"spec": {"unknown": 1}})),
        step("POST", format!("{ACCOUNTS}/default/token?fieldValidation=Other"), JSON, json!({})),
        step("POST", format!("{ACCOUNTS}/default/token?dryRun=Other"), JSON, json!({})),
        step("POST", format!("{ACCOUNTS}/default/token?dryRun=All"), JSON, json!({})),
        step("POST", format!("{ACCOUNTS}/default/token?fieldManager=m"), JSON, json!({})),
        token(json!({"metadata": {"name": "other"}})),
        token(json!({"metadata": {"name": "default", "namespace": "{ns}"}})),
        token(json!({"metadata": {"namespace": "other"}})),
        token(json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}})),
        spec(bound("Pod", "none")),
        spec(bound("Secret", "none")),
        spec(bound("Node", "none")),
        spec(bound("ConfigMap", "none")),
        spec(json!({"boundObjectRef": {}})),
        spec(json!({"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Pod", "name": "x"}})),
        spec(json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none", "unknown": 1}})),
        to(&format!("{ACCOUNTS}/none/token"), json!({})),
        to(&format!("{ACCOUNTS}/none/token"), json!({"spec": {"expirationSeconds": 1}})),
        to("/api/v1/namespaces/is-no-namespace/serviceaccounts/default/token", json!({})),
        step("GET", format!("{ACCOUNTS}/default/token"), "", Value::Null),
        step("PUT", format!("{ACCOUNTS}/default/token"), JSON, json!({})),
        step("DELETE", format!("{ACCOUNTS}/default/token"), "", Value::Null),
        step("GET", format!("{ACCOUNTS}/none/token"), "", Value::Null),
    ]
}

fn pod(name: &str, account: &str) -> Step {
    let body = json!({"metadata": {"name": name}, "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "x"}]}});
    step("POST", "/api/v1/namespaces/{ns}/pods", JSON, body)
}

/// Tokens, and what a server says of them.
fn lives() -> Vec<(&'static str, Vec<Step>)> {
    let known = || review(json!({"token": "{token}"}));
    let secret = || step("POST", "/api/v1/namespaces/{ns}/secrets", JSON, json!({"metadata": {"name": "s"}}));
    let gone = |plural: &str, name: &str| step("DELETE", format!("/api/v1/namespaces/{{ns}}/{plural}/{name}"), "", Value::Null);
    vec![
        ("is known", vec![token(json!({})), known()]),
        (
            "of other audiences",
            vec![spec(json!({"audiences": ["x", "y"]})), known(), review(json!({"token": "{token}", "audiences": ["y", "z"]}))],
        ),
        ("for nobody of these", vec![token(json!({})), review(json!({"token": "{token}", "audiences": ["y", "z"]}))]),
        (
            "broken",
            vec![
                token(json!({})),
                review(json!({"token": "{token}xx"})),
                review(json!({"token": "x{token}"})),
                review(json!({"token": "a.b.c"})),
                review(json!({"token": "abc"})),
            ],
        ),
        ("with a secret", vec![secret(), spec(bound("Secret", "s")), known()]),
        ("whose secret went", vec![secret(), spec(bound("Secret", "s")), gone("secrets", "s"), known()]),
        ("whose secret is another", vec![secret(), spec(bound("Secret", "s")), gone("secrets", "s"), secret(), known()]),
        (
            "with another's secret",
            vec![
                secret(),
                spec(
                    json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "00000000-0000-4000-8000-000000000000"}}),
                ),
            ],
        ),
        (
            "with a secret by its uid",
            vec![secret(), spec(json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "{uid}"}})), known()],
        ),
        ("with a pod", vec![pod("p", "default"), spec(bound("Pod", "p")), known()]),
        (
            "of a pod for an hour",
            vec![
                pod("p", "default"),
                spec(json!({"expirationSeconds": 3607, "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}})),
                known(),
            ],
        ),
        (
            "with another's pod",
            vec![step("POST", ACCOUNTS, JSON, json!({"metadata": {"name": "other"}})), pod("p", "other"), spec(bound("Pod", "p"))],
        ),
        ("whose account went", vec![token(json!({})), gone("serviceaccounts", "default"), known()]),
        (
            "whose account is another",
            vec![
                token(json!({})),
                gone("serviceaccounts", "default"),
                step("POST", ACCOUNTS, JSON, json!({"metadata": {"name": "default"}})),
                known(),
            ],
        ),
        (
            "none",
            vec![
                review(json!({})),
                review(json!({"token": ""})),
                step("POST", REVIEWS, JSON, json!({})),
                step("GET", REVIEWS, "", Value::Null),
            ],
        ),
        (
            "asked badly",
            vec![
                review(json!({"token": 1})),
                review(json!({"token": "abc", "unknown": 1})),
                step("POST", REVIEWS, JSON, json!({"kind": "Pod", "apiVersion": "v1"})),
            ],
        ),
    ]
}

/// What somebody may do.
fn rights() -> Vec<Step> {
    let ask = |plural: &str, body: Value| step("POST", format!("{RIGHTS}/{plural}"), JSON, body);
    let (resource, path) = (json!({"verb": "get", "resource": "pods", "namespace": "{ns}"}), json!({"verb": "get", "path": "/version"}));
    let local = "namespaces/{ns}/localsubjectaccessreviews";
    vec![
        ask("selfsubjectaccessreviews", json!({"spec": {"resourceAttributes": resource}})),
        ask("selfsubjectaccessreviews", json!({"spec": {"nonResourceAttributes": path}})),
        ask("selfsubjectaccessreviews", json!({})),
        ask("selfsubjectaccessreviews", json!({"spec": {"resourceAttributes": resource, "nonResourceAttributes": path}})),
        ask("selfsubjectaccessreviews", json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": resource}})),
        ask("selfsubjectaccessreviews", json!({"spec": {"resourceAttributes": resource, "unknown": 1}})),
        ask("subjectaccessreviews", json!({"spec": {"user": "joe", "groups": ["g"], "resourceAttributes": resource}})),
        ask("subjectaccessreviews", json!({"spec": {"user": "joe", "nonResourceAttributes": path}})),
        ask("subjectaccessreviews", json!({"spec": {"groups": ["system:masters"], "resourceAttributes": resource}})),
        ask("subjectaccessreviews", json!({"spec": {"resourceAttributes": resource}})),
        ask("subjectaccessreviews", json!({"spec": {}})),
        ask(local, json!({"spec": {"user": "joe", "resourceAttributes": resource}})),
        ask(local, json!({"spec": {"user": "joe", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "other"}}})),
        ask(local, json!({"spec": {"user": "joe", "resourceAttributes": {"verb": "get", "resource": "pods"}}})),
        ask(local, json!({"spec": {"user": "joe", "nonResourceAttributes": path}})),
        ask(local, json!({"metadata": {"namespace": "other"}, "spec": {"user": "joe", "resourceAttributes": resource}})),
        ask("selfsubjectrulesreviews", json!({})),
        step("GET", format!("{RIGHTS}/selfsubjectrulesreviews"), "", Value::Null),
        step("PATCH", format!("{RIGHTS}/selfsubjectaccessreviews/x"), super::sequences::MERGE, json!({})),
    ]
}

pub fn all() -> Vec<Sequence> {
    let mut found = Vec::new();
    for (number, asked) in requests().into_iter().enumerate() {
        found.push(Sequence { name: format!("token request {number} {}", asked.body), steps: vec![asked] });
    }
    for (name, steps) in lives() {
        found.push(Sequence { name: format!("token {name}"), steps });
    }
    for (number, asked) in rights().into_iter().enumerate() {
        found.push(Sequence { name: format!("rights {number} {}", asked.body), steps: vec![asked] });
    }
    found
}
