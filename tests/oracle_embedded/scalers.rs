//! Autoscalers in the older version and in the newer, and events in both groups: one object, two forms.

use serde_json::{Value, json};

use super::sequences::{APPLY, JSON, MERGE, step};
use super::{Sequence, Step};

fn path(version: &str) -> String {
    format!("/apis/autoscaling/{version}/namespaces/{{ns}}/horizontalpodautoscalers")
}

fn object(version: &str, spec: Value) -> Value {
    let mut object = json!({"apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

fn metrics() -> Vec<Value> {
    vec![
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}),
        json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "100m"}}}),
        json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}}),
        json!({"type": "Pods", "pods": {"metric": {"name": "p", "selector": {"matchLabels": {"type": "a", "key": "b"}}}, "target": {"type": "AverageValue", "averageValue": "1k"}}}),
        json!({"type": "Object", "object": {"describedObject": {"kind": "K", "name": "n", "apiVersion": "v1"}, "metric": {"name": "o"}, "target": {"type": "Value", "value": "10"}}}),
        json!({"type": "Object", "object": {"describedObject": {"kind": "K", "name": "n"}, "metric": {"name": "o"}, "target": {"type": "AverageValue", "averageValue": "10"}}}),
        json!({"type": "External", "external": {"metric": {"name": "e", "selector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v", "w"]}]}}, "target": {"type": "AverageValue", "averageValue": "2"}}}),
        json!({"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "2"}}}),
        json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}}}),
    ]
}

