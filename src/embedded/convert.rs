//! Kinds that are served in two forms: kept in one, and turned into the other on the way out and in.

use serde_json::{Value, json};

use super::catalog::Resource;

/// Whether objects go out as they are kept.
pub fn is_kept_so(resource: &Resource) -> bool {
    !matches!(
        (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()),
        ("events.k8s.io", _, "Event") | ("autoscaling", "v1", _)
    ) && resource.custom.is_none()
}

/// An object as the resource's version has it.
pub fn out(resource: &Resource, object: &Value) -> Value {
    match (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", _, "Event") => event_out(object),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => scaler_out(object),
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
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => scaler_kept(object),
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

fn scaler_out(object: &Value) -> Value {
    let mut scaler = object.clone();
    scaler["apiVersion"] = "autoscaling/v1".into();
    let cpu = |metric: &&Value| metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["type"] == "Utilization";
    let metrics = object["spec"]["metrics"].as_array().map_or(&[][..], Vec::as_slice);
    let target = metrics.iter().find(cpu).map(|metric| metric["resource"]["target"]["averageUtilization"].clone());
    if let Some(spec) = scaler["spec"].as_object_mut() {
        spec.remove("metrics");
        spec.remove("behavior");
        if let Some(target) = target {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), target);
        }
    }
    if let Some(status) = scaler["status"].as_object_mut() {
        status.remove("conditions");
        status.remove("currentMetrics");
    }
    scaler
}

fn scaler_kept(mut scaler: Value) -> Value {
    scaler["apiVersion"] = "autoscaling/v2".into();
    if let Some(spec) = scaler["spec"].as_object_mut()
        && let Some(target) = spec.remove("targetCPUUtilizationPercentage")
    {
        let metric =
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}});
        spec.insert("metrics".to_owned(), json!([metric]));
    }
    scaler
}
