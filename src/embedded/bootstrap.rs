//! What every cluster has from its first moment: namespaces, nodes, a class of volumes, roles.

use serde_json::{Value, json};

use super::api::{Failure, Part, Write, put};
use super::store::Place;
use super::world::State;

/// Nodes, each in a zone of its own.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// Makes what is missing of it.
pub(super) fn fill(state: &mut State) -> Result<(), Failure> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        make(state, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))?;
    }
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}]},
    });
    make(state, service)?;
    for zone in ZONES {
        node(state, zone)?;
    }
    make(
        state,
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "spai.dev/embedded", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
        }),
    )?;
    for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
        make(
            state,
            json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority",
            }),
        )?;
    }
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]);
    let write =
        json!([{"apiGroups": ["", "apps", "batch", "autoscaling", "policy", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"]}]);
    let read = json!([{"apiGroups": ["", "apps", "batch", "autoscaling", "policy", "networking.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
    for (name, rules) in [("cluster-admin", &all), ("admin", &write), ("edit", &write), ("view", &read)] {
        make(
            state,
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, "rules": rules,
            }),
        )?;
    }
    make(
        state,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "cluster-admin", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters"}],
        }),
    )
}

fn make(state: &mut State, object: Value) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource =
        state.catalog.of_kind(&text(&object["apiVersion"]), &text(&object["kind"])).cloned().ok_or_else(Failure::no_such_path)?;
    let namespace = text(&object["metadata"]["namespace"]);
    if state.store.find(&resource.storage, &namespace, &text(&object["metadata"]["name"])).is_some() {
        return Ok(());
    }
    let mut write = Write::internal(state, resource, Part::Main, "kube-apiserver");
    write.create(Some(&namespace).filter(|namespace| !namespace.is_empty()).map(String::as_str), object, &[])?;
    Ok(())
}

fn node(state: &mut State, zone: &str) -> Result<(), Failure> {
    let name = zone.replace("zone", "node");
    let room = json!({"cpu": "256", "memory": "1Ti", "pods": "5000", "ephemeral-storage": "10Ti"});
    let place = Place { resource: "nodes".into(), namespace: String::new(), name: name.clone() };
    if state.store.get(&place).is_some() {
        return Ok(());
    }
    make(
        state,
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name}},
        }),
    )?;
    let Some(node) = state.store.get(&place).cloned() else { return Ok(()) };
    let mut node = Value::clone(&node);
    let condition = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "nothing runs on this node",
        "lastHeartbeatTime": node["metadata"]["creationTimestamp"], "lastTransitionTime": node["metadata"]["creationTimestamp"]});
    node["status"] = json!({"capacity": room, "allocatable": room, "conditions": [condition],
        "nodeInfo": {"kubeletVersion": "v1.36.3", "osImage": "none", "kernelVersion": "none", "containerRuntimeVersion": "none://0", "architecture": "amd64",
            "operatingSystem": "linux", "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": ""}});
    put(state, &place, node)?;
    Ok(())
}
