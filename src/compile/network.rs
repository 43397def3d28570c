//! Network policies: nothing goes in or out of a namespace's pods but what is listed here, each way a policy of its own, so
//! that a plan can say which way it opens or closes.
//!
//! An edge needs two: one that lets the caller out, one that lets it in at the callee, each in its own namespace.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics, Origin};
use crate::stack::model::{Direction, NetworkRule, Peer, Protocol};
use crate::stack::node::join_path;

use super::context::{PlaceContext, ServiceContext};
use super::marked::Marked;
use super::neighbours::Neighbours;
use super::{identity, labels, names, pod};

/// Where an API server is: behind the cluster's own addresses, which are private ones. It can't be selected by labels.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
/// The ports that API servers listen at, behind their Service and by themselves.
const API_PORTS: [u16; 2] = [443, 6443];

/// What holds for all pods of a place.
pub(super) fn of_place(at: PlaceContext<'_>) -> Vec<Desired> {
    if !at.place.tenancy.network_policies {
        return Vec::new();
    }
    let origin = at.origin("tenancy.network_policies");
    let mut spec = Marked::default();
    spec.set("podSelector", json!({}));
    spec.set("policyTypes", json!(["Ingress", "Egress"]));
    let mut objects: Vec<Desired> = policy(spec, |body| at.object("networking.k8s.io/v1", "NetworkPolicy", "default-deny", body), origin);
    if let Some(dns) = &at.place.tenancy.dns {
        let port = dns.port.unwrap_or(53);
        let ports = json!([{"port": port, "protocol": "UDP"}, {"port": port, "protocol": "TCP"}]);
        let mut spec = Marked::default();
        spec.set("podSelector", json!({}));
        spec.set("policyTypes", json!(["Egress"]));
        spec.set("egress", json!([{"to": [elsewhere(dns)], "ports": ports}]));
        objects.extend(policy(
            spec,
            |body| at.object("networking.k8s.io/v1", "NetworkPolicy", "allow-dns", body),
            at.origin("tenancy.dns"),
        ));
    }
    objects
}

/// Whom of the stack a service may talk to, and who of it may talk to the service.
pub(super) fn of_neighbours<'a>(
    service: &ServiceContext<'a>,
    neighbours: &Neighbours<'a>,
    callers: &Callers<'a>,
    diagnostics: &mut Diagnostics,
) -> Vec<Desired> {
    let mut objects = Vec::new();
    if !service.at.place.tenancy.network_policies {
        return objects;
    }
    for needed in neighbours.needed(service, diagnostics) {
        let callee = &needed.service;
        if callee.spec().ports.is_empty() {
            continue;
        }
        let to = peer_of(callee, service.namespace(), &[callee.namespace()]);
        let name = names::joined(&[&service.instance.service, "to", &callee.instance.service]);
        objects.extend(egress(service, &name, &to, service_ports(callee), needed.origin));
    }
    for (caller, callers) in callers.of(service) {
        let Some(first) = callers.first().filter(|_| !service.spec().ports.is_empty()) else { continue };
        let namespaces: Vec<&str> = callers.iter().map(|caller| caller.service.namespace()).collect();
        let from = peer_of(&first.service, service.namespace(), &namespaces);
        let name = names::joined(&[&service.instance.service, "from", caller]);
        objects.extend(ingress(service, &name, &from, service_ports(service), first.origin));
    }
    objects
}

/// What a service may do besides, and who may reach it from outside of the stack.
pub(super) fn of_service(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut objects = Vec::new();
    if !service.at.place.tenancy.network_policies {
        return objects;
    }
    objects.extend(from_gateway(service));
    objects.extend(from_monitoring(service, diagnostics));
    if identity::mounts_token(service) {
        let to: Vec<Value> = PRIVATE.iter().map(|cidr| json!({"ipBlock": {"cidr": cidr}})).collect();
        let ports = API_PORTS.iter().map(|port| tcp(*port)).collect();
        let name = names::joined(&[&service.instance.service, "to", "kubernetes"]);
        objects.extend(egress(service, &name, &to, ports, service.origin("rights")));
    }
    for (name, rule) in &service.spec().network {
        objects.extend(declared(service, name, rule, diagnostics));
    }
    objects
}

