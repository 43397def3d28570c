//! Pods, and templates of pods.

use serde_json::Value;

use super::{items, not_negative, one_of, port, text};
use crate::embedded::api::FieldError;
use crate::embedded::rules::{dns_label, port_name};
use crate::resource::Quantity;

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

/// What is wrong with a pod's spec.
pub(super) fn spec(spec: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let volumes = volumes_of(spec, at, errors);
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(format!("{at}.containers"), ""));
    }
    let mut names: Vec<&str> = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, one) in items(&spec[list]) {
            let at = format!("{at}.{list}[{index}]");
            container(one, &at, &volumes, errors);
            let name = text(&one["name"]);
            if !name.is_empty() && names.contains(&name) {
                errors.push(FieldError::duplicate(format!("{at}.name"), &one["name"]));
            }
            names.push(name);
        }
    }
    one_of(&spec["restartPolicy"], &["Always", "OnFailure", "Never"], &format!("{at}.restartPolicy"), errors);
    one_of(&spec["dnsPolicy"], &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], &format!("{at}.dnsPolicy"), errors);
    if spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds < 1) {
        let detail = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(format!("{at}.activeDeadlineSeconds"), &spec["activeDeadlineSeconds"], detail));
    }
}

/// The names of the volumes.
fn volumes_of<'s>(spec: &'s Value, at: &str, errors: &mut Vec<FieldError>) -> Vec<&'s str> {
    let mut names = Vec::new();
    for (index, volume) in items(&spec["volumes"]) {
        let at = format!("{at}.volumes[{index}]");
        let name = text(&volume["name"]);
        let sources: Vec<&String> = volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name").collect();
        // The first one counts, the rest is too much.
        let mut known: Vec<&&String> = sources.iter().collect();
        known.sort_by_key(|source| source.as_str() != "emptyDir");
        for more in known.iter().skip(1) {
            errors.push(FieldError::forbidden(format!("{at}.{more}"), "may not specify more than 1 volume type"));
        }
        if name.is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        } else {
            errors.extend(dns_label(name).iter().map(|problem| FieldError::invalid(format!("{at}.name"), &volume["name"], problem)));
        }
        if names.contains(&name) {
            errors.push(FieldError::duplicate(format!("{at}.name"), &volume["name"]));
        }
        names.push(name);
    }
    names
}

fn container(container: &Value, at: &str, volumes: &[&str], errors: &mut Vec<FieldError>) {
    let name = text(&container["name"]);
    if name.is_empty() {
        errors.push(FieldError::required(format!("{at}.name"), ""));
    } else {
        errors.extend(dns_label(name).iter().map(|problem| FieldError::invalid(format!("{at}.name"), &container["name"], problem)));
    }
    if text(&container["image"]).trim().is_empty() {
        errors.push(FieldError::required(format!("{at}.image"), ""));
    }
    ports(container, at, errors);
    for (index, variable) in items(&container["env"]) {
        let at = format!("{at}.env[{index}]");
        if text(&variable["name"]).is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        }
        if !variable["valueFrom"].is_null() && !text(&variable["value"]).is_empty() {
            errors.push(FieldError::invalid(format!("{at}.valueFrom"), &"".into(), "may not be specified when `value` is not empty"));
        }
    }
    for (index, mount) in items(&container["volumeMounts"]) {
        let at = format!("{at}.volumeMounts[{index}]");
        if text(&mount["name"]).is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        } else if !volumes.contains(&text(&mount["name"])) {
            errors.push(FieldError::not_found(format!("{at}.name"), &mount["name"]));
        }
        if text(&mount["mountPath"]).is_empty() {
            errors.push(FieldError::required(format!("{at}.mountPath"), ""));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[name].is_object() {
            probe(&container[name], &format!("{at}.{name}"), errors);
        }
    }
    one_of(&container["imagePullPolicy"], &["Always", "IfNotPresent", "Never"], &format!("{at}.imagePullPolicy"), errors);
    resources(&container["resources"], &format!("{at}.resources"), errors);
}

fn ports(container: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let mut names: Vec<&str> = Vec::new();
    for (index, one) in items(&container["ports"]) {
        let at = format!("{at}.ports[{index}]");
        let name = text(&one["name"]);
        if !name.is_empty() {
            let problems = port_name(name);
            if problems.is_empty() && names.contains(&name) {
                errors.push(FieldError::duplicate(format!("{at}.name"), &one["name"]));
            }
            errors.extend(problems.iter().map(|problem| FieldError::invalid(format!("{at}.name"), &one["name"], problem)));
            names.push(name);
        }
        if one["containerPort"].as_i64().unwrap_or(0) == 0 {
            errors.push(FieldError::required(format!("{at}.containerPort"), ""));
        } else {
            port(&one["containerPort"], &format!("{at}.containerPort"), errors);
        }
        one_of(&one["protocol"], &["SCTP", "TCP", "UDP"], &format!("{at}.protocol"), errors);
    }
}

fn probe(probe: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let handlers: Vec<&str> = HANDLERS.into_iter().filter(|handler| probe[*handler].is_object()).collect();
    if handlers.is_empty() {
        errors.push(FieldError::required(at, "must specify a handler type"));
    }
    for more in handlers.iter().skip(1) {
        errors.push(FieldError::forbidden(format!("{at}.{more}"), "may not specify more than 1 handler type"));
    }
    for handler in ["httpGet", "tcpSocket"] {
        port(&probe[handler]["port"], &format!("{at}.{handler}.port"), errors);
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        not_negative(probe, field, at, errors);
    }
}

fn resources(resources: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    for side in ["limits", "requests"] {
        for (name, value) in resources[side].as_object().into_iter().flatten() {
            let at = format!("{at}.{side}");
            let Some(asked) = amount(value) else { continue };
            if asked < Quantity::ZERO {
                errors.push(FieldError::invalid(format!("{at}[{name}]"), value, "must be greater than or equal to 0"));
            }
            if side == "requests"
                && let Some(limit) = amount(&resources["limits"][name])
                && asked > limit
            {
                errors.push(FieldError::invalid(at, value, &format!("must be less than or equal to {name} limit of {limit}")));
            }
        }
    }
}
