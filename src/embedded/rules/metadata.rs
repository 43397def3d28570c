//! What `metadata` may be, and what of it may change.

use serde_json::Value;

use super::{dns_label, dns_subdomain, label_key, label_value, path_segment, qualified_name};
use crate::embedded::api::FieldError;
use crate::embedded::catalog::Resource;

/// All annotations of an object together.
const ANNOTATIONS: usize = 256 * 1024;

/// Finalizers that aren't of the form `domain/name`.
const OLD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// What is wrong with an object's metadata.
pub fn validate_metadata(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let meta = &object["metadata"];
    let mut errors = Vec::new();
    let text = |field: &str| meta[field].as_str().unwrap_or_default();
    let (name, prefix) = (text("name"), text("generateName"));
    let rules = name_rules(resource);
    // What a budget is called nobody checks, nor a request for a certificate.
    let unchecked = resource.is("policy", "PodDisruptionBudget") || super::is_request(resource);
    let rules: fn(&str) -> Vec<String> = if unchecked { |_| Vec::new() } else { rules };
    if !prefix.is_empty() {
        // A prefix may end where a name may not.
        let shown = format!("{}a", prefix.strip_suffix('-').map_or(prefix, |_| prefix));
        errors.extend(rules(&shown).iter().map(|problem| FieldError::invalid("metadata.generateName", &Value::from(prefix), problem)));
    }
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        errors.extend(rules(name).iter().map(|problem| FieldError::invalid("metadata.name", &Value::from(name), problem)));
    }
    if resource.namespaced {
        let namespace = text("namespace");
        if namespace.is_empty() {
            errors.push(FieldError::required("metadata.namespace", ""));
        } else {
            errors.extend(
                dns_label(namespace).iter().map(|problem| FieldError::invalid("metadata.namespace", &Value::from(namespace), problem)),
            );
        }
    } else if !text("namespace").is_empty() {
        errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
    }
    errors.extend(labels(meta, "metadata.labels"));
    let mut size = 0;
    for (key, value) in meta["annotations"].as_object().into_iter().flatten() {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let lower = key.to_lowercase();
        errors.extend(
            qualified_name(&lower).iter().map(|problem| FieldError::invalid("metadata.annotations", &Value::from(key.as_str()), problem)),
        );
    }
    if size > ANNOTATIONS {
        errors.push(FieldError {
            reason: "FieldValueTooLong",
            field: "metadata.annotations".to_owned(),
            message: format!("Too long: may not be more than {ANNOTATIONS} bytes"),
        });
    }
    errors.extend(owners(meta));
    for (index, finalizer) in meta["finalizers"].as_array().into_iter().flatten().enumerate() {
        let named = finalizer.as_str().unwrap_or_default();
        let at = format!("metadata.finalizers[{index}]");
        errors.extend(qualified_name(named).iter().map(|problem| FieldError::invalid(at.clone(), finalizer, problem)));
        let checked = !matches!(resource.group.as_str(), "coordination.k8s.io" | "node.k8s.io" | "policy") && resource.custom.is_none();
        if checked && qualified_name(named).is_empty() && !named.contains('/') && !OLD_FINALIZERS.contains(&named) {
            errors.push(FieldError::invalid(at, finalizer, "name is neither a standard finalizer name nor is it fully qualified"));
        }
    }
    errors
}

/// What is wrong with labels, wherever they stand.
pub fn labels(meta: &Value, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in meta["labels"].as_object().into_iter().flatten() {
        errors.extend(label_key(key).iter().map(|problem| FieldError::invalid(field, &Value::from(key.as_str()), problem)));
        errors.extend(label_value(value.as_str().unwrap_or_default()).iter().map(|problem| FieldError::invalid(field, value, problem)));
    }
    errors
}

fn owners(meta: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controllers = 0;
    for owner in meta["ownerReferences"].as_array().into_iter().flatten() {
        let at = "metadata.ownerReferences";
        for (field, detail) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                errors.push(FieldError::invalid(format!("{at}.{field}"), &Value::from(""), detail));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true. Found \"true\" in references for several owners";
        errors.push(FieldError::invalid("metadata.ownerReferences", &meta["ownerReferences"], detail));
    }
    errors
}

/// What a change of metadata may not do.
pub fn validate_metadata_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let (old, new) = (&old["metadata"], &new["metadata"]);
    let mut errors = Vec::new();
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        if old[field] != new[field] {
            errors.push(FieldError::invalid(format!("metadata.{field}"), &new[field], "field is immutable"));
        }
    }
    if old["deletionTimestamp"].is_string() {
        let had = |finalizer: &Value| old["finalizers"].as_array().is_some_and(|all| all.contains(finalizer));
        let added: Vec<&Value> = new["finalizers"].as_array().into_iter().flatten().filter(|finalizer| !had(finalizer)).collect();
        if !added.is_empty() {
            let names: Vec<String> = added.iter().map(ToString::to_string).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    errors
}

/// What names of a kind may be.
fn name_rules(resource: &Resource) -> fn(&str) -> Vec<String> {
    if resource.custom.is_some() {
        return dns_subdomain;
    }
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace" | "Service") | ("apps", "StatefulSet") => dns_label,
        ("rbac.authorization.k8s.io" | "flowcontrol.apiserver.k8s.io", _) => path_segment,
        _ => dns_subdomain,
    }
}
