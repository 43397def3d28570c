//! What the server takes out of a Service whose type changes: what it had allotted for the former one.

use serde_json::Value;

/// Whether a Service's type has something.
type Has = fn(&Value) -> bool;

/// Fields that only some types of Services have: each goes with the last type that has it, if nobody changes it meanwhile.
const OF_TYPES: [(&str, Has); 9] = [
    ("clusterIP", has_address),
    ("clusterIPs", has_address),
    ("ipFamilies", has_address),
    ("ipFamilyPolicy", has_address),
    ("internalTrafficPolicy", has_address),
    ("allocateLoadBalancerNodePorts", is_balanced),
    ("loadBalancerClass", is_balanced),
    ("externalTrafficPolicy", is_open),
    ("healthCheckNodePort", is_checked),
];

/// Takes out of `after` what the type of `before` had and its own hasn't. Of anything but Services nothing.
pub(super) fn drop_what_its_type_had(after: &mut Value, before: &Value) {
    if after["kind"] != "Service" || after["apiVersion"] != "v1" {
        return;
    }
    let (old, new) = (&before["spec"], after["spec"].clone());
    let Some(spec) = after["spec"].as_object_mut() else { return };
    for (field, has) in OF_TYPES {
        if has(old) && !has(&new) && old[field] == new[field] {
            spec.remove(field);
        }
    }
    if is_open_or_listed(old) && !is_open_or_listed(&new) && ports(old) == ports(&new) {
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
}

fn of_type(spec: &Value) -> &str {
    spec["type"].as_str().unwrap_or("ClusterIP")
}

fn has_address(spec: &Value) -> bool {
    of_type(spec) != "ExternalName"
}

fn is_balanced(spec: &Value) -> bool {
    of_type(spec) == "LoadBalancer"
}

/// Whether it is reached from outside through the nodes.
fn is_open(spec: &Value) -> bool {
    is_open_or_listed(spec) || spec["externalIPs"].as_array().is_some_and(|addresses| !addresses.is_empty())
}

fn is_open_or_listed(spec: &Value) -> bool {
    matches!(of_type(spec), "NodePort" | "LoadBalancer")
}

fn is_checked(spec: &Value) -> bool {
    is_balanced(spec) && spec["externalTrafficPolicy"] == "Local"
}

fn ports(spec: &Value) -> Vec<&Value> {
    let mut ports: Vec<&Value> =
        spec["ports"].as_array().into_iter().flatten().map(|port| &port["nodePort"]).filter(|port| !port.is_null()).collect();
    ports.sort_by_key(|port| port.as_u64());
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec})
    }

    #[test]
    fn what_was_allotted_for_the_former_type_goes_with_it() {
        let before = service(json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
            "externalTrafficPolicy": "Cluster", "ports": [{"port": 80, "nodePort": 30000}]}));
        let mut inside = before.clone();
        inside["spec"]["type"] = json!("ClusterIP");
        drop_what_its_type_had(&mut inside, &before);
        assert_eq!(
            inside["spec"],
            json!({"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80}]})
        );
        let mut name = before.clone();
        name["spec"]["type"] = json!("ExternalName");
        drop_what_its_type_had(&mut name, &before);
        assert!(name["spec"].get("clusterIP").is_none() && name["spec"].get("clusterIPs").is_none());
    }

    #[test]
    fn what_somebody_asks_for_stays_for_the_server_to_judge() {
        let before = service(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}));
        let mut after = service(json!({"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30001}]}));
        drop_what_its_type_had(&mut after, &before);
        assert_eq!(after["spec"]["ports"][0]["nodePort"], 30001);
        let mut same = before.clone();
        drop_what_its_type_had(&mut same, &before);
        assert_eq!(same, before);
    }
}
