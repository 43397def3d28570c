//! What can't be changed once an object exists, kind by kind, in the server's words as far as they are steady.
//!
//! The object that is wanted is the whole one, as the server would store it: defaults filled in. Rules of a
//! CustomResourceDefinition's own (CEL on `oldSelf`) are not known here.

use std::fmt;

use serde_json::Value;

use super::pod::items;
use crate::resource::{FieldPath, Object, Quantity};

/// A change that is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Where, as the server says it: `spec.selector`.
    pub field: String,
    /// Why: `field is immutable`.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

const IMMUTABLE: &str = "field is immutable";
const SET_ONCE: &str = "may not change once set";
const STATEFUL_SET: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const CLAIM: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
const POD: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Fields of a StatefulSet's spec that can change; nothing else can.
const OF_STATEFUL_SET: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Sources of a PersistentVolume: everything in its spec but these.
const NO_VOLUME_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// Fields that can't change, whatever else an object says: group, kind, the field, and what the server says.
const ALWAYS: [(&str, &str, &str, &str); 40] = [
    ("", "Secret", "type", IMMUTABLE),
    ("", "ResourceQuota", "spec.scopes", IMMUTABLE),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "spec.group", IMMUTABLE),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "spec.names.plural", IMMUTABLE),
    ("apps", "ControllerRevision", "data", IMMUTABLE),
    ("apps", "DaemonSet", "spec.selector", IMMUTABLE),
    ("apps", "Deployment", "spec.selector", IMMUTABLE),
    ("apps", "ReplicaSet", "spec.selector", IMMUTABLE),
    ("batch", "Job", "spec.backoffLimitPerIndex", IMMUTABLE),
    ("batch", "Job", "spec.completionMode", IMMUTABLE),
    ("batch", "Job", "spec.managedBy", IMMUTABLE),
    ("batch", "Job", "spec.podFailurePolicy", IMMUTABLE),
    ("batch", "Job", "spec.selector", IMMUTABLE),
    ("batch", "Job", "spec.successPolicy", IMMUTABLE),
    ("certificates.k8s.io", "ClusterTrustBundle", "spec.signerName", IMMUTABLE),
    ("coordination.k8s.io", "LeaseCandidate", "spec.leaseName", IMMUTABLE),
    ("discovery.k8s.io", "EndpointSlice", "addressType", IMMUTABLE),
    ("networking.k8s.io", "IPAddress", "spec.parentRef", IMMUTABLE),
    ("networking.k8s.io", "IngressClass", "spec.controller", IMMUTABLE),
    ("node.k8s.io", "RuntimeClass", "handler", IMMUTABLE),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "roleRef", "cannot change roleRef"),
    ("rbac.authorization.k8s.io", "RoleBinding", "roleRef", "cannot change roleRef"),
    ("resource.k8s.io", "ResourceClaim", "spec", IMMUTABLE),
    ("resource.k8s.io", "ResourceClaimTemplate", "spec", IMMUTABLE),
    ("resource.k8s.io", "ResourceSlice", "spec.driver", IMMUTABLE),
    ("resource.k8s.io", "ResourceSlice", "spec.nodeName", IMMUTABLE),
    ("resource.k8s.io", "ResourceSlice", "spec.pool.name", IMMUTABLE),
    ("scheduling.k8s.io", "PriorityClass", "preemptionPolicy", IMMUTABLE),
    ("scheduling.k8s.io", "PriorityClass", "value", "may not be changed in an update."),
    ("storage.k8s.io", "CSIDriver", "spec.attachRequired", IMMUTABLE),
    ("storage.k8s.io", "CSIDriver", "spec.volumeLifecycleModes", IMMUTABLE),
    ("storage.k8s.io", "CSIStorageCapacity", "nodeTopology", IMMUTABLE),
    ("storage.k8s.io", "CSIStorageCapacity", "storageClassName", IMMUTABLE),
    ("storage.k8s.io", "StorageClass", "parameters", IMMUTABLE),
    ("storage.k8s.io", "StorageClass", "provisioner", IMMUTABLE),
    ("storage.k8s.io", "StorageClass", "reclaimPolicy", IMMUTABLE),
    ("storage.k8s.io", "StorageClass", "volumeBindingMode", IMMUTABLE),
    ("storage.k8s.io", "VolumeAttachment", "spec", IMMUTABLE),
    ("storage.k8s.io", "VolumeAttributesClass", "driverName", "updates to driverName are forbidden."),
    ("storage.k8s.io", "VolumeAttributesClass", "parameters", "updates to parameters are forbidden."),
];

