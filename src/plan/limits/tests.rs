//! Plans that don't fit, of hand-made changes.

use serde_json::{Value, json};

use super::*;
use crate::plan::{Cause, Decided, FieldChange};
use crate::resource::{Desired, Origin, Scope, Severity};

fn object(api_version: &str, kind: &str, name: &str, content: Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if kind != "Namespace" {
        value["metadata"]["namespace"] = "ns".into();
    }
    value.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    Object::try_from(value).unwrap()
}

/// A Deployment whose pods ask for a CPU each.
fn deployment(name: &str, replicas: u64, image: &str, unavailable: u64) -> Object {
    let container = json!({"name": "app", "image": image, "resources": {"requests": {"cpu": "1"}}});
    object(
        "apps/v1",
        "Deployment",
        name,
        json!({"spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}},
            "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": unavailable}}}}),
    )
}

fn running(mut object: Object) -> Object {
    let replicas = object.value()["spec"]["replicas"].clone();
    object.value_mut()["status"] = json!({"replicas": replicas, "updatedReplicas": replicas});
    object
}

fn quota(hard: Value, used: Value) -> Object {
    object("v1", "ResourceQuota", "q", json!({"spec": {"hard": hard}, "status": {"hard": hard, "used": used}}))
}

fn change(action: Action, wave: usize, live: Option<Object>, after: Option<Object>) -> Change {
    let key = after.as_ref().or(live.as_ref()).unwrap().key();
    let origin = Some(Origin { file: "services/web.toml".into(), line: 4, column: 1, start: 0, end: 1 });
    let mut fields = Vec::new();
    let part = |object: &Option<Object>| object.as_ref().map(|object| object.value()["spec"]["template"].clone());
    if live.is_some() && part(&live) != part(&after) {
        let path = "spec.template".parse().unwrap();
        fields.push(FieldChange { path, before: None, after: None, cause: Cause::Intended, origin: None });
    }
    Change {
        key,
        action,
        scope: Scope::default(),
        origin: origin.clone(),
        wave,
        ready_by: wave + 1,
        fields,
        conflicts: Vec::new(),
        replace_reasons: Vec::new(),
        writes: Vec::new(),
        desired: after.clone().map(|object| Desired::new(object, origin)),
        live,
        predicted: after,
        prior: None,
        decided: Decided::DryRun,
        notes: Vec::new(),
    }
}

fn create(wave: usize, object: Object) -> Change {
    change(Action::Create, wave, None, Some(object))
}

fn told(changes: &[Change], standing: &[Object], quotas: Vec<Object>) -> Vec<String> {
    told_by(changes, standing, &Limits { quotas, ..Limits::default() })
}

fn told_by(changes: &[Change], standing: &[Object], limits: &Limits) -> Vec<String> {
    let findings = check(Scene { changes, standing, others: &BTreeMap::new(), limits, server: 36 });
    findings.0.into_iter().map(|finding| format!("{}: {}", finding.code, finding.message)).collect()
}

#[test]
fn two_that_fit_alone_and_not_together_are_told() {
    let all = quota(json!({"requests.cpu": "4"}), json!({"requests.cpu": "1"}));
    let changes = [create(0, deployment("a", 2, "r/a", 1)), create(0, deployment("b", 2, "r/b", 1))];
    for one in &changes {
        assert!(told(std::slice::from_ref(one), &[], vec![all.clone()]).is_empty());
    }
    assert_eq!(
        told(&changes, &[], vec![all]),
        [
            "plan::exceeds_quota: the 2 pods of Deployment ns/b do not fit in ns: exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=3, limited: requests.cpu=4"
        ]
    );
}

#[test]
fn what_makes_room_before_counts_and_what_does_after_does_not() {
    let full = quota(json!({"pods": "2"}), json!({"pods": "2"}));
    let scaled_down = change(Action::Update, 0, Some(running(deployment("a", 2, "r/a", 1))), Some(deployment("a", 0, "r/a", 1)));
    let gone = change(Action::Delete, 9, Some(running(deployment("a", 2, "r/a", 1))), None);
    let new = create(0, deployment("b", 2, "r/b", 1));
    assert!(told(&[scaled_down, new.clone()], &[], vec![full.clone()]).is_empty());
    assert_eq!(told(&[gone, new], &[], vec![full]).len(), 1);
}

