//! Namespaces: what each begins with, and how one ends: everything in it first.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::collector::delete_in;
use super::status::{condition, create, write};
use crate::embedded::api::{Failure, remove_now};
use crate::embedded::store::Place;
use crate::embedded::world::State;

/// Does the next thing for a namespace.
pub(super) fn look(state: &mut State, namespace: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let name = namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if namespace["metadata"]["deletionTimestamp"].is_string() {
        return end(state, namespace, &name);
    }
    if state.store.find("serviceaccounts", &name, "default").is_none() {
        create(state, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}), false)?;
    }
    if state.store.find("configmaps", &name, "kube-root-ca.crt").is_none() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": name,
                "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."}},
            "data": {"ca.crt": ""},
        });
        create(state, object, false)?;
    }
    Ok(None)
}

fn end(state: &mut State, namespace: &Arc<Value>, name: &str) -> Result<Option<SignedDuration>, Failure> {
    let mut left = Vec::new();
    for resource in state.store.resources() {
        let all: Vec<Arc<Value>> = state.store.within(&resource, name).cloned().collect();
        for object in all {
            delete_in(state, &object, false)?;
        }
        left.extend(state.store.within(&resource, name).cloned());
    }
    if left.is_empty() {
        let place = Place { resource: "namespaces".into(), namespace: String::new(), name: name.to_owned() };
        let mut last = Value::clone(namespace);
        last["spec"] = json!({});
        if namespace["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
            remove_now(state, &place, Some(last))?;
        } else {
            crate::embedded::api::put(state, &place, last)?;
        }
        return Ok(None);
    }
    let mut next = Value::clone(namespace);
    let now = state.now;
    let status = &mut next["status"];
    condition(
        status,
        "NamespaceDeletionDiscoveryFailure",
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
        now,
        false,
    );
    condition(
        status,
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
        now,
        false,
    );
    condition(
        status,
        "NamespaceDeletionContentFailure",
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
        now,
        false,
    );
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    let mut finalizers = std::collections::BTreeMap::<String, usize>::new();
    for object in &left {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let resource = state.catalog.of_kind(api_version, object["kind"].as_str().unwrap_or_default());
        *kinds.entry(resource.map_or_else(String::new, |resource| resource.qualified())).or_default() += 1;
        for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            *finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }
    let shown: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{}. has {count} resource instances", kind.trim_end_matches('.'))).collect();
    condition(
        status,
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        &format!("Some resources are remaining: {}", shown.join(", ")),
        now,
        false,
    );
    let shown: Vec<String> = finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let message = format!("Some content in the namespace has finalizers remaining: {}", shown.join(", "));
    condition(status, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &message, now, false);
    write(state, namespace, next, super::status::MANAGER)?;
    Ok(None)
}

/// A definition that is deleted takes its objects with it.
pub(super) fn definition_ends(state: &mut State, place: &Place, definition: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let spec = &definition["spec"];
    let storage = format!("{}.{}", spec["names"]["plural"].as_str().unwrap_or_default(), spec["group"].as_str().unwrap_or_default());
    let all: Vec<Arc<Value>> = state.store.all(&storage).cloned().collect();
    for object in &all {
        delete_in(state, object, false)?;
    }
    if state.store.all(&storage).next().is_some() {
        return Ok(Some(SignedDuration::from_secs(1)));
    }
    let live = state.store.get(place).cloned().unwrap_or_else(|| Arc::clone(definition));
    let mut next = Value::clone(&live);
    if let Some(all) = next["metadata"]["finalizers"].as_array_mut() {
        all.retain(|one| one != "customresourcecleanup.apiextensions.k8s.io");
    }
    super::status::over(state, &live, next, crate::embedded::api::Part::Main, "kube-apiserver")?;
    Ok(None)
}
