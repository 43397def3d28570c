//! Services' addresses and node ports: what is free, or what was asked for if it is.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::embedded::api::{Failure, FieldError};
use crate::embedded::catalog::Resource;
use crate::embedded::world::State;

/// 10.0.0.0/16, as the test control plane has it.
const FIRST: u32 = 0x0a00_0001;
const LAST: u32 = 0x0a00_fffe;

const PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Gives a Service its addresses.
///
/// # Errors
/// What it asks for is taken, or out of range.
pub fn allocate(state: &mut State, resource: &Resource, object: &mut Value, old: Option<&Arc<Value>>) -> Result<(), Failure> {
    if !resource.is("", "Service") {
        return Ok(());
    }
    let kind = object["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        if let Some(spec) = object["spec"].as_object_mut().filter(|_| old.is_some()) {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
                spec.remove(field);
            }
        }
        return Ok(());
    }
    let own = object["metadata"]["uid"].clone();
    let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for service in state.store.all("services").filter(|service| service["metadata"]["uid"] != own) {
        addresses.extend(service["spec"]["clusterIP"].as_str().and_then(|ip| ip.parse::<Ipv4Addr>().ok()).map(u32::from));
        let of = service["spec"]["ports"].as_array().into_iter().flatten();
        ports.extend(of.filter_map(|port| Some((port["nodePort"].as_i64()?, port["protocol"].as_str().unwrap_or("TCP").to_owned()))));
    }
    let refuse = |error: FieldError| Err(Failure::invalid("", "Service", &name, &[error]));
    let asked = object["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
    if asked.is_empty() {
        let free = (0..).map(|_| FIRST + 256 + u32::try_from(state.random.below(u64::from(LAST - FIRST - 512))).unwrap_or(0)).take(100_000);
        let Some(address) = free.into_iter().find(|address| !addresses.contains(address)) else {
            return Err(Failure::internal("failed to allocate a serviceIP: range is full"));
        };
        object["spec"]["clusterIP"] = Ipv4Addr::from(address).to_string().into();
    } else if asked != "None" && old.is_none_or(|old| old["spec"]["clusterIP"] != asked.as_str()) {
        let Ok(address) = asked.parse::<Ipv4Addr>().map(u32::from) else { return Ok(()) };
        let at = "spec.clusterIPs";
        if !(FIRST..=LAST).contains(&address) {
            let detail = "failed to allocate IP: the provided network does not match the current range";
            let detail = format!("{detail}. The range of valid IPs is 10.0.0.0/16");
            return refuse(FieldError::invalid(at, &json!([asked]), &detail));
        }
        if addresses.contains(&address) {
            return refuse(FieldError::invalid(
                at,
                &json!([asked]),
                &format!("failed to allocate IP {asked}: provided IP is already allocated"),
            ));
        }
    }
    if object["spec"]["clusterIPs"].is_null() {
        object["spec"]["clusterIPs"] = json!([object["spec"]["clusterIP"]]);
    }
    if object["spec"]["ipFamilies"].is_null() {
        object["spec"]["ipFamilies"] = json!(["IPv4"]);
    }
    if object["spec"]["ipFamilyPolicy"].is_null() {
        object["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    }
    if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        return Ok(());
    }
    let before = old.map(|old| old["spec"]["ports"].clone()).unwrap_or_default();
    for index in 0..object["spec"]["ports"].as_array().map_or(0, Vec::len) {
        let port = &mut object["spec"]["ports"][index];
        let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
        match port["nodePort"].as_i64().filter(|port| *port != 0) {
            Some(asked) => {
                let had = before.as_array().is_some_and(|ports| ports.iter().any(|port| port["nodePort"] == asked));
                let at = format!("spec.ports[{index}].nodePort");
                if !PORTS.contains(&asked) {
                    return refuse(FieldError::invalid(
                        at,
                        &asked.into(),
                        "provided port is not in the valid range. The range of valid ports is 30000-32767",
                    ));
                }
                if !had && ports.contains(&(asked, protocol.clone())) {
                    return refuse(FieldError::invalid(at, &asked.into(), "provided port is already allocated"));
                }
                ports.insert((asked, protocol));
            }
            None => {
                if let Some(free) = PORTS.clone().find(|port| !ports.contains(&(*port, protocol.clone()))) {
                    port["nodePort"] = free.into();
                    ports.insert((free, protocol));
                }
            }
        }
    }
    Ok(())
}
