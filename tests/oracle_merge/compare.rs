//! An object of ours and the server's, compared: without what differs from one write to the next, and who owns what.

use serde_json::Value;
use spai::merge::{self, FieldSet, ManagedFields};
use spai::resource::Object;
use spai::schema::TypeRef;

pub fn version(object: &Value) -> &Value {
    &object["metadata"]["resourceVersion"]
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}\n  ours:   {ours:?}\n  theirs: {theirs:?}")) }
}

pub fn same_object(of: TypeRef<'_>, ours: &Value, theirs: &Value) -> Result<(), String> {
    let places = merge::diff(of, &normal(ours), &normal(theirs));
    if places.is_empty() {
        return Ok(());
    }
    let shown = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
    let lines = places.into_iter().map(|place| format!("{}: {} ours, {} theirs", place.path, shown(place.before), shown(place.after)));
    Err(format!("object\n  {}", lines.collect::<Vec<_>>().join("\n  ")))
}

/// An object without what differs from one write to the next.
pub fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
            metadata.remove(name);
        }
    }
    // The time of its last phase.
    if object["kind"] == "PersistentVolume"
        && let Some(status) = object["status"].as_object_mut()
    {
        status.remove("lastPhaseTransitionTime");
    }
    if object["kind"] == "Service"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    object
}

/// Who owns what, and whether it has a time where `timed` asks for that: comparable.
pub fn managers(object: &Value, timed: bool) -> Vec<(String, bool, FieldSet)> {
    let Ok(object) = Object::try_from(object.clone()) else { return Vec::new() };
    let mut all: Vec<(String, bool, FieldSet)> = ManagedFields::of(&object)
        .0
        .into_iter()
        .map(|entry| {
            let name = format!("{} {:?} {} {:?}", entry.manager, entry.operation, entry.api_version, entry.subresource);
            (name, timed && entry.time.is_some(), entry.fields)
        })
        .collect();
    all.sort_by(|a, b| (&a.0, a.2.paths().len()).cmp(&(&b.0, b.2.paths().len())));
    all
}

pub fn same_managers(ours: &Value, theirs: &Value, timed: bool) -> Result<(), String> {
    let (ours, theirs) = (managers(ours, timed), managers(theirs, timed));
    if ours == theirs {
        return Ok(());
    }
    let shown = |all: &[(String, bool, FieldSet)], others: &[(String, bool, FieldSet)]| {
        let lines: Vec<String> = all
            .iter()
            .filter(|entry| !others.contains(entry))
            .map(|(name, time, fields)| {
                let other = others.iter().find(|(other, ..)| other == name).map(|(_, _, fields)| fields.clone()).unwrap_or_default();
                let more: Vec<String> = fields.difference(&other).paths().iter().map(ToString::to_string).collect();
                format!("{name}, timed {time}, more: {more:?}")
            })
            .collect();
        lines.join("\n    ")
    };
    Err(format!("managers\n  ours:   {}\n  theirs: {}", shown(&ours, &theirs), shown(&theirs, &ours)))
}

/// The server's entries are in the order in which we would write them.
pub fn in_order(object: &Value) -> Result<(), String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let key = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        [text("operation"), text("time"), text("manager"), text("apiVersion"), text("subresource")]
    };
    let mut sorted = entries.clone();
    sorted.sort_by_key(key);
    same("order", sorted.iter().map(key).collect::<Vec<_>>(), entries.iter().map(key).collect::<Vec<_>>())
}
