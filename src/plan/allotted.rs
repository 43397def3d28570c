//! What the server chooses by itself when an object is written.

use serde_json::Value;

use crate::resource::{FieldPath, GroupVersionKind, PathElement};

/// What the server chooses by itself, from what there is and what its admission adds: no prediction can be meant to know it.
/// Group, kind, and places by their names.
const ALLOTTED: [(&str, &str, &[&str]); 7] = [
    (
        "",
        "Service",
        &["spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort", "spec.ipFamilies", "spec.ipFamilyPolicy", "spec.ports.nodePort"],
    ),
    ("", "PersistentVolumeClaim", &["metadata.finalizers", "spec.storageClassName", "spec.volumeName"]),
    ("", "PersistentVolume", &["metadata.finalizers"]),
    (
        "",
        "Pod",
        &[
            "spec.containers.volumeMounts",
            "spec.imagePullSecrets",
            "spec.initContainers.volumeMounts",
            "spec.nodeName",
            "spec.preemptionPolicy",
            "spec.priority",
            "spec.serviceAccount",
            "spec.serviceAccountName",
            "spec.tolerations",
            "spec.volumes",
        ],
    ),
    ("batch", "Job", &["metadata.labels", "spec.selector", "spec.template.metadata"]),
    ("networking.k8s.io", "Ingress", &["spec.ingressClassName"]),
    ("certificates.k8s.io", "CertificateSigningRequest", &["spec.extra", "spec.groups", "spec.uid", "spec.username"]),
];

/// Of these it draws another value each time that it is asked: what a dry-run drew isn't what an apply will get.
const DRAWN: [(&str, &str, &[&str]); 2] = [
    ("", "Service", &["spec.clusterIP", "spec.clusterIPs", "spec.healthCheckNodePort", "spec.ports.nodePort"]),
    ("batch", "Job", &["metadata.labels", "spec.selector", "spec.template.metadata.labels"]),
];

type Places = (&'static str, &'static str, &'static [&'static str]);

/// Whether the server chooses what stands at a place, unless the configuration says it.
pub(super) fn is_chosen(gvk: &GroupVersionKind, path: &FieldPath) -> bool {
    is_among(&ALLOTTED, gvk, path)
}

/// Whether this value, which no configuration gives, is one that the server draws anew each time that it is asked.
pub(super) fn is_drawn(gvk: &GroupVersionKind, path: &FieldPath, value: &Value) -> bool {
    is_among(&DRAWN, gvk, path)
        && match gvk.kind.as_str() {
            // A Service without an address is one by its configuration.
            "Service" => *value != "None" && *value != serde_json::json!(["None"]),
            // Of a Job's labels the one with its uid.
            _ => !matches!(path.0.last(), Some(PathElement::Field(name)) if name.ends_with("job-name")),
        }
}

fn is_among(all: &[Places], gvk: &GroupVersionKind, path: &FieldPath) -> bool {
    let places = all.iter().filter(|(group, kind, _)| (*group, *kind) == (gvk.group.as_str(), gvk.kind.as_str()));
    places.flat_map(|(_, _, places)| *places).any(|place| path.is_within(place))
}
