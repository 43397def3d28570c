//! Kinds and what their objects may have: templates from which configurations are drawn.
//!
//! In a template `name?` is a field that may be left out (`name??` mostly is), `$any` one of several values, `$some` a part of a
//! list, sometimes in another order.

use serde_json::{Value, json};
use spai::resource::{FieldPath, GroupKind, GroupVersionKind};

/// A kind under test.
#[derive(Clone, Debug)]
pub struct Case {
    pub api_version: &'static str,
    /// In which versions it is written, where there are several.
    pub versions: &'static [&'static str],
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    /// What its objects may have, but for apiVersion, kind and metadata. None: drawn from the schema.
    pub template: Option<Value>,
    /// What its status may have.
    pub status: Option<Value>,
    /// A custom kind with a status subresource.
    pub custom_status: bool,
    /// Where `/scale` writes.
    pub scale: Option<FieldPath>,
    /// What the server makes itself when such an object is created.
    pub made: &'static [&'static str],
}

impl Case {
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version, self.kind)
    }

    /// Whether it is stored in the version at hand: the last one.
    pub fn is_stored_so(&self) -> bool {
        self.versions.last().is_none_or(|stored| *stored == self.api_version)
    }

    /// The same kind, written in another version.
    pub fn in_version(&self, api_version: &'static str) -> Self {
        Self { api_version, ..self.clone() }
    }

    pub fn group_kind(&self) -> GroupKind {
        let gvk = self.gvk();
        GroupKind::new(gvk.group, gvk.kind)
    }

    pub fn collection(&self, namespace: &str) -> String {
        let root =
            if self.api_version.contains('/') { format!("/apis/{}", self.api_version) } else { format!("/api/{}", self.api_version) };
        if self.namespaced { format!("{root}/namespaces/{namespace}/{}", self.plural) } else { format!("{root}/{}", self.plural) }
    }
}

fn case(api_version: &'static str, kind: &'static str, plural: &'static str, template: Value) -> Case {
    Case {
        api_version,
        versions: &[],
        kind,
        plural,
        namespaced: true,
        template: Some(template),
        status: None,
        custom_status: false,
        scale: None,
        made: &[],
    }
}

fn wide(case: Case) -> Case {
    Case { namespaced: false, ..case }
}

fn replicas(case: Case) -> Case {
    Case { scale: Some(FieldPath::fields(&["spec", "replicas"])), ..case }
}

fn status(status: Value, case: Case) -> Case {
    Case { status: Some(status), ..case }
}

fn made(made: &'static [&'static str], case: Case) -> Case {
    Case { made, ..case }
}

fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": {"$any": ["a:1", "a:2", "b"]},
        "args?": {"$any": [["x"], ["x", "y"]]},
        "env?": {"$some": [{"name": "A", "value": {"$any": ["1", "2"]}}, {"name": "B", "value": "b"}, {"name": "C"},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion?": "v1"}}}]},
        "ports?": {"$some": [{"containerPort": 80, "name?": "http", "protocol?": "TCP"}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 9}]},
        "resources?": {"requests?": {"cpu?": {"$any": ["1", "1000m", "0.5", "500m"]}, "memory?": {"$any": ["1Gi", "1024Mi"]}}, "limits??": {"cpu": "2"}},
        "livenessProbe??": {"httpGet": {"path": {"$any": ["/", "/x"]}, "port": {"$any": [80, "http"]}}, "periodSeconds?": 5},
        "volumeMounts??": {"$some": [{"name": "v", "mountPath": "/a", "readOnly?": true}, {"name": "v", "mountPath": "/b"}]},
        "imagePullPolicy?": {"$any": ["Always", "IfNotPresent"]},
        "securityContext??": {"capabilities": {"drop": ["ALL"]}, "runAsNonRoot?": true},
    })
}

