//! Plans of hand-made objects: every rule, without a server.

mod predicted;
mod server;

use serde_json::{Value, json};

use super::{Action, Answer, Cause, Conflict, ConsentKind, Decided, Shown, Write};
use crate::resource::{Desired, EdgeReason, HandOver, Object, ObjectKey};
use server::{Scene, config_map, deployment, desired, key};

fn applied(object: &Object) -> Answer {
    Answer::Applied { object: object.clone(), warnings: Vec::new() }
}

fn with(object: &Object, path: &str, value: Value) -> Object {
    let mut object = object.clone();
    crate::merge::set(object.value_mut(), &path.parse().unwrap(), value);
    object
}

fn handed_over(mut wanted: Desired) -> Desired {
    let path = "spec.replicas".parse().unwrap();
    crate::merge::remove(wanted.object.value_mut(), &path);
    wanted.hand_overs.push(HandOver {
        path,
        initial: json!(2),
        to: ObjectKey::new("autoscaling", "HorizontalPodAutoscaler", Some("ns"), "web"),
    });
    wanted
}

fn words(writes: &[Write]) -> Vec<String> {
    let word = |write: &Write| match write {
        Write::Apply { creates: true, .. } => "create".to_owned(),
        Write::Apply { force, .. } => if *force { "force" } else { "apply" }.to_owned(),
        Write::Release { paths } => format!("release {}", paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        Write::TakeOver { managers } => format!("take over {}", managers.join(" ")),
        Write::Delete { .. } => "delete".to_owned(),
    };
    writes.iter().map(word).collect()
}

#[test]
fn what_is_as_it_was_left_is_not_asked_about() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    scene.applied(&wanted);
    let plan = scene.plan(|question| panic!("asked about {}", question.key));
    assert_eq!((plan.unchanged, plan.asked), (vec![key("ConfigMap", "c")], 0));
}

#[test]
fn each_thing_that_differs_is_asked_about() {
    type Edit = fn(&mut Object);
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let other = desired(config_map("c", json!({"a": "2"})));
    let changes: [(&str, Edit); 3] = [
        ("another value", |live| live.value_mut()["data"]["a"] = json!("x")),
        ("another owner", |live| live.value_mut()["metadata"]["managedFields"][0]["fieldsV1"] = json!({"f:data": {}})),
        ("another version of our entry", |live| live.value_mut()["metadata"]["managedFields"][0]["apiVersion"] = json!("v0")),
    ];
    for (what, change) in changes {
        let mut scene = Scene::of(vec![wanted.clone()]);
        scene.applied(&wanted);
        change(scene.live("c"));
        let live = scene.live("c").clone();
        assert_eq!(scene.plan(|_| applied(&live)).asked, 1, "{what}");
    }
    let mut scene = Scene::of(vec![other]);
    let live = scene.applied(&wanted);
    let plan = scene.plan(|_| applied(&with(&live, "data.a", json!("2"))));
    assert_eq!((plan.changes[0].action, plan.changes[0].decided), (Action::Update, Decided::Verified));
    assert_eq!(plan.changes[0].fields[0].cause, Cause::Intended);
}

#[test]
fn types_that_cannot_be_had_concern_their_group_version_alone() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let web = desired(deployment("web", json!({"image": "i:1"})));
    let mut scene = Scene::of(vec![wanted.clone(), web.clone()]);
    scene.applied(&wanted);
    let live = scene.applied(&web);
    scene.catalog.miss("apps/v1", "it is too large");
    let plan = scene.plan(|question| {
        assert_eq!(question.key.kind, "Deployment");
        applied(&live)
    });
    assert_eq!(plan.unchanged.len(), 2);
    let told: Vec<&str> = plan.findings.0.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(told, ["the server doesn't tell the types of the kinds of apps/v1: it is too large"]);
}

#[test]
fn a_state_from_before_what_others_do_does_not_count() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    scene.applied(&wanted);
    let live = scene.live("c");
    live.value_mut()["data"]["theirs"] = json!("x");
    live.value_mut()["status"] = json!({"ready": true});
    live.value_mut()["metadata"]["resourceVersion"] = json!("99");
    assert_eq!(scene.plan(|_| panic!("asked")).asked, 0);
}