/// The fields of a kind that can't change, whatever else its objects say.
pub fn fields(group: &str, kind: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    ALWAYS.iter().filter(move |of| of.0 == group && of.1 == kind).map(|of| (of.2, of.3))
}

/// Why the server refuses to make the live object the wanted one; empty if it doesn't, as far as what can change goes.
pub fn refusals(live: &Object, wanted: &Object) -> Vec<Refusal> {
    let gvk = live.gvk();
    let mut changes = Changes { live: live.value(), wanted: wanted.value(), found: Vec::new() };
    for (field, message) in fields(&gvk.group, &gvk.kind) {
        if changes.at(field) {
            // The server misspells one of its own.
            changes.refuse(if field == "spec.attachRequired" { "spec.attachedRequired" } else { field }, message);
        }
    }
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap" | "Secret") => changes.sealed(),
        ("", "Node") => changes.node(),
        ("", "PersistentVolume") => changes.volume(),
        ("", "PersistentVolumeClaim") => changes.claim(),
        ("", "Pod") => changes.pod(),
        ("", "Service") => changes.service(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => changes.definition(),
        ("apps", "StatefulSet") => changes.stateful_set(),
        ("batch", "Job") => changes.job(),
        ("networking.k8s.io", "ServiceCIDR") => changes.service_addresses(),
        _ => {}
    }
    changes.found.sort();
    changes.found
}

struct Changes<'o> {
    live: &'o Value,
    wanted: &'o Value,
    found: Vec<Refusal>,
}

