//! Services find their pods: one EndpointSlice for each.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pods;
use super::status::{MANAGER, all_owned, create, over, owned_by};
use crate::embedded::api::{Failure, Part, matches_map};
use crate::embedded::world::State;

/// Brings a Service's slice up to date.
pub(super) fn look(state: &mut State, service: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let spec = &service["spec"];
    if spec["selector"].as_object().is_none_or(serde_json::Map::is_empty) || spec["type"] == "ExternalName" {
        return Ok(None);
    }
    let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut chosen: Vec<Arc<Value>> = state
        .store
        .within("pods", namespace)
        .filter(|pod| {
            matches_map(&spec["selector"], &pod["metadata"]["labels"]) && pods::is_active(pod) && pod["status"]["podIP"].is_string()
        })
        .cloned()
        .collect();
    chosen.sort_by_key(|pod| pod["metadata"]["name"].as_str().map(str::to_owned));
    let unready = spec["publishNotReadyAddresses"] == true;
    let endpoints: Vec<Value> = chosen
        .iter()
        .map(|pod| {
            let ready = pods::is_ready(pod);
            json!({
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": ready || unready, "serving": ready, "terminating": false},
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": namespace, "uid": pod["metadata"]["uid"]},
            })
        })
        .collect();
    let ports: Vec<Value> = spec["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let number = target(port, chosen.first())?;
            Some(json!({"name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": protocol}))
        })
        .collect();
    let known = all_owned(state, "endpointslices.discovery.k8s.io", service).into_iter().next();
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("kubernetes.io/service-name".to_owned(), name.into());
    labels.insert("endpointslice.kubernetes.io/managed-by".to_owned(), "endpointslice-controller.k8s.io".into());
    if spec["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".to_owned(), "".into());
    }
    match known {
        Some(known) => {
            let mut next = Value::clone(&known);
            next["endpoints"] = endpoints.into();
            next["ports"] = ports.into();
            next["metadata"]["labels"] = labels.into();
            over(state, &known, next, Part::Main, MANAGER)?;
        }
        None => {
            let object = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"generateName": format!("{name}-"), "namespace": namespace, "labels": labels, "ownerReferences": owned_by(service)},
                "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
            });
            create(state, object, false)?;
        }
    }
    Ok(None)
}

/// The number of the port that a Service leads to; one with a name is looked up at a pod.
fn target(port: &Value, pod: Option<&Arc<Value>>) -> Option<i64> {
    match &port["targetPort"] {
        Value::Number(number) => number.as_i64(),
        Value::String(name) => pod?["spec"]["containers"]
            .as_array()?
            .iter()
            .flat_map(|container| container["ports"].as_array().into_iter().flatten())
            .find(|one| one["name"] == name.as_str())
            .and_then(|one| one["containerPort"].as_i64()),
        _ => port["port"].as_i64(),
    }
}
