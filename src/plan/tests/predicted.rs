//! What is predicted, what is asked, and what becomes of a prediction that the server contradicts.

use serde_json::{Value, json};

use super::server::{self, Scene, config_map, deployment, desired, key};
use super::{applied, with, words};
use crate::plan::{Action, Answer, Asking, Decided, Plan, Question};
use crate::resource::Object;

fn codes(plan: &Plan) -> Vec<&str> {
    plan.findings.0.iter().map(|finding| finding.code.as_str()).collect()
}

fn never(question: &Question) -> Answer {
    panic!("asked about {}", question.key)
}

#[test]
fn a_lost_state_makes_no_difference_to_what_is_unchanged() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    scene.applied(&wanted);
    scene.forget();
    let plan = scene.plan(never);
    assert_eq!(plan.unchanged, [key("ConfigMap", "c")]);
    assert_eq!(plan.decided_unchanged(&plan.unchanged[0]), Decided::Merge);
}

#[test]
fn what_the_last_apply_left_is_read_only_for_what_changes() {
    let (wanted, other) = (desired(config_map("c", json!({"a": "1"}))), desired(config_map("d", json!({"a": "1"}))));
    let scene = |now: &str| {
        let mut scene = Scene::of(vec![wanted.clone(), desired(config_map("d", json!({"a": now})))]);
        scene.applied(&wanted);
        scene.applied(&other);
        scene.unread = true;
        scene.asking = Asking::Nothing;
        scene
    };
    let plan = scene("1").plan(never);
    assert_eq!((plan.unchanged.len(), codes(&plan)), (2, vec![]));
    let plan = scene("2").plan(never);
    assert_eq!(codes(&plan), ["test::unread"]);
}

#[test]
fn amounts_and_defaults_within_atomic_lists_are_no_change() {
    let policy = |port: Value| {
        let spec = json!({"podSelector": {}, "ingress": [{"ports": [port]}], "policyTypes": ["Ingress"]});
        desired(server::object("networking.k8s.io/v1", "NetworkPolicy", "n", json!({"spec": spec})))
    };
    let quota = |cpu: &str| desired(server::object("v1", "ResourceQuota", "q", json!({"spec": {"hard": {"limits.cpu": cpu}}})));
    let mut scene = Scene::of(vec![policy(json!({"port": 80})), quota("1000m")]);
    scene.applied(&policy(json!({"port": 80, "protocol": "TCP"})));
    scene.applied(&quota("1"));
    let plan = scene.plan(never);
    assert_eq!(plan.unchanged.len(), 2);
}

#[test]
fn offline_everything_is_predicted() {
    let before = desired(config_map("c", json!({"a": "1", "b": "1"})));
    let mut scene = Scene::of(vec![desired(config_map("c", json!({"a": "2"}))), desired(config_map("new", json!({})))]);
    scene.applied(&before);
    scene.asking = Asking::Nothing;
    let plan = scene.plan(never);
    let shown: Vec<(Action, Decided)> = plan.changes.iter().map(|change| (change.action, change.decided)).collect();
    assert_eq!(shown, [(Action::Update, Decided::Prediction), (Action::Create, Decided::Prediction)]);
    let paths: Vec<String> = plan.changes[0].fields.iter().map(|field| field.path.to_string()).collect();
    assert_eq!((paths, plan.asked), (vec!["data.a".to_owned(), "data.b".to_owned()], 0));
}

#[test]
fn offline_conflicts_and_what_cannot_change_are_known_too() {
    let mut scene = Scene::of(vec![
        desired(config_map("c", json!({"a": "1"}))),
        desired(deployment("web", json!({"image": "i:1", "selector": "other"}))),
    ]);
    scene.applied(&desired(config_map("c", json!({"a": "1"}))));
    scene.applied(&desired(deployment("web", json!({"image": "i:1"}))));
    let live = scene.live("c");
    live.value_mut()["data"]["a"] = json!("x");
    server::written(live, "kubectl-edit", json!({"f:data": {"f:a": {}}}));
    scene.asking = Asking::Nothing;
    let plan = scene.plan(never);
    assert_eq!(words(&plan.changes[0].writes), ["force"]);
    assert_eq!(plan.changes[0].conflicts[0].manager, "kubectl-edit");
    assert_eq!(plan.changes[1].action, Action::Replace, "{:?}", plan.findings);
}

#[test]
fn without_the_right_to_ask_the_prediction_stands_and_the_right_is_named_once() {
    let wanted: Vec<_> = ["a", "b"].map(|name| desired(config_map(name, json!({"v": "1"})))).into();
    let plan = Scene::of(wanted).plan(|_| Answer::NotAllowed { right: "patch configmaps".into() });
    assert_eq!((codes(&plan), plan.asked), (vec!["plan::read_only"], 0));
    assert!(plan.findings.0[0].message.contains("patch configmaps") && !plan.findings.has_errors());
    assert!(plan.changes.iter().all(|change| change.decided == Decided::Prediction));
}

