//! Autoscalers.

use serde_json::Value;

use super::{items, one_of, text};
use crate::embedded::api::FieldError;
use crate::embedded::rules::path_segment;
use crate::resource::Quantity;

pub(super) fn validate(spec: &Value, errors: &mut Vec<FieldError>) {
    let (least, most) = (spec["minReplicas"].as_i64(), spec["maxReplicas"].as_i64().unwrap_or(0));
    if least.is_some_and(|least| least < 1) {
        errors.push(FieldError::invalid("spec.minReplicas", &spec["minReplicas"], "must be greater than or equal to 1"));
    }
    if most < 0 {
        errors.push(FieldError::invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to 1"));
    } else if most == 0 {
        errors.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        errors.push(FieldError::invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to `minReplicas`"));
    }
    reference(&spec["scaleTargetRef"], "spec.scaleTargetRef", true, errors);
    for (index, metric) in items(&spec["metrics"]) {
        self::metric(metric, &format!("spec.metrics[{index}]"), errors);
    }
    for direction in ["scaleUp", "scaleDown"] {
        scaling(&spec["behavior"][direction], &format!("spec.behavior.{direction}"), errors);
    }
}

/// How fast it may go, up or down.
fn scaling(rules: &Value, at: &str, errors: &mut Vec<FieldError>) {
    if rules.is_null() {
        return;
    }
    let window = &rules["stabilizationWindowSeconds"];
    let detail = match window.as_i64() {
        Some(seconds) if seconds < 0 => "must be greater than or equal to zero",
        Some(seconds) if seconds > 3600 => "must be less than or equal to 3600",
        _ => "",
    };
    if !detail.is_empty() {
        errors.push(FieldError::invalid(format!("{at}.stabilizationWindowSeconds"), window, detail));
    }
    one_of(&rules["selectPolicy"], &["Disabled", "Max", "Min"], &format!("{at}.selectPolicy"), errors);
    if rules["policies"].as_array().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(format!("{at}.policies"), "must specify at least one Policy"));
    }
    for (index, policy) in items(&rules["policies"]) {
        let at = format!("{at}.policies[{index}]");
        let kind = Value::from(text(&policy["type"]));
        one_of(&kind, &["Percent", "Pods"], &format!("{at}.type"), errors);
        for (field, most) in [("value", i64::MAX), ("periodSeconds", 1800)] {
            let number = policy[field].as_i64().unwrap_or(0);
            if number <= 0 {
                errors.push(FieldError::invalid(format!("{at}.{field}"), &number.into(), "must be greater than zero"));
            } else if number > most {
                errors.push(FieldError::invalid(format!("{at}.{field}"), &number.into(), &format!("must be less than or equal to {most}")));
            }
        }
    }
    let tolerance = &rules["tolerance"];
    if tolerance.as_str().and_then(|amount| amount.parse::<Quantity>().ok()).is_some_and(|amount| amount < Quantity::ZERO) {
        errors.push(FieldError::invalid(format!("{at}.tolerance"), tolerance, "must be greater than or equal to 0"));
    }
}

/// `grouped`: it is of no core kind.
fn reference(reference: &Value, at: &str, grouped: bool, errors: &mut Vec<FieldError>) {
    for field in ["kind", "name"] {
        let value = text(&reference[field]);
        if value.is_empty() {
            errors.push(FieldError::required(format!("{at}.{field}"), ""));
        }
        errors.extend(path_segment(value).into_iter().map(|why| FieldError::invalid(format!("{at}.{field}"), &value.into(), &why)));
    }
    let version = text(&reference["apiVersion"]);
    let wrong = match version.matches('/').count() {
        0 if grouped => "apiVersion must specify API group".to_owned(),
        0 | 1 => return,
        _ => format!("unexpected GroupVersion string: {version}"),
    };
    errors.push(FieldError::invalid(format!("{at}.apiVersion"), &version.into(), &wrong));
}

fn metric(metric: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let (field, asks) = match text(&metric["type"]) {
        "Object" => ("object", "must set either a target value or averageValue"),
        "Pods" => ("pods", "must specify a positive target averageValue"),
        "Resource" => ("resource", "must set either a target raw value or a target utilization"),
        "ContainerResource" => ("containerResource", "must set either a target raw value or a target utilization"),
        "External" => ("external", "must set either a target value for metric or a per-pod target"),
        _ => return,
    };
    let (of, at) = (&metric[field], format!("{at}.{field}"));
    if of.is_null() {
        return;
    }
    let by_name = matches!(field, "resource" | "containerResource");
    if field == "object" {
        reference(&of["describedObject"], &format!("{at}.describedObject"), false, errors);
    }
    let (name, place, detail) = if by_name {
        (text(&of["name"]), format!("{at}.name"), "must specify a resource name")
    } else {
        (text(&of["metric"]["name"]), format!("{at}.metric.name"), "must specify a metric name")
    };
    if name.is_empty() {
        errors.push(FieldError::required(place, detail));
    }
    if field == "containerResource" && text(&of["container"]).is_empty() {
        errors.push(FieldError::required(format!("{at}.container"), "must specify a container"));
    }
    let (aim, at) = (&of["target"], format!("{at}.target"));
    target(aim, &at, errors);
    let has = |field: &str| !aim[field].is_null();
    let missing = match field {
        "pods" => !has("averageValue"),
        _ if by_name => !has("averageUtilization") && !has("averageValue"),
        _ => !has("value") && !has("averageValue"),
    };
    if missing {
        errors.push(FieldError::required(format!("{at}.{}", if by_name { "averageUtilization" } else { "averageValue" }), asks));
    }
    if by_name && has("averageUtilization") && has("averageValue") {
        errors.push(FieldError::forbidden(format!("{at}.averageValue"), "may not set both a target raw value and a target utilization"));
    }
    if field == "external" && has("value") && has("averageValue") {
        let detail = "may not set both a target value for metric and a per-pod target";
        errors.push(FieldError::forbidden(format!("{at}.value"), detail));
    }
}

fn target(aim: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let kind = text(&aim["type"]);
    if kind.is_empty() {
        errors.push(FieldError::required(format!("{at}.type"), "must specify a metric target type"));
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        errors.push(FieldError::invalid(format!("{at}.type"), &kind.into(), "must be either Utilization, Value, or AverageValue"));
    }
    for field in ["value", "averageValue"] {
        let amount = aim[field].as_str().and_then(|amount| amount.parse::<Quantity>().ok());
        if amount.is_some_and(|amount| amount <= Quantity::ZERO) {
            errors.push(FieldError::invalid(format!("{at}.{field}"), &aim[field], "must be positive"));
        }
    }
    if aim["averageUtilization"].as_i64().is_some_and(|wanted| wanted < 1) {
        errors.push(FieldError::invalid(format!("{at}.averageUtilization"), &aim["averageUtilization"], "must be greater than 0"));
    }
}
