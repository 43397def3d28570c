//! Objects that a server refuses, and changes that it refuses.

use serde_json::{Value, json};

use super::kinds;
use super::sequences::{JSON, MERGE, step};
use super::{Sequence, Step};

/// What is wrong: the kind, and a merge patch of its small object.
fn refused() -> Vec<(&'static str, Value)> {
    let container = |rest: Value| {
        let mut container = json!({"name": "c", "image": "x"});
        for (key, value) in rest.as_object().unwrap() {
            container[key] = value.clone();
        }
        json!({"spec": {"template": {"spec": {"containers": [container]}}}})
    };
    vec![
        ("ConfigMap", json!({"data": {"a b": "c"}})),
        ("ConfigMap", json!({"data": {"a": "1"}, "binaryData": {"a": "MQ=="}})),
        ("Secret", json!({"data": {"a": "not base64!"}})),
        ("Secret", json!({"data": {"a b": "MQ=="}})),
        ("Secret", json!({"type": "kubernetes.io/tls"})),
        ("Secret", json!({"type": "kubernetes.io/dockerconfigjson"})),
        ("Service", json!({"spec": {"ports": null}})),
        ("Service", json!({"spec": {"ports": [{"port": 0}]}})),
        ("Service", json!({"spec": {"ports": [{"port": 70000}]}})),
        ("Service", json!({"spec": {"ports": [{"port": 80}, {"port": 81}]}})),
        ("Service", json!({"spec": {"ports": [{"port": 80, "name": "A_b"}]}})),
        ("Service", json!({"spec": {"ports": [{"port": 80, "protocol": "XYZ"}]}})),
        ("Service", json!({"spec": {"type": "Other"}})),
        ("Service", json!({"spec": {"type": "ExternalName"}})),
        ("Service", json!({"spec": {"sessionAffinity": "Other"}})),
        ("Service", json!({"spec": {"clusterIP": "x"}})),
        ("Service", json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}})),
        ("Service", json!({"spec": {"ports": [{"port": 80, "nodePort": 30123}]}})),
        ("Service", json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 1}]}})),
        ("Deployment", json!({"spec": {"selector": null}})),
        ("Deployment", json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}})),
        ("Deployment", json!({"spec": {"selector": {"matchLabels": null}}})),
        ("Deployment", json!({"spec": {"replicas": -1}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"containers": null}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}})),
        ("Deployment", json!({"spec": {"strategy": {"type": "Other"}}})),
        ("Deployment", json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}})),
        ("Deployment", json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}})),
        ("Deployment", json!({"spec": {"minReadySeconds": 700}})),
        ("Deployment", json!({"spec": {"progressDeadlineSeconds": 0}})),
        ("Deployment", container(json!({"name": "A_b"}))),
        ("Deployment", container(json!({"image": ""}))),
        ("Deployment", container(json!({"imagePullPolicy": "Sometimes"}))),
        ("Deployment", container(json!({"ports": [{"containerPort": 0}]}))),
        ("Deployment", container(json!({"ports": [{"containerPort": 80, "name": "much-too-long-a-name"}]}))),
        ("Deployment", container(json!({"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}))),
        ("Deployment", container(json!({"env": [{"value": "x"}]}))),
        ("Deployment", container(json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}))),
        ("Deployment", container(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}))),
        ("Deployment", container(json!({"resources": {"requests": {"cpu": "-1"}}}))),
        ("Deployment", container(json!({"resources": {"requests": {"cpu": "lots"}}}))),
        ("Deployment", container(json!({"volumeMounts": [{"name": "none", "mountPath": "/x"}]}))),
        ("Deployment", container(json!({"livenessProbe": {}}))),
        ("Deployment", container(json!({"livenessProbe": {"httpGet": {"port": 0}}}))),
        ("Deployment", container(json!({"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": -1}}))),
        ("Deployment", json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x"}, {"name": "c", "image": "y"}]}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"volumes": [{"name": "v"}, {"name": "v"}]}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"volumes": [{"name": "A_b", "emptyDir": {}}]}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "x"}}]}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"dnsPolicy": "Other"}}}})),
        ("Deployment", json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": -5}}}})),
        ("StatefulSet", json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}})),
        ("StatefulSet", json!({"spec": {"podManagementPolicy": "Other"}})),
        ("StatefulSet", json!({"spec": {"updateStrategy": {"type": "Other"}}})),
        ("StatefulSet", json!({"spec": {"replicas": -1}})),
        ("DaemonSet", json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}})),
        ("DaemonSet", json!({"spec": {"updateStrategy": {"type": "Other"}}})),
        ("Job", json!({"spec": {"template": {"spec": {"restartPolicy": "Always"}}}})),
        ("Job", json!({"spec": {"parallelism": -1}})),
        ("Job", json!({"spec": {"completions": -1}})),
        ("Job", json!({"spec": {"backoffLimit": -1}})),
        ("CronJob", json!({"spec": {"schedule": ""}})),
        ("CronJob", json!({"spec": {"schedule": "often"}})),
        ("CronJob", json!({"spec": {"concurrencyPolicy": "Other"}})),
        ("CronJob", json!({"spec": {"timeZone": "Nowhere/Land"}})),
        ("HorizontalPodAutoscaler", json!({"spec": {"maxReplicas": 0}})),
        ("HorizontalPodAutoscaler", json!({"spec": {"minReplicas": 5}})),
        ("HorizontalPodAutoscaler", json!({"spec": {"scaleTargetRef": {"name": ""}}})),
        ("PodDisruptionBudget", json!({"spec": {"maxUnavailable": 1}})),
        ("PodDisruptionBudget", json!({"spec": {"minAvailable": -1}})),
        ("PodDisruptionBudget", json!({"spec": {"minAvailable": "150%"}})),
        ("NetworkPolicy", json!({"spec": {"ingress": [{"ports": [{"port": 0}]}]}})),
        ("NetworkPolicy", json!({"spec": {"policyTypes": ["Other"]}})),
        ("NetworkPolicy", json!({"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "x"}}]}]}})),
        ("Ingress", json!({"spec": {"rules": null}})),
        ("Ingress", json!({"spec": {"rules": [{"host": "A_b"}]}})),
        (
            "Ingress",
            json!({"spec": {"rules": [{"http": {"paths": [{"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}}),
        ),
        (
            "Ingress",
            json!({"spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}}),
        ),
        ("ResourceQuota", json!({"spec": {"hard": {"requests.cpu": "-1"}}})),
        ("LimitRange", json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}]}})),
        ("PersistentVolumeClaim", json!({"spec": {"accessModes": null}})),
        ("PersistentVolumeClaim", json!({"spec": {"resources": null}})),
        ("Role", json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}]})),
        ("RoleBinding", json!({"roleRef": {"kind": "Other"}})),
        ("RoleBinding", json!({"subjects": [{"kind": "Other", "name": "x"}]})),
        ("StorageClass", json!({"provisioner": ""})),
        ("PriorityClass", json!({"value": 2_000_000_000})),
        ("Lease", json!({"spec": {"leaseDurationSeconds": 0}})),
        ("Pod", json!({"spec": {"containers": null}})),
        ("Pod", json!({"spec": {"restartPolicy": "Other"}})),
        ("Pod", json!({"spec": {"serviceAccountName": "nobody"}})),
        ("Pod", json!({"spec": {"priorityClassName": "nothing"}})),
        ("Widget", json!({"spec": {"size": "x"}})),
        ("Widget", json!({"spec": {"size": 11}})),
        ("Widget", json!({"spec": {"size": null}})),
        ("Widget", json!({"spec": null})),
        ("Widget", json!({"spec": {"colour": "blue"}})),
        ("Widget", json!({"spec": {"code": "ABC"}})),
        ("Widget", json!({"spec": {"code": "abcdefgh"}})),
        ("Widget", json!({"spec": {"tags": ["a", "a"]}})),
        ("Widget", json!({"spec": {"plain": ["a", "b", "c"]}})),
        ("Widget", json!({"spec": {"parts": [{"name": "a"}, {"name": "a"}]}})),
        ("Widget", json!({"spec": {"port": true}})),
        ("Widget", json!({"spec": {"maybe": null, "open": {"x": 1}, "other": 2}})),
    ]
}

/// Changes of an object that stands.
fn unchangeable() -> Vec<(&'static str, Value)> {
    vec![
        ("Deployment", json!({"spec": {"selector": {"matchLabels": {"b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}})),
        ("StatefulSet", json!({"spec": {"serviceName": "other"}})),
        ("StatefulSet", json!({"spec": {"podManagementPolicy": "Parallel"}})),
        ("DaemonSet", json!({"spec": {"selector": {"matchLabels": {"b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}})),
        ("ReplicaSet", json!({"spec": {"selector": {"matchLabels": {"b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}})),
        ("Job", json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}})),
        ("Job", json!({"spec": {"completionMode": "Indexed"}})),
        ("Secret", json!({"type": "other"})),
        ("Service", json!({"spec": {"clusterIP": "10.0.77.77"}})),
        ("RoleBinding", json!({"roleRef": {"name": "other"}})),
        ("ClusterRoleBinding", json!({"roleRef": {"name": "other"}})),
        ("StorageClass", json!({"provisioner": "other"})),
        ("PriorityClass", json!({"value": 6})),
        ("IngressClass", json!({"spec": {"controller": "a.example/other"}})),
        ("PersistentVolumeClaim", json!({"spec": {"volumeMode": "Block"}})),
        ("PersistentVolumeClaim", json!({"spec": {"accessModes": ["ReadOnlyMany"]}})),
        ("Pod", json!({"spec": {"hostNetwork": true}})),
        ("Pod", json!({"spec": {"nodeName": "n"}})),
        ("RuntimeClass", json!({"handler": "other"})),
        ("EndpointSlice", json!({"addressType": "IPv6"})),
    ]
}

/// Changes that leave something behind: unions, defaults, allocations.
fn leftovers() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        (
            "Deployment",
            vec![
                json!({"spec": {"strategy": {"type": "Recreate"}}}),
                json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": null}}}),
                json!({"spec": {"replicas": null}}),
            ],
        ),
        (
            "Service",
            vec![
                json!({"spec": {"type": "NodePort"}}),
                json!({"spec": {"type": "ClusterIP"}}),
                json!({"spec": {"type": "LoadBalancer"}}),
                json!({"spec": {"sessionAffinity": "ClientIP"}}),
            ],
        ),
        ("Service", vec![json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "targetPort": "x"}]}})]),
        ("Service", vec![json!({"spec": {"type": "ExternalName", "externalName": "a.example"}})]),
        ("ConfigMap", vec![json!({"immutable": true}), json!({"data": {"a": "9"}}), json!({"immutable": false})]),
        (
            "Secret",
            vec![
                json!({"stringData": {"b": "2"}}),
                json!({"data": {"a": null}}),
                json!({"immutable": true}),
                json!({"data": {"a": "OQ=="}}),
            ],
        ),
        (
            "HorizontalPodAutoscaler",
            vec![json!({"spec": {"metrics": null}}), json!({"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}})],
        ),
        ("CronJob", vec![json!({"spec": {"timeZone": "Etc/UTC"}}), json!({"spec": {"successfulJobsHistoryLimit": 0}})]),
        ("ResourceQuota", vec![json!({"spec": {"hard": {"limits.memory": "1024Mi", "pods": "5"}}})]),
        ("NetworkPolicy", vec![json!({"spec": {"egress": [{}], "policyTypes": ["Ingress", "Egress"]}}), json!({"spec": {"ingress": []}})]),
        ("PodDisruptionBudget", vec![json!({"spec": {"minAvailable": null, "maxUnavailable": "50%"}})]),
        (
            "Widget",
            vec![
                json!({"spec": {"colour": null}}),
                json!({"spec": {"maybe": null}}),
                json!({"spec": {"parts": [{"name": "b"}]}}),
                json!({"status": {"size": 3}}),
            ],
        ),
    ]
}

pub fn all(run: &str) -> Vec<Sequence> {
    let kinds = kinds::all(run);
    let find = |name: &str| kinds.iter().find(|kind| kind.name == name).unwrap();
    let mut found = Vec::new();
    for (number, (name, patch)) in refused().into_iter().enumerate() {
        let kind = find(name);
        let mut object = kind.object.clone();
        merge(&mut object, &patch);
        let steps = vec![step("POST", kind.all(), JSON, object)];
        found.push(Sequence { name: format!("{name} refused {number} {patch}"), steps });
    }
    for (name, patch) in unchangeable() {
        let kind = find(name);
        let steps = vec![
            step("POST", kind.all(), JSON, kind.object.clone()),
            step("PATCH", kind.one(), MERGE, patch.clone()),
            step("DELETE", kind.one(), "", Value::Null),
        ];
        found.push(Sequence { name: format!("{name} unchangeable {patch}"), steps });
    }
    for (name, patches) in leftovers() {
        let kind = find(name);
        let mut steps: Vec<Step> = vec![step("POST", kind.all(), JSON, kind.object.clone())];
        steps.extend(patches.iter().map(|patch| step("PATCH", kind.one(), MERGE, patch.clone())));
        found.push(Sequence { name: format!("{name} leftovers {}", patches[0]), steps });
    }
    found
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
