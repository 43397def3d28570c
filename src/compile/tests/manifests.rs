//! Objects that are taken as they are.

use serde_json::json;

use super::*;

fn manifest(text: &str) -> Vec<Desired> {
    objects(&[("manifests/m.yaml", text)])
}

#[test]
fn a_manifest_gains_labels_and_canonical_values_and_keeps_the_rest() {
    let objects = manifest(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: q\n  namespace: elsewhere\n  labels: {team: a}\n  creationTimestamp: null\n  uid: x\n  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}\nspec: {hard: {limits.cpu: 4000m, pods: 10}}\nstatus: {}\n",
    );
    let quota = find(&objects, "ResourceQuota elsewhere/q");
    assert_eq!(
        quota.object.value(),
        &json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "q", "namespace": "elsewhere", "labels": {"team": "a", "spai.dev/stack": "shop", "spai.dev/environment": "dev"}},
            "spec": {"hard": {"limits.cpu": "4", "pods": "10"}},
        })
    );
    assert_eq!(quota.declared.object.as_ref().unwrap().file.as_ref(), "manifests/m.yaml");
}

#[test]
fn a_namespaced_kind_says_its_namespace() {
    let wrong = wrong(&[("manifests/m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n")]);
    assert_eq!((wrong.code.as_str(), places(&wrong)), ("compile::no_namespace", vec!["manifests/m.yaml:1".to_owned()]));
    // Of a kind that nobody here defines, only the server knows.
    find(&manifest("apiVersion: example.dev/v1\nkind: Thing\nmetadata: {name: t}\n"), "Thing t");
}

#[test]
fn an_object_that_the_stack_generates_too_names_both_places() {
    let service = format!("{WEB}[config]\nA = 'x'");
    let wrong = wrong(&[
        ("manifests/m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop-acme}\n"),
        ("services/web.toml", &service),
    ]);
    assert_eq!(wrong.message, "ConfigMap shop-acme/web is made twice");
    assert_eq!(places(&wrong), ["manifests/m.yaml:1", "services/web.toml:1"]);
}

#[test]
fn manifests_in_a_tenants_namespace_count_in_its_quota() {
    let pod = "{containers: [{name: c, image: x, resources: {limits: {cpu: '3', memory: 1Gi}}}]}";
    let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop-acme}}\nspec: {pod}\n");
    let objects = manifest(&text);
    assert_eq!(at(find(&objects, "ResourceQuota shop-acme/quota"), "spec.hard[\"limits.cpu\"]"), "3");
    assert_eq!(at(find(&objects, "LimitRange shop-acme/limits"), "spec.limits")[0]["max"]["cpu"], "3");
}

#[test]
fn more_than_a_mebibyte_in_a_config_map_is_told() {
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m, namespace: elsewhere}}\ndata: {{a: '{}'}}\n", "x".repeat(1_100_000));
    assert_eq!(wrong(&[("manifests/m.yaml", &text)]).code, "compile::too_large");
}