impl Changes<'_> {
    fn refuse(&mut self, field: &str, message: &str) {
        self.found.push(Refusal { field: field.to_owned(), message: message.to_owned() });
    }

    /// Whether the field changes.
    fn at(&self, field: &str) -> bool {
        let Ok(path) = field.parse::<FieldPath>() else { return false };
        !same(path.get(self.live).unwrap_or(&Value::Null), path.get(self.wanted).unwrap_or(&Value::Null))
    }

    fn sealed(&mut self) {
        if self.live["immutable"] != true {
            return;
        }
        for field in ["binaryData", "data", "immutable"] {
            if self.at(field) {
                self.refuse(field, "field is immutable when `immutable` is set");
            }
        }
    }

    fn stateful_set(&mut self) {
        if !same(&without(&self.live["spec"], &OF_STATEFUL_SET), &without(&self.wanted["spec"], &OF_STATEFUL_SET)) {
            self.refuse("spec", STATEFUL_SET);
        }
    }

    fn volume(&mut self) {
        let source = |object: &Value| without(&object["spec"], &NO_VOLUME_SOURCE);
        let (live, mut wanted) = (source(self.live), source(self.wanted));
        if live["csi"].is_object() && live["csi"]["controllerExpandSecretRef"].is_null() {
            wanted["csi"] = without(&wanted["csi"], &["controllerExpandSecretRef"]);
        }
        if !same(&live, &wanted) {
            self.refuse("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
        }
        if self.at("spec.volumeMode") {
            self.refuse("volumeMode", IMMUTABLE);
        }
        if self.live["spec"]["nodeAffinity"].is_object() && self.at("spec.nodeAffinity") {
            self.refuse("nodeAffinity", "field is immutable, except for updating from beta label to GA");
        }
        if self.live["spec"]["volumeAttributesClassName"].is_string() && self.wanted["spec"]["volumeAttributesClassName"].is_null() {
            self.refuse("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden");
        }
    }

    /// What a controller gave it once.
    fn node(&mut self) {
        for (field, named) in [("spec.podCIDRs", "podCIDR"), ("spec.providerID", "providerID")] {
            let name = field.trim_start_matches("spec.");
            if !is_nothing(&self.live["spec"][name]) && self.at(field) {
                self.refuse(field, &format!("node updates may not change {named} except from \"\" to valid"));
            }
        }
    }

    /// One more of another family may come; nothing else.
    fn service_addresses(&mut self) {
        let (live, wanted) = (texts(&self.live["spec"]["cidrs"]), texts(&self.wanted["spec"]["cidrs"]));
        if live.len() != wanted.len() && !(live.len() == 1 && wanted.len() == 2) {
            return self.refuse("spec.cidrs", IMMUTABLE);
        }
        for index in (0..live.len()).filter(|index| live[*index] != wanted[*index]) {
            self.refuse(&format!("spec.cidrs[{index}]"), IMMUTABLE);
        }
    }

    fn claim(&mut self) {
        let (live, wanted) = (&self.live["spec"], &self.wanted["spec"]);
        let bound = self.live["status"]["phase"] == "Bound";
        let mut may_change = Vec::new();
        if live["volumeName"].as_str().is_none_or(str::is_empty) {
            may_change.push("volumeName");
        }
        if live["storageClassName"].is_null() {
            may_change.push("storageClassName");
        }
        if bound {
            may_change.push("volumeAttributesClassName");
        }
        let rest = |spec: &Value| {
            let mut spec = without(spec, &may_change);
            if bound && let Some(requests) = spec["resources"]["requests"].as_object_mut() {
                requests.remove("storage");
            }
            spec
        };
        let fixed = !same(&rest(live), &rest(wanted));
        let size = |value: &Value| Quantity::from_json(value).unwrap_or_default();
        let (before, after) = (size(&live["resources"]["requests"]["storage"]), size(&wanted["resources"]["requests"]["storage"]));
        let shrinks = after < before && after <= size(&self.live["status"]["capacity"]["storage"]);
        let current = self.live["status"]["currentVolumeAttributesClassName"].is_string();
        let class = wanted["volumeAttributesClassName"].as_str();
        if fixed {
            self.refuse("spec", CLAIM);
        }
        if shrinks {
            self.refuse("spec.resources.requests.storage", "field can not be less than status.capacity");
        }
        if self.at("spec.volumeMode") {
            self.refuse("volumeMode", IMMUTABLE);
        }
        if current && class.is_none_or(str::is_empty) && self.at("spec.volumeAttributesClassName") {
            let to = if class.is_none() { "nil" } else { "empty string" };
            let words = format!("update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil");
            self.refuse("spec.volumeAttributesClassName", &words);
        }
    }

    fn service(&mut self) {
        let (live, wanted) = (&self.live["spec"], &self.wanted["spec"]);
        let kind = |spec: &Value| spec["type"].as_str().unwrap_or("ClusterIP").to_owned();
        let (before, after) = (kind(live), kind(wanted));
        let headless = |spec: &Value| spec["clusterIP"] == "None";
        let mut found: Vec<(String, &str)> = Vec::new();
        if before != "ExternalName" && after != "ExternalName" && !(headless(live) && headless(wanted)) {
            found.extend(pinned("spec.clusterIPs", &addresses(live), &addresses(wanted), "primary clusterIP can not be unset"));
            if headless(live) == headless(wanted) {
                let families = |spec: &Value| texts(&spec["ipFamilies"]);
                let all = pinned("spec.ipFamilies", &families(live), &families(wanted), "primary ipFamily can not be unset");
                // The server names the first one, whichever it is.
                found.extend(all.into_iter().map(|(_, words)| ("spec.ipFamilies[0]".to_owned(), words)));
            }
        }
        let class = |spec: &Value| spec["loadBalancerClass"].as_str().map(str::to_owned);
        if before == "LoadBalancer" && after == "LoadBalancer" && class(live) != class(wanted) {
            found.push(("spec.loadBalancerClass".to_owned(), SET_ONCE));
        }
        let local = |spec: &Value, kind: &str| kind == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local";
        if local(live, &before) && local(wanted, &after) && self.at("spec.healthCheckNodePort") {
            found.push(("spec.healthCheckNodePort".to_owned(), IMMUTABLE));
        }
        for (field, message) in found {
            self.refuse(&field, message);
        }
    }

    fn definition(&mut self) {
        let established = items(&self.live["status"]["conditions"]).any(|c| c["type"] == "Established" && c["status"] == "True");
        for field in ["spec.scope", "spec.names.kind"] {
            if established && self.at(field) {
                self.refuse(field, IMMUTABLE);
            }
        }
    }

    fn job(&mut self) {
        let (live, wanted) = (&self.live["spec"], &self.wanted["spec"]);
        if self.at("spec.completions") {
            if wanted["completionMode"] != "Indexed" {
                self.refuse("spec.completions", IMMUTABLE);
            } else if !wanted["completions"].is_null() && wanted["completions"] != wanted["parallelism"] {
                self.refuse("spec.completions", "can only be modified in tandem with spec.parallelism");
            }
        }
        // While it is suspended and nothing ran, where its pods go and what they need may change.
        let suspended = live["suspend"] == true && self.live["status"]["startTime"].is_null();
        if suspended && !same(&unscheduled(&live["template"]), &unscheduled(&wanted["template"])) {
            self.refuse("spec.template.spec", IMMUTABLE);
        }
        if !suspended && self.at("spec.template") {
            self.refuse("spec.template", IMMUTABLE);
        }
    }

    fn pod(&mut self) {
        let (live, wanted) = (&self.live["spec"], &self.wanted["spec"]);
        let mut counts_differ = false;
        for list in ["containers", "initContainers"] {
            if items(&live[list]).count() != items(&wanted[list]).count() {
                counts_differ = true;
                self.refuse(&format!("spec.{list}"), "pod updates may not add or remove containers");
                break;
            }
        }
        if counts_differ {
            return;
        }
        let rest = |spec: &Value| {
            let mut spec = without(spec, &["activeDeadlineSeconds", "tolerations", "schedulingGates"]);
            for list in ["containers", "initContainers"] {
                for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    *container = without(container, &["image"]);
                }
            }
            spec
        };
        if !same(&rest(live), &rest(wanted)) {
            self.refuse("spec", POD);
        }
        let deadline = |spec: &Value| spec["activeDeadlineSeconds"].as_i64();
        match (deadline(live), deadline(wanted)) {
            (Some(_), None) => self.refuse("spec.activeDeadlineSeconds", "must not update from a positive integer to nil value"),
            (Some(before), Some(after)) if after > before => {
                self.refuse("spec.activeDeadlineSeconds", "must be less than or equal to previous value");
            }
            _ => {}
        }
        if items(&live["tolerations"]).any(|toleration| !items(&wanted["tolerations"]).any(|kept| same(kept, toleration))) {
            self.refuse("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
        }
    }
}

