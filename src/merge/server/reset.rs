//! What a write to a resource or a subresource can't change: nobody comes to own it by that.

use crate::merge::FieldSet;
use crate::resource::{FieldPath, GroupKind};

/// Built-in kinds whose `status` is written apart from the rest.
const WITH_STATUS: [(&str, &[&str]); 15] = [
    ("", &["Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim", "Pod", "ReplicationController", "ResourceQuota", "Service"]),
    ("admissionregistration.k8s.io", &["ValidatingAdmissionPolicy"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("apps", &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("batch", &["CronJob", "Job"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["Ingress", "ServiceCIDR"]),
    ("policy", &["PodDisruptionBudget"]),
    ("resource.k8s.io", &["DeviceTaintRule", "ResourceClaim", "ResourcePoolStatusRequest"]),
    ("scheduling.k8s.io", &["PodGroup"]),
    ("storage.k8s.io", &["VolumeAttachment"]),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// Of these a write to `status` leaves all of metadata alone; of the others only `spec`.
const METADATA_STAYS: [(&str, &str); 14] = [
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("internal.apiserver.k8s.io", "StorageVersion"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("resource.k8s.io", "DeviceTaintRule"),
    ("resource.k8s.io", "ResourceClaim"),
    ("resource.k8s.io", "ResourcePoolStatusRequest"),
    ("scheduling.k8s.io", "PodGroup"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
    ("certificates.k8s.io", ""),
];

/// What a write to this subresource (none: the object itself) can't change. Of a custom kind one has to say whether its
/// definition has a `status` subresource.
pub fn reset_fields(kind: &GroupKind, subresource: Option<&str>, custom_status: bool) -> FieldSet {
    let (group, name) = (kind.group.as_str(), kind.kind.as_str());
    let built_in = WITH_STATUS.iter().any(|(of, kinds)| *of == group && kinds.contains(&name));
    let paths: &[&[&str]] = match (group, name, subresource) {
        ("certificates.k8s.io", "CertificateSigningRequest", None) => &[&["spec"], &["status"]],
        ("certificates.k8s.io", "CertificateSigningRequest", Some("status")) => &[&["spec"], &["status", "conditions"]],
        ("certificates.k8s.io", "CertificateSigningRequest", Some("approval")) => &[&["spec"], &["status", "certificate"]],
        ("certificates.k8s.io", "PodCertificateRequest", Some("status")) => &[&["spec"]],
        ("", "Pod", Some("status")) => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        ("apps", "Deployment", Some("status")) => &[&["spec"], &["metadata", "labels"]],
        (_, _, Some("status")) if METADATA_STAYS.contains(&(group, name)) || (custom_status && !built_in) => &[&["metadata"], &["spec"]],
        (_, _, Some("status")) if built_in => &[&["spec"]],
        (_, _, None) if built_in || custom_status => &[&["status"]],
        ("", "Namespace", Some("finalize")) => &[&["status"]],
        _ => &[],
    };
    paths.iter().map(|names| FieldPath::fields(names)).collect()
}
