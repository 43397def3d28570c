//! Kinds that are served in two forms: kept in one, and turned into the other on the way out and in.

mod scaler;

use serde_json::Value;

use super::catalog::Resource;

/// Whether objects go out as they are kept.
pub fn is_kept_so(resource: &Resource) -> bool {
    !matches!(
        (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()),
        ("events.k8s.io", _, "Event") | ("autoscaling", "v1", _)
    ) && resource.custom.is_none()
}

/// Whether what is kept has another form than the resource's version.
pub fn has_another_form(resource: &Resource) -> bool {
    !is_kept_so(resource) && resource.custom.is_none()
}

/// Takes defaults away that a version has only where the kept form has nothing else.
pub fn without_defaults(resource: &Resource, before: &Value, object: &mut Value) {
    const TARGET: &str = "targetCPUUtilizationPercentage";
    if resource.is("autoscaling", "HorizontalPodAutoscaler")
        && before["spec"][TARGET].is_null()
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove(TARGET);
    }
}

/// An object as the resource's version has it.
pub fn out(resource: &Resource, object: &Value) -> Value {
    match (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", _, "Event") => event_out(object),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => scaler::out(object),
        _ if resource.custom.is_some() => {
            let mut object = object.clone();
            object["apiVersion"] = resource.api_version().into();
            object
        }
        _ => object.clone(),
    }
}

/// An object of the resource's version as it is kept.
pub fn kept(resource: &Resource, object: Value) -> Value {
    match (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", _, "Event") => event_kept(object),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => scaler::kept(object),
        ("autoscaling", _, "HorizontalPodAutoscaler") => scaler::plain(object),
        _ => object,
    }
}

/// The older events' fields and the newer's.
const EVENT: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn event_out(object: &Value) -> Value {
    let mut event = object.clone();
    event["apiVersion"] = "events.k8s.io/v1".into();
    rename(&mut event, &EVENT);
    rename(&mut event, &[("reportingComponent", "reportingController")]);
    event
}

fn event_kept(mut event: Value) -> Value {
    event["apiVersion"] = "v1".into();
    let back = EVENT.map(|(old, new)| (new, old));
    rename(&mut event, &back);
    rename(&mut event, &[("reportingController", "reportingComponent")]);
    event
}

fn rename(object: &mut Value, names: &[(&str, &str)]) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
}
