//! Autoscalers in `autoscaling/v1`, which has a target for the processor alone: all else stands in annotations, as texts.

use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// What is aimed at if nothing is said.
const DEFAULT_UTILIZATION: i64 = 80;

/// A field of a metric: its name in the older version, where the newer one has it, and what it is there when it isn't.
type Row = (&'static str, &'static str, Option<&'static str>);

/// What is aimed at, by kind of metric: its field, and the fields in it, in the order of the server's types.
const TARGETS: [(&str, &str, &[Row]); 5] = [
    (
        "Object",
        "object",
        &[
            ("target", "/describedObject", None),
            ("metricName", "/metric/name", None),
            ("targetValue", "/target/value", Some("0")),
            ("selector", "/metric/selector", None),
            ("averageValue", "/target/averageValue", None),
        ],
    ),
    (
        "Pods",
        "pods",
        &[
            ("metricName", "/metric/name", None),
            ("targetAverageValue", "/target/averageValue", Some("0")),
            ("selector", "/metric/selector", None),
        ],
    ),
    (
        "Resource",
        "resource",
        &[
            ("name", "/name", None),
            ("targetAverageUtilization", "/target/averageUtilization", None),
            ("targetAverageValue", "/target/averageValue", None),
        ],
    ),
    (
        "ContainerResource",
        "containerResource",
        &[
            ("name", "/name", None),
            ("targetAverageUtilization", "/target/averageUtilization", None),
            ("targetAverageValue", "/target/averageValue", None),
            ("container", "/container", None),
        ],
    ),
    (
        "External",
        "external",
        &[
            ("metricName", "/metric/name", None),
            ("metricSelector", "/metric/selector", None),
            ("targetValue", "/target/value", None),
            ("targetAverageValue", "/target/averageValue", None),
        ],
    ),
];

/// What is measured, likewise.
const MEASURES: [(&str, &str, &[Row]); 5] = [
    (
        "Object",
        "object",
        &[
            ("target", "/describedObject", None),
            ("metricName", "/metric/name", None),
            ("currentValue", "/current/value", Some("0")),
            ("selector", "/metric/selector", None),
            ("averageValue", "/current/averageValue", None),
        ],
    ),
    (
        "Pods",
        "pods",
        &[
            ("metricName", "/metric/name", None),
            ("currentAverageValue", "/current/averageValue", Some("0")),
            ("selector", "/metric/selector", None),
        ],
    ),
    (
        "Resource",
        "resource",
        &[
            ("name", "/name", None),
            ("currentAverageUtilization", "/current/averageUtilization", None),
            ("currentAverageValue", "/current/averageValue", Some("0")),
        ],
    ),
    (
        "ContainerResource",
        "containerResource",
        &[
            ("name", "/name", None),
            ("currentAverageUtilization", "/current/averageUtilization", None),
            ("currentAverageValue", "/current/averageValue", Some("0")),
            ("container", "/container", None),
        ],
    ),
    (
        "External",
        "external",
        &[
            ("metricName", "/metric/name", None),
            ("metricSelector", "/metric/selector", None),
            ("currentValue", "/current/value", Some("0")),
            ("currentAverageValue", "/current/averageValue", None),
        ],
    ),
];

/// As the older version has it.
pub fn out(object: &Value) -> Value {
    let mut scaler = object.clone();
    scaler["apiVersion"] = "autoscaling/v1".into();
    drop_annotations(&mut scaler);
    let mut texts = Vec::new();
    let metrics = list(&object["spec"]["metrics"]);
    let others: Vec<&Value> = metrics.iter().filter(|metric| !is_processor(metric)).collect();
    if !others.is_empty() {
        texts.push((METRICS, lined(others.into_iter().map(|metric| metric_text(metric, &TARGETS)))));
    }
    let current = list(&object["status"]["currentMetrics"]);
    if !current.is_empty() {
        texts.push((CURRENT_METRICS, lined(current.iter().map(|metric| metric_text(metric, &MEASURES)))));
    }
    if let Some(behavior) = object["spec"].get("behavior").filter(|behavior| behavior.is_object()) {
        texts.push((BEHAVIOR, behavior_text(behavior)));
    }
    let conditions = list(&object["status"]["conditions"]);
    if !conditions.is_empty() {
        texts.push((CONDITIONS, lined(conditions.iter().map(condition_text))));
    }
    for (name, text) in texts {
        scaler["metadata"]["annotations"][name] = text.into();
    }
    if let Some(spec) = scaler["spec"].as_object_mut() {
        spec.remove("metrics");
        spec.remove("behavior");
        if let Some(metric) = metrics.iter().find(|metric| is_processor(metric)) {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), metric["resource"]["target"]["averageUtilization"].clone());
        }
    }
    if let Some(status) = scaler.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
        status.remove("currentMetrics");
        status.entry("currentReplicas").or_insert(0.into());
        let measured = current.iter().filter(|metric| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu");
        if let Some(used) = measured.map(|metric| &metric["resource"]["current"]["averageUtilization"]).rfind(|used| used.is_number()) {
            status.insert("currentCPUUtilizationPercentage".to_owned(), used.clone());
        }
    }
    scaler
}

