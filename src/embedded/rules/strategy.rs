//! What the server does to an object of a kind before it is checked: status is not for everybody, generations count changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::certificates;
use crate::embedded::api::Part;
use crate::embedded::catalog::Resource;
use crate::embedded::rights::User;
use crate::embedded::typed::equal;

/// A DaemonSet's count of its templates.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Kinds whose `metadata.generation` counts changes of what is wanted.
const COUNTED: [(&str, &str); 22] = [
    ("scheduling.k8s.io", "PriorityClass"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("networking.k8s.io", "Ingress"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("policy", "PodDisruptionBudget"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("apps", "DaemonSet"),
    ("apps", "StatefulSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "Pod"),
    ("", "PodTemplate"),
    ("", "ReplicationController"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];

/// Whether a kind has a generation.
pub fn has_generation(resource: &Resource) -> bool {
    resource.custom.is_some() || COUNTED.iter().any(|(group, kind)| resource.is(group, kind))
}

/// Whether a PUT of something that isn't there makes it.
pub fn allows_create_on_update(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        ("node.k8s.io", "RuntimeClass")
            | ("rbac.authorization.k8s.io" | "coordination.k8s.io" | "events.k8s.io", _)
            | ("", "LimitRange" | "Event" | "Service" | "Endpoints")
    ) && resource.custom.is_none()
}

/// Whether a PUT need not say which version it replaces.
pub fn allows_unconditional_update(resource: &Resource) -> bool {
    resource.custom.is_none()
        && !matches!(
            (resource.group.as_str(), resource.kind.as_str()),
            ("node.k8s.io" | "coordination.k8s.io" | "admissionregistration.k8s.io" | "apiextensions.k8s.io", _)
                | ("policy", "PodDisruptionBudget")
                | ("storage.k8s.io", "CSIDriver" | "CSIStorageCapacity" | "VolumeAttachment" | "CSINode")
        )
}

/// Whether status is for the status subresource alone.
fn keeps_status(resource: &Resource) -> bool {
    resource.has_status() && !resource.is("", "Node")
}

/// What the server's own types bring along when a whole object is read: nobody said it, and its writer owns it.
pub fn as_decoded(resource: &Resource, object: &mut Value) {
    if resource.is("apps", "DaemonSet") && object["metadata"]["annotations"][TEMPLATE_GENERATION].is_null() {
        object["metadata"]["annotations"][TEMPLATE_GENERATION] = "0".into();
    }
}

/// Whether values are what their types hold, as far as the types alone don't say.
///
/// # Errors
/// In the server's words.
pub fn decodable(resource: &Resource, object: &Value) -> Result<(), String> {
    use base64::Engine as _;
    let of = |field: &str| object[field].as_object().into_iter().flatten().map(|(_, value)| value);
    let all: Vec<&Value> = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Secret") => of("data").collect(),
        ("", "ConfigMap") => of("binaryData").collect(),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            let seconds = &object["spec"]["expirationSeconds"];
            if seconds.is_number() && seconds.as_i64().is_none_or(|seconds| i32::try_from(seconds).is_err()) {
                let field = "CertificateSigningRequestSpec.spec.expirationSeconds";
                return Err(format!("json: cannot unmarshal number {seconds} into Go struct field {field} of type int32"));
            }
            vec![&object["spec"]["request"], &object["status"]["certificate"]]
        }
        _ => return Ok(()),
    };
    for value in all.into_iter().filter_map(Value::as_str) {
        if base64::engine::general_purpose::STANDARD.decode(value).is_err() {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            let at = value.bytes().position(|byte| !valid(byte)).unwrap_or(value.len());
            return Err(format!("illegal base64 data at input byte {at}"));
        }
    }
    Ok(())
}

/// Before an object is made, for whoever asks.
pub fn prepare_create(resource: &Resource, object: &mut Value, user: &User) {
    if keeps_status(resource)
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.remove("generation");
        meta.remove("deletionTimestamp");
        meta.remove("deletionGracePeriodSeconds");
        meta.remove("selfLink");
        meta.remove("resourceVersion");
        if has_generation(resource) {
            meta.insert("generation".to_owned(), 1.into());
        }
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => {
            object["status"] = json!({"phase": "Active"});
            let finalizers = object["spec"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == "kubernetes"));
            if !finalizers {
                let mut all = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
                all.push("kubernetes".into());
                object["spec"]["finalizers"] = all.into();
            }
        }
        ("", "Pod") => object["status"] = json!({"phase": "Pending", "qosClass": quality(object)}),
        ("", "PersistentVolumeClaim") => object["status"] = json!({"phase": "Pending"}),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => object["status"] = json!({}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let versions = object["spec"]["versions"].as_array().into_iter().flatten();
            let stored: Vec<Value> = versions.filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect();
            object["status"] = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored});
        }
        ("", "PersistentVolume") => {
            object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": object["metadata"]["creationTimestamp"]});
        }
        ("", "Service") => object["status"] = json!({"loadBalancer": {}}),
        ("networking.k8s.io", "Ingress") => object["status"] = json!({"loadBalancer": {}}),
        ("apps", "DaemonSet") => {
            object["status"] = json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0});
            object["metadata"]["annotations"][TEMPLATE_GENERATION] = "1".into();
        }
        ("policy", "PodDisruptionBudget") => {
            object["status"] = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
        }
        ("apps", "ReplicaSet") | ("", "ReplicationController") => object["status"] = json!({"replicas": 0}),
        ("apps", "StatefulSet") => object["status"] = json!({"availableReplicas": 0, "replicas": 0}),
        ("autoscaling", "HorizontalPodAutoscaler") => object["status"] = json!({"currentMetrics": null, "desiredReplicas": 0}),
        ("apps", "Deployment") | ("batch", "Job" | "CronJob") | ("", "ResourceQuota") => object["status"] = json!({}),
        _ => {}
    }
    if resource.is("batch", "Job") {
        generate_selector(object);
    }
    if certificates::is_request(resource) {
        certificates::prepare_create(object, user);
    }
}

