//! Services find their pods: an EndpointSlice for each, and Endpoints, which came before them.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pods;
use super::status::{MANAGER, all_owned, create, over, owned_by};
use crate::embedded::api::{Failure, Part, matches_map, remove_now};
use crate::embedded::store::Place;
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
    // Without a pod, there is nothing to reach at any port.
    let ports: Vec<Value> = spec["ports"]
        .as_array()
        .filter(|_| !chosen.is_empty())
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let number = target(port, chosen.first())?;
            Some(json!({"name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": protocol}))
        })
        .collect();
    legacy(state, service, &chosen, &ports)?;
    let ports = if ports.is_empty() { Value::Null } else { ports.into() };
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
            next["ports"] = ports;
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

const ENDPOINTS: &str = "endpoints";
const MANAGED: &str = "endpoints.kubernetes.io/managed-by";

/// Brings a Service's Endpoints up to date.
fn legacy(state: &mut State, service: &Value, chosen: &[Arc<Value>], ports: &[Value]) -> Result<(), Failure> {
    let (meta, spec) = (&service["metadata"], &service["spec"]);
    let unready = spec["publishNotReadyAddresses"] == true;
    let mut subset = json!({});
    for pod in chosen {
        let target = json!({"kind": "Pod", "name": pod["metadata"]["name"], "namespace": meta["namespace"], "uid": pod["metadata"]["uid"]});
        let address = json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": target});
        let list = &mut subset[if unready || pods::is_ready(pod) { "addresses" } else { "notReadyAddresses" }];
        match list.as_array_mut() {
            Some(list) => list.push(address),
            None => *list = json!([address]),
        }
    }
    let ports = ports.iter().map(|port| {
        let mut port = port.clone();
        crate::embedded::api::trim(&mut port);
        port
    });
    subset["ports"] = ports.collect();
    let mut labels = meta["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(MANAGED.to_owned(), "endpoint-controller".into());
    if spec["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".to_owned(), "".into());
    }
    let (namespace, name) = (meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default());
    let known = state.store.find(ENDPOINTS, namespace, name).cloned();
    let mut next = known
        .as_deref()
        .cloned()
        .unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": namespace}}));
    next["metadata"]["labels"] = labels.into();
    next["subsets"] = if chosen.is_empty() { json!([]) } else { json!([subset]) };
    match known {
        Some(known) => over(state, &known, next, Part::Main, MANAGER)?,
        None => create(state, next, false)?,
    };
    Ok(())
}

/// A Service is gone: so are its Endpoints, which it doesn't own.
pub(super) fn gone(state: &mut State, namespace: &str, name: &str) -> Result<Option<SignedDuration>, Failure> {
    let ours = state.store.find(ENDPOINTS, namespace, name).is_some_and(|found| found["metadata"]["labels"][MANAGED].is_string());
    if ours {
        let place = Place { resource: ENDPOINTS.into(), namespace: namespace.to_owned(), name: name.to_owned() };
        remove_now(state, &place, None)?;
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