/// From the newer version: annotations that the older one has for its fields are nobody's to write.
pub fn plain(mut scaler: Value) -> Value {
    drop_annotations(&mut scaler);
    timed(&mut scaler);
    scaler
}

/// A condition's time is there, and be it null: Go's type knows no other way to say that there is none.
fn timed(scaler: &mut Value) {
    let conditions = scaler.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        condition.entry("lastTransitionTime").or_insert(Value::Null);
    }
}

/// From the older version.
pub fn kept(mut scaler: Value) -> Value {
    scaler["apiVersion"] = "autoscaling/v2".into();
    let annotation = |name: &str| -> Option<Value> { serde_json::from_str(scaler["metadata"]["annotations"][name].as_str()?).ok() };
    let (others, current) = (annotation(METRICS), annotation(CURRENT_METRICS));
    let (behavior, conditions) = (annotation(BEHAVIOR), annotation(CONDITIONS));
    drop_annotations(&mut scaler);
    let processor = |figure: &str, value: Value| json!({"type": "Resource", "resource": {"name": "cpu", figure: value}});
    if let Some(spec) = scaler["spec"].as_object_mut() {
        let mut metrics: Vec<Value> =
            list(&others.unwrap_or_default()).iter().map(|metric| metric_read(metric, &TARGETS, "target")).collect();
        if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
            metrics.push(processor("target", json!({"type": "Utilization", "averageUtilization": target})));
        }
        if metrics.is_empty() {
            metrics.push(processor("target", json!({"type": "Utilization", "averageUtilization": DEFAULT_UTILIZATION})));
        }
        spec.insert("metrics".to_owned(), metrics.into());
        if let Some(behavior) =
            behavior.map(|behavior| behavior_read(&behavior)).filter(|read| read.as_object().is_some_and(|read| !read.is_empty()))
        {
            spec.insert("behavior".to_owned(), behavior);
        }
    }
    if let Some(status) = scaler.get_mut("status").and_then(Value::as_object_mut) {
        let used = status.remove("currentCPUUtilizationPercentage");
        let measured = match (current, used) {
            (Some(current), _) => list(&current).iter().map(|metric| metric_read(metric, &MEASURES, "current")).collect(),
            (None, Some(used)) => json!([processor("current", json!({"averageUtilization": used}))]),
            (None, None) => Value::Null,
        };
        status.insert("currentMetrics".to_owned(), measured);
        if status.get("currentReplicas") == Some(&json!(0)) {
            status.remove("currentReplicas");
        }
        if let Some(conditions) = conditions {
            status.insert("conditions".to_owned(), conditions);
        }
    }
    scaler
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_processor(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["averageUtilization"].is_number()
}

fn drop_annotations(scaler: &mut Value) {
    let Some(meta) = scaler["metadata"].as_object_mut() else { return };
    let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|name, _| ![METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR].contains(&name.as_str()));
    if annotations.is_empty() {
        meta.remove("annotations");
    }
}

fn lined(all: impl Iterator<Item = String>) -> String {
    let text = format!("[{}]", all.collect::<Vec<_>>().join(","));
    escaped(&text)
}

/// As Go writes what might stand in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Fields in this order, those that there are.
fn record<'v>(fields: impl IntoIterator<Item = (&'v str, Option<String>)>) -> String {
    let all: Vec<String> = fields.into_iter().filter_map(|(name, text)| Some(format!("\"{name}\":{}", text?))).collect();
    format!("{{{}}}", all.join(","))
}

