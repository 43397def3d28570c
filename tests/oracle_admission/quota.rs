//! ResourceQuotas: what they refuse, in which words, and what their controller counts.

use serde_json::{Value, json};
use spai::admission::pod_of;
use spai::admission::quota::{Counted, Quota};
use spai::resource::{Object, ObjectKey};

use crate::ground::{Dice, Ground, Said, object, until};
use crate::{pods, support};

const PODS: u64 = 40;

/// A quota whose controller has counted it.
async fn quota(ground: &Ground, namespace: &Object, spec: Value) -> Quota {
    quota_named(ground, namespace, "q", spec).await
}

pub async fn quota_named(ground: &Ground, namespace: &Object, name: &str, spec: Value) -> Quota {
    let wanted = object(
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": namespace.name()}, "spec": spec}),
    );
    ground.make(&wanted).await;
    let key = wanted.key();
    let counted = async || {
        let live = ground.cluster.get(&key).await.unwrap().unwrap();
        live.value()["status"]["hard"] == live.value()["spec"]["hard"] && live.value()["status"]["used"].is_object()
    };
    until("the quota is counted", counted).await;
    Quota::of(&ground.cluster.get(&key).await.unwrap().unwrap())
}

/// The answer of a server that has seen the quota's status.
async fn settled(ground: &Ground, wanted: &Object, live: Option<&Object>) -> Said {
    for _ in 0..200 {
        match ground.ask_to_change(wanted, live).await {
            Said::No(words) if words.starts_with("status unknown") => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            said => return said,
        }
    }
    panic!("the server never sees the quota's status");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_refused_what_the_server_refuses() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "quota").await;
    let specs = [
        json!({"hard": {"requests.cpu": "500m", "pods": "5"}}),
        json!({"hard": {"limits.cpu": "2", "limits.memory": "1Gi"}}),
        json!({"hard": {"cpu": "300m", "memory": "300Mi", "ephemeral-storage": "1Gi"}}),
        json!({"hard": {"requests.ephemeral-storage": "1500Mi", "limits.ephemeral-storage": "2Gi"}}),
        json!({"hard": {"requests.example.com/gpu": "1", "requests.hugepages-2Mi": "2Mi"}}),
        json!({"hard": {"pods": "0"}, "scopes": ["Terminating"]}),
        json!({"hard": {"pods": "0", "requests.memory": "1Gi"}, "scopes": ["NotTerminating"]}),
        json!({"hard": {"pods": "0"}, "scopes": ["BestEffort"]}),
        json!({"hard": {"pods": "2", "requests.cpu": "1"}, "scopes": ["NotBestEffort"]}),
        json!({"hard": {"pods": "0"}, "scopes": ["CrossNamespacePodAffinity"]}),
        json!({"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}]}}),
        json!({"hard": {"count/pods": "0"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["x"]}]}}),
        json!({"hard": {"count/pods": "0"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}}),
        json!({"hard": {"services": "0", "secrets": "100"}}),
    ];
    let (mut compared, mut refused) = (0, 0);
    for (number, spec) in specs.into_iter().enumerate() {
        let namespace = ground.namespace(&number.to_string(), json!({})).await;
        let quota = quota(&ground, &namespace, spec.clone()).await;
        for seed in 0..PODS {
            let mut wanted = pods::sized(&mut Dice::new(seed), namespace.name(), "x");
            if seed % 5 == 0 && spec["scopeSelector"].is_object() {
                // A class that every cluster has.
                wanted.value_mut()["spec"]["priorityClassName"] = "system-node-critical".into();
            }
            let pod = pod_of(&wanted).unwrap();
            let ours = quota.charge(Counted { object: &pod, plural: "pods" }, None);
            let at = format!("{spec}, seed {seed}:\n{}", wanted.value());
            match settled(&ground, &wanted, None).await {
                Said::Invalid(_) => continue,
                Said::No(theirs) => {
                    refused += 1;
                    assert_eq!(ours.unwrap_err(), theirs, "{at}");
                }
                Said::Yes { .. } => assert!(ours.is_ok(), "{ours:?}\n{at}"),
            }
            compared += 1;
        }
    }
    eprintln!("{compared} compared: {refused} refused");
    assert!(compared > 250 && refused > 100, "the dice make pods that say little: {compared}, {refused}");
}

