//! Admission: what a cluster adds to objects and refuses beyond what a kind's own rules say. The decisions are functions of
//! [`crate::admission`]; here they get what they decide on.

mod addresses;
mod asked;
mod asks;
mod certificates;
mod matching;
mod mutations;
mod pods;
mod policies;
mod quotas;
mod webhooks;

use std::sync::Arc;

use serde_json::{Value, json};

use super::api::Failure;
use super::catalog::Resource;
use super::store::Place;
use super::world::State;

pub use addresses::allocate;
pub use asked::Asked;
pub use certificates::check_request;
pub use mutations::refused as mutation_errors;
pub use policies::{Policies, refused as policy_errors};
pub use quotas::{charge, gone, quota_status};
pub use webhooks::unreachable;

/// Namespaces that stay.
const ETERNAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether something can be made there: the namespace must be, and stay.
pub fn lifecycle(state: &State, resource: &Resource, namespace: &str, name: &str) -> Result<(), Failure> {
    if !resource.namespaced {
        return Ok(());
    }
    let Some(found) = state.store.find("namespaces", "", namespace) else {
        let namespaces = state.catalog.find("", "v1", "namespaces").cloned();
        return Err(namespaces.map_or_else(Failure::no_such_path, |namespaces| Failure::not_found(&namespaces, namespace)));
    };
    if found["status"]["phase"] == "Terminating" {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut failure = Failure::forbidden(resource, name, &why);
        let cause = json!({"reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"});
        if let Some(details) = &mut failure.details {
            details["causes"] = json!([cause]);
        }
        return Err(failure);
    }
    Ok(())
}

/// Whether something may be deleted at all.
pub fn may_delete(resource: &Resource, place: &Place) -> Result<(), Failure> {
    if resource.is("", "Namespace") && ETERNAL.contains(&place.name.as_str()) {
        return Err(Failure::forbidden(resource, &place.name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// Fills in what the cluster gives an object.
///
/// # Errors
/// What it says to want isn't there.
pub fn fill_in(state: &mut State, resource: &Resource, object: &mut Value, old: Option<&Arc<Value>>) -> Result<(), Failure> {
    if resource.custom.is_some() {
        return Ok(());
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        ("", "Pod") if old.is_none() => {
            let suffix = state.random.suffix();
            pods::fill_in(state, resource, object, &suffix)?;
        }
        ("", "Pod") => pods::tolerate(&mut object["spec"]),
        ("", "PersistentVolume") if old.is_none() => protect(object, "kubernetes.io/pv-protection"),
        ("", "PersistentVolumeClaim") if old.is_none() => {
            protect(object, "kubernetes.io/pvc-protection");
            if !object["spec"]["storageClassName"].is_null() {
                return Ok(());
            }
            let default = |class: &&Arc<Value>| class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
            if let Some(class) = state.store.all("storageclasses.storage.k8s.io").find(default) {
                object["spec"]["storageClassName"] = class["metadata"]["name"].clone();
            }
        }
        _ => {}
    }
    Ok(())
}

/// Volumes and claims stay for as long as something uses them.
fn protect(object: &mut Value, finalizer: &str) {
    let mut all = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !all.iter().any(|one| one == finalizer) {
        all.push(finalizer.into());
    }
    object["metadata"]["finalizers"] = all.into();
}

/// What refuses an object, or warns of it.
///
/// # Errors
/// A LimitRange or the namespace's Pod Security refuses it.
pub fn check(state: &State, resource: &Resource, object: &Value, old: Option<&Arc<Value>>) -> Result<Vec<String>, Failure> {
    if resource.custom.is_some() {
        return Ok(Vec::new());
    }
    pods::check(state, resource, object, old)
}

/// Whether there is anybody to ask.
pub fn is_asked(state: &State) -> bool {
    policies::are_bound(state)
        || mutations::are_bound(state)
        || [webhooks::MUTATING, webhooks::VALIDATING].iter().any(|kind| state.store.all(kind).next().is_some())
}

/// Asks those that may change an object; what they make of it, if anything.
///
/// # Errors
/// One can't be asked.
pub fn mutate(state: &State, asked: &Asked<'_>) -> Result<Option<Value>, Failure> {
    let changed = mutations::change(state, asked)?;
    let asked = Asked { object: changed.as_ref().or(asked.object), ..*asked };
    webhooks::call(state, &asked, webhooks::MUTATING)?;
    Ok(changed)
}

/// Asks policies and webhooks. What they warn of is told.
///
/// # Errors
/// One denies the write, or can't be asked.
pub fn validate(state: &mut State, asked: &Asked<'_>, told: &mut Vec<String>) -> Result<(), Failure> {
    policies::check(state, asked, told)?;
    webhooks::call(state, asked, webhooks::VALIDATING)
}
