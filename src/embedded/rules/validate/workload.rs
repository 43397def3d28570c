//! What makes pods.

use serde_json::{Value, json};

use super::{not_negative, one_of, pod, text};
use crate::embedded::api::{FieldError, matches_labels};
use crate::embedded::rules::labels;

pub(super) fn check(kind: &str, object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" => of_apps(kind, spec, errors),
        "ReplicationController" => {
            not_negative(spec, "minReadySeconds", "spec", errors);
            not_negative(spec, "replicas", "spec", errors);
            template(&spec["template"], "spec.template", errors);
        }
        "Job" => {
            job(spec, "spec", errors);
            generated(object, errors);
        }
        "CronJob" => cron(spec, errors),
        _ => {}
    }
}

fn of_apps(kind: &str, spec: &Value, errors: &mut Vec<FieldError>) {
    let selector = &spec["selector"];
    let is_empty = |selector: &Value| ["matchLabels", "matchExpressions"].iter().all(|field| selector[*field].is_null());
    if kind == "StatefulSet" {
        update_of_set(spec, errors);
    }
    if kind == "Deployment" || kind == "ReplicaSet" {
        not_negative(spec, "replicas", "spec", errors);
    }
    if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else if is_empty(selector) {
        errors.push(FieldError::invalid("spec.selector", &json!({}), &format!("empty selector is invalid for {}", kind.to_lowercase())));
    }
    let template = &spec["template"];
    let given = &template["metadata"]["labels"];
    let matches = if selector.is_null() { false } else { is_empty(selector) || matches_labels(selector, given) };
    if !matches {
        let shown = if given.is_null() { json!({}) } else { given.clone() };
        errors.push(FieldError::invalid("spec.template.metadata.labels", &shown, "`selector` does not match template `labels`"));
    }
    self::template(template, "spec.template", errors);
    let policy = &template["spec"]["restartPolicy"];
    one_of(policy, &["Always"], "spec.template.spec.restartPolicy", errors);
    match kind {
        "Deployment" => strategy(spec, errors),
        "DaemonSet" => {
            not_negative(spec, "minReadySeconds", "spec", errors);
            let update = &spec["updateStrategy"];
            if !matches!(text(&update["type"]), "RollingUpdate" | "OnDelete" | "") {
                let shown = json!({"Type": update["type"], "RollingUpdate": null});
                errors.push(FieldError::unsupported("spec.updateStrategy", &shown, &["RollingUpdate", "OnDelete"]));
                restore(errors);
            }
        }
        _ => not_negative(spec, "minReadySeconds", "spec", errors),
    }
}

fn update_of_set(spec: &Value, errors: &mut Vec<FieldError>) {
    if !matches!(text(&spec["podManagementPolicy"]), "OrderedReady" | "Parallel" | "") {
        errors.push(FieldError::invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], "must be 'OrderedReady' or 'Parallel'"));
    }
    let update = &spec["updateStrategy"];
    if !matches!(text(&update["type"]), "RollingUpdate" | "OnDelete" | "") {
        let shown = json!({"Type": update["type"], "RollingUpdate": null});
        errors.push(FieldError::invalid("spec.updateStrategy", &shown, "must be 'RollingUpdate' or 'OnDelete'"));
        restore(errors);
    }
    not_negative(spec, "replicas", "spec", errors);
}

fn strategy(spec: &Value, errors: &mut Vec<FieldError>) {
    let strategy = &spec["strategy"];
    let rolling = &strategy["rollingUpdate"];
    match text(&strategy["type"]) {
        "Recreate" => {
            if !rolling.is_null() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
            }
        }
        "RollingUpdate" | "" => {
            let zero = |value: &Value| value.as_i64() == Some(0) || value.as_str() == Some("0%");
            if zero(&rolling["maxUnavailable"]) && zero(&rolling["maxSurge"]) {
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.push(FieldError::invalid("spec.strategy.rollingUpdate.maxUnavailable", &rolling["maxUnavailable"], detail));
            }
        }
        _ => {
            let shown = json!({"Type": strategy["type"], "RollingUpdate": null});
            errors.push(FieldError::unsupported("spec.strategy", &shown, &["Recreate", "RollingUpdate"]));
            restore(errors);
        }
    }
    not_negative(spec, "minReadySeconds", "spec", errors);
    not_negative(spec, "revisionHistoryLimit", "spec", errors);
    not_negative(spec, "progressDeadlineSeconds", "spec", errors);
    let deadline = &spec["progressDeadlineSeconds"];
    if deadline.as_i64().is_some_and(|seconds| seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0)) {
        errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
    }
}

/// The server shows values of its own types with their fields in their order, and here they are sorted: the type comes last.
fn restore(errors: &mut [FieldError]) {
    let Some(last) = errors.last_mut() else { return };
    let Some(start) = last.message.find("{\"RollingUpdate\":null,\"Type\":") else { return };
    let Some(end) = last.message[start..].find('}').map(|end| start + end) else { return };
    let kind = last.message[start + "{\"RollingUpdate\":null,\"Type\":".len()..end].to_owned();
    last.message.replace_range(start..=end, &format!("{{\"Type\":{kind},\"RollingUpdate\":null}}"));
}

fn template(template: &Value, at: &str, errors: &mut Vec<FieldError>) {
    errors.extend(labels(&template["metadata"], &format!("{at}.metadata.labels")));
    pod::spec(&template["spec"], &format!("{at}.spec"), errors);
}

fn job(spec: &Value, at: &str, errors: &mut Vec<FieldError>) {
    for field in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        not_negative(spec, field, at, errors);
    }
    if at == "spec" && spec["selector"].is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    if at == "spec" && (spec["selector"].is_null() || !matches_labels(&spec["selector"], labels)) {
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
    }
    template(&spec["template"], &format!("{at}.template"), errors);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    if matches!(text(policy), "Always" | "") {
        errors.push(FieldError::required(format!("{at}.template.spec.restartPolicy"), "valid values: \"OnFailure\", \"Never\""));
    }
}

/// A Job's selector is its uid, unless it says that it brings its own.
fn generated(job: &Value, errors: &mut Vec<FieldError>) {
    let (spec, uid) = (&job["spec"], &job["metadata"]["uid"]);
    if spec["manualSelector"] == true || spec["selector"].is_null() {
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        if labels[key] != *uid {
            let detail = format!("must be '{}'", text(uid));
            errors.push(FieldError::invalid(format!("spec.template.metadata.labels[{key}]"), labels, &detail));
        }
    }
    if spec["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] != *uid {
        errors.push(FieldError::invalid("spec.selector", &spec["selector"], "`selector` not auto-generated"));
    }
}

fn cron(spec: &Value, errors: &mut Vec<FieldError>) {
    let schedule = text(&spec["schedule"]);
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if !schedule.starts_with('@') {
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        if fields.len() != 5 {
            let detail = format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" "));
            errors.push(FieldError::invalid("spec.schedule", &spec["schedule"], &detail));
        }
    }
    let zone = text(&spec["timeZone"]);
    if !zone.is_empty() && jiff::tz::TimeZone::get(zone).is_err() {
        errors.push(FieldError::invalid("spec.timeZone", &spec["timeZone"], &format!("unknown time zone {zone}")));
    }
    one_of(&spec["concurrencyPolicy"], &["Allow", "Forbid", "Replace"], "spec.concurrencyPolicy", errors);
    not_negative(spec, "startingDeadlineSeconds", "spec", errors);
    not_negative(spec, "successfulJobsHistoryLimit", "spec", errors);
    not_negative(spec, "failedJobsHistoryLimit", "spec", errors);
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", errors);
}