/// A Service's addresses: those that it says once stand for all.
fn addresses(spec: &Value) -> Vec<String> {
    let all = texts(&spec["clusterIPs"]);
    let one = spec["clusterIP"].as_str().unwrap_or_default();
    match all.first() {
        Some(first) if first != one && !one.is_empty() => vec![one.to_owned()],
        None if !one.is_empty() => vec![one.to_owned()],
        _ => all,
    }
}

fn texts(list: &Value) -> Vec<String> {
    items(list).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What of a list of addresses or families can't change: more may come behind, and those behind may go.
fn pinned<'w>(field: &str, live: &[String], wanted: &[String], unset: &'w str) -> Vec<(String, &'w str)> {
    if wanted.is_empty() {
        return if live.is_empty() { Vec::new() } else { Vec::from([(format!("{field}[0]"), unset)]) };
    }
    let compared = if live.len() == wanted.len() { live.len() } else { live.len().min(1) };
    (0..compared).filter(|index| live[*index] != wanted[*index]).map(|index| (format!("{field}[{index}]"), SET_ONCE)).collect()
}

/// A job's template without what may change while it is suspended.
fn unscheduled(template: &Value) -> Value {
    let mut template = serde_json::json!({"spec": template["spec"]});
    let affinity = without(&template["spec"]["affinity"], &["nodeAffinity"]);
    template["spec"] = without(&template["spec"], &["nodeSelector", "tolerations", "schedulingGates", "affinity"]);
    template["spec"]["affinity"] = affinity;
    for list in ["containers", "initContainers"] {
        for container in template["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            *container = without(container, &["resources"]);
        }
    }
    template
}

