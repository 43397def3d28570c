//! Ways in from outside: Ingresses, and HTTPRoutes of a Gateway.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics};
use crate::stack::model::{Route, RouteVia};
use crate::stack::node::join_path;

use super::context::ServiceContext;
use super::marked::Marked;
use super::order::Index;
use super::{names, pod};

/// The objects of a service's routes.
pub(super) fn objects(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut objects = Vec::new();
    for (name, route) in &service.spec().routes {
        let path = join_path(&["routes", name]);
        let Some((_, port)) = pod::named_port(service, route.port.as_deref()).filter(|_| service.is_serving()) else {
            let message = format!("route `{name}` of {} leads to no port", service.title());
            service.error(diagnostics, "compile::no_port", &path, message, format!("name one of its `[ports]`: `{path}.port = \"http\"`"));
            continue;
        };
        let port = service_port(service, route, port);
        let object = match route.via {
            RouteVia::Ingress => ingress(service, name, &path, route, port),
            RouteVia::Gateway => http_route(service, name, &path, route, port, diagnostics),
        };
        if let Some(mut object) = object {
            object.declared.object = Some(service.origin(&path).clone());
            objects.push(object);
        }
    }
    objects
}

/// The port of the Service, where it differs from the pods'.
fn service_port(service: &ServiceContext<'_>, route: &Route, port: u16) -> u16 {
    let name = pod::named_port(service, route.port.as_deref()).map(|(name, _)| name);
    name.and_then(|name| service.spec().ports.get(name)).and_then(|port| port.service_port).unwrap_or(port)
}

fn ingress(service: &ServiceContext<'_>, name: &str, path: &str, route: &Route, port: u16) -> Option<Desired> {
    let mut spec = Marked::default();
    spec.set_maybe("ingressClassName", route.class.as_deref(), Some(service.origin(&format!("{path}.class"))));
    let backend = json!({"service": {"name": service.name(), "port": {"number": port}}});
    let paths = json!([{"path": prefix(route), "pathType": "Prefix", "backend": backend}]);
    let mut rule = json!({"http": {"paths": paths}});
    if !route.host.is_empty() {
        rule["host"] = json!(route.host);
    }
    spec.set_from("rules", json!([rule]), Some(service.origin(&format!("{path}.host"))));
    if let Some(secret) = &route.tls {
        // A secret of the stack by its name here, or any other by its name in the cluster.
        let name = service.at.place.secrets.get(secret).map_or(secret.as_str(), |secret| &secret.object_name);
        let mut tls = json!({"secretName": name});
        if !route.host.is_empty() {
            tls["hosts"] = json!([route.host]);
        }
        spec.set_from("tls", json!([tls]), Some(service.origin(&format!("{path}.tls"))));
    }
    make(service, ("networking.k8s.io/v1", "Ingress"), name, route, spec)
}

fn http_route(
    service: &ServiceContext<'_>,
    name: &str,
    path: &str,
    route: &Route,
    port: u16,
    diagnostics: &mut Diagnostics,
) -> Option<Desired> {
    let Some((namespace, gateway)) = route.gateway.as_deref().and_then(|gateway| gateway.split_once('/')) else {
        let message = format!("route `{name}` of {} doesn't say through which Gateway", service.title());
        service.error(diagnostics, "compile::no_gateway", path, message, format!("say `{path}.gateway = \"NAMESPACE/NAME\"`"));
        return None;
    };
    let mut spec = Marked::default();
    // These lists are owned as a whole, so what the CRD's defaults fill in is said here.
    let parent = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": gateway});
    spec.set_from("parentRefs", json!([parent]), Some(service.origin(&format!("{path}.gateway"))));
    if !route.host.is_empty() {
        spec.set_from("hostnames", json!([route.host]), Some(service.origin(&format!("{path}.host"))));
    }
    let backend = json!({"group": "", "kind": "Service", "name": service.name(), "port": port, "weight": 1});
    let matches = json!([{"path": {"type": "PathPrefix", "value": prefix(route)}}]);
    spec.set_from("rules", json!([{"matches": matches, "backendRefs": [backend]}]), Some(service.origin(path)));
    make(service, ("gateway.networking.k8s.io/v1", "HTTPRoute"), name, route, spec)
}

fn make(service: &ServiceContext<'_>, (api_version, kind): (&str, &str), name: &str, route: &Route, spec: Marked) -> Option<Desired> {
    let mut body = Marked::default();
    body.put("spec", spec);
    let annotations = route.annotations.iter().map(|(key, value)| (key.clone(), value.clone()));
    service.object_with(api_version, kind, &names::joined(&[&service.instance.service, name]), annotations, body)
}

fn prefix(route: &Route) -> &str {
    route.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/")
}

/// Two routes for one host and path: which one wins depends on the controller, or on chance.
pub(super) fn check_twice(objects: &[Desired], index: &Index<'_>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<(String, String, String), &Desired> = BTreeMap::new();
    for (key, desired) in index.keys.iter().zip(objects).filter(|(_, desired)| desired.scope.service.is_some()) {
        if !matches!(key.kind, "Ingress" | "HTTPRoute") {
            continue;
        }
        let spec = &desired.object.value()["spec"];
        let (way, host, path) = match key.kind {
            "Ingress" => {
                let class = spec["ingressClassName"].as_str().unwrap_or_default();
                (format!("class {class}"), &spec["rules"][0]["host"], &spec["rules"][0]["http"]["paths"][0]["path"])
            }
            _ => (spec["parentRefs"].to_string(), &spec["hostnames"][0], &spec["rules"][0]["matches"][0]["path"]["value"]),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let route = (way, text(host), text(path));
        let shown = format!("{}{}", route.1, route.2);
        if let Some(first) = seen.insert(route, desired) {
            diagnostics.push(
                Diagnostic::error("compile::route_twice", format!("{} and {} both want `{shown}`", first.key(), desired.key()))
                    .at_maybe(desired.declared.object.as_ref(), "the second")
                    .at_maybe(
                        first.declared.object.as_ref().filter(|origin| Some(*origin) != desired.declared.object.as_ref()),
                        "the first",
                    )
                    .help("let the hosts differ: `host = \"${tenant.name}.${environment.domain}\"`, or the paths"),
            );
        }
    }
}