/// Who talks to whom, turned round: by the callee's namespace and service, callers' names and instances.
pub(super) struct Callers<'a>(BTreeMap<(&'a str, &'a str), BTreeMap<&'a str, Vec<Caller<'a>>>>);

/// An instance that talks to another, and the line that says so.
struct Caller<'a> {
    service: ServiceContext<'a>,
    origin: &'a Origin,
}

impl<'a> Callers<'a> {
    pub fn of_all(places: &[PlaceContext<'a>], neighbours: &Neighbours<'a>) -> Self {
        let mut all: BTreeMap<_, BTreeMap<&str, Vec<Caller<'a>>>> = BTreeMap::new();
        for service in places.iter().flat_map(|place| place.services()) {
            // What is missing is reported where the caller is compiled.
            for needed in neighbours.needed(&service, &mut Diagnostics::default()) {
                let callee: (&'a str, &'a str) = (needed.service.namespace(), &needed.service.instance.service);
                let name: &'a str = &service.instance.service;
                all.entry(callee).or_default().entry(name).or_default().push(Caller { service, origin: needed.origin });
            }
        }
        Self(all)
    }

    fn of(&self, callee: &ServiceContext<'a>) -> impl Iterator<Item = (&'a str, &Vec<Caller<'a>>)> {
        self.0.get(&(callee.namespace(), callee.instance.service.as_str())).into_iter().flatten().map(|(name, callers)| (*name, callers))
    }
}

/// A service's pods as seen from `here`: those in `here` by their labels alone, those elsewhere by namespace too.
fn peer_of(service: &ServiceContext<'_>, here: &str, namespaces: &[&str]) -> Vec<Value> {
    let pods = json!({"matchLabels": labels::pods_of(service)});
    let mut peers = Vec::new();
    if namespaces.contains(&here) {
        peers.push(json!({"podSelector": pods}));
    }
    let mut elsewhere: Vec<&str> = namespaces.iter().copied().filter(|namespace| *namespace != here).collect();
    elsewhere.sort_unstable();
    elsewhere.dedup();
    if !elsewhere.is_empty() {
        let selector = match elsewhere.as_slice() {
            [one] => json!({"matchLabels": {"kubernetes.io/metadata.name": one}}),
            many => json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": many}]}),
        };
        peers.push(json!({"namespaceSelector": selector, "podSelector": pods}));
    }
    peers
}

fn from_gateway(service: &ServiceContext<'_>) -> Vec<Desired> {
    let Some(gateway) = service.at.place.tenancy.gateway.as_ref().filter(|_| !service.spec().routes.is_empty()) else { return Vec::new() };
    let mut ports: BTreeMap<u16, Value> = BTreeMap::new();
    for route in service.spec().routes.values() {
        if let Some((_, port)) = pod::named_port(service, route.port.as_deref()) {
            ports.insert(port, tcp(port));
        }
    }
    let name = names::joined(&[&service.instance.service, "from", "gateway"]);
    ingress(service, &name, &[elsewhere(gateway)], ports.into_values().collect(), service.origin("routes"))
}

fn from_monitoring(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let Some(monitoring) = service.at.place.tenancy.monitoring.as_ref().filter(|_| service.spec().metrics.is_some()) else {
        return Vec::new();
    };
    let Some((_, port)) = pod::metrics_port(service) else {
        let message = format!("{} doesn't say at which port its metrics are", service.title());
        service.error(diagnostics, "compile::no_port", "metrics", message, "name one of its `[ports]`: `metrics.port = \"http\"`");
        return Vec::new();
    };
    let name = names::joined(&[&service.instance.service, "from", "monitoring"]);
    ingress(service, &name, &[elsewhere(monitoring)], vec![tcp(port)], service.origin("metrics"))
}

/// A `[network.NAME]`.
fn declared(service: &ServiceContext<'_>, name: &str, rule: &NetworkRule, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let path = join_path(&["network", name]);
    let mut peers = Vec::new();
    if let Some(cidr) = &rule.cidr {
        let mut block = json!({"cidr": cidr});
        if !rule.except.is_empty() {
            block["except"] = json!(rule.except);
        }
        peers.push(json!({"ipBlock": block}));
    }
    if let Some(peer) = &rule.peer {
        peers.push(elsewhere(peer));
    }
    if peers.is_empty() {
        diagnostics.push(
            Diagnostic::error("compile::no_peer", format!("network rule `{name}` of {} doesn't say whom it is about", service.title()))
                .at(service.origin(&path), "")
                .help("give a `cidr` (all addresses are \"0.0.0.0/0\") or a `peer = { namespace = \"…\" }`"),
        );
        return Vec::new();
    }
    let protocol = format!("{:?}", rule.protocol.unwrap_or(Protocol::TCP));
    let ports = rule.ports.iter().map(|port| json!({"port": port, "protocol": protocol})).collect();
    let object = names::joined(&[&service.instance.service, "network", name]);
    match rule.direction {
        Direction::Egress => egress(service, &object, &peers, ports, service.origin(&path)),
        Direction::Ingress => ingress(service, &object, &peers, ports, service.origin(&path)),
    }
}

fn egress(service: &ServiceContext<'_>, name: &str, to: &[Value], ports: Vec<Value>, origin: &Origin) -> Vec<Desired> {
    one_way(service, name, ("Egress", "egress", "to"), to, ports, origin)
}

fn ingress(service: &ServiceContext<'_>, name: &str, from: &[Value], ports: Vec<Value>, origin: &Origin) -> Vec<Desired> {
    one_way(service, name, ("Ingress", "ingress", "from"), from, ports, origin)
}

fn one_way(
    service: &ServiceContext<'_>,
    name: &str,
    way: (&str, &str, &str),
    peers: &[Value],
    ports: Vec<Value>,
    origin: &Origin,
) -> Vec<Desired> {
    let (policy_type, rules, peers_name) = way;
    let mut rule = json!({peers_name: peers});
    if !ports.is_empty() {
        rule["ports"] = Value::from(ports);
    }
    let mut spec = Marked::default();
    spec.set("podSelector", json!({"matchLabels": labels::pods_of(service)}));
    spec.set("policyTypes", json!([policy_type]));
    spec.set(rules, json!([rule]));
    policy(spec, |body| service.object("networking.k8s.io/v1", "NetworkPolicy", name, body), origin)
}

fn policy(spec: Marked, make: impl FnOnce(Marked) -> Option<Desired>, origin: &Origin) -> Vec<Desired> {
    let mut body = Marked::default();
    body.put("spec", spec);
    let mut object = make(body);
    if let Some(object) = &mut object {
        object.declared.object = Some(origin.clone());
    }
    object.into_iter().collect()
}

/// Pods of another namespace, by what the stack says of them.
fn elsewhere(peer: &Peer) -> Value {
    let mut value = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": peer.namespace}}});
    if !peer.labels.is_empty() {
        value["podSelector"] = json!({"matchLabels": peer.labels});
    }
    value
}

/// All ports of a service, for the services that need it.
fn service_ports(service: &ServiceContext<'_>) -> Vec<Value> {
    service
        .spec()
        .ports
        .values()
        .map(|port| json!({"port": port.port, "protocol": format!("{:?}", port.protocol.unwrap_or_default())}))
        .collect()
}

fn tcp(port: u16) -> Value {
    json!({"port": port, "protocol": "TCP"})
}