/// A Job's selector, unless it brings its own: its uid, which its pods get as a label.
fn generate_selector(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let uid = job["metadata"]["uid"].clone();
    let name = job["metadata"]["name"].clone();
    let mark = |labels: &mut Value| {
        for (key, value) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("job-name", &name),
        ] {
            labels[key] = value.clone();
        }
    };
    // Labels that a Job has of its template are one and the same map to the server.
    if job["metadata"]["labels"].is_object() && job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"] {
        mark(&mut job["metadata"]["labels"]);
    }
    mark(&mut job["spec"]["template"]["metadata"]["labels"]);
    if job["spec"]["selector"].is_null() {
        job["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
}

/// How a pod is treated when memory is short.
fn quality(pod: &Value) -> &'static str {
    let containers = || ["initContainers", "containers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let amount = |container: &Value, of: &str, what: &str| container["resources"][of][what].clone();
    let any = containers()
        .any(|one| ["requests", "limits"].iter().any(|of| ["cpu", "memory"].iter().any(|what| !amount(one, of, what).is_null())));
    if !any {
        return "BestEffort";
    }
    let all = containers().all(|one| {
        ["cpu", "memory"].iter().all(|what| {
            let (limit, request) = (amount(one, "limits", what), amount(one, "requests", what));
            !limit.is_null() && (request.is_null() || request == limit)
        })
    });
    if all { "Guaranteed" } else { "Burstable" }
}

/// Before an object is replaced: what this part of it doesn't write stays as it was.
pub fn prepare_update(resource: &Resource, part: &Part, old: &Value, new: &mut Value, now: Timestamp) {
    let keep = |new: &mut Value, field: &str| {
        let Some(map) = new.as_object_mut() else { return };
        match old.get(field) {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    };
    match part {
        Part::Main if keeps_status(resource) => keep(new, "status"),
        Part::Status | Part::Approval => {
            let fields: Vec<String> = old.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
            for field in fields.iter().filter(|field| !matches!(field.as_str(), "status" | "metadata" | "apiVersion" | "kind")) {
                keep(new, field);
            }
            if let Some(map) = new.as_object_mut() {
                map.retain(|key, _| fields.contains(key) || key == "status");
            }
            keep_metadata(resource, old, new);
        }
        _ => {}
    }
    // What only the server says stays as it said it.
    for field in ["generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        let Some(meta) = new["metadata"].as_object_mut() else { break };
        match old["metadata"].get(field) {
            Some(value) => meta.insert(field.to_owned(), value.clone()),
            None => meta.remove(field),
        };
    }
    if resource.is("", "Service") {
        keep_service_addresses(old, new);
    }
    if certificates::is_request(resource) {
        certificates::prepare_update(part, old, new, now);
    }
    if resource.is("apps", "DaemonSet") && *part == Part::Main {
        let before = old["metadata"]["annotations"][TEMPLATE_GENERATION].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(1);
        let changed = !equal(&old["spec"]["template"], &new["spec"]["template"]);
        new["metadata"]["annotations"][TEMPLATE_GENERATION] = (before + i64::from(changed)).to_string().into();
    }
    if has_generation(resource)
        && *part == Part::Main
        && spec_changed(resource, old, new)
        && let Some(generation) = old["metadata"]["generation"].as_i64()
    {
        new["metadata"]["generation"] = (generation + 1).into();
    }
}

/// Which of its metadata a status write may not touch.
fn keep_metadata(resource: &Resource, old: &Value, new: &mut Value) {
    let keep_labels = resource.is("apps", "Deployment");
    let Some(meta) = new["metadata"].as_object_mut() else { return };
    if resource.custom.is_some() {
        // Of custom resources everything but the bookkeeping stays.
        let managed = meta.remove("managedFields");
        let version = meta.remove("resourceVersion");
        *meta = old["metadata"].as_object().cloned().unwrap_or_default();
        for (field, value) in [("managedFields", managed), ("resourceVersion", version)] {
            if let Some(value) = value {
                meta.insert(field.to_owned(), value);
            }
        }
    } else if keep_labels {
        match old["metadata"].get("labels") {
            Some(labels) => meta.insert("labels".to_owned(), labels.clone()),
            None => meta.remove("labels"),
        };
    }
}

/// Addresses and ports that were allocated stay, unless others are asked for.
fn keep_service_addresses(old: &Value, new: &mut Value) {
    let kind = |service: &Value| service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    let (was, is) = (kind(old), kind(new));
    if is == "ExternalName" {
        return;
    }
    if was != "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if new["spec"][field].is_null() && !old["spec"][field].is_null() {
                new["spec"][field] = old["spec"][field].clone();
            }
        }
    }
    if is == "ClusterIP" && was != "ClusterIP" {
        // What only other types have goes with the type.
        for field in ["externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort"] {
            if let Some(spec) = new["spec"].as_object_mut().filter(|spec| spec.get(field) == old["spec"].get(field)) {
                spec.remove(field);
            }
        }
    }
    let has_ports = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    let before = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |other: &&Value| {
            other["port"] == port["port"] && other["protocol"].as_str().unwrap_or("TCP") == port["protocol"].as_str().unwrap_or("TCP")
        };
        if has_ports(&is) && port["nodePort"].is_null() {
            if let Some(node) = before.iter().find(same).map(|other| other["nodePort"].clone()).filter(Value::is_number) {
                port["nodePort"] = node;
            }
        } else if has_ports(&was)
            && !has_ports(&is)
            && before.iter().find(same).is_some_and(|other| other["nodePort"] == port["nodePort"])
            && let Some(port) = port.as_object_mut()
        {
            port.remove("nodePort");
        }
    }
}

/// Whether what is wanted changed: everything but metadata and status.
pub fn spec_changed(resource: &Resource, old: &Value, new: &Value) -> bool {
    let counts = |key: &str| {
        !matches!(key, "metadata" | "apiVersion" | "kind") && (key != "status" || (resource.custom.is_some() && !resource.has_status()))
    };
    let one_way = |one: &Value, two: &Value| {
        one.as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| counts(key))
            .any(|(key, value)| !equal(value, two.get(key).unwrap_or(&Value::Null)))
    };
    let annotated = |object: &Value| object["metadata"]["annotations"].clone();
    let labelled = |object: &Value| object["metadata"]["labels"].clone();
    // A PriorityClass never changes, as far as its generation goes; a slice's labels are a part of it.
    if resource.is("scheduling.k8s.io", "PriorityClass") {
        return false;
    }
    if resource.is("discovery.k8s.io", "EndpointSlice")
        && (!equal(&annotated(old), &annotated(new)) || !equal(&labelled(old), &labelled(new)))
    {
        return true;
    }
    // A Deployment's annotations are copied to its ReplicaSets, so they count.
    one_way(old, new) || one_way(new, old) || (resource.is("apps", "Deployment") && !equal(&annotated(old), &annotated(new)))
}
