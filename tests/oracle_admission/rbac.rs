//! Rights: what the server says that somebody may do, and what roles and bindings give.

use std::time::Duration;

use serde_json::{Value, json};
use spai::admission::rbac::{Action, Rules, Subject};
use spai::cluster::{Cluster, ConnectOptions};
use spai::resource::Object;
use spai::stack::model::ClusterRef;

use crate::ground::{Ground, object};
use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_what_the_server_says() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "rbac").await;
    let here = ground.namespace("a", json!({})).await;
    let there = ground.namespace("b", json!({})).await;
    let user = support::unique("someone");
    let group = "rbac.authorization.k8s.io";
    let named = |kind: &str, namespace: Option<&str>, name: &str, content: Value| {
        let mut value = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": format!("{user}-{name}")}});
        if let Some(namespace) = namespace {
            value["metadata"]["namespace"] = namespace.into();
        }
        value.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        object(value)
    };
    let rules = |rules: Value| json!({"rules": rules});
    let bind = |kind: &str, name: &str| json!({"roleRef": {"apiGroup": group, "kind": kind, "name": format!("{user}-{name}")}, "subjects": [{"apiGroup": group, "kind": "User", "name": user}]});
    let objects: Vec<Object> = vec![
        named(
            "ClusterRole",
            None,
            "wide",
            rules(json!([
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]},
            {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["update"]}])),
        ),
        named(
            "ClusterRole",
            None,
            "lent",
            rules(json!([{"apiGroups": ["*"], "resources": ["configmaps", "deployments"], "verbs": ["patch", "create"]}])),
        ),
        named(
            "Role",
            Some(here.name()),
            "own",
            rules(json!([
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get", "patch", "create"]},
            {"apiGroups": ["batch"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}])),
        ),
        named("Role", Some(there.name()), "own", rules(json!([{"apiGroups": [""], "resources": ["services"], "verbs": ["delete"]}]))),
        named("ClusterRoleBinding", None, "wide", bind("ClusterRole", "wide")),
        named("RoleBinding", Some(here.name()), "lent", bind("ClusterRole", "lent")),
        named("RoleBinding", Some(here.name()), "own", bind("Role", "own")),
        named("RoleBinding", Some(there.name()), "own", bind("Role", "own")),
    ];
    for object in &objects {
        ground.make(object).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let reference = ClusterRef { context: Some("spai-test".to_owned()), ..ClusterRef::default() };
    let kubeconfig = Some(plane.kubeconfig_as(&user, folder.path()));
    let options = ConnectOptions { kubeconfig, context: None, reference, server_timeout: Duration::from_secs(30) };
    let theirs = Cluster::connect(&options).await.unwrap();
    let subject = Subject { user: user.clone(), groups: ["system:authenticated".to_owned()].into() };
    let mut actions = Vec::new();
    for verb in ["get", "list", "create", "patch", "update", "delete"] {
        for (group, resource, name) in [
            ("", "namespaces", None),
            ("", "secrets", None),
            ("", "secrets", Some("one")),
            ("", "secrets", Some("two")),
            ("", "configmaps", Some("c")),
            ("apps", "deployments", Some("c")),
            ("apps", "deployments/scale", Some("c")),
            ("apps", "statefulsets", None),
            ("batch", "jobs", None),
            ("batch", "jobs/status", Some("j")),
            ("", "pods", None),
            ("", "pods/log", Some("p")),
            ("", "services", Some("s")),
        ] {
            actions.push(Action::new(verb, group, resource, name));
        }
    }
    let (mut compared, mut allowed) = (0, 0);
    for namespace in [Some(here.name()), Some(there.name()), None] {
        let ours = Rules::of_objects(&objects, &subject, namespace);
        let review = match namespace {
            Some(namespace) => Some(theirs.rights_in(namespace).await.unwrap()),
            None => None,
        };
        for action in &actions {
            let allows = theirs.may(action, namespace).await.unwrap();
            assert_eq!(ours.allow(action), allows, "{user} in {namespace:?}: {action:?}");
            if let Some(review) = &review {
                assert_eq!(review.allow(action), allows, "by the review of rules: {user} in {namespace:?}: {action:?}");
            }
            compared += 1;
            allowed += u32::from(allows);
        }
    }
    for object in objects.iter().filter(|object| object.namespace().is_none()) {
        plane.kubectl_out(&["delete", &object.kind().to_lowercase(), object.name()]);
    }
    eprintln!("{compared} compared: {allowed} allowed");
    assert!(allowed > 30);
}