fn pod_spec(restart: &Value) -> Value {
    json!({
        "containers": {"$some": [container("one"), container("two"), container("three")]},
        "initContainers??": {"$some": [{"name": "init", "image": "i"}]},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "restartPolicy?": restart,
        "nodeSelector??": {"a?": "1", "b?": "2"},
        "tolerations??": [{"key": "a", "operator": "Exists"}],
        "imagePullSecrets??": {"$some": [{"name": "a"}, {"name": "b"}]},
        "topologySpreadConstraints??": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "x"}}}],
        "securityContext??": {"fsGroup": {"$any": [1, 2]}, "supplementalGroups?": {"$any": [[1, 2], [3]]}},
        "terminationGracePeriodSeconds?": {"$any": [5, 30]},
        "hostAliases??": {"$some": [{"ip": "1.1.1.1", "hostnames": ["a"]}, {"ip": "2.2.2.2", "hostnames": ["b"]}]},
    })
}

fn pod_template(restart: &Value) -> Value {
    json!({"metadata": {"labels": {"app": "x", "more?": {"$any": ["1", "2"]}}, "annotations?": {"n?": {"$any": ["1", "2"]}}}, "spec": pod_spec(restart)})
}

/// All built-in kinds under test.
pub fn built_in() -> Vec<Case> {
    let always = json!("Always");
    let never = json!({"$any": ["Never", "OnFailure"]});
    let selector = json!({"matchLabels": {"app": "x"}});
    let rules = json!({"$any": [
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}, {"nonResourceURLs": [], "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}],
        []]});
    let policy_rule =
        json!({"ports?": [{"port": {"$any": [80, "http"]}, "protocol?": "TCP"}], "from?": [{"podSelector": {"matchLabels?": {"a": "1"}}}]});
    let condition =
        |kind: &str| json!({"type": kind, "status": {"$any": ["True", "False"]}, "reason?": "R", "message?": {"$any": ["m", "n"]}});
    let conditions = json!({"$some": [condition("Available"), condition("Progressing"), condition("Other")]});
    let mut role_rules = rules.clone();
    role_rules["$any"][1][1].as_object_mut().unwrap().remove("nonResourceURLs");
    vec![
        case(
            "v1",
            "ConfigMap",
            "configmaps",
            json!({"data?": {"a?": {"$any": ["1", "2"]}, "b?": {"$any": ["1", "2"]}, "c.d?": "x", "e?": ""},
            "binaryData??": {"x": {"$any": ["AAAA", "aGVsbG8="]}}}),
        ),
        case(
            "v1",
            "Secret",
            "secrets",
            json!({"type?": "Opaque", "data?": {"a?": {"$any": ["MQ==", "Mg=="]}, "b?": "YWJj"}, "stringData??": {"c": {"$any": ["1", "2"]}}}),
        ),
        made(
            &["spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"],
            case(
                "v1",
                "Service",
                "services",
                json!({"spec": {
            "selector?": {"a?": "1", "b?": {"$any": ["1", "2"]}},
            "ports": {"$some": [{"name": "one", "port": 80, "targetPort?": {"$any": [80, "http"]}, "protocol?": "TCP"}, {"name": "two", "port": 80, "protocol": "UDP"}, {"name": "three", "port": 81}]},
            "sessionAffinity?": {"$any": ["None", "ClientIP"]}, "publishNotReadyAddresses?": true, "externalIPs??": ["1.2.3.4"]}}),
            ),
        ),
        case(
            "v1",
            "ServiceAccount",
            "serviceaccounts",
            json!({"automountServiceAccountToken?": {"$any": [true, false]}, "imagePullSecrets?": {"$some": [{"name": "a"}, {"name": "b"}]},
            "secrets?": {"$some": [{"name": "a"}, {"name": "c", "namespace?": "x"}]}}),
        ),
        status(
            json!({"phase": {"$any": ["Bound", "Pending"]}, "capacity?": {"storage": {"$any": ["1Gi", "1024Mi"]}}, "conditions?": {"$some": [condition("Resizing")]}}),
            made(
                &["metadata.finalizers"],
                case(
                    "v1",
                    "PersistentVolumeClaim",
                    "persistentvolumeclaims",
                    json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                "volumeMode?": "Filesystem", "storageClassName": "x"}}),
                ),
            ),
        ),
        made(
            &["metadata.finalizers"],
            wide(case(
                "v1",
                "PersistentVolume",
                "persistentvolumes",
                json!({"spec": {"accessModes": {"$any": [["ReadWriteOnce"], ["ReadWriteOnce", "ReadOnlyMany"]]},
            "capacity": {"storage": {"$any": ["1Gi", "1024Mi", "2Gi"]}}, "hostPath": {"path": "/x", "type?": ""}, "mountOptions?": {"$any": [["a"], ["a", "b"]]},
            "persistentVolumeReclaimPolicy?": {"$any": ["Retain", "Recycle"]}}}),
            )),
        ),
        made(&["spec.finalizers", "spec"], wide(case("v1", "Namespace", "namespaces", json!({})))),
        made(
            &["spec.priority", "spec.preemptionPolicy", "spec.tolerations", "spec.serviceAccount", "spec.serviceAccountName"],
            status(
                json!({"phase?": {"$any": ["Pending", "Running"]}, "message?": "m", "conditions?": {"$some": [condition("Ready"), condition("PodScheduled")]},
                "podIPs??": [{"ip": "1.1.1.1"}]}),
                case(
                    "v1",
                    "Pod",
                    "pods",
                    json!({"spec": {"automountServiceAccountToken": false,
                "containers": [{"name": "one", "image": {"$any": ["a", "b"]}, "env": [{"name": "A", "value": "1"}], "ports?": [{"containerPort": 80}]}],
                "terminationGracePeriodSeconds": 3, "activeDeadlineSeconds??": 99}}),
                ),
            ),
        ),
        case("v1", "PodTemplate", "podtemplates", json!({"template": pod_template(&always)})),
        replicas(status(
            json!({"replicas": {"$any": [0, 1]}, "conditions?": conditions}),
            case(
                "v1",
                "ReplicationController",
                "replicationcontrollers",
                json!({"spec": {
            "replicas?": {"$any": [1, 2]}, "selector": {"app": "x"}, "minReadySeconds?": 1, "template": pod_template(&always)}}),
            ),
        )),
        case(
            "v1",
            "Endpoints",
            "endpoints",
            json!({"subsets?": {"$any": [[{"addresses": [{"ip": "1.1.1.1"}], "ports": [{"port": 80}]}], [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]}]]}}),
        ),
        replicas(status(
            json!({"observedGeneration?": {"$any": [1, 2]}, "replicas?": 2, "conditions?": conditions}),
            case(
                "apps/v1",
                "Deployment",
                "deployments",
                json!({"spec": {
            "replicas?": {"$any": [0, 1, 2]}, "selector": selector, "paused?": true, "revisionHistoryLimit?": {"$any": [5, 10]}, "minReadySeconds??": 3,
            "strategy?": {"$any": [{"type": "RollingUpdate", "rollingUpdate?": {"maxSurge?": {"$any": [1, "25%"]}, "maxUnavailable?": 0}}, {}, {"type": "Recreate"}]},
            "template": pod_template(&always)}}),
            ),
        )),
        replicas(status(
            json!({"replicas": 1, "readyReplicas?": {"$any": [0, 1]}}),
            case(
                "apps/v1",
                "StatefulSet",
                "statefulsets",
                json!({"spec": {"replicas?": {"$any": [1, 2]}, "selector": selector,
            "serviceName": "x", "podManagementPolicy?": "OrderedReady", "updateStrategy?": {"type": "RollingUpdate", "rollingUpdate?": {"partition": {"$any": [0, 1]}}},
            "template": pod_template(&always), "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}}),
            ),
        )),
        made(
            &["metadata.annotations"],
            case(
                "apps/v1",
                "DaemonSet",
                "daemonsets",
                json!({"spec": {"selector": selector, "updateStrategy?": {"type": "RollingUpdate"},
            "minReadySeconds?": {"$any": [1, 2]}, "template": pod_template(&always)}}),
            ),
        ),
        replicas(case(
            "apps/v1",
            "ReplicaSet",
            "replicasets",
            json!({"spec": {"replicas?": {"$any": [0, 3]}, "selector": selector, "template": pod_template(&always)}}),
        )),
        case("apps/v1", "ControllerRevision", "controllerrevisions", json!({"revision": {"$any": [1, 2, 3]}, "data": {"spec": {"x": 1}}})),
        status(
            json!({"active?": 1, "startTime?": "2026-01-01T00:00:00Z", "ready?": {"$any": [0, 1]}}),
            case(
                "batch/v1",
                "Job",
                "jobs",
                json!({"spec": {"manualSelector": true, "selector": selector, "suspend?": {"$any": [true, false]},
            "parallelism?": {"$any": [1, 2]}, "backoffLimit?": {"$any": [3, 6]}, "ttlSecondsAfterFinished?": 9, "activeDeadlineSeconds?": {"$any": [100, 200]},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "one", "image": "a"}]}}}}),
            ),
        ),
        case(
            "batch/v1",
            "CronJob",
            "cronjobs",
            json!({"spec": {"schedule": {"$any": ["* * * * *", "0 1 * * *"]}, "suspend?": {"$any": [true, false]}, "concurrencyPolicy?": {"$any": ["Allow", "Forbid"]},
            "jobTemplate": {"spec": {"template": {"metadata?": {"labels": {"a": "1"}}, "spec": pod_spec(&never)}}}}}),
        ),
        status(
            json!({"currentReplicas?": 1, "desiredReplicas": {"$any": [1, 2]}}),
            Case {
                versions: &["autoscaling/v1", "autoscaling/v2"],
                ..case(
                    "autoscaling/v1",
                    "HorizontalPodAutoscaler",
                    "horizontalpodautoscalers",
                    json!({"spec": {
            "scaleTargetRef": {"apiVersion?": "apps/v1", "kind": "Deployment", "name": {"$any": ["a", "b"]}}, "minReplicas?": {"$any": [1, 2]}, "maxReplicas": {"$any": [3, 4]}}}),
                )
            },
        ),
        status(
            json!({"currentReplicas?": 1, "desiredReplicas": {"$any": [1, 2]}, "conditions?": conditions}),
            case(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
                json!({"spec": {
            "scaleTargetRef": {"apiVersion?": "apps/v1", "kind": "Deployment", "name": {"$any": ["a", "b"]}}, "minReplicas?": {"$any": [1, 2]}, "maxReplicas": {"$any": [3, 4]},
            "metrics?": {"$any": [[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": {"$any": [50, 80]}}}}], []]},
            "behavior??": {"scaleDown": {"stabilizationWindowSeconds": {"$any": [10, 20]}}}}}),
            ),
        ),
        status(
            json!({"loadBalancer": {"ingress?": [{"ip": {"$any": ["1.1.1.1", "1.1.1.2"]}}]}}),
            case(
                "networking.k8s.io/v1",
                "Ingress",
                "ingresses",
                json!({"spec": {"ingressClassName?": {"$any": ["a", "b"]},
            "defaultBackend": {"service": {"name": "x", "port": {"number": {"$any": [80, 81]}}}}, "tls?": {"$any": [[{"hosts": ["a"], "secretName?": "s"}], []]},
            "rules?": [{"host?": "a.example", "http": {"paths": [{"path": "/", "pathType": {"$any": ["Prefix", "Exact"]}, "backend": {"service": {"name": "y", "port": {"name": "http"}}}}]}}]}}),
            ),
        ),
        case(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "networkpolicies",
            json!({"spec": {"podSelector": {"matchLabels?": {"a": {"$any": ["1", "2"]}}}, "policyTypes?": {"$any": [["Ingress"], ["Ingress", "Egress"]]},
            "ingress?": {"$any": [[policy_rule], [{}], []]}, "egress??": [{}]}}),
        ),
        wide(case(
            "networking.k8s.io/v1",
            "IngressClass",
            "ingressclasses",
            json!({"spec": {"controller": "example.dev/x", "parameters?": {"apiGroup?": "x", "kind": "Y", "name": {"$any": ["a", "b"]}}}}),
        )),
        status(
            json!({"observedGeneration?": 1, "disruptionsAllowed": {"$any": [0, 1]}, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}),
            case(
                "policy/v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
                json!({"spec": {"minAvailable?": {"$any": [1, "50%"]}, "selector?": {"matchLabels?": {"a": {"$any": ["1", "2"]}}}}}),
            ),
        ),
        case("rbac.authorization.k8s.io/v1", "Role", "roles", json!({"rules?": role_rules})),
        wide(case("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", json!({"rules?": rules}))),
        case(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "rolebindings",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"},
            "subjects?": {"$any": [[{"kind": "User", "name": "a"}], [{"kind": "User", "name": "a"}, {"kind": "ServiceAccount", "name": "b", "namespace": "c"}], []]}}),
        ),
        wide(case(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            "priorityclasses",
            json!({"value": 5, "description?": {"$any": ["a", "b"]}, "globalDefault?": false, "preemptionPolicy": "Never"}),
        )),
        wide(case(
            "storage.k8s.io/v1",
            "StorageClass",
            "storageclasses",
            json!({"provisioner": "example.dev/x", "parameters": {"a": "1"}, "allowVolumeExpansion?": {"$any": [true, false]},
            "mountOptions?": {"$any": [["a"], ["b"]]}, "volumeBindingMode": "Immediate", "reclaimPolicy": "Delete"}),
        )),
        wide(case(
            "storage.k8s.io/v1",
            "CSIDriver",
            "csidrivers",
            json!({"spec": {"podInfoOnMount?": {"$any": [true, false]}, "requiresRepublish?": true, "tokenRequests?": {"$any": [[{"audience": "a"}], []]}}}),
        )),
        case(
            "coordination.k8s.io/v1",
            "Lease",
            "leases",
            json!({"spec": {"holderIdentity?": {"$any": ["a", "b"]}, "leaseDurationSeconds?": {"$any": [5, 6]}, "renewTime?": {"$any": ["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:01.500000Z"]}}}),
        ),
        case(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "endpointslices",
            json!({"addressType": "IPv4", "endpoints": {"$any": [[{"addresses": ["1.1.1.1"], "conditions?": {"ready": true}}], []]},
            "ports?": {"$any": [[{"name": "a", "port": 80}], [{"name": "b"}]]}}),
        ),
        wide(case(
            "node.k8s.io/v1",
            "RuntimeClass",
            "runtimeclasses",
            json!({"handler": "x", "overhead?": {"podFixed": {"cpu": {"$any": ["1", "1000m"]}}},
            "scheduling?": {"nodeSelector?": {"a": {"$any": ["1", "2"]}}, "tolerations?": {"$any": [[{"key": "a", "operator": "Exists"}], []]}}}),
        )),
        wide(case(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            json!({"webhooks?": {"$some": [hook("a.example.dev"), hook("b.example.dev")]}}),
        )),
    ]
}

/// A webhook that nothing in the test calls.
fn hook(name: &str) -> Value {
    json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy?": {"$any": ["Ignore", "Fail"]},
        "clientConfig": {"url": {"$any": ["https://example.dev/a", "https://example.dev/b"]}},
        "rules": [{"apiGroups": ["nothing.example.dev"], "apiVersions": ["v1"], "resources": ["nothing"], "operations": {"$any": [["CREATE"], ["CREATE", "UPDATE"]]}, "scope?": "*"}],
        "matchConditions??": [{"name": "x", "expression": "true"}], "timeoutSeconds?": {"$any": [1, 2]}})
}
