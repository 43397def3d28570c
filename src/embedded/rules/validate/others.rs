//! Policies, routes, rights, amounts: kinds with few rules.

use serde_json::Value;

use super::{items, not_negative, one_of, port, text};
use crate::embedded::api::FieldError;
use crate::embedded::rules::dns_subdomain;
use crate::resource::Quantity;

pub(super) fn check(kind: &str, object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    match kind {
        "HorizontalPodAutoscaler" => super::scaler::validate(spec, errors),
        "PodDisruptionBudget" => budget(spec, errors),
        "NetworkPolicy" => policy(spec, errors),
        "Ingress" => ingress(spec, errors),
        "ResourceQuota" => {
            for (name, value) in spec["hard"].as_object().into_iter().flatten() {
                if amount(value).is_some_and(|amount| amount < Quantity::ZERO) {
                    errors.push(FieldError::invalid(format!("spec.hard[{name}]"), value, "must be greater than or equal to 0"));
                }
            }
        }
        "LimitRange" => items(&spec["limits"]).for_each(|(index, limit)| self::limit(index, limit, errors)),
        "PersistentVolumeClaim" => {
            if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
                errors.push(FieldError::required("spec.accessModes", "at least 1 access mode is required"));
            }
            if spec["resources"]["requests"]["storage"].is_null() {
                errors.push(FieldError::required("spec.resources[storage]", ""));
            }
        }
        "Role" | "ClusterRole" => {
            for (index, rule) in items(&object["rules"]) {
                if rule["verbs"].as_array().is_none_or(Vec::is_empty) {
                    errors.push(FieldError::required(format!("rules[{index}].verbs"), "verbs must contain at least one value"));
                }
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => binding(kind, object, errors),
        "StorageClass" if text(&object["provisioner"]).is_empty() => errors.push(FieldError::required("provisioner", "")),
        "PriorityClass" => {
            let name = text(&object["metadata"]["name"]);
            if object["value"].as_i64().is_some_and(|value| value > 1_000_000_000) && !name.starts_with("system-") {
                errors.push(FieldError::forbidden("value", "maximum allowed value of a user defined priority is 1000000000"));
            }
        }
        "Lease" => {
            let seconds = &spec["leaseDurationSeconds"];
            if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
                errors.push(FieldError::invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
            }
        }
        _ => {}
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

fn budget(spec: &Value, errors: &mut Vec<FieldError>) {
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        let shown = [
            ("MinAvailable", "minAvailable"),
            ("Selector", "selector"),
            ("MaxUnavailable", "maxUnavailable"),
            ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy"),
        ]
        .map(|(name, field)| format!("\"{name}\":{}", spec[field]))
        .join(",");
        let message = format!("Invalid value: {{{shown}}}: minAvailable and maxUnavailable cannot be both set");
        errors.push(FieldError { reason: "FieldValueInvalid", field: "spec".to_owned(), message });
    }
    for field in ["minAvailable", "maxUnavailable"] {
        not_negative(spec, field, "spec", errors);
        let percent = spec[field].as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
        if percent.is_some_and(|percent| percent > 100) {
            errors.push(FieldError::invalid(format!("spec.{field}"), &spec[field], "must not be greater than 100%"));
        }
    }
}

fn policy(spec: &Value, errors: &mut Vec<FieldError>) {
    for (side, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(&spec[side]) {
            for (number, one) in items(&rule["ports"]) {
                port(&one["port"], &format!("spec.{side}[{index}].ports[{number}].port"), errors);
            }
            for (number, peer) in items(&rule[peers]) {
                let cidr = &peer["ipBlock"]["cidr"];
                let is_cidr = |text: &str| {
                    text.split_once('/')
                        .is_some_and(|(address, bits)| address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok())
                };
                if cidr.as_str().is_some_and(|text| !is_cidr(text)) {
                    let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
                    errors.push(FieldError::invalid(format!("spec.{side}[{index}].{peers}[{number}].ipBlock.cidr"), cidr, detail));
                }
            }
        }
    }
    for (index, kind) in items(&spec["policyTypes"]) {
        one_of(kind, &["Ingress", "Egress"], &format!("spec.policyTypes[{index}]"), errors);
    }
}

fn ingress(spec: &Value, errors: &mut Vec<FieldError>) {
    if spec["rules"].as_array().is_none_or(Vec::is_empty) && spec["defaultBackend"].is_null() {
        errors.push(FieldError::invalid("spec", &Value::Null, "either `defaultBackend` or `rules` must be specified"));
    }
    for (index, rule) in items(&spec["rules"]) {
        let host = text(&rule["host"]);
        if !host.is_empty() {
            let bare = host.strip_prefix("*.").unwrap_or(host);
            errors.extend(
                dns_subdomain(bare).iter().map(|problem| FieldError::invalid(format!("spec.rules[{index}].host"), &rule["host"], problem)),
            );
        }
        for (number, path) in items(&rule["http"]["paths"]) {
            let at = format!("spec.rules[{index}].http.paths[{number}]");
            if path["pathType"].is_null() {
                errors.push(FieldError::required(format!("{at}.pathType"), "pathType must be specified"));
                continue;
            }
            one_of(&path["pathType"], &["Exact", "ImplementationSpecific", "Prefix"], &format!("{at}.pathType"), errors);
            if matches!(text(&path["pathType"]), "Exact" | "Prefix") && !text(&path["path"]).starts_with('/') {
                errors.push(FieldError::invalid(format!("{at}.path"), &path["path"], "must be an absolute path"));
            }
        }
    }
}

fn limit(index: usize, limit: &Value, errors: &mut Vec<FieldError>) {
    let side = |name: &str, field: &str| amount(&limit[field][name]);
    let mut names: Vec<&String> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest"] {
        names.extend(limit[field].as_object().into_iter().flatten().map(|(name, _)| name));
    }
    names.sort();
    names.dedup();
    for name in names {
        let (least, most) = (side(name, "min"), side(name, "max"));
        let mut compare = |low: (Option<Quantity>, &str), high: (Option<Quantity>, &str), field: &str| {
            let (Some(one), Some(two)) = (low.0, high.0) else { return };
            if one > two {
                let detail = format!("{} value {one} is greater than {} value {two}", low.1, high.1);
                errors.push(FieldError::invalid(format!("spec.limits[{index}].{field}[{name}]"), &limit[field][name], &detail));
            }
        };
        let (default, request) = (side(name, "default"), side(name, "defaultRequest"));
        compare((least.clone(), "min"), (most.clone(), "max"), "min");
        compare((least.clone(), "min"), (request.clone(), "default request"), "defaultRequest");
        compare((request.clone(), "default request"), (most.clone(), "max"), "defaultRequest");
        compare((request, "default request"), (default.clone(), "default limit"), "defaultRequest");
        compare((default.clone(), "default"), (most, "max"), "default");
        if let (Some(least), Some(default)) = (least, default)
            && least > default
        {
            let detail = format!("min value {least} is greater than default value {default}");
            errors.push(FieldError::invalid(format!("spec.limits[{index}].default[{name}]"), &limit["min"][name], &detail));
        }
    }
}

fn binding(kind: &str, object: &Value, errors: &mut Vec<FieldError>) {
    let known: &[&str] = if kind == "RoleBinding" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    one_of(&object["roleRef"]["kind"], known, "roleRef.kind", errors);
    for (index, subject) in items(&object["subjects"]) {
        one_of(&subject["kind"], &["ServiceAccount", "User", "Group"], &format!("subjects[{index}].kind"), errors);
        if text(&subject["name"]).is_empty() {
            errors.push(FieldError::required(format!("subjects[{index}].name"), ""));
        }
    }
}
