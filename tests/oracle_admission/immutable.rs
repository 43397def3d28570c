//! What can't be changed: objects of many kinds, and edits of each, some of which the server refuses.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spai::admission::immutable::refusals;
use spai::cluster::{ApplyRequest, ClusterError, Guard};
use spai::resource::{FieldManager, Object};

use crate::ground::{Ground, object, until};
use crate::support;

/// An object, and what is done to copies of it: a JSON pointer and the new value (null: it goes).
type Case = (Value, Vec<Vec<(&'static str, Value)>>);

fn cases(name: &str, unique: &str) -> Vec<Case> {
    let pods = |image: &str| json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}});
    let job_pods =
        json!({"metadata": {"labels": {"x": "y"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "r/c"}]}});
    let selector = json!({"matchLabels": {"a": "b"}});
    let claim = |name: &str| json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let here = |kind: &str, api: &str, content: Value| of(kind, api, Some(name), "x", content);
    let wide = |kind: &str, api: &str, content: Value| of(kind, api, None, unique, content);
    let both = vec![("/spec/selector/matchLabels/a", json!("z")), ("/spec/template/metadata/labels/a", json!("z"))];
    let one = |pointer: &'static str, value: Value| vec![(pointer, value)];
    vec![
        (
            here("Deployment", "apps/v1", json!({"spec": {"selector": selector, "template": pods("r/c:1")}})),
            vec![
                both.clone(),
                one("/spec/replicas", json!(2)),
                one("/spec/template/spec/containers/0/image", json!("r/c:2")),
                one("/metadata/labels", json!({"a": "b"})),
            ],
        ),
        (
            here("ReplicaSet", "apps/v1", json!({"spec": {"replicas": 0, "selector": selector, "template": pods("r/c:1")}})),
            vec![both.clone(), one("/spec/replicas", json!(0))],
        ),
        (
            here("DaemonSet", "apps/v1", json!({"spec": {"selector": selector, "template": pods("r/c:1")}})),
            vec![both.clone(), one("/spec/minReadySeconds", json!(3))],
        ),
        (
            here(
                "StatefulSet",
                "apps/v1",
                json!({"spec": {"replicas": 0, "serviceName": "s", "selector": selector, "template": pods("r/c:1"), "volumeClaimTemplates": [claim("d")]}}),
            ),
            vec![
                both,
                one("/spec/serviceName", json!("t")),
                one("/spec/podManagementPolicy", json!("Parallel")),
                one("/spec/replicas", json!(1)),
                one("/spec/volumeClaimTemplates/0/spec/resources/requests/storage", json!("2Gi")),
                one("/spec/volumeClaimTemplates/0/spec/resources/requests/storage", json!("1024Mi")),
                one("/spec/updateStrategy/rollingUpdate/partition", json!(1)),
                one("/spec/minReadySeconds", json!(4)),
                one("/spec/revisionHistoryLimit", json!(4)),
                one("/spec/ordinals", json!({"start": 2})),
                one("/spec/persistentVolumeClaimRetentionPolicy/whenScaled", json!("Delete")),
            ],
        ),
        (
            here("Job", "batch/v1", json!({"spec": {"suspend": true, "completions": 2, "template": job_pods}})),
            vec![
                one("/spec/completions", json!(3)),
                one("/spec/parallelism", json!(2)),
                one("/spec/suspend", json!(false)),
                one("/spec/completionMode", json!("Indexed")),
                one("/spec/template/spec/containers/0/image", json!("r/c:2")),
                one("/spec/template/spec/nodeSelector", json!({"a": "b"})),
                one("/spec/template/metadata/annotations", json!({"a": "b"})),
                one("/spec/backoffLimit", json!(1)),
                one("/spec/managedBy", json!("example.com/x")),
                vec![
                    ("/spec/podReplacementPolicy", json!("Failed")),
                    (
                        "/spec/podFailurePolicy",
                        json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}),
                    ),
                ],
                one("/spec/template/spec/containers/0/resources", json!({"requests": {"cpu": "1"}})),
                one("/spec/ttlSecondsAfterFinished", json!(5)),
            ],
        ),
        (
            of(
                "Job",
                "batch/v1",
                Some(name),
                "indexed",
                json!({"spec": {"suspend": true, "completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": job_pods}}),
            ),
            vec![
                one("/spec/completions", json!(3)),
                vec![("/spec/completions", json!(3)), ("/spec/parallelism", json!(3))],
                one("/spec/backoffLimitPerIndex", json!(1)),
                one("/spec/successPolicy", json!({"rules": [{"succeededCount": 1}]})),
            ],
        ),
        (
            of("Job", "batch/v1", Some(name), "running", json!({"spec": {"template": job_pods}})),
            vec![
                one("/spec/template/spec/nodeSelector", json!({"a": "b"})),
                one("/spec/template/metadata/annotations", json!({"a": "b"})),
                one("/spec/activeDeadlineSeconds", json!(100)),
            ],
        ),
        (
            here(
                "CronJob",
                "batch/v1",
                json!({"spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": job_pods}}}}),
            ),
            vec![one("/spec/schedule", json!("1 0 1 1 *")), one("/spec/jobTemplate/spec/completions", json!(4))],
        ),
        (
            here(
                "Pod",
                "v1",
                json!({"spec": {"schedulerName": "nobody", "activeDeadlineSeconds": 1000, "tolerations": [{"key": "t", "operator": "Exists"}], "containers": [{"name": "c", "image": "r/c:1"}]}}),
            ),
            vec![
                one("/spec/containers/0/image", json!("r/c:2")),
                one("/spec/containers/0/env", json!([{"name": "A", "value": "b"}])),
                one("/spec/nodeSelector", json!({"a": "b"})),
                one("/spec/activeDeadlineSeconds", json!(500)),
                one("/spec/activeDeadlineSeconds", json!(2000)),
                one("/spec/activeDeadlineSeconds", Value::Null),
                one("/spec/containers/1", json!({"name": "d", "image": "r/d"})),
                one("/metadata/labels", json!({"a": "b"})),
                one("/spec/restartPolicy", json!("Never")),
            ],
        ),
        (
            here("Service", "v1", json!({"spec": {"ports": [{"port": 80}]}})),
            vec![
                vec![("/spec/clusterIP", json!("10.0.77.77")), ("/spec/clusterIPs", json!(["10.0.77.77"]))],
                vec![("/spec/clusterIP", json!("None")), ("/spec/clusterIPs", json!(["None"]))],
                one("/spec/type", json!("NodePort")),
                one("/spec/ports/0/port", json!(81)),
                one("/spec/selector", json!({"a": "c"})),
                one("/spec/sessionAffinity", json!("ClientIP")),
            ],
        ),
        (
            of(
                "Service",
                "v1",
                Some(name),
                "headless",
                json!({"spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]}}),
            ),
            vec![
                vec![("/spec/clusterIP", json!("10.0.77.78")), ("/spec/clusterIPs", json!(["10.0.77.78"]))],
                one("/spec/ports/0/port", json!(81)),
            ],
        ),
        (
            of(
                "Service",
                "v1",
                Some(name),
                "balancer",
                json!({"spec": {"type": "LoadBalancer", "loadBalancerClass": "example.com/a", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}}),
            ),
            vec![
                one("/spec/loadBalancerClass", json!("example.com/b")),
                one("/spec/loadBalancerClass", Value::Null),
                one("/spec/healthCheckNodePort", json!(30999)),
                one("/spec/ports/0/port", json!(81)),
            ],
        ),
        (
            of("PersistentVolumeClaim", "v1", Some(name), "x", {
                let mut value = claim("x");
                value["spec"]["storageClassName"] = json!("nobody");
                value
            }),
            vec![
                one("/spec/resources/requests/storage", json!("2Gi")),
                one("/spec/resources/requests/storage", json!("512Mi")),
                one("/spec/storageClassName", json!("other")),
                one("/spec/accessModes", json!(["ReadWriteMany"])),
                one("/spec/volumeMode", json!("Block")),
                one("/metadata/annotations", json!({"a": "b"})),
                one("/spec/resources/requests/storage", json!("1024Mi")),
            ],
        ),
        (
            here("Secret", "v1", json!({"type": "Opaque", "data": {"a": "YQ=="}})),
            vec![one("/type", json!("example.com/x")), one("/data/a", json!("Yg==")), one("/immutable", json!(true))],
        ),
        (
            of("Secret", "v1", Some(name), "sealed", json!({"immutable": true, "data": {"a": "YQ=="}})),
            vec![one("/data/a", json!("Yg==")), one("/immutable", Value::Null), one("/metadata/labels", json!({"a": "b"}))],
        ),
        (
            of("ConfigMap", "v1", Some(name), "sealed", json!({"immutable": true, "data": {"a": "b"}, "binaryData": {"b": "YQ=="}})),
            vec![
                one("/data/a", json!("c")),
                one("/binaryData/b", json!("Yg==")),
                one("/immutable", json!(false)),
                one("/data/n", json!("x")),
                one("/metadata/labels", json!({"a": "b"})),
            ],
        ),
        (here("ConfigMap", "v1", json!({"data": {"a": "b"}})), vec![one("/data/a", json!("c"))]),
        (
            here("ResourceQuota", "v1", json!({"spec": {"hard": {"pods": "100"}, "scopes": ["Terminating"]}})),
            vec![one("/spec/scopes", json!(["NotTerminating"])), one("/spec/hard/pods", json!("9"))],
        ),
        (
            here("LimitRange", "v1", json!({"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "100Gi"}}]}})),
            vec![one("/spec/limits/0/max/storage", json!("99Gi"))],
        ),
        (
            here(
                "RoleBinding",
                "rbac.authorization.k8s.io/v1",
                json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}}),
            ),
            vec![
                one("/roleRef/name", json!("b")),
                one("/subjects", json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "u"}])),
            ],
        ),
        (
            wide(
                "ClusterRoleBinding",
                "rbac.authorization.k8s.io/v1",
                json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}}),
            ),
            vec![one("/roleRef/name", json!("b"))],
        ),
        (
            here("Role", "rbac.authorization.k8s.io/v1", json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})),
            vec![one("/rules/0/verbs", json!(["list"]))],
        ),
        (
            here("NetworkPolicy", "networking.k8s.io/v1", json!({"spec": {"podSelector": {}}})),
            vec![one("/spec/podSelector", json!({"matchLabels": {"a": "b"}}))],
        ),
        (
            here("PodDisruptionBudget", "policy/v1", json!({"spec": {"maxUnavailable": 1, "selector": selector}})),
            vec![one("/spec/selector", json!({"matchLabels": {"a": "c"}})), one("/spec/maxUnavailable", json!(2))],
        ),
        (
            here("EndpointSlice", "discovery.k8s.io/v1", json!({"addressType": "IPv4", "endpoints": []})),
            vec![one("/addressType", json!("IPv6"))],
        ),
        (here("Lease", "coordination.k8s.io/v1", json!({"spec": {"holderIdentity": "a"}})), vec![one("/spec/holderIdentity", json!("b"))]),
        (
            here("ControllerRevision", "apps/v1", json!({"revision": 1, "data": {"a": "b"}})),
            vec![one("/data/a", json!("c")), one("/revision", json!(2))],
        ),
        (
            wide("StorageClass", "storage.k8s.io/v1", json!({"provisioner": "example.com/p", "parameters": {"a": "b"}})),
            vec![
                one("/provisioner", json!("example.com/q")),
                one("/parameters/a", json!("c")),
                one("/reclaimPolicy", json!("Retain")),
                one("/volumeBindingMode", json!("WaitForFirstConsumer")),
                one("/allowVolumeExpansion", json!(true)),
            ],
        ),
        (
            wide(
                "PersistentVolume",
                "v1",
                json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}, "storageClassName": "nobody"}}),
            ),
            vec![
                one("/spec/hostPath/path", json!("/y")),
                one("/spec/capacity/storage", json!("2Gi")),
                one("/spec/volumeMode", json!("Block")),
                one("/spec/persistentVolumeReclaimPolicy", json!("Delete")),
            ],
        ),
        (
            wide(
                "Node",
                "v1",
                json!({"spec": {"unschedulable": true, "providerID": "a://b", "podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]}}),
            ),
            vec![
                one("/spec/providerID", json!("a://c")),
                vec![("/spec/podCIDR", json!("10.9.1.0/24")), ("/spec/podCIDRs", json!(["10.9.1.0/24"]))],
                one("/spec/unschedulable", json!(false)),
            ],
        ),
        (
            of(
                "PersistentVolume",
                "v1",
                None,
                &format!("{unique}-local"),
                json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": "/x"}, "storageClassName": "nobody",
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}),
            ),
            vec![
                one("/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/key", json!("b")),
                one("/spec/local/path", json!("/y")),
            ],
        ),
        (
            wide("ServiceCIDR", "networking.k8s.io/v1", json!({"spec": {"cidrs": ["10.77.0.0/24"]}})),
            vec![one("/spec/cidrs/0", json!("10.78.0.0/24")), one("/spec/cidrs", json!(["10.77.0.0/24", "fd00::/112"]))],
        ),
        (
            wide("PriorityClass", "scheduling.k8s.io/v1", json!({"value": 7})),
            vec![one("/value", json!(8)), one("/preemptionPolicy", json!("Never")), one("/description", json!("d"))],
        ),
        (
            wide("IngressClass", "networking.k8s.io/v1", json!({"spec": {"controller": "example.com/c"}})),
            vec![
                one("/spec/controller", json!("example.com/d")),
                one("/spec/parameters", json!({"kind": "K", "name": "n", "scope": "Cluster"})),
            ],
        ),
        (
            wide("RuntimeClass", "node.k8s.io/v1", json!({"handler": "h"})),
            vec![one("/handler", json!("i")), one("/overhead", json!({"podFixed": {"cpu": "1"}}))],
        ),
        (
            wide("CSIDriver", "storage.k8s.io/v1", json!({"spec": {"attachRequired": true}})),
            vec![
                one("/spec/attachRequired", json!(false)),
                one("/spec/volumeLifecycleModes", json!(["Ephemeral"])),
                one("/spec/requiresRepublish", json!(true)),
            ],
        ),
        (
            wide("VolumeAttributesClass", "storage.k8s.io/v1", json!({"driverName": "example.com/d", "parameters": {"a": "b"}})),
            vec![one("/driverName", json!("example.com/e")), one("/parameters/a", json!("c"))],
        ),
        (
            of(
                "CustomResourceDefinition",
                "apiextensions.k8s.io/v1",
                None,
                &format!("widgets.{unique}.example.com"),
                json!({"spec": {"group": format!("{unique}.example.com"), "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}}),
            ),
            vec![
                one("/spec/scope", json!("Cluster")),
                one("/spec/names/kind", json!("Gadget")),
                one("/spec/names/shortNames", json!(["w"])),
            ],
        ),
    ]
}

fn of(kind: &str, api_version: &str, namespace: Option<&str>, name: &str, content: Value) -> Value {
    let mut value = content;
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    value["metadata"] = json!({"name": name});
    if let Some(namespace) = namespace {
        value["metadata"]["namespace"] = namespace.into();
    }
    value
}

fn edited(live: &Object, edits: &[(&str, Value)]) -> Object {
    let mut wanted = live.without_server_fields();
    for (pointer, value) in edits {
        let (above, last) = pointer.rsplit_once('/').unwrap();
        let holder = wanted.value_mut().pointer_mut(above).unwrap();
        match (holder, value) {
            (Value::Array(items), value) if last.parse::<usize>().unwrap() == items.len() => items.push(value.clone()),
            (Value::Array(items), value) => items[last.parse::<usize>().unwrap()] = value.clone(),
            (Value::Object(table), Value::Null) => drop(table.remove(last)),
            (holder, value) => holder[last] = value.clone(),
        }
    }
    wanted
}

/// The server's words without the values and differences that it repeats.
fn reason(field: &str, words: &str) -> String {
    let words = match (words.strip_prefix("Invalid value: "), words.rfind(": ")) {
        (Some(_), Some(colon)) => &words[colon + 2..],
        _ => words.strip_prefix("Forbidden: ").unwrap_or(words),
    };
    format!("{field}: {}", words.lines().next().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_change_is_what_the_server_refuses() {
    // One of its own: while a new ServiceCIDR gets ready, no Service can be made.
    let Some(plane) = support::own_control_plane(&[]) else { return };
    let ground = Ground::new(&plane, "immutable").await;
    let namespace = ground.namespace("a", json!({})).await;
    let unique = support::unique("imm");
    let manager = FieldManager("spai:test:admission".to_owned());
    let (mut compared, mut refused, mut different) = (0, 0, Vec::new());
    for (value, edits) in cases(namespace.name(), &unique) {
        let declared = object(value);
        ground.make(&declared).await;
        if declared.kind() == "CustomResourceDefinition" {
            let established = async || {
                let live = ground.cluster.get(&declared.key()).await.unwrap().unwrap();
                live.value()["status"]["conditions"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
            };
            until("the definition is established", established).await;
        }
        for edits in edits {
            // Controllers write to it meanwhile.
            let (theirs, ours) = loop {
                let live = ground.cluster.get_live(&declared).await.unwrap().unwrap();
                let wanted = edited(&live, &edits);
                let request = ApplyRequest { manager: &manager, force: true, dry_run: true, guard: Guard::of(&live), strict: true };
                let ours: BTreeSet<String> = refusals(&live, &wanted).iter().map(ToString::to_string).collect();
                match ground.cluster.apply(&wanted, &request).await {
                    Ok(_) => break (BTreeSet::new(), ours),
                    Err(ClusterError::Invalid { causes, .. }) => {
                        break (causes.iter().map(|cause| reason(&cause.field, &cause.message)).collect(), ours);
                    }
                    Err(ClusterError::Stale { .. }) => {}
                    Err(error) => panic!("{}: {edits:?}: {error:?}", declared.key()),
                }
            };
            compared += 1;
            refused += u32::from(!theirs.is_empty());
            if ours != theirs {
                different.push(format!("{}: {edits:?}\n  ours: {ours:?}\n  theirs: {theirs:?}", declared.key()));
            }
        }
        if declared.namespace().is_none() {
            plane.kubectl_out(&["delete", &declared.kind().to_lowercase(), declared.name(), "--wait=false"]);
        }
    }
    eprintln!("{compared} compared: {refused} refused");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared > 100 && refused > 50, "{compared}, {refused}");
}