pub fn all() -> Vec<Sequence> {
    let one = |version: &str| format!("{}/x", path(version));
    let create = |version: &str, spec: Value| step("POST", path(version), JSON, object(version, spec));
    let get = |version: &str| step("GET", one(version), "", Value::Null);
    let patch =
        |version: &str, manager: &str, change: Value| step("PATCH", format!("{}?fieldManager={manager}", one(version)), MERGE, change);
    let spec = |version: &str, manager: &str, spec: Value| patch(version, manager, json!({"spec": spec}));
    let put = |version: &str, more: Value| {
        let mut object = object(version, more);
        object["metadata"]["resourceVersion"] = "{rv}".into();
        step("PUT", one(version), JSON, object)
    };
    let apply = |version: &str, manager: &str, more: Value| {
        step("PATCH", format!("{}?fieldManager={manager}&force=true", one(version)), APPLY, object(version, more))
    };
    let (cpu, memory) = (metrics()[0].clone(), metrics()[2].clone());
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}]}});
    let mut found = Vec::new();
    let mut add = |name: String, steps: Vec<Step>| found.push(Sequence { name: format!("autoscaler {name}"), steps });
    for version in ["v1", "v2"] {
        let other = if version == "v1" { "v2" } else { "v1" };
        add(
            format!("{version} least"),
            vec![create(version, json!({})), get(version), get(other), step("GET", path(other), "", Value::Null)],
        );
        add(
            format!("{version} put"),
            vec![
                create(version, json!({"minReplicas": 2})),
                put(other, json!({"maxReplicas": 5})),
                get(version),
                put(version, json!({})),
                get(other),
            ],
        );
        add(
            format!("{version} applied"),
            vec![
                apply(version, "a", json!({"minReplicas": 2})),
                apply(other, "b", json!({"maxReplicas": 5})),
                get(version),
                apply(version, "a", json!({})),
                get(other),
                apply(other, "a", json!({})),
            ],
        );
        add(
            format!("{version} changed in turn"),
            vec![
                create(version, json!({})),
                spec(other, "a", json!({"maxReplicas": 4})),
                spec(version, "b", json!({"minReplicas": 2})),
                spec("v1", "c", json!({"targetCPUUtilizationPercentage": 70})),
                get("v2"),
                spec("v2", "d", json!({"metrics": [cpu, memory]})),
                get("v1"),
                spec("v1", "e", json!({"targetCPUUtilizationPercentage": 30})),
                get("v2"),
                spec("v1", "e", json!({"targetCPUUtilizationPercentage": null})),
                get("v2"),
                spec("v2", "f", json!({"behavior": behavior})),
                get("v1"),
                spec("v1", "g", json!({"maxReplicas": 9})),
                get("v2"),
            ],
        );
        add(
            format!("{version} wrong"),
            vec![
                create(version, json!({"maxReplicas": 0})),
                create(version, json!({"minReplicas": 5})),
                create(version, json!({"scaleTargetRef": {"kind": "", "name": "d"}})),
            ],
        );
    }
    add(
        "wrong target".to_owned(),
        vec![create("v1", json!({"targetCPUUtilizationPercentage": 0})), create("v1", json!({"targetCPUUtilizationPercentage": "x"}))],
    );
    add(
        "with annotations".to_owned(),
        vec![
            create("v2", json!({"metrics": [memory]})),
            patch("v1", "a", json!({"metadata": {"annotations": {"a": "b"}}})),
            get("v2"),
            patch("v1", "a", json!({"metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": "broken"}}})),
            get("v2"),
            patch("v2", "b", json!({"metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/behavior": "mine"}}})),
            get("v1"),
        ],
    );
    add(
        "applied in both".to_owned(),
        vec![
            apply("v2", "a", json!({"metrics": [memory]})),
            apply("v1", "b", json!({"targetCPUUtilizationPercentage": 40})),
            get("v2"),
            apply("v2", "a", json!({"metrics": [memory], "maxReplicas": 4})),
            get("v1"),
            apply("v1", "b", json!({})),
            get("v2"),
        ],
    );
    let status = json!({"currentReplicas": 2, "desiredReplicas": 3, "lastScaleTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "AbleToScale", "status": "True", "reason": "r", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}, {"type": "B", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5, "averageValue": "3m"}}}, {"type": "Pods", "pods": {"metric": {"name": "p"}, "current": {"averageValue": "1k"}}}]});
    add(
        "status".to_owned(),
        vec![
            create("v2", json!({})),
            step("PATCH", format!("{}/status?fieldManager=s", one("v2")), MERGE, json!({"status": status})),
            get("v1"),
            step("PATCH", format!("{}/status?fieldManager=t", one("v1")), MERGE, json!({"status": {"desiredReplicas": 4}})),
            get("v2"),
        ],
    );
    add(
        "status in v1".to_owned(),
        vec![
            create("v1", json!({})),
            step(
                "PATCH",
                format!("{}/status?fieldManager=s", one("v1")),
                MERGE,
                json!({"status": {"currentReplicas": 1, "desiredReplicas": 4, "currentCPUUtilizationPercentage": 9}}),
            ),
            get("v2"),
        ],
    );
    let policy = json!({"type": "Pods", "value": 1, "periodSeconds": 10});
    for (number, rules) in [
        json!({}),
        json!({"policies": []}),
        json!({"policies": null, "selectPolicy": "Disabled"}),
        json!({"selectPolicy": "Other", "stabilizationWindowSeconds": -1}),
        json!({"selectPolicy": "", "stabilizationWindowSeconds": 3600}),
        json!({"stabilizationWindowSeconds": 3601}),
        json!({"policies": [{"type": "Other", "value": 0, "periodSeconds": 0}]}),
        json!({"policies": [{"value": -1, "periodSeconds": 1801}, policy]}),
        json!({"policies": [{"type": "Percent", "value": 500, "periodSeconds": 1800}, policy], "selectPolicy": "Min"}),
        json!({"policies": [policy], "tolerance": "-1"}),
        json!({"policies": [policy], "tolerance": "0.05"}),
    ]
    .into_iter()
    .enumerate()
    {
        for direction in ["scaleUp", "scaleDown"] {
            let change = json!({"behavior": {direction: rules}});
            let steps = vec![create("v2", change.clone()), create("v2", json!({})), spec("v2", "b", change.clone()), get("v1")];
            add(format!("behavior {number} {direction}"), steps);
        }
    }
    let condition = |more: Value| {
        let mut condition = json!({"type": "AbleToScale", "status": "True"});
        for (key, value) in more.as_object().unwrap() {
            condition[key] = value.clone();
        }
        json!({"status": {"conditions": [condition]}})
    };
    for (number, more) in [
        json!({}),
        json!({"lastTransitionTime": null, "reason": "r"}),
        json!({"lastTransitionTime": "2026-01-01T00:00:00Z", "message": "m"}),
    ]
    .into_iter()
    .enumerate()
    {
        add(
            format!("condition {number}"),
            vec![
                create("v2", json!({})),
                step("PATCH", format!("{}/status?fieldManager=s", one("v2")), MERGE, condition(more)),
                get("v2"),
                get("v1"),
                spec("v2", "m", json!({"maxReplicas": 4})),
                spec("v1", "m", json!({"maxReplicas": 5})),
                get("v2"),
            ],
        );
    }
    for (number, metric) in metrics().into_iter().enumerate() {
        add(
            format!("metric {number}"),
            vec![create("v2", json!({"metrics": [metric]})), get("v1"), spec("v1", "m", json!({"maxReplicas": 4})), get("v2")],
        );
    }
    add(
        "all metrics".to_owned(),
        vec![create("v2", json!({"metrics": metrics(), "behavior": {}})), get("v1"), spec("v1", "m", json!({"maxReplicas": 4})), get("v2")],
    );
    found
}