/// A table without these of its fields.
fn without(value: &Value, fields: &[&str]) -> Value {
    let kept = value.as_object().into_iter().flatten().filter(|(name, _)| !fields.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Whether two values mean the same to the server: what is empty is as good as not there, amounts are compared as amounts.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys());
            names.into_iter().all(|name| {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                if matches!(name.as_str(), "requests" | "limits" | "capacity" | "overhead") { same_amounts(a, b) } else { same(a, b) }
            })
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b || is_nothing(a) && is_nothing(b),
    }
}

/// A table of amounts, compared as amounts; what is no table (a field may have such a name) as it is.
fn same_amounts(a: &Value, b: &Value) -> bool {
    if !a.is_object() && !b.is_object() {
        return same(a, b);
    }
    let names = [a, b].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    names.into_iter().all(|name| {
        let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
        match (Quantity::from_json(a), Quantity::from_json(b)) {
            (Ok(a), Ok(b)) => a == b,
            _ => same(a, b),
        }
    })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(table) => table.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(api_version: &str, kind: &str, live: Value, wanted: Value) -> Vec<String> {
        let object = |mut value: Value| {
            value["apiVersion"] = api_version.into();
            value["kind"] = kind.into();
            value["metadata"] = json!({"name": "x"});
            Object::try_from(value).unwrap()
        };
        refusals(&object(live), &object(wanted)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_selector_stays() {
        let spec = |app: &str| json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}}});
        assert_eq!(told("apps/v1", "Deployment", spec("a"), spec("b")), ["spec.selector: field is immutable"]);
        assert!(told("apps/v1", "Deployment", spec("a"), spec("a")).is_empty());
    }

    #[test]
    fn empty_is_as_good_as_absent_and_amounts_are_amounts() {
        let claim = |size: &str, more: Value| json!({"spec": {"resources": {"requests": {"storage": size}}, "selector": more}});
        assert!(told("v1", "PersistentVolumeClaim", claim("1Gi", json!(null)), claim("1024Mi", json!({}))).is_empty());
        assert_eq!(told("v1", "PersistentVolumeClaim", claim("1Gi", json!(null)), claim("2Gi", json!(null))), [format!("spec: {CLAIM}")]);
    }

    #[test]
    fn a_bound_claim_grows_and_does_not_shrink() {
        let claim = |size: &str| {
            json!({"spec": {"volumeName": "v", "resources": {"requests": {"storage": size}}},
                "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}})
        };
        assert!(told("v1", "PersistentVolumeClaim", claim("2Gi"), claim("3Gi")).is_empty());
        let shrunk = told("v1", "PersistentVolumeClaim", claim("2Gi"), claim("1Gi"));
        assert_eq!(shrunk, ["spec.resources.requests.storage: field can not be less than status.capacity"]);
    }

    #[test]
    fn what_is_sealed_stays_sealed() {
        let sealed = json!({"immutable": true, "data": {"a": "1"}});
        let told = told("v1", "ConfigMap", sealed, json!({"data": {"a": "2"}}));
        assert_eq!(told, ["data: field is immutable when `immutable` is set", "immutable: field is immutable when `immutable` is set"]);
    }
}
