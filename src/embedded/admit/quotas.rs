//! Quotas: charged when an object is made, given back when it is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admission::pod_of;
use crate::admission::quota::{Counted, Quota};
use crate::embedded::api::{Failure, put};
use crate::embedded::catalog::Resource;
use crate::embedded::store::Place;
use crate::embedded::world::State;
use crate::resource::Object;

/// The object as quotas count it.
fn counted(object: &Value) -> Option<Object> {
    let object = Object::try_from(object.clone()).ok()?;
    if object.kind() == "Pod" { pod_of(&object) } else { Some(object) }
}

/// Takes what an object needs out of the quotas.
///
/// # Errors
/// One of them has no room.
pub fn charge(state: &mut State, resource: &Resource, object: &Value, old: Option<&Arc<Value>>, dry: bool) -> Result<(), Failure> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let quotas: Vec<Arc<Value>> = state.store.within("resourcequotas", namespace).cloned().collect();
    if quotas.is_empty() || resource.is("", "ResourceQuota") || resource.is("", "Event") {
        return Ok(());
    }
    let Some(new) = counted(object) else { return Ok(()) };
    let before = old.and_then(|old| counted(old));
    let plural = resource.plural.as_str();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut changed = Vec::new();
    for known in &quotas {
        let Ok(quota) = Object::try_from(Value::clone(known)) else { continue };
        let quota = Quota::of(&quota).settled();
        let old = before.as_ref().map(|old| Counted { object: old, plural });
        let added = quota.charge(Counted { object: &new, plural }, old).map_err(|why| Failure::forbidden(resource, name, &why))?;
        if added.is_empty() || dry {
            continue;
        }
        let used = quota.used.plus(&added);
        let mut next = Value::clone(known);
        if !next["status"]["hard"].is_object() {
            next["status"]["hard"] = next["spec"]["hard"].clone();
        }
        next["status"]["used"] =
            used.iter().map(|(name, amount)| (name.to_owned(), Value::from(amount.to_string()))).collect::<serde_json::Map<_, _>>().into();
        changed.push(next);
    }
    for next in changed {
        let place = Place {
            resource: "resourcequotas".into(),
            namespace: namespace.to_owned(),
            name: next["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        };
        put(state, &place, next)?;
    }
    Ok(())
}

/// What an object used is given back when it is gone: its namespace's quotas are counted anew.
pub fn gone(state: &mut State, place: &Place, _object: &Arc<Value>) {
    if place.namespace.is_empty() {
        return;
    }
    let names: Vec<String> = state
        .store
        .within("resourcequotas", &place.namespace)
        .filter_map(|one| Some(one["metadata"]["name"].as_str()?.to_owned()))
        .collect();
    let now = state.now;
    for name in names {
        state.work.add(crate::embedded::control::Eye::Quota, &place.namespace, &name, now);
    }
}

/// What a quota's status is to be: what it says, and what is used of it.
pub fn quota_status(state: &State, quota: &Value) -> Value {
    let mut wanted = quota.clone();
    if let Some(wanted) = wanted.as_object_mut() {
        wanted.remove("status");
    }
    let Ok(object) = Object::try_from(wanted) else { return json!({}) };
    let counter = Quota::of(&object);
    let namespace = quota["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut all: Vec<(Object, String)> = Vec::new();
    for resource in state.store.resources() {
        let plural = resource.split('.').next().unwrap_or_default().to_owned();
        if matches!(plural.as_str(), "events" | "endpointslices") {
            continue;
        }
        all.extend(state.store.within(&resource, namespace).filter_map(|one| Some((counted(one)?, plural.clone()))));
    }
    let used = counter.count(all.iter().map(|(object, plural)| Counted { object, plural }), Some(state.now));
    let used: serde_json::Map<String, Value> =
        used.iter().map(|(name, amount)| (name.to_owned(), Value::from(amount.to_string()))).collect();
    json!({"hard": quota["spec"]["hard"], "used": used})
}
