//! An object of each kind, as small as the server takes it.

use serde_json::{Value, json};

/// A kind: its path, and an object.
pub struct Kind {
    pub name: &'static str,
    /// `/apis/apps/v1`.
    pub base: String,
    pub plural: &'static str,
    pub namespaced: bool,
    pub object: Value,
    /// A value that can change: a merge patch.
    pub change: Value,
}

impl Kind {
    pub fn all(&self) -> String {
        if self.namespaced { format!("{}/namespaces/{{ns}}/{}", self.base, self.plural) } else { format!("{}/{}", self.base, self.plural) }
    }

    pub fn one(&self) -> String {
        format!("{}/{}", self.all(), self.object["metadata"]["name"].as_str().unwrap())
    }
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "registry.example/x:1", "ports": [{"containerPort": 80}]}]}})
}

fn job_template() -> Value {
    let mut template = template();
    template["spec"]["restartPolicy"] = "Never".into();
    template
}

/// All kinds. Those without a namespace are called after the sequence's.
pub fn all(run: &str) -> Vec<Kind> {
    let selector = json!({"matchLabels": {"app": "x"}});
    let mut found = Vec::new();
    let mut add = |name: &'static str, api: &str, plural: &'static str, namespaced: bool, rest: Value, change: Value| {
        let base = if api == "v1" { "/api/v1".to_owned() } else { format!("/apis/{api}") };
        let mut object = rest;
        object["apiVersion"] = api.into();
        object["kind"] = name.into();
        object["metadata"]["name"] = if namespaced { "x" } else { "{ns}" }.into();
        found.push(Kind { name, base, plural, namespaced, object, change });
    };
    add("ConfigMap", "v1", "configmaps", true, json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}));
    add("Secret", "v1", "secrets", true, json!({"stringData": {"a": "1"}}), json!({"data": {"a": "Mg=="}}));
    add(
        "Service",
        "v1",
        "services",
        true,
        json!({"spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}}),
        json!({"spec": {"selector": {"app": "y"}}}),
    );
    add("ServiceAccount", "v1", "serviceaccounts", true, json!({}), json!({"automountServiceAccountToken": false}));
    add("Pod", "v1", "pods", true, json!({"spec": template()["spec"]}), json!({"metadata": {"annotations": {"k": "v"}}}));
    add(
        "PodTemplate",
        "v1",
        "podtemplates",
        true,
        json!({"template": template()}),
        json!({"template": {"metadata": {"labels": {"z": "1"}}}}),
    );
    add(
        "ReplicationController",
        "v1",
        "replicationcontrollers",
        true,
        json!({"spec": {"selector": {"app": "x"}, "template": template()}}),
        json!({"spec": {"replicas": 2}}),
    );
    add(
        "PersistentVolumeClaim",
        "v1",
        "persistentvolumeclaims",
        true,
        json!({"spec": {"storageClassName": "none", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    add(
        "ResourceQuota",
        "v1",
        "resourcequotas",
        true,
        json!({"spec": {"hard": {"requests.cpu": "1000m"}}}),
        json!({"spec": {"hard": {"requests.cpu": "2"}}}),
    );
    add(
        "LimitRange",
        "v1",
        "limitranges",
        true,
        json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}),
        json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "3"}}]}}),
    );
    add(
        "Endpoints",
        "v1",
        "endpoints",
        true,
        json!({"subsets": [{"addresses": [{"ip": "10.9.8.7"}], "ports": [{"port": 80}]}]}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    add(
        "Deployment",
        "apps/v1",
        "deployments",
        true,
        json!({"spec": {"selector": selector, "template": template()}}),
        json!({"spec": {"replicas": 2}}),
    );
    add(
        "StatefulSet",
        "apps/v1",
        "statefulsets",
        true,
        json!({"spec": {"serviceName": "x", "selector": selector, "template": template()}}),
        json!({"spec": {"replicas": 2}}),
    );
    add(
        "DaemonSet",
        "apps/v1",
        "daemonsets",
        true,
        json!({"spec": {"selector": selector, "template": template()}}),
        json!({"spec": {"minReadySeconds": 2}}),
    );
    add(
        "ReplicaSet",
        "apps/v1",
        "replicasets",
        true,
        json!({"spec": {"selector": selector, "template": template()}}),
        json!({"spec": {"replicas": 2}}),
    );
    add("ControllerRevision", "apps/v1", "controllerrevisions", true, json!({"revision": 1, "data": {"a": 1}}), json!({"revision": 2}));
    add("Job", "batch/v1", "jobs", true, json!({"spec": {"template": job_template()}}), json!({"spec": {"parallelism": 2}}));
    add(
        "CronJob",
        "batch/v1",
        "cronjobs",
        true,
        json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": job_template()}}}}),
        json!({"spec": {"suspend": true}}),
    );
    add(
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "horizontalpodautoscalers",
        true,
        json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}}),
        json!({"spec": {"maxReplicas": 4}}),
    );
    add(
        "PodDisruptionBudget",
        "policy/v1",
        "poddisruptionbudgets",
        true,
        json!({"spec": {"minAvailable": 1, "selector": selector}}),
        json!({"spec": {"minAvailable": 2}}),
    );
    add(
        "NetworkPolicy",
        "networking.k8s.io/v1",
        "networkpolicies",
        true,
        json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80}]}]}}),
        json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}),
    );
    add(
        "Ingress",
        "networking.k8s.io/v1",
        "ingresses",
        true,
        json!({"spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}}),
        json!({"spec": {"ingressClassName": "c"}}),
    );
    add(
        "Role",
        "rbac.authorization.k8s.io/v1",
        "roles",
        true,
        json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}),
    );
    add(
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        true,
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}, "subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "{ns}"}]}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    add(
        "Lease",
        "coordination.k8s.io/v1",
        "leases",
        true,
        json!({"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}),
        json!({"spec": {"holderIdentity": "you"}}),
    );
    add(
        "EndpointSlice",
        "discovery.k8s.io/v1",
        "endpointslices",
        true,
        json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.8.7"]}], "ports": [{"name": "a", "port": 80}]}),
        json!({"ports": [{"name": "a", "port": 81}]}),
    );
    add(
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        false,
        json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}),
    );
    add(
        "ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        false,
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"}, "subjects": [{"kind": "User", "name": "u"}]}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    add("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", false, json!({"value": 5}), json!({"description": "d"}));
    add(
        "StorageClass",
        "storage.k8s.io/v1",
        "storageclasses",
        false,
        json!({"provisioner": "a.example/b"}),
        json!({"allowVolumeExpansion": true}),
    );
    add(
        "IngressClass",
        "networking.k8s.io/v1",
        "ingressclasses",
        false,
        json!({"spec": {"controller": "a.example/b"}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    add("RuntimeClass", "node.k8s.io/v1", "runtimeclasses", false, json!({"handler": "h"}), json!({"metadata": {"labels": {"a": "b"}}}));
    add(
        "PersistentVolume",
        "v1",
        "persistentvolumes",
        false,
        json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    let group = format!("{run}.example.com/v1");
    add(
        "Widget",
        &group,
        "widgets",
        true,
        json!({"spec": {"size": 3, "parts": [{"name": "a", "count": 1}], "tags": ["x"]}}),
        json!({"spec": {"size": 4}}),
    );
    found
}

/// A definition with what definitions can say.
pub fn definition(run: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{run}.example.com")},
        "spec": {
            "group": format!("{run}.example.com"), "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {"type": "object", "required": ["size"], "properties": {
                        "size": {"type": "integer", "minimum": 0, "maximum": 10},
                        "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
                        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                        "port": {"x-kubernetes-int-or-string": true},
                        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                        "plain": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                        "maybe": {"type": "string", "nullable": true},
                        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 7}}}},
                        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
                    "status": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}],
        },
    })
}