#[test]
fn a_quota_that_the_plan_raises_in_time_has_room() {
    let (before, after) = (quota(json!({"pods": "2"}), json!({"pods": "2"})), quota(json!({"pods": "9"}), json!({"pods": "2"})));
    let raised = |wave| change(Action::Update, wave, Some(before.clone()), Some(after.clone()));
    let new = create(1, deployment("b", 2, "r/b", 1));
    assert!(told(&[raised(0), new.clone()], &[], vec![before.clone()]).is_empty());
    assert_eq!(told(&[raised(2), new], &[], vec![before.clone()]).len(), 1);
}

#[test]
fn a_quota_of_the_plans_own_counts_what_is_there() {
    let fresh = create(0, object("v1", "ResourceQuota", "q", json!({"spec": {"hard": {"pods": "3", "count/configmaps": "1"}}})));
    let standing = [running(deployment("old", 2, "r/o", 1))];
    let maps = ["x", "y"].map(|name| create(1, object("v1", "ConfigMap", name, json!({}))));
    let changes: Vec<Change> = [fresh, create(1, deployment("b", 2, "r/b", 1))].into_iter().chain(maps).collect();
    let told = told(&changes, &standing, Vec::new());
    assert_eq!(
        told,
        [
            "plan::exceeds_quota: ConfigMap ns/y does not fit in ns beside the rest of the plan: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1",
            "plan::exceeds_quota: the 2 pods of Deployment ns/b do not fit in ns: exceeded quota: q, requested: pods=2, used: pods=2, limited: pods=3",
        ]
    );
}

#[test]
fn a_roll_out_with_no_room_is_stuck_or_slow() {
    let used = |pods: &str| vec![quota(json!({"pods": "4"}), json!({"pods": pods}))];
    let rolls = |unavailable| {
        change(Action::Update, 0, Some(running(deployment("a", 3, "r/a:1", unavailable))), Some(deployment("a", 3, "r/a:2", unavailable)))
    };
    let codes = |change: Change, quotas| {
        told(&[change], &[], quotas).into_iter().map(|text| text.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(rolls(0), used("4")), ["plan::roll_out_stuck"]);
    assert_eq!(codes(rolls(1), used("4")), ["plan::roll_out_slow"]);
    assert_eq!(codes(rolls(0), used("3")), ["plan::roll_out_slow"], "one at a time");
    assert_eq!(codes(rolls(0), used("2")), [""; 0]);
}

#[test]
fn pods_that_are_about_to_go_take_no_room_for_long() {
    let full = |pods: &str| vec![quota(json!({"pods": "4"}), json!({"pods": pods}))];
    let live = |generation: u64, status: Value| {
        let mut live = deployment("a", 2, "r/a:1", 0);
        live.value_mut()["metadata"]["generation"] = generation.into();
        live.value_mut()["status"] = status;
        live
    };
    let settled = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2});
    let moving = [
        live(3, settled.clone()),
        live(2, json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1})),
        live(2, json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1})),
        live(2, json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "terminatingReplicas": 1})),
    ];
    let severities = |changes: &[Change], standing: &[Object]| -> Vec<(String, Severity)> {
        let limits = Limits { quotas: full("4"), ..Limits::default() };
        let found = check(Scene { changes, standing, others: &BTreeMap::new(), limits: &limits, server: 36 });
        found.0.into_iter().map(|finding| (finding.code, finding.severity)).collect()
    };
    let rolls = |live: Object| change(Action::Update, 0, Some(live), Some(deployment("a", 2, "r/a:2", 0)));
    let stuck = |severity| vec![("plan::roll_out_stuck".to_owned(), severity)];
    let over = |severity| vec![("plan::exceeds_quota".to_owned(), severity)];
    assert_eq!(severities(&[rolls(live(2, settled.clone()))], &[]), stuck(Severity::Error));
    for live in moving {
        assert_eq!(severities(&[rolls(live.clone())], &[]), stuck(Severity::Warning), "{live:?}");
        // Beside another's that fits once that has come to rest, and beside one that never does.
        assert_eq!(severities(&[create(0, deployment("b", 1, "r/b", 1))], std::slice::from_ref(&live)), over(Severity::Warning));
        assert_eq!(severities(&[create(0, deployment("b", 3, "r/b", 1))], &[live]), over(Severity::Error));
    }
    let mut paused = live(2, json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1}));
    paused.value_mut()["spec"]["paused"] = true.into();
    assert_eq!(severities(&[create(0, deployment("b", 1, "r/b", 1))], &[paused]), over(Severity::Error));
}

