//! A cluster with something of everything, and a plan that does something of everything to it.

use serde_json::{Value, json};

use super::fake::Fake;
use crate::apply::{Api as _, Header, Planned};
use crate::plan::{Action, Propagation, Write};
use crate::resource::{FieldManager, FieldPath, Object, ObjectKey, Scope, StackIdentity};
use crate::state::Binding;

pub fn key(kind: &str, name: &str) -> ObjectKey {
    object(kind, name, json!({})).key()
}

pub fn header() -> Header {
    Header {
        format: crate::apply::FORMAT,
        operation: "apply".into(),
        binding: Binding { identity: StackIdentity::new("s", "e"), cluster_uid: "c".into(), root_namespace: "s-e".into() },
        context: "test".into(),
        revision: 1,
        by: "ana@laptop".into(),
        started: "2026-11-20T14:00:00Z".parse().unwrap(),
    }
}

pub fn object(kind: &str, name: &str, content: Value) -> Object {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if kind != "Namespace" {
        value["metadata"]["namespace"] = "ns".into();
    }
    for (field, part) in content.as_object().unwrap() {
        if field == "metadata" {
            for (name, value_of) in part.as_object().unwrap() {
                value["metadata"][name] = value_of.clone();
            }
        } else {
            value[field] = part.clone();
        }
    }
    Object::try_from(value).unwrap()
}

fn ours() -> FieldManager {
    header().binding.identity.field_manager()
}

/// Somebody applies fields, by force.
pub async fn edit(fake: &Fake, key: &ObjectKey, manager: &str, content: Value) {
    let configuration = object(&key.kind, &key.name, content);
    fake.apply(&configuration, &FieldManager(manager.into()), true, None).await.unwrap();
}

pub fn change(fake: &Fake, action: Action, wave: usize, key: ObjectKey, writes: Vec<Write>) -> Planned {
    let before = fake.live(&key);
    Planned { key, action, wave, ready_by: wave + 1, scope: Scope::default(), origin: None, writes, desired: None, before, prior: None }
}

pub fn writes(object: Object, force: bool, creates: bool) -> Write {
    Write::Apply { object, force, creates }
}

/// The cluster, and the plan.
pub fn scenario() -> (Fake, Vec<Planned>) {
    let fake = Fake::default();
    let build = async {
        let ours = ours().0;
        // Ours, with a field that goes, one that changes, and an annotation of somebody else's.
        edit(&fake, &key("ConfigMap", "updated"), &ours, json!({"data": {"a": "1", "gone": "x"}})).await;
        edit(&fake, &key("ConfigMap", "updated"), "injector", json!({"metadata": {"annotations": {"injected": "yes"}}})).await;
        // Ours, and a human has taken a field.
        edit(&fake, &key("ConfigMap", "drifted"), &ours, json!({"data": {"a": "1", "b": "1"}})).await;
        edit(&fake, &key("ConfigMap", "drifted"), "human", json!({"data": {"a": "human"}})).await;
        edit(&fake, &key("Deployment", "app"), &ours, json!({"spec": {"image": "image:1"}})).await;
        edit(&fake, &key("Deployment", "app"), "autoscaler", json!({"spec": {"replicas": 3}})).await;
        edit(&fake, &key("Deployment", "replaced"), &ours, json!({"spec": {"image": "image:1", "selector": "old"}})).await;
        edit(&fake, &key("Deployment", "deleted"), &ours, json!({"spec": {"image": "image:1"}})).await;
        edit(&fake, &key("ConfigMap", "theirs"), "kubectl-client-side-apply", json!({"data": {"a": "1", "old": "2"}})).await;
        fake.with(|inside| {
            // What kubectl writes from the client is an update, not an apply.
            let object = inside.objects.get_mut(&key("ConfigMap", "theirs")).unwrap();
            object.value_mut()["metadata"]["managedFields"][0]["operation"] = "Update".into();
        });
        edit(&fake, &key("ConfigMap", "untouched"), "human", json!({"data": {"a": "1"}})).await;
    };
    futures::executor::block_on(build);
    fake.snapshot();
    fake.with(|inside| inside.requests = 0);
    let created = object("ConfigMap", "created", json!({"data": {"a": "1"}}));
    let replicas = FieldPath::fields(&["data", "replicas"]);
    let changes = vec![
        change(&fake, Action::Create, 1, created.key(), vec![writes(created, false, true)]),
        change(
            &fake,
            Action::Create,
            1,
            key("ConfigMap", "released"),
            vec![
                writes(object("ConfigMap", "released", json!({"data": {"a": "1", "replicas": "3"}})), false, true),
                Write::Release { paths: vec![replicas] },
            ],
        ),
        change(
            &fake,
            Action::Update,
            0,
            key("ConfigMap", "updated"),
            vec![writes(object("ConfigMap", "updated", json!({"data": {"a": "2", "new": "y"}})), false, false)],
        ),
        change(
            &fake,
            Action::Update,
            0,
            key("ConfigMap", "drifted"),
            vec![writes(object("ConfigMap", "drifted", json!({"data": {"a": "1", "b": "1"}})), true, false)],
        ),
        change(
            &fake,
            Action::Update,
            2,
            key("Deployment", "app"),
            vec![writes(object("Deployment", "app", json!({"spec": {"image": "image:2"}})), false, false)],
        ),
        change(
            &fake,
            Action::Adopt,
            1,
            key("ConfigMap", "theirs"),
            vec![
                Write::TakeOver { managers: vec!["kubectl-client-side-apply".into()] },
                writes(object("ConfigMap", "theirs", json!({"data": {"a": "1"}})), false, false),
            ],
        ),
        change(
            &fake,
            Action::Replace,
            1,
            key("Deployment", "replaced"),
            vec![
                Write::Delete { propagation: Propagation::Foreground },
                writes(object("Deployment", "replaced", json!({"spec": {"image": "image:1", "selector": "new"}})), false, true),
            ],
        ),
        change(&fake, Action::Delete, 3, key("Deployment", "deleted"), vec![Write::Delete { propagation: Propagation::Foreground }]),
    ];
    // Nothing needs it but that everything is ready before something is deleted.
    let mut changes = changes;
    changes.iter_mut().filter(|change| change.key.name == "replaced").for_each(|change| change.ready_by = 3);
    (fake, changes)
}

/// The cluster once the plan is applied, by a run without any trouble.
pub fn goal() -> Vec<(ObjectKey, Value, Vec<String>)> {
    static GOAL: std::sync::LazyLock<Vec<(ObjectKey, Value, Vec<String>)>> = std::sync::LazyLock::new(|| {
        // In a thread of its own, for a runtime can't be started within another.
        let thread = std::thread::spawn(|| {
            let (fake, changes) = scenario();
            let outcome = super::block_on(super::apply(&fake, changes)).0;
            assert_eq!(outcome.ending, crate::apply::Ending::Applied);
            fake.snapshot()
        });
        thread.join().unwrap()
    });
    GOAL.clone()
}