fn service(namespace: &str, name: &str, spec: Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}))
}

fn claim(namespace: &str, name: &str, class: Option<&str>, size: &str) -> Object {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}});
    if let Some(class) = class {
        spec["storageClassName"] = class.into();
    }
    object(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}, "spec": spec}))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_claims_and_counts_are_refused_what_the_server_refuses() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "quota-objects").await;
    let specs = [
        json!({"hard": {"services.nodeports": "1", "services": "9"}}),
        json!({"hard": {"services.loadbalancers": "0"}}),
        json!({"hard": {"services": "0"}}),
        json!({"hard": {"count/services": "0"}}),
        json!({"hard": {"persistentvolumeclaims": "0"}}),
        json!({"hard": {"requests.storage": "5Gi"}}),
        json!({"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "5Gi", "silver.storageclass.storage.k8s.io/persistentvolumeclaims": "0"}}),
        json!({"hard": {"persistentvolumeclaims": "0"}, "scopeSelector": {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}]}}),
        json!({"hard": {"count/deployments.apps": "0"}}),
        json!({"hard": {"configmaps": "1", "secrets": "0", "count/serviceaccounts": "1"}}),
        json!({"hard": {"count/configmaps": "1", "count/ingresses.networking.k8s.io": "0"}}),
        json!({"hard": {"resourcequotas": "1", "replicationcontrollers": "0", "pods": "0"}}),
    ];
    let (mut compared, mut refused) = (0, 0);
    for (number, spec) in specs.into_iter().enumerate() {
        let namespace = ground.namespace(&number.to_string(), json!({})).await;
        let name = namespace.name();
        // What was there before the quota: its controller has made `kube-root-ca.crt` too, when the count is steady.
        let root = ObjectKey::new("", "ConfigMap", Some(name), "kube-root-ca.crt");
        until("the cluster's certificate is there", async || ground.cluster.get(&root).await.unwrap().is_some()).await;
        let quota = quota(&ground, &namespace, spec.clone()).await;
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "r/c"}]}});
        let two = json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]);
        let mut fast = claim(name, "c", None, "1Gi");
        fast.value_mut()["spec"]["volumeAttributesClassName"] = "fast".into();
        let wanted = [
            ("services", service(name, "s", json!({"ports": two}))),
            ("services", service(name, "s", json!({"type": "NodePort", "ports": two}))),
            ("services", service(name, "s", json!({"type": "LoadBalancer", "ports": [{"port": 80}]}))),
            ("services", service(name, "s", json!({"type": "LoadBalancer", "ports": two}))),
            ("services", service(name, "s", json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": two}))),
            ("services", service(name, "s", json!({"type": "ExternalName", "externalName": "x.example"}))),
            ("persistentvolumeclaims", claim(name, "c", None, "1Gi")),
            ("persistentvolumeclaims", claim(name, "c", Some(""), "6Gi")),
            ("persistentvolumeclaims", claim(name, "c", Some("gold"), "5368709120500m")),
            ("persistentvolumeclaims", claim(name, "c", Some("silver"), "5Gi")),
            ("persistentvolumeclaims", fast),
            (
                "deployments",
                object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": name},
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})),
            ),
            (
                "replicationcontrollers",
                object(json!({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "d", "namespace": name},
                "spec": {"selector": {"a": "b"}, "template": template}})),
            ),
            ("configmaps", object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": name}}))),
            ("secrets", object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": name}}))),
            (
                "serviceaccounts",
                object(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "c", "namespace": name}})),
            ),
            (
                "ingresses",
                object(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "c", "namespace": name},
                "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}})),
            ),
            (
                "resourcequotas",
                object(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "c", "namespace": name}, "spec": {}})),
            ),
        ];
        for (plural, wanted) in wanted {
            let ours = quota.charge(Counted { object: &wanted, plural }, None);
            match settled(&ground, &wanted, None).await {
                Said::Invalid(words) => panic!("{words}"),
                Said::No(theirs) => {
                    refused += 1;
                    assert_eq!(ours.unwrap_err(), theirs, "{spec}: {}", wanted.value());
                }
                Said::Yes { .. } => assert!(ours.is_ok(), "{ours:?} {spec}: {}", wanted.value()),
            }
            compared += 1;
        }
    }
    eprintln!("{compared} compared: {refused} refused");
    assert!(refused > 25, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_charged_with_what_is_new() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "quota-changes").await;
    let namespace = ground.namespace("a", json!({})).await;
    let name = namespace.name();
    let two = json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]);
    let forms = [
        json!({"type": "ClusterIP", "ports": two}),
        json!({"type": "NodePort", "ports": two}),
        json!({"type": "NodePort", "ports": [two[0]]}),
        json!({"type": "LoadBalancer", "ports": two}),
        json!({"type": "LoadBalancer", "ports": [two[0]]}),
    ];
    let mut live = Vec::new();
    for (number, form) in forms.iter().enumerate() {
        live.push(ground.make(&service(name, &format!("s{number}"), form.clone())).await);
    }
    // No more than what is there.
    let quota =
        quota(&ground, &namespace, json!({"hard": {"services": "5", "services.nodeports": "6", "services.loadbalancers": "2"}})).await;
    assert_eq!(quota.used.to_string(), "services=5,services.loadbalancers=2,services.nodeports=6");
    let mut refused = 0;
    for before in &live {
        for form in &forms {
            let after = service(name, before.name(), form.clone());
            let ours = quota.charge(Counted { object: &after, plural: "services" }, Some(Counted { object: before, plural: "services" }));
            match settled(&ground, &after, Some(before)).await {
                Said::Invalid(words) => panic!("{words}"),
                Said::No(theirs) => {
                    refused += 1;
                    assert_eq!(ours.unwrap_err(), theirs, "{} to {form}", before.value()["spec"]);
                }
                Said::Yes { .. } => assert!(ours.is_ok(), "{ours:?}: {} to {form}", before.value()["spec"]),
            }
        }
    }
    assert!(refused >= 8, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_counted_as_the_controller_counts_it() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "quota-count").await;
    let namespace = ground.namespace("a", json!({})).await;
    let name = namespace.name();
    let mut made = Vec::new();
    for seed in 0..12 {
        let mut pod = pods::sized(&mut Dice::new(seed), name, &format!("p{seed}"));
        // Nobody ever runs it: what it needs is what it says.
        pod.value_mut()["spec"]["schedulerName"] = "nobody".into();
        if matches!(ground.ask(&pod).await, Said::Yes { .. }) {
            made.push(("pods", ground.make(&pod).await));
        }
    }
    made.push(("services", ground.make(&service(name, "a", json!({"type": "NodePort", "ports": [{"port": 80}]}))).await));
    made.push(("services", ground.make(&service(name, "b", json!({"type": "LoadBalancer", "ports": [{"port": 80}]}))).await));
    made.push(("persistentvolumeclaims", ground.make(&claim(name, "a", Some("gold"), "1500M")).await));
    made.push(("persistentvolumeclaims", ground.make(&claim(name, "b", None, "2Gi")).await));
    let hard: serde_json::Map<String, Value> = [
        "pods",
        "count/pods",
        "cpu",
        "memory",
        "requests.cpu",
        "limits.cpu",
        "limits.memory",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.ephemeral-storage",
        "requests.example.com/gpu",
        "requests.hugepages-2Mi",
        "services",
        "services.nodeports",
        "services.loadbalancers",
        "persistentvolumeclaims",
        "requests.storage",
        "gold.storageclass.storage.k8s.io/requests.storage",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), json!("1000Gi")))
    .collect();
    let counted = || made.iter().map(|(plural, object)| Counted { object, plural });
    let quota = quota(&ground, &namespace, json!({"hard": hard})).await;
    assert!(made.len() > 8, "{}", made.len());
    assert_eq!(quota.count(counted(), None).to_string(), quota.used.to_string());
}
