//! What the compiler makes, held against a real API server: strict validation has nothing to say, and what is stored is
//! what was sent, value by value.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use spai::admission::{Readiness, readiness};
use spai::cluster::{ApplyRequest, Cluster};
use spai::compile::compile;
use spai::graph::ResourceGraph;
use spai::resource::{Desired, Digest, FieldManager, Object, ObjectKey};
use spai::stack::{ResolveOptions, Sources, Stack};

/// A stack that says everything, in namespaces of its own.
fn compiled(root: &str) -> (Vec<Desired>, ResourceGraph) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compiled/stack");
    let (stack, diagnostics) = Stack::load(Sources::read(&folder).unwrap());
    let stack = stack.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let options = ResolveOptions { environment: "dev".to_owned(), root_namespace: Some(root.to_owned()), ..ResolveOptions::default() };
    let (resolved, diagnostics) = stack.resolve(&options);
    let mut resolved = resolved.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    for manifest in &mut resolved.manifests {
        rename(&mut manifest.object, &format!("{root}-manifests"));
    }
    let (objects, diagnostics) = compile(&resolved);
    assert_eq!(diagnostics.0.iter().map(|diagnostic| diagnostic.message.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    let graph = ResourceGraph::build(&objects).unwrap();
    (objects, graph)
}

/// Manifests say their namespace; here it is the test's own.
fn rename(object: &mut Object, namespace: &str) {
    if object.kind() == "Namespace" {
        object.value_mut()["metadata"]["name"] = namespace.into();
    } else if object.namespace().is_some() {
        object.value_mut()["metadata"]["namespace"] = namespace.into();
    }
}

async fn apply(cluster: &Cluster, object: &Object, manager: &FieldManager) -> Object {
    let request = ApplyRequest { manager, force: false, dry_run: false, guard: None, strict: true };
    let applied = cluster.apply(object, &request).await.unwrap_or_else(|error| panic!("{}: {error}", object.key()));
    assert_eq!(applied.warnings, Vec::<String>::new(), "{}", object.key());
    applied.object
}

async fn until_ready(cluster: &Cluster, key: &ObjectKey) {
    let start = Instant::now();
    while cluster.get(key).await.unwrap().is_none_or(|live| readiness(&live) != Readiness::Ready) {
        assert!(start.elapsed() < Duration::from_mins(1), "{key} is not ready within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the manager owns of an object.
fn owned(live: &Object, manager: &FieldManager) -> Digest {
    let ours = |entry: &&Value| entry["manager"] == manager.as_str() && entry["operation"] == "Apply";
    Digest::of(&live.managed_fields().iter().find(ours).unwrap()["fieldsV1"])
}

/// Places where `live` doesn't hold what was sent.
fn differences(path: &str, sent: &Value, live: &Value, found: &mut Vec<String>) {
    match (sent, live) {
        (Value::Object(sent), Value::Object(live)) => {
            for (name, value) in sent {
                differences(&format!("{path}.{name}"), value, live.get(name).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(sent), Value::Array(live)) if sent.len() == live.len() => {
            for (index, (sent, live)) in sent.iter().zip(live).enumerate() {
                differences(&format!("{path}[{index}]"), sent, live, found);
            }
        }
        _ if sent == live => {}
        _ => found.push(format!("{path}: {sent} is stored as {live}")),
    }
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent() {
    let Some(plane) = support::control_plane() else { return };
    let root = support::unique("compiled");
    let _clean_up = plane.namespaces_of(&root);
    let (objects, graph) = compiled(&root);
    let of = |key: &ObjectKey| objects.iter().find(|desired| desired.key() == *key).unwrap();
    let cluster = plane.cluster().await;
    let manager = FieldManager(format!("spai:{root}:dev"));
    let mut stored: Vec<(ObjectKey, Digest)> = Vec::new();
    let mut found = Vec::new();
    // No Gateway API on this server: its routes are held against nothing here.
    for key in graph.waves().into_iter().flatten().filter(|key| key.group != "gateway.networking.k8s.io") {
        let desired = of(key);
        let live = apply(&cluster, &desired.object, &manager).await;
        differences(&key.to_string(), desired.object.value(), live.value(), &mut found);
        if key.kind == "CustomResourceDefinition" || key.kind == "ResourceQuota" {
            until_ready(&cluster, key).await;
        }
        stored.push((key.clone(), owned(&live, &manager)));
    }
    assert_eq!(found, Vec::<String>::new());
    // The same again changes nothing, and owns the same.
    for (key, before) in &stored {
        let again = apply(&cluster, &of(key).object, &manager).await;
        assert_eq!(&owned(&again, &manager), before, "{key}");
    }
}
