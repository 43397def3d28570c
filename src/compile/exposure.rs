//! Services: the names under which a service's pods are reached.

use serde_json::{Value, json};

use crate::resource::Desired;
use crate::stack::model::WorkloadKind;
use crate::stack::node::join_path;

use super::context::ServiceContext;
use super::marked::Marked;
use super::{labels, names};

/// The Service, and for a StatefulSet the headless one that names each replica.
pub(super) fn objects(service: &ServiceContext<'_>) -> Vec<Desired> {
    if service.spec().ports.is_empty() || !service.is_serving() {
        return Vec::new();
    }
    let mut objects: Vec<Desired> = service.object("v1", "Service", &service.name(), body(service)).into_iter().collect();
    if service.kind() == WorkloadKind::StatefulSet {
        let mut body = body(service);
        let spec = body.get("spec").cloned().unwrap_or_default();
        body.set("spec", headless(spec));
        objects.extend(service.object("v1", "Service", &peers_name(service), body));
    }
    objects
}

/// The name of a StatefulSet's headless Service.
pub(super) fn peers_name(service: &ServiceContext<'_>) -> String {
    names::joined(&[&service.instance.service, "peers"])
}

fn headless(mut spec: Value) -> Value {
    spec["clusterIP"] = json!("None");
    // Replicas find each other while they start.
    spec["publishNotReadyAddresses"] = json!(true);
    spec
}

fn body(service: &ServiceContext<'_>) -> Marked {
    let mut spec = Marked::default();
    spec.set("selector", labels::selector(service));
    let mut ports = Vec::new();
    for (name, port) in &service.spec().ports {
        let protocol = format!("{:?}", port.protocol.unwrap_or_default());
        let number = port.service_port.unwrap_or(port.port);
        let mut item = json!({"name": name, "port": number, "targetPort": name, "protocol": protocol});
        if let Some(app_protocol) = &port.app_protocol {
            item["appProtocol"] = json!(app_protocol);
        }
        spec.mark(format!("ports[port={number},protocol={protocol}]"), Some(service.origin(&format!("ports.{}", join_path(&[name])))));
        ports.push(item);
    }
    spec.set_list("ports", ports);
    let mut body = Marked::default();
    body.put("spec", spec);
    body
}