#[test]
fn an_autoscalers_ceiling_is_told_apart() {
    let scaler = object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "a",
        json!({"spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "a"}}}),
    );
    let changes = [create(0, deployment("a", 2, "r/a", 1)), create(1, scaler)];
    let told = told(&changes, &[], vec![quota(json!({"pods": "4"}), json!({"pods": "0"}))]);
    assert_eq!(
        told,
        [
            "plan::quota_ceiling: the autoscalers of ns can't come to their ceilings: exceeded quota: q, requested: pods=3, used: pods=2, limited: pods=4"
        ]
    );
}

#[test]
fn a_quota_below_what_is_used_is_a_warning() {
    let before = quota(json!({"pods": "9"}), json!({"pods": "5"}));
    let lowered = change(Action::Update, 0, Some(before.clone()), Some(quota(json!({"pods": "3"}), json!({"pods": "5"}))));
    let told = told(&[lowered], &[], vec![before]);
    assert_eq!(
        told,
        [
            "plan::quota_below_use: ResourceQuota ns/q gives less than is used: used: pods=5, limited: pods=3; what is there stays, and nothing new comes"
        ]
    );
}

#[test]
fn pods_of_a_namespace_that_comes_with_them_are_checked() {
    let labels = json!({"pod-security.kubernetes.io/enforce": "baseline"});
    let mut namespace = object("v1", "Namespace", "ns", json!({}));
    namespace.value_mut()["metadata"]["labels"] = labels;
    let mut hosted = deployment("a", 1, "r/a", 1);
    hosted.value_mut()["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    let limits = |limits: Value| object("v1", "LimitRange", "l", json!({"spec": {"limits": [limits]}}));
    let range = limits(json!({"type": "Pod", "max": {"cpu": "500m"}}));
    let low = limits(json!({"type": "Container", "default": {"cpu": "500m"}}));
    let fresh = object("v1", "ResourceQuota", "q", json!({"spec": {"hard": {"limits.memory": "1Gi"}}}));
    let first = create(0, namespace);
    assert_eq!(
        told(&[first.clone(), create(2, hosted)], &[], Vec::new()),
        [
            "plan::pod_security: the pods of Deployment ns/a are refused by the namespace ns: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"
        ]
    );
    assert_eq!(
        told(&[first.clone(), create(1, range), create(2, deployment("a", 1, "r/a", 1))], &[], Vec::new()),
        [
            "plan::limit_range: the pods of Deployment ns/a are refused by the limit range l of ns: maximum cpu usage per Pod is 500m.  No limit is specified"
        ]
    );
    assert_eq!(
        told(&[first.clone(), create(1, low), create(2, deployment("a", 1, "r/a", 1))], &[], Vec::new()),
        [
            "plan::limit_range: the pods of Deployment ns/a are refused in ns, where the limit range l gives what isn't stated: spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 500m"
        ]
    );
    assert_eq!(
        told(&[first, create(1, fresh), create(2, deployment("a", 1, "r/a", 1))], &[], Vec::new()),
        ["plan::quota_unstated: the pods of Deployment ns/a are refused in ns: failed quota: q: must specify limits.memory for: app"]
    );
}

#[test]
fn a_change_that_makes_no_pods_is_left_alone() {
    let mut namespace = object("v1", "Namespace", "ns", json!({}));
    namespace.value_mut()["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let before = running(deployment("a", 3, "r/a", 1));
    let mut after = before.clone();
    after.set_label("team", "b");
    let labelled = change(Action::Update, 0, Some(before), Some(after));
    assert!(told(&[labelled], &[namespace], Vec::new()).is_empty());
}

/// An object of no namespace.
fn class(api_version: &str, kind: &str, name: &str, content: Value) -> Object {
    let mut value = Value::from(object(api_version, kind, name, content));
    value["metadata"].as_object_mut().unwrap().remove("namespace");
    Object::try_from(value).unwrap()
}

fn heavy(cpu: &str) -> Object {
    class("node.k8s.io/v1", "RuntimeClass", "heavy", json!({"handler": "h", "overhead": {"podFixed": {"cpu": cpu}}}))
}

#[test]
fn the_overhead_of_a_runtime_class_counts_whether_it_is_there_or_comes_along() {
    let mut web = deployment("a", 2, "r/a", 1);
    web.value_mut()["spec"]["template"]["spec"]["runtimeClassName"] = "heavy".into();
    let quotas = vec![quota(json!({"requests.cpu": "2"}), json!({"requests.cpu": "0"}))];
    let new = create(1, web.clone());
    let alone = Limits { quotas: quotas.clone(), ..Limits::default() };
    assert!(told_by(std::slice::from_ref(&new), &[], &alone).is_empty());
    let words = |used: &str| {
        [format!(
            "plan::exceeds_quota: the 2 pods of Deployment ns/a do not fit in ns: exceeded quota: q, requested: requests.cpu={used}, used: requests.cpu=0, limited: requests.cpu=2"
        )]
    };
    let there = Limits { classes: vec![heavy("250m")], ..alone.clone() };
    assert_eq!(told_by(std::slice::from_ref(&new), &[], &there), words("2500m"));
    assert_eq!(told_by(&[create(0, heavy("500m")), new.clone()], &[], &alone), words("3"));
    // What comes after the pods, they don't find.
    assert!(told_by(&[create(2, heavy("500m")), new.clone()], &[], &alone).is_empty());
    let lighter = change(Action::Update, 0, Some(heavy("250m")), Some(heavy("0")));
    assert!(told_by(&[lighter, new.clone()], &[], &there).is_empty());
    let unread = Limits { unread_classes: [("RuntimeClass".to_owned(), "forbidden".to_owned())].into(), ..alone };
    assert_eq!(told_by(&[new], &[], &unread), ["plan::limits_unread: what a RuntimeClass gives the pods of ns can't be read: forbidden"]);
}

#[test]
fn the_default_priority_decides_which_quotas_count_pods_that_name_none() {
    let by_class = |operator: &str| {
        let selector = json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": if operator == "In" { json!(["usual"]) } else { json!([]) }}]});
        let hard = json!({"pods": "1"});
        object(
            "v1",
            "ResourceQuota",
            operator,
            json!({"spec": {"hard": hard, "scopeSelector": selector}, "status": {"hard": hard, "used": {"pods": "0"}}}),
        )
    };
    let usual = || class("scheduling.k8s.io/v1", "PriorityClass", "usual", json!({"value": 5, "globalDefault": true}));
    let refusing = |changes: &[Change], limits: &Limits| {
        let told = told_by(changes, &[], limits);
        told.iter().map(|text| text.split("exceeded quota: ").nth(1).unwrap().split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let new = create(1, deployment("a", 2, "r/a", 1));
    let without = Limits { quotas: vec![by_class("In"), by_class("DoesNotExist")], ..Limits::default() };
    assert_eq!(refusing(std::slice::from_ref(&new), &without), ["DoesNotExist"]);
    let with = Limits { classes: vec![usual()], ..without.clone() };
    assert_eq!(refusing(std::slice::from_ref(&new), &with), ["In"]);
    assert_eq!(refusing(&[create(0, usual()), new.clone()], &without), ["In"]);
    assert_eq!(refusing(&[change(Action::Delete, 0, Some(usual()), None), new], &with), ["DoesNotExist"]);
}
