//! What is wrong with objects of a kind.

mod config;
mod others;
mod pod;
mod scaler;
mod service;
mod workload;

use serde_json::Value;

use crate::admission::immutable::{Refusal, refusals};
use crate::embedded::api::FieldError;
use crate::embedded::catalog::Resource;
use crate::resource::Object;

/// What is wrong with an object.
pub fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    if resource.custom.is_some() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    match resource.group.as_str() {
        "apps" | "batch" => workload::check(&resource.kind, object, &mut errors),
        _ => match (resource.group.as_str(), resource.kind.as_str()) {
            ("", "Pod") => pod::spec(&object["spec"], "spec", &mut errors),
            ("", "ReplicationController") => workload::check("ReplicationController", object, &mut errors),
            ("", "Service") => service::check(object, &mut errors),
            ("", "ConfigMap" | "Secret") => config::check(&resource.kind, object, &mut errors),
            _ => others::check(&resource.kind, object, &mut errors),
        },
    }
    errors
}

/// What a change may not do.
pub fn validate_update(resource: &Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    if resource.custom.is_some() {
        return Vec::new();
    }
    let object = |value: &Value| Object::try_from(value.clone()).ok();
    let (Some(live), Some(wanted)) = (object(old), object(new)) else { return Vec::new() };
    refusals(&live, &wanted).into_iter().map(|refusal| immutable(&refusal, new)).collect()
}

/// A refusal of a change, with the value that it is about.
fn immutable(refusal: &Refusal, new: &Value) -> FieldError {
    let addresses = serde_json::json!([new["spec"]["clusterIP"]]);
    let value = match refusal.field.as_str() {
        "spec.clusterIPs[0]" => &addresses,
        field => field.split('.').fold(new, |at, name| &at[name]),
    };
    // Some rules are of a whole, and say so.
    if refusal.message.starts_with("updates to")
        || refusal.message.contains("spec is immutable")
        || refusal.message.starts_with("pod updates")
        || refusal.message.starts_with("may not be changed in an update")
        || refusal.message.contains("when `immutable` is set")
    {
        return FieldError::forbidden(refusal.field.clone(), &refusal.message);
    }
    FieldError::invalid(refusal.field.clone(), value, &refusal.message)
}

/// What is to be known of an object that is taken.
pub fn warnings(resource: &Resource, object: &Value) -> Vec<String> {
    if resource.custom.is_some() {
        let bare =
            object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !name.contains('/'));
        let words = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers";
        return bare.map(|name| format!("metadata.finalizers: \"{name}\": {words}")).collect();
    }
    let grace = &object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
    if resource.group == "apps" && grace.as_i64().is_some_and(|seconds| seconds < 0) {
        let words = "must be >= 0; negative values are invalid and will be treated as 1";
        return vec![format!("spec.template.spec.terminationGracePeriodSeconds: {words}")];
    }
    Vec::new()
}

/// A number that must not be below zero.
fn not_negative(object: &Value, field: &str, at: &str, errors: &mut Vec<FieldError>) {
    let value = &object[field];
    if value.as_i64().is_some_and(|number| number < 0) {
        errors.push(FieldError::invalid(format!("{at}.{field}"), value, "must be greater than or equal to 0"));
    }
}

/// A text that must be one of some.
fn one_of(value: &Value, known: &[&str], at: &str, errors: &mut Vec<FieldError>) {
    if value.as_str().is_some_and(|text| !known.contains(&text)) {
        errors.push(FieldError::unsupported(at, value, known));
    }
}

/// A port's number.
fn port(value: &Value, at: &str, errors: &mut Vec<FieldError>) {
    if value.as_i64().is_some_and(|number| !(1..=65_535).contains(&number)) {
        errors.push(FieldError::invalid(at, value, "must be between 1 and 65535, inclusive"));
    }
}

fn items(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