fn some(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

fn metric_text(metric: &Value, kinds: &[(&str, &str, &[Row])]) -> String {
    let found = kinds.iter().find(|(kind, ..)| metric["type"] == *kind);
    let inner = found.map(|(_, field, rows)| {
        let of = &metric[*field];
        let text = |(name, at, default): &Row| {
            let value = of.pointer(at).unwrap_or(&Value::Null);
            let text = match *name {
                "target" => Some(record(["kind", "name", "apiVersion"].map(|field| (field, some(&value[field]))))),
                "selector" | "metricSelector" if value.is_object() => Some(selector_text(value)),
                _ => some(value),
            };
            (*name, text.or_else(|| default.map(|default| format!("{default:?}"))))
        };
        (*field, Some(record(rows.iter().map(text))))
    });
    record(std::iter::once(("type", some(&metric["type"]))).chain(inner))
}

fn selector_text(selector: &Value) -> String {
    let expression = |one: &Value| record(["key", "operator", "values"].map(|field| (field, some(&one[field]))));
    let expressions = list(&selector["matchExpressions"]);
    let expressions = (!expressions.is_empty()).then(|| format!("[{}]", expressions.iter().map(expression).collect::<Vec<_>>().join(",")));
    record([("matchLabels", some(&selector["matchLabels"])), ("matchExpressions", expressions)])
}

fn condition_text(condition: &Value) -> String {
    let time = Some(condition["lastTransitionTime"].to_string());
    record([
        ("type", some(&condition["type"])),
        ("status", some(&condition["status"])),
        ("lastTransitionTime", time),
        ("reason", some(&condition["reason"])),
        ("message", some(&condition["message"])),
    ])
}

fn metric_read(metric: &Value, kinds: &[(&str, &str, &[Row])], figure: &str) -> Value {
    let mut read = json!({"type": metric["type"]});
    let Some((kind, field, rows)) = kinds.iter().find(|(kind, ..)| metric["type"] == *kind) else { return read };
    let of = &metric[*field];
    let mut inner = json!({});
    for (name, at, _) in *rows {
        if of[*name].is_null() {
            continue;
        }
        // Texts of two parts at most: `/target/value`.
        match at.trim_start_matches('/').split_once('/') {
            Some((outer, part)) => inner[outer][part] = of[*name].clone(),
            None => inner[at.trim_start_matches('/')] = of[*name].clone(),
        }
    }
    if figure == "target" {
        let has = |field: &str| !of[field].is_null();
        let (by, otherwise) = match *kind {
            "Object" => (!has("averageValue"), "Value"),
            "Pods" => (false, ""),
            "External" => (has("targetValue"), "Value"),
            _ => (has("targetAverageUtilization"), "Utilization"),
        };
        inner["target"]["type"] = if by { otherwise } else { "AverageValue" }.into();
        // The older version can't leave it out.
        if *kind == "Object"
            && !by
            && of["targetValue"] == "0"
            && let Some(target) = inner["target"].as_object_mut()
        {
            target.remove("value");
        }
    }
    read[*field] = inner;
    read
}

const DIRECTIONS: [(&str, &str); 2] = [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")];
const RULES: [(&str, &str); 4] = [
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
];
const POLICY: [(&str, &str); 3] = [("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds")];

/// With the names of fields that Go's own types have, for those are written here.
fn behavior_text(behavior: &Value) -> String {
    let rules = |rules: &Value| {
        if rules.is_null() {
            return "null".to_owned();
        }
        record(RULES.map(|(go, field)| {
            let value = &rules[field];
            let policies = list(value).iter().map(|one| record(POLICY.map(|(go, field)| (go, Some(one[field].to_string())))));
            (
                go,
                Some(if field == "policies" && value.is_array() {
                    format!("[{}]", policies.collect::<Vec<_>>().join(","))
                } else {
                    value.to_string()
                }),
            )
        }))
    };
    escaped(&record(DIRECTIONS.map(|(go, field)| (go, Some(rules(&behavior[field]))))))
}

fn behavior_read(text: &Value) -> Value {
    let fields = |of: &Value, names: &[(&str, &str)]| -> Map<String, Value> {
        names.iter().filter(|(go, _)| !of[*go].is_null()).map(|(go, field)| ((*field).to_owned(), of[*go].clone())).collect()
    };
    let mut behavior = fields(text, &DIRECTIONS);
    for rules in behavior.values_mut() {
        let mut read = fields(rules, &RULES);
        if let Some(policies) = read.get_mut("policies").and_then(Value::as_array_mut) {
            for policy in policies {
                *policy = fields(policy, &POLICY).into();
            }
        }
        *rules = read.into();
    }
    behavior.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_older_version_has_no_field_for_comes_back() {
        let spec = json!({"maxReplicas": 3, "metrics": [
            {"type": "Object", "object": {"describedObject": {"kind": "K", "name": "n", "apiVersion": "v1"}, "metric": {"name": "o", "selector": {"matchLabels": {"type": "b", "key": "<"}}}, "target": {"type": "AverageValue", "averageValue": "10k"}}},
            {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "1"}}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}}},
            {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "2"}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 7}}}],
            "behavior": {"scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 1, "periodSeconds": 2}]}}});
        let status = json!({"currentReplicas": 2, "desiredReplicas": 1, "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5, "averageValue": "3m"}}}],
            "conditions": [{"type": "A", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x", "annotations": {"a": "b"}}, "spec": spec, "status": status});
        let older = out(&scaler);
        assert_eq!(older["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 7}));
        assert_eq!(older["status"], json!({"currentReplicas": 2, "desiredReplicas": 1, "currentCPUUtilizationPercentage": 5}));
        assert_eq!(kept(older), scaler);
    }
}