#[test]
fn an_object_being_deleted_is_told_and_not_planned() {
    let wanted = desired(config_map("c", json!({})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    scene.applied(&wanted);
    scene.live("c").value_mut()["metadata"]["deletionTimestamp"] = json!("2026-11-20T14:02:00Z");
    let plan = scene.plan(|_| panic!("asked"));
    assert_eq!(plan.findings.0[0].code, "plan::being_deleted");
    assert!(plan.changes.is_empty());
}

#[test]
fn a_namespace_being_deleted_is_told_once() {
    let wanted: Vec<Desired> = ["a", "b"].map(|name| desired(config_map(name, json!({})))).into();
    let mut scene = Scene::of(wanted);
    scene.live("ns").value_mut()["metadata"]["deletionTimestamp"] = json!("2026-11-20T14:02:00Z");
    let codes = |scene: Scene| scene.plan(|_| panic!("asked")).findings.0.into_iter().map(|f| f.code).collect::<Vec<_>>();
    assert_eq!(codes(scene.clone()), ["plan::being_deleted", "plan::being_deleted"], "not the stack's own: each object says so");
    scene.want(desired(server::object("v1", "Namespace", "ns", json!({}))));
    assert_eq!(codes(scene), ["plan::being_deleted"]);
}

#[test]
fn an_object_that_somebody_deleted_comes_back() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    scene.applied(&wanted);
    scene.gone("c");
    let plan = scene.plan(|_| applied(&wanted.object));
    let change = &plan.changes[0];
    assert_eq!((change.action, words(&change.writes)), (Action::Create, vec!["create".to_owned()]));
    assert!(change.fields.iter().all(|field| matches!(field.cause, Cause::Drift { .. })));
    assert_eq!(change.notes, ["somebody deleted it; it is made again"]);
}

#[test]
fn ownership_alone_is_a_change_of_its_own() {
    let wanted = desired(config_map("c", json!({"a": "1"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    let whole = scene.applied(&wanted);
    scene.live("c").value_mut()["metadata"]["managedFields"][0]["fieldsV1"] = json!({"f:metadata": {"f:labels": {}}});
    let plan = scene.plan(|_| applied(&whole));
    assert_eq!((plan.changes[0].action, plan.changes[0].fields.len()), (Action::Own, 0));
}

#[test]
fn a_field_is_handed_over_at_creation() {
    let scene = Scene::of(vec![handed_over(desired(deployment("web", json!({"image": "i:1"}))))]);
    let plan = scene.plan(|question| {
        assert_eq!(question.sent().value()["spec"]["replicas"], 2);
        applied(question.sent())
    });
    assert_eq!(words(&plan.changes[0].writes), ["create", "release spec.replicas"]);
}

#[test]
fn what_the_server_sets_of_itself_is_handed_over_without_being_sent() {
    let mut wanted = handed_over(desired(deployment("web", json!({"image": "i:1"}))));
    wanted.hand_overs[0].initial = json!(1);
    let plan = Scene::of(vec![wanted]).plan(|question| {
        assert_eq!(question.sent().value()["spec"].get("replicas"), None);
        let predicted = question.sent();
        applied(&with(predicted, "spec.replicas", json!(1)))
    });
    assert_eq!(words(&plan.changes[0].writes), ["create"]);
}

#[test]
fn a_field_that_we_still_own_is_released_before_it_is_left_out() {
    let before = desired(deployment("web", json!({"image": "i:1"})));
    let mut scene = Scene::of(vec![handed_over(before.clone())]);
    let live = scene.applied(&before);
    let plan = scene.plan(|question| {
        assert_eq!(question.sent().value()["spec"]["replicas"], 3, "asked with the live value: leaving it out would reset it");
        applied(&live)
    });
    let change = &plan.changes[0];
    assert_eq!((change.action, change.fields.len()), (Action::Own, 0));
    assert_eq!(words(&change.writes), ["release spec.replicas", "apply"]);
    let Write::Apply { object, .. } = &change.writes[1] else { panic!() };
    assert!(object.value()["spec"].get("replicas").is_none());
}

#[test]
fn a_field_that_is_somebody_elses_already_is_simply_not_sent() {
    let wanted = handed_over(desired(deployment("web", json!({"image": "i:1"}))));
    let mut scene = Scene::of(vec![handed_over(desired(deployment("web", json!({"image": "i:2"}))))]);
    let live = with(&scene.applied(&wanted), "spec.replicas", json!(7));
    *scene.live("web") = live.clone();
    let image = "spec.template.spec.containers[app].image";
    let plan = scene.plan(|question| {
        assert!(question.sent().value()["spec"].get("replicas").is_none());
        applied(&with(&live, image, json!("i:2")))
    });
    assert_eq!(words(&plan.changes[0].writes), ["apply"]);
    assert_eq!(plan.changes[0].fields.iter().map(|f| f.path.to_string()).collect::<Vec<_>>(), [image]);
    assert_eq!(plan.changes[0].notes, ["restarts 7 pods, 2 at a time"]);
}

#[test]
fn ignored_fields_are_sent_once_and_then_belong_to_whoever_changes_them() {
    let mut wanted = desired(config_map("c", json!({"a": "1", "b": "1"})));
    wanted.lifecycle.ignore_changes = vec!["data.a".parse().unwrap()];
    let scene = Scene::of(vec![wanted.clone()]);
    let plan = scene.plan(|question| applied(question.sent()));
    assert_eq!(words(&plan.changes[0].writes), ["create", "release data.a"]);

    let mut changed = wanted.clone();
    changed.object = config_map("c", json!({"a": "9", "b": "2"}));
    let mut scene = Scene::of(vec![changed]);
    let live = scene.applied(&wanted);
    let plan = scene.plan(|_| applied(&with(&live, "data.b", json!("2"))));
    assert_eq!(words(&plan.changes[0].writes), ["release data.a", "apply"]);
    assert_eq!(plan.changes[0].fields.len(), 1);
}

#[test]
fn drift_and_intention_are_told_apart_in_one_object() {
    let before = desired(config_map("c", json!({"drifted": "1", "meant": "1", "both": "1"})));
    let mut scene = Scene::of(vec![desired(config_map("c", json!({"drifted": "1", "meant": "2", "both": "2"})))]);
    let mut live = scene.applied(&before);
    live.value_mut()["data"] = json!({"drifted": "x", "meant": "1", "both": "x"});
    server::written(&mut live, "kubectl-edit", json!({"f:data": {"f:drifted": {}, "f:both": {}}}));
    *scene.live("c") = live.clone();
    let conflict = |path: &str| Conflict { manager: "kubectl-edit".into(), since: None, path: path.parse().unwrap(), ours_before: false };
    let plan = scene.plan(|question| {
        if question.force() {
            let after = with(&live, "data.drifted", json!("1"));
            return applied(&with(&with(&after, "data.meant", json!("2")), "data.both", json!("2")));
        }
        Answer::Conflict(vec![conflict("data.drifted"), conflict("data.both")])
    });
    let change = &plan.changes[0];
    let causes: Vec<(String, bool)> =
        change.fields.iter().map(|field| (field.path.to_string(), matches!(field.cause, Cause::Drift { .. }))).collect();
    assert_eq!(causes, [("data.both".to_owned(), false), ("data.drifted".to_owned(), true), ("data.meant".to_owned(), false)]);
    let Cause::Drift { by, since } = &change.fields[1].cause else { panic!() };
    assert_eq!((by.as_deref(), since.as_deref()), (Some("kubectl-edit"), Some("2026-11-20T14:02:00Z")));
    assert!(change.conflicts.iter().all(|conflict| conflict.ours_before));
    assert_eq!(words(&change.writes), ["force"]);
    assert!(!plan.findings.has_errors() && plan.consents.is_empty());
}

#[test]
fn what_was_never_ours_is_refused_unless_taken() {
    let before = desired(config_map("c", json!({"a": "1"})));
    for take in [false, true] {
        let mut scene = Scene::of(vec![desired(config_map("c", json!({"a": "1", "x": "ours"})))]);
        scene.take_ownership = take;
        let live = with(&scene.applied(&before), "data.x", json!("theirs"));
        *scene.live("c") = live.clone();
        let plan = scene.plan(|question| {
            if question.force() {
                return applied(&with(&live, "data.x", json!("ours")));
            }
            Answer::Conflict(vec![Conflict { manager: "other".into(), since: None, path: "data.x".parse().unwrap(), ours_before: false }])
        });
        assert_eq!(plan.findings.has_errors(), !take);
        assert!(plan.consents.iter().any(|consent| consent.kind == ConsentKind::TakeOwnership));
        assert_eq!(words(&plan.changes[0].writes), ["force"]);
    }
}

#[test]
fn secrets_show_that_they_change_and_never_to_what() {
    let secret = |value: &str| {
        let data = json!({"data": {"password": value}, "type": "Opaque"});
        desired(server::object("v1", "Secret", "s", data))
    };
    let mut scene = Scene::of(vec![secret("bmV3")]);
    let live = scene.applied(&secret("b2xk"));
    let plan = scene.plan(|_| applied(&with(&live, "data.password", json!("bmV3"))));
    let field = &plan.changes[0].fields[0];
    assert_eq!((&field.before, &field.after), (&Some(Shown::Secret), &Some(Shown::Secret)));
    let text = format!("{plan:?}");
    assert!(!text.contains("bmV3") && !text.contains("b2xk"), "{text}");

    let mut marked = desired(config_map("c", json!({"token": "hush", "open": "1"})));
    marked.sensitive.push("data.token".parse().unwrap());
    let plan = Scene::of(vec![marked]).plan(|question| applied(question.sent()));
    assert!(!format!("{plan:?}").contains("hush"));
}

#[test]
fn protected_objects_are_neither_deleted_nor_replaced() {
    let mut wanted = desired(config_map("c", json!({"a": "1"})));
    wanted.lifecycle.prevent_destroy = true;
    let mut scene = Scene::of(Vec::new());
    scene.applied(&wanted);
    let plan = scene.plan(|_| panic!("asked"));
    assert_eq!(plan.findings.0[0].code, "plan::prevent_destroy");

    let mut changed = wanted.clone();
    changed.object = config_map("c", json!({"a": "2"}));
    let mut scene = Scene::of(vec![changed]);
    scene.applied(&wanted);
    let immutable = ("data".to_owned(), "Forbidden: field is immutable when `immutable` is set".to_owned());
    let plan = scene.plan(|_| Answer::Invalid { causes: vec![immutable.clone()], message: String::new() });
    assert_eq!(plan.findings.0[0].code, "plan::prevent_destroy");
    assert_eq!(plan.changes[0].replace_reasons, ["data: field is immutable when `immutable` is set"]);
}

#[test]
fn a_replace_keeps_what_others_set_and_names_who_misses_it() {
    let before = handed_over(desired(deployment("web", json!({"image": "i:1"}))));
    let mut scene = Scene::of(vec![handed_over(desired(deployment("web", json!({"image": "i:1", "selector": "new"})))), {
        let mut scaler = desired(config_map("scaler", json!({})));
        scaler.edges.push(server::edge(&ObjectKey::new("apps", "Deployment", Some("ns"), "web"), EdgeReason::Target));
        scaler
    }]);
    let live = with(&scene.applied(&before), "spec.replicas", json!(9));
    *scene.live("web") = live;
    let immutable = ("spec.selector".to_owned(), "Invalid value: {\"a\": 1}: field is immutable".to_owned());
    let plan = scene.plan(|question| match question.key.name.as_str() {
        "web" => Answer::Invalid { causes: vec![immutable.clone()], message: String::new() },
        _ => applied(question.sent()),
    });
    let change = plan.changes.iter().find(|change| change.key.name == "web").unwrap();
    assert_eq!(words(&change.writes), ["delete", "create", "release spec.replicas"]);
    let Write::Apply { object, .. } = &change.writes[1] else { panic!() };
    assert_eq!(object.value()["spec"]["replicas"], 9);
    assert_eq!(change.replace_reasons, ["spec.selector: field is immutable"]);
    assert!(change.notes.iter().any(|note| note.contains("missed by ConfigMap ns/scaler")), "{:?}", change.notes);
    assert!(plan.consents.iter().any(|consent| consent.kind == ConsentKind::Replace));
}

#[test]
fn a_change_can_trigger_the_replace_of_another_object() {
    let source = |value: &str| desired(config_map("a-source", json!({"v": value})));
    let mut follower = desired(config_map("follower", json!({})));
    follower.lifecycle.replace_triggered_by.push(key("ConfigMap", "a-source"));
    let mut scene = Scene::of(vec![source("2"), follower.clone()]);
    let live = scene.applied(&source("1"));
    scene.applied(&follower);
    let plan = scene.plan(|_| applied(&with(&live, "data.v", json!("2"))));
    let actions: Vec<(&str, Action)> = plan.changes.iter().map(|change| (change.key.name.as_str(), change.action)).collect();
    assert_eq!(actions, [("a-source", Action::Update), ("follower", Action::Replace)]);
    assert_eq!(plan.changes[1].replace_reasons, ["ConfigMap ns/a-source changes"]);
}

#[test]
fn what_the_plan_itself_cures_is_predicted_and_everything_else_is_told() {
    let quota = |hard: &str| desired(server::object("v1", "ResourceQuota", "quota", json!({"spec": {"hard": {"configmaps": hard}}})));
    let mut scene = Scene::of(vec![quota("9"), desired(config_map("new", json!({}))), desired(config_map("bad", json!({})))]);
    let live = scene.applied(&quota("1"));
    let plan = scene.plan(|question| match question.key.name.as_str() {
        "quota" => applied(&with(&live, "spec.hard.configmaps", json!("9"))),
        "new" => Answer::Refused { message: "configmaps \"new\" is forbidden: exceeded quota: quota, used: 1, limited: 1".into() },
        _ => Answer::Refused { message: "configmaps \"bad\" is forbidden: a policy says no".into() },
    });
    let new = plan.changes.iter().find(|change| change.key.name == "new").unwrap();
    assert_eq!((new.action, new.decided), (Action::Create, Decided::Prediction));
    assert!(new.notes[0].contains("ResourceQuota ns/quota changes before it"), "{:?}", new.notes);
    assert_eq!(plan.findings.0.len(), 1);
    assert!(plan.findings.0[0].message.contains("a policy says no"));
}

#[test]
fn an_object_that_changes_meanwhile_is_looked_at_again_but_not_for_ever() {
    let wanted = desired(config_map("c", json!({"a": "2"})));
    let mut scene = Scene::of(vec![wanted.clone()]);
    let live = scene.applied(&desired(config_map("c", json!({"a": "1"}))));
    let mut times = 0;
    let plan = scene.clone().plan_mut(|_| {
        times += 1;
        if times == 1 { Answer::Moved(Some(live.clone())) } else { applied(&with(&live, "data.a", json!("2"))) }
    });
    assert_eq!((plan.changes.len(), plan.asked), (1, 1));
    let plan = scene.plan(|_| Answer::Moved(Some(live.clone())));
    assert_eq!(plan.findings.0[0].code, "plan::restless");
}

#[test]
fn spais_own_objects_are_no_part_of_a_plan() {
    let root = server::object("v1", "Namespace", "root", json!({}));
    let plan = Scene::of(vec![desired(root)]).plan(|_| panic!("asked"));
    assert_eq!(plan.findings.0[0].code, "plan::spais_own");
    assert!(plan.changes.is_empty());
}

#[test]
fn volumes_and_namespaces_each_ask_on_their_own() {
    let mut scene = Scene::of(Vec::new());
    for name in ["data-0", "data-1"] {
        scene.applied(&desired(server::object("v1", "PersistentVolumeClaim", name, json!({"spec": {}}))));
    }
    let plan = scene.plan(|_| panic!("asked"));
    let volumes = plan.consents.iter().filter(|consent| consent.kind == ConsentKind::DeleteVolume).count();
    assert_eq!((volumes, plan.changes.len()), (2, 2));
    assert!(!plan.consents.iter().any(|consent| consent.kind == ConsentKind::DeleteBudget), "two are few");
}

#[test]
fn what_no_change_needs_is_waited_for_before_anything_goes_or_at_the_end() {
    let workload = |name: &str| desired(deployment(name, json!({"image": "i:1"})));
    let target = |name: &str| ObjectKey::new("apps", "Deployment", Some("ns"), name);
    let behind = |name: &str, of: &str, reason| {
        let mut behind = desired(config_map(name, json!({})));
        behind.edges.push(server::edge(&target(of), reason));
        behind
    };
    for removes in [false, true] {
        let mut scene = Scene::of(vec![
            workload("scaled"),
            workload("needed"),
            behind("scaler", "scaled", EdgeReason::Scaling),
            behind("user", "needed", EdgeReason::Needs),
            desired(server::object("batch/v1", "Job", "ends", json!({"spec": {"template": {"spec": {"containers": []}}}}))),
        ]);
        if removes {
            scene.applied(&desired(config_map("gone", json!({}))));
        }
        let plan = scene.plan(|question| applied(question.sent()));
        let by: Vec<(&str, usize, usize)> =
            plan.changes.iter().map(|change| (change.key.name.as_str(), change.wave, change.ready_by)).collect();
        let mut expected = vec![("needed", 0, 1), ("scaled", 0, 2), ("ends", 0, 1), ("scaler", 1, 2), ("user", 1, 2)];
        if removes {
            expected.insert(0, ("gone", 2, 3));
        }
        assert_eq!(by, expected);
    }
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let wanted: Vec<Desired> = (0..20).map(|index| desired(config_map(&format!("c{index}"), json!({"a": index.to_string()})))).collect();
    let scene = Scene::of(wanted.clone());
    let mut reversed = wanted;
    reversed.reverse();
    let plan = |scene: Scene| format!("{:?}", scene.plan(|question| applied(question.sent())));
    assert_eq!(plan(scene), plan(Scene::of(reversed)));
}

fn quota(pods: &str, cpu: &str) -> Desired {
    desired(server::object("v1", "ResourceQuota", "a-quota", json!({"spec": {"hard": {"pods": pods, "limits.cpu": cpu}}})))
}

#[test]
fn a_quota_that_only_becomes_tighter_waits_until_everything_fits_in_it() {
    for (after, last) in [(quota("4", "2"), true), (quota("4", "8"), false), (quota("20", "4"), false)] {
        let before = quota("10", "4");
        let (old, new) = (desired(config_map("c", json!({"a": "1"}))), desired(config_map("c", json!({"a": "2"}))));
        let gone = desired(config_map("gone", json!({})));
        let mut scene = Scene::of(vec![after.clone(), new.clone()]);
        for was in [&before, &old, &gone] {
            scene.applied(was);
        }
        let lives: Vec<Object> = ["a-quota", "c"].iter().map(|name| scene.live(name).clone()).collect();
        let plan = scene.plan(|question| {
            let (live, wanted) = if question.key.name == "c" { (&lives[1], &new) } else { (&lives[0], &after) };
            let part = if question.key.name == "c" { "data" } else { "spec" };
            let mut object = live.clone();
            object.value_mut()[part] = wanted.object.value()[part].clone();
            applied(&object)
        });
        let wave = |name: &str| plan.changes.iter().find(|change| change.key.name == name).unwrap().wave;
        let latest = plan.changes.iter().map(|change| change.wave).max().unwrap();
        assert_eq!(wave("a-quota") == latest && wave("a-quota") > wave("gone"), last, "{after:?}");
        let waves: std::collections::BTreeSet<usize> = plan.changes.iter().map(|change| change.wave).collect();
        assert_eq!(waves, (0..=latest).collect(), "no gaps");
    }
}