#[test]
fn a_prediction_that_the_server_contradicts_is_told_with_both() {
    let mut scene = Scene::of(vec![desired(config_map("c", json!({"a": "2"})))]);
    let live = scene.applied(&desired(config_map("c", json!({"a": "1"}))));
    let plan = scene.plan(|_| applied(&with(&live, "data.a", json!("3"))));
    assert_eq!((codes(&plan), plan.doubts.len()), (vec!["plan::in_doubt"], 1));
    assert!(plan.findings.0[0].message.contains("data.a: predicted 2, and the server says 3"), "{:?}", plan.findings);
    assert_eq!(plan.changes[0].decided, Decided::DryRun);
    assert_eq!(plan.changes[0].predicted.as_ref().unwrap().value()["data"]["a"], "3", "the server's word counts");
}

#[test]
fn a_contradicted_prediction_tells_no_secret() {
    let secret = |value: &str| desired(server::object("v1", "Secret", "s", json!({"type": "Opaque", "data": {"password": value}})));
    let mut scene = Scene::of(vec![secret("bmV3")]);
    let live = scene.applied(&secret("b2xk"));
    let plan = scene.plan(|_| applied(&with(&live, "data.password", json!("b3RoZXI="))));
    assert_eq!(codes(&plan), ["plan::in_doubt"]);
    let text = format!("{plan:?}");
    assert!(!["bmV3", "b2xk", "b3RoZXI="].iter().any(|secret| text.contains(secret)), "{text}");
}

#[test]
fn verifying_asks_about_everything() {
    let wanted: Vec<_> = ["a", "b"].map(|name| desired(config_map(name, json!({"v": "1"})))).into();
    let mut scene = Scene::of(wanted.clone());
    let lives: Vec<Object> = wanted.iter().map(|wanted| scene.applied(wanted)).collect();
    scene.asking = Asking::Everything;
    let plan = scene.plan(
        |question| {
            if question.key.name == "a" { applied(&lives[0]) } else { applied(&with(&lives[1], "data.v", json!("other"))) }
        },
    );
    assert_eq!(plan.unchanged, [key("ConfigMap", "a")]);
    assert_eq!(plan.decided_unchanged(&plan.unchanged[0]), Decided::Verified);
    assert_eq!((plan.asked, plan.doubts.len(), plan.changes.len()), (2, 1, 1));
}

fn webhook() -> Object {
    let rule = json!({"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]});
    let webhook = json!({"name": "w.example.dev", "rules": [rule], "objectSelector": {"matchLabels": {"inject": "yes"}}});
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "c"}, "webhooks": [webhook]});
    Object::try_from(configuration).unwrap()
}

#[test]
fn what_a_webhook_could_touch_is_asked_about_and_its_doing_is_no_doubt() {
    let mut touched = desired(config_map("touched", json!({"v": "1"})));
    touched.object.set_label("inject", "yes");
    let free = desired(config_map("free", json!({"v": "1"})));
    let mut scene = Scene::of(vec![touched.clone(), free.clone()]);
    let live = scene.applied(&touched);
    scene.applied(&free);
    scene.mutators.push(webhook());
    let plan = scene.clone().plan(|question| {
        assert_eq!(question.key.name, "touched");
        applied(&with(&live, "data.injected", json!("x")))
    });
    assert_eq!((plan.unchanged.len(), plan.doubts.len(), plan.asked), (1, 0, 1));
    assert_eq!((plan.changes[0].action, plan.changes[0].decided), (Action::Update, Decided::DryRun));

    let plan = scene.clone().plan(|_| Answer::Refused { message: "admission webhook does not support dry run".into() });
    assert_eq!((plan.unchanged.len(), codes(&plan)), (2, vec!["plan::unconfirmed"]));

    scene.asking = Asking::Nothing;
    let plan = scene.plan(never);
    assert_eq!((plan.unchanged.len(), codes(&plan)), (2, vec!["plan::admission_not_asked"]));
}

#[test]
fn resources_of_a_definition_that_the_plan_makes_are_predicted_by_it() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]);
    let spec =
        json!({"group": "example.dev", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"}, "versions": versions});
    let mut definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.dev"}, "spec": spec});
    definition["metadata"]["labels"] = json!({});
    let widget = |spec: Value| desired(server::object("example.dev/v1", "Widget", "w", json!({"spec": spec})));
    for (spec, codes_of) in
        [(json!({"size": 1}), vec![]), (json!({"size": "large"}), vec!["plan::refused"]), (json!({"sise": 1}), vec!["plan::refused"])]
    {
        let mut scene = Scene::of(vec![widget(spec), desired(Object::try_from(definition.clone()).unwrap())]);
        scene.asking = Asking::Nothing;
        let plan = scene.plan(never);
        let found: Vec<&str> = codes(&plan).into_iter().filter(|code| *code != "plan::no_such_kind").collect();
        assert_eq!(found, codes_of, "{:?}", plan.findings);
    }
}
