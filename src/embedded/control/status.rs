//! How controllers write: status, objects that they own, events.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::embedded::api::{Failure, Part, Write};
use crate::embedded::clock::seconds;
use crate::embedded::world::State;

/// The controllers' name as a manager of fields.
pub(super) const MANAGER: &str = "kube-controller-manager";

/// Writes an object's status, if it is another.
pub(super) fn write(state: &mut State, old: &Arc<Value>, new: Value, manager: &str) -> Result<Arc<Value>, Failure> {
    over(state, old, new, Part::Status, manager)
}

/// Writes an object, if it is another.
pub(super) fn over(state: &mut State, old: &Arc<Value>, new: Value, part: Part, manager: &str) -> Result<Arc<Value>, Failure> {
    if **old == new {
        return Ok(Arc::clone(old));
    }
    let api_version = old["apiVersion"].as_str().unwrap_or_default();
    let resource =
        state.catalog.of_kind(api_version, old["kind"].as_str().unwrap_or_default()).cloned().ok_or_else(Failure::no_such_path)?;
    Write::internal(state, resource, part, manager).write_over(old, new)
}

/// Makes an object, past no admission.
pub(super) fn create(state: &mut State, object: Value, checked: bool) -> Result<Arc<Value>, Failure> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let resource =
        state.catalog.of_kind(api_version, object["kind"].as_str().unwrap_or_default()).cloned().ok_or_else(Failure::no_such_path)?;
    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    let mut write = Write::internal(state, resource, Part::Main, MANAGER);
    write.internal = !checked;
    write.create(namespace.as_deref(), object, &[])
}

/// That an object is another's.
pub(super) fn owned_by(owner: &Value) -> Value {
    json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true}])
}

/// Whether an object is controlled by another.
pub(super) fn is_owned_by(object: &Value, owner: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|one| one["controller"] == true && one["uid"] == owner["metadata"]["uid"]))
}

/// The objects of a resource that another one controls.
pub(super) fn all_owned(state: &State, resource: &str, owner: &Value) -> Vec<Arc<Value>> {
    let namespace = owner["metadata"]["namespace"].as_str().unwrap_or_default();
    state.store.within(resource, namespace).filter(|one| is_owned_by(one, owner)).cloned().collect()
}

/// Says that something happened; the same again counts up.
pub(super) fn event(state: &mut State, about: &Value, kind: &str, reason: &str, message: &str, component: &str) {
    let namespace = about["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let same = |event: &&Arc<Value>| {
        event["involvedObject"]["uid"] == about["metadata"]["uid"] && event["reason"] == reason && event["message"] == message
    };
    let now = seconds(state.now);
    let known = state.store.within("events", &namespace).find(same).cloned();
    let result = if let Some(known) = known {
        let mut next = Value::clone(&known);
        next["count"] = (known["count"].as_i64().unwrap_or(1) + 1).into();
        next["lastTimestamp"] = now.into();
        over(state, &known, next, Part::Main, component)
    } else {
        let name = about["metadata"]["name"].as_str().unwrap_or_default();
        let object = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{name}.{:016x}", state.random.number()), "namespace": namespace},
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], "name": name, "namespace": about["metadata"]["namespace"],
                "uid": about["metadata"]["uid"], "resourceVersion": about["metadata"]["resourceVersion"]},
            "type": kind, "reason": reason, "message": message, "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        create(state, object, false)
    };
    if let Err(failure) = result {
        // An event is a courtesy.
        tracing::debug!("an event of {namespace} can't be written: {}", failure.message);
    }
}

/// Sets a condition; its time moves when its status does. `updates`: it also has a time of its last update.
pub(super) fn condition(status: &mut Value, kind: &str, holds: &str, reason: &str, message: &str, now: Timestamp, updates: bool) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(all) = status["conditions"].as_array_mut() else { return };
    let known = all.iter().position(|one| one["type"] == kind);
    let mut next = json!({"type": kind, "status": holds, "reason": reason, "message": message, "lastTransitionTime": seconds(now)});
    if message.is_empty()
        && let Some(next) = next.as_object_mut()
    {
        next.remove("message");
    }
    if updates {
        next["lastUpdateTime"] = seconds(now).into();
    }
    if let Some(known) = known.map(|index| &mut all[index]) {
        if known["status"] == holds {
            next["lastTransitionTime"] = known["lastTransitionTime"].clone();
        }
        if updates && known["status"] == holds && known["reason"] == reason && known["message"] == next["message"] {
            next["lastUpdateTime"] = known["lastUpdateTime"].clone();
        }
        *known = next;
    } else {
        all.push(next);
    }
}

/// A condition of a status.
pub(super) fn find_condition<'s>(status: &'s Value, kind: &str) -> Option<&'s Value> {
    status["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// A time of an object.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// How long it is from now until so many seconds after a time; None: that is past.
pub(super) fn until(since: Timestamp, after: i64, now: Timestamp) -> Option<SignedDuration> {
    let left = since.as_second() + after - now.as_second();
    (left > 0).then(|| SignedDuration::from_secs(left))
}

/// A number or a share of a total, rounded up or down.
pub(super) fn amount(value: &Value, total: i64, up: bool) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let product = total * percent;
            if up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
        }
        other => other.as_i64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_the_controllers_do() {
        assert_eq!((amount(&json!("25%"), 5, true), amount(&json!("25%"), 5, false), amount(&json!(3), 5, true)), (2, 1, 3));
    }
}
