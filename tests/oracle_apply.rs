//! What `apply` promises, held against a real API server with real controllers: a run that fails leaves everything as it
//! was, values and ownership; one that meets an outage, or is killed, is finished.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]
#![allow(clippy::large_futures, reason = "tests have room")]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use spai::apply::{Ending, Event, Header, Interrupt, Ledger, Means, Observer, Options, Outcome, Planned, Run};
use spai::cluster::{ApplyRequest, Cluster};
use spai::plan::{Action, Propagation, Write};
use spai::resource::{FieldManager, FieldPath, Object, ObjectKey, Scope, StackIdentity};
use spai::state::{Binding, Journal, StateKey};
use support::{ControlPlane, Namespace};
use tokio::sync::watch;

fn identity(namespace: &str) -> StackIdentity {
    StackIdentity::new(namespace, "test")
}

/// An object of the stack: with its labels, in its namespace.
fn object(namespace: &str, api_version: &str, kind: &str, name: &str, content: Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace,
        "labels": {StackIdentity::STACK: namespace, StackIdentity::ENVIRONMENT: "test"}}});
    for (field, part) in content.as_object().unwrap() {
        if field == "metadata" {
            for (inner, more) in part.as_object().unwrap() {
                value["metadata"][inner] = more.clone();
            }
        } else {
            value[field] = part.clone();
        }
    }
    Object::try_from(value).unwrap()
}

fn config_map(namespace: &str, name: &str, data: Value) -> Object {
    object(namespace, "v1", "ConfigMap", name, json!({"data": data}))
}

fn deployment(namespace: &str, name: &str, image: &str, selector: &str) -> Object {
    object(
        namespace,
        "apps/v1",
        "Deployment",
        name,
        json!({"spec": {"replicas": 2, "selector": {"matchLabels": {"app": selector}}, "template": {
            "metadata": {"labels": {"app": selector}},
            "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": image}]}]}}}}),
    )
}

async fn as_manager(cluster: &Cluster, manager: &FieldManager, object: &Object) {
    cluster.apply(object, &ApplyRequest { manager, force: true, dry_run: false, guard: None, strict: true }).await.unwrap();
}

/// A bare object with one part, as somebody else would apply it.
fn only(of: &Object, content: Value) -> Object {
    let mut value =
        json!({"apiVersion": of.api_version(), "kind": of.kind(), "metadata": {"name": of.name(), "namespace": of.namespace()}});
    for (field, part) in content.as_object().unwrap() {
        if field == "metadata" {
            value["metadata"]["annotations"] = part["annotations"].clone();
        } else {
            value[field] = part.clone();
        }
    }
    Object::try_from(value).unwrap()
}

/// Everything of a namespace that people declare, and who owns which field; less what controllers write.
async fn snapshot(cluster: &Cluster, namespace: &str) -> BTreeMap<ObjectKey, (Value, Vec<String>)> {
    let kinds = cluster.kinds().await.unwrap();
    let mut all = BTreeMap::new();
    for (group, kind) in [("", "ConfigMap"), ("", "Service"), ("apps", "Deployment"), ("autoscaling", "HorizontalPodAutoscaler")] {
        let kind = kinds.get(&spai::resource::GroupKind::new(group, kind)).unwrap();
        for object in cluster.list_in(kind, namespace, None).await.unwrap() {
            let mut content = Value::from(object.without_server_fields());
            if let Some(annotations) = content["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove("deployment.kubernetes.io/revision");
                if annotations.is_empty() {
                    content["metadata"].as_object_mut().unwrap().remove("annotations");
                }
            }
            let mut owners: Vec<String> = object
                .managed_fields()
                .iter()
                .filter(|entry| entry["subresource"].as_str().unwrap_or_default() != "status")
                .map(|entry| format!("{} {} {}", entry["manager"], entry["operation"], entry["fieldsV1"]))
                .collect();
            owners.sort();
            all.insert(object.key(), (content, owners));
        }
    }
    all
}

/// A namespace with something of everything, all of it ready, and a plan that does something of everything to it.
struct World {
    cluster: Cluster,
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(plane: &ControlPlane, prefix: &str) -> Self {
        let cluster = plane.cluster().await;
        let namespace = plane.namespace(prefix);
        let ns = &*namespace;
        let ours = identity(ns).field_manager();
        let (human, injector) = (FieldManager("human".into()), FieldManager("injector".into()));
        as_manager(&cluster, &ours, &config_map(ns, "updated", json!({"a": "1", "gone": "x"}))).await;
        as_manager(
            &cluster,
            &injector,
            &only(&config_map(ns, "updated", json!({})), json!({"metadata": {"annotations": {"injected": "yes"}}})),
        )
        .await;
        as_manager(&cluster, &ours, &config_map(ns, "drifted", json!({"a": "1", "b": "1"}))).await;
        as_manager(&cluster, &human, &only(&config_map(ns, "drifted", json!({})), json!({"data": {"a": "human"}}))).await;
        for name in ["app", "replaced", "deleted"] {
            as_manager(&cluster, &ours, &deployment(ns, name, "image:1", name)).await;
        }
        // An autoscaler has set the replicas, through the subresource as they do.
        plane.kubectl_out(&["-n", ns, "scale", "deployment", "app", "--replicas=3"]);
        let labels = format!("{}: {ns}, {}: test", StackIdentity::STACK, StackIdentity::ENVIRONMENT);
        let yaml = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: theirs, namespace: {ns}, labels: {{{labels}}}}}, data: {{a: '1', old: '2'}}}}"
        );
        kubectl_client_side_apply(plane, &yaml);
        plane.kubectl_out(&["-n", ns, "wait", "--for=condition=Available", "--timeout=60s", "deployment", "--all"]);
        let world = Self { cluster, namespace, folder: tempfile::tempdir().unwrap() };
        world.settled().await;
        world
    }

    /// Until controllers have written what they write (the deployments' revision).
    async fn settled(&self) {
        let mut before = snapshot(&self.cluster, &self.namespace).await;
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let now = snapshot(&self.cluster, &self.namespace).await;
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn identity(&self) -> StackIdentity {
        identity(&self.namespace)
    }

    async fn change(&self, action: Action, wave: usize, object: &Object, writes: Vec<Write>) -> Planned {
        let before = self.cluster.get(&object.key()).await.unwrap();
        Planned {
            key: object.key(),
            action,
            wave,
            ready_by: wave + 1,
            scope: Scope::default(),
            origin: None,
            writes,
            desired: None,
            before,
            prior: None,
        }
    }

    /// The plan; `image` is what the app is to run.
    async fn plan(&self, image: &str) -> Vec<Planned> {
        let ns = &*self.namespace;
        let apply = |object: &Object, force, creates| Write::Apply { object: object.clone(), force, creates };
        let created = config_map(ns, "created", json!({"a": "1"}));
        let fresh = deployment(ns, "fresh", "image:1", "fresh");
        let updated = config_map(ns, "updated", json!({"a": "2", "new": "y"}));
        let drifted = config_map(ns, "drifted", json!({"a": "1", "b": "1"}));
        let theirs = config_map(ns, "theirs", json!({"a": "1"}));
        let replaced = deployment(ns, "replaced", "image:1", "another");
        let mut app = deployment(ns, "app", image, "app");
        app.value_mut()["spec"].as_object_mut().unwrap().remove("replicas");
        let deleted = deployment(ns, "deleted", "image:1", "deleted");
        let release = Write::Release { paths: vec![FieldPath::fields(&["spec", "replicas"])] };
        let foreground = Write::Delete { propagation: Propagation::Foreground };
        vec![
            self.change(Action::Update, 0, &updated, vec![apply(&updated, false, false)]).await,
            self.change(Action::Update, 0, &drifted, vec![apply(&drifted, true, false)]).await,
            self.change(Action::Create, 0, &created, vec![apply(&created, false, true)]).await,
            self.change(
                Action::Adopt,
                0,
                &theirs,
                vec![Write::TakeOver { managers: vec!["kubectl-client-side-apply".into()] }, apply(&theirs, false, false)],
            )
            .await,
            self.change(Action::Create, 1, &fresh, vec![apply(&fresh, false, true), release]).await,
            self.change(Action::Replace, 1, &replaced, vec![foreground.clone(), apply(&replaced, false, true)]).await,
            self.change(Action::Update, 2, &app, vec![apply(&app, false, false)]).await,
            self.change(Action::Delete, 3, &deleted, vec![foreground]).await,
        ]
    }

    fn header(&self) -> Header {
        Header {
            format: spai::apply::FORMAT,
            operation: "apply".into(),
            binding: Binding { identity: self.identity(), cluster_uid: "test".into(), root_namespace: self.namespace.to_string() },
            context: "spai-test".into(),
            revision: 0,
            by: "test".into(),
            started: "2026-11-20T14:00:00Z".parse().unwrap(),
        }
    }

    fn key(&self) -> StateKey {
        StateKey::load_or_create(self.folder.path(), None).unwrap()
    }

    fn means<'r>(&'r self, log: Journal, observer: &'r dyn Observer) -> Means<'r, Cluster, Journal> {
        let (sender, interrupt) = watch::channel(Interrupt::None);
        std::mem::forget(sender);
        let options = Options { timeout: Duration::from_mins(1), ..Options::default() };
        Means { api: &self.cluster, log, options, observer, interrupt }
    }

    fn begin<'r>(&'r self, plan: Vec<Planned>, observer: &'r dyn Observer) -> Run<'r, Cluster, Journal> {
        let header = self.header();
        let log = Journal::create(self.folder.path(), &self.key(), &header).unwrap();
        Run::begin(self.means(log, observer), header, plan, Vec::new()).unwrap()
    }

    async fn go_on(&self, forward: bool) -> Outcome {
        let unfinished = Journal::unfinished(self.folder.path(), &self.key()).unwrap().unwrap();
        let ledger = Ledger::read(unfinished.header.clone(), unfinished.records.clone()).unwrap();
        let run = Run::resume(self.means(unfinished.continue_().unwrap(), &()), ledger);
        if forward { run.forward().await } else { run.backward().await }
    }
}

fn kubectl_client_side_apply(plane: &ControlPlane, yaml: &str) {
    use std::io::Write as _;
    let mut child =
        plane.kubectl().args(["apply", "-f", "-"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn value(object: Option<Object>) -> Value {
    object.map(Value::from).unwrap_or_default()
}

#[tokio::test]
async fn a_plan_of_everything_is_applied_and_others_fields_survive() {
    let Some(plane) = support::control_plane() else { return };
    let world = World::new(&plane, "all").await;
    let outcome = world.begin(world.plan("image:2").await, &()).forward().await;
    assert_eq!(outcome.ending, Ending::Applied, "{outcome:#?}");
    let ns = &*world.namespace;
    let get = async |object: &Object| value(world.cluster.get(&object.key()).await.unwrap());
    let updated = get(&config_map(ns, "updated", json!({}))).await;
    assert_eq!(updated["data"], json!({"a": "2", "new": "y"}));
    assert_eq!(updated["metadata"]["annotations"], json!({"injected": "yes"}));
    let app = get(&deployment(ns, "app", "", "")).await;
    assert_eq!((&app["spec"]["replicas"], &app["status"]["readyReplicas"]), (&json!(3), &json!(3)));
    let theirs = get(&config_map(ns, "theirs", json!({}))).await;
    assert_eq!((&theirs["data"], &theirs["metadata"]["annotations"]), (&json!({"a": "1"}), &Value::Null));
    let fresh = world.cluster.get(&deployment(ns, "fresh", "", "").key()).await.unwrap().unwrap();
    assert_eq!(fresh.value()["spec"]["replicas"], 2);
    let owned = fresh.managed_fields().iter().any(|entry| entry["fieldsV1"]["f:spec"].get("f:replicas").is_some());
    assert!(!owned, "nobody owns what was handed over");
    assert_eq!(get(&deployment(ns, "deleted", "", "")).await, Value::Null);
}

#[tokio::test]
async fn an_impossible_image_leaves_everything_as_it_was() {
    let Some(plane) = support::control_plane() else { return };
    let world = World::new(&plane, "image").await;
    let before = snapshot(&world.cluster, &world.namespace).await;
    let outcome = world.begin(world.plan("does-not-exist:1").await, &()).forward().await;
    assert_eq!((outcome.ending, outcome.exit_code()), (Ending::RolledBack, 3), "{outcome:#?}");
    let told = format!("{:?}", outcome.failures);
    assert!(told.contains("does-not-exist") && told.to_lowercase().contains("pull"), "{told}");
    world.settled().await;
    assert_eq!(snapshot(&world.cluster, &world.namespace).await, before);
    // And it runs as before.
    plane.kubectl_out(&["-n", &world.namespace, "wait", "--for=condition=Available", "--timeout=30s", "deployment", "--all"]);
}

#[tokio::test]
async fn a_quota_that_is_used_up_leaves_everything_as_it_was_and_is_named() {
    let Some(plane) = support::control_plane() else { return };
    let world = World::new(&plane, "quota").await;
    let pods = plane.kubectl_out(&["-n", &world.namespace, "get", "pods", "-o", "name"]).lines().count();
    plane.kubectl_out(&["-n", &world.namespace, "create", "quota", "full", &format!("--hard=pods={pods}")]);
    let before = snapshot(&world.cluster, &world.namespace).await;
    let outcome = world.begin(world.plan("image:2").await, &()).forward().await;
    assert_eq!(outcome.exit_code(), 3, "{outcome:#?}");
    assert!(format!("{:?}", outcome.failures).contains("quota"), "{outcome:#?}");
    world.settled().await;
    assert_eq!(snapshot(&world.cluster, &world.namespace).await, before);
}

#[tokio::test]
async fn a_pod_that_never_gets_ready_fails_after_the_timeout_and_is_explained() {
    let Some(plane) = support::control_plane() else { return };
    let world = World::new(&plane, "never").await;
    let before = snapshot(&world.cluster, &world.namespace).await;
    let mut app = deployment(&world.namespace, "app", "image:2", "app");
    app.value_mut()["spec"].as_object_mut().unwrap().remove("replicas");
    app.value_mut()["spec"]["template"]["metadata"]["labels"]["spai.dev/test"] = "never-ready".into();
    let change = world.change(Action::Update, 0, &app, vec![Write::Apply { object: app.clone(), force: false, creates: false }]).await;
    let header = world.header();
    let log = Journal::create(world.folder.path(), &world.key(), &header).unwrap();
    let mut means = world.means(log, &());
    means.options.timeout = Duration::from_secs(8);
    let outcome = Run::begin(means, header, vec![change], Vec::new()).unwrap().forward().await;
    assert_eq!(outcome.exit_code(), 3, "{outcome:#?}");
    assert!(!outcome.failures[0].symptoms.is_empty(), "{outcome:#?}");
    assert_eq!(snapshot(&world.cluster, &world.namespace).await, before);
}

#[tokio::test]
async fn a_policys_refusal_is_told_in_its_own_words_and_leaves_everything_as_it_was() {
    let Some(plane) = support::control_plane() else { return };
    let world = World::new(&plane, "policy").await;
    let ns = &*world.namespace;
    let policy = format!(
        r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {ns}}}
spec:
  failurePolicy: Fail
  matchConstraints: {{resourceRules: [{{apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["deployments"]}}]}}
  validations: [{{expression: "object.spec.template.spec.containers.all(c, c.image != 'image:2')", message: "image two is not for us"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {ns}}}
spec: {{policyName: {ns}, validationActions: [Deny], matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {ns}}}}}}}}}
"#
    );
    plane.kubectl_apply("test", &policy);
    let patch = r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"image:2"}]}}}}"#;
    support::eventually("the policy is in force", || {
        let tried = plane.kubectl().args(["-n", ns, "patch", "deployment", "app", "--dry-run=server", "-p", patch]).output().unwrap();
        !tried.status.success()
    });
    let before = snapshot(&world.cluster, ns).await;
    let outcome = world.begin(world.plan("image:2").await, &()).forward().await;
    plane.kubectl_out(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", ns]);
    assert_eq!(outcome.exit_code(), 3, "{outcome:#?}");
    assert!(outcome.failures[0].diagnostic.message.contains("image two is not for us"), "{outcome:#?}");
    world.settled().await;
    assert_eq!(snapshot(&world.cluster, ns).await, before);
}

/// Does something when the first object of the second wave was sent.
struct InTheMiddle<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Observer for InTheMiddle<F> {
    fn event(&self, event: &Event) {
        if let Event::WaveStarted { wave: 1, .. } = event
            && let Some(strike) = self.0.lock().unwrap().take()
        {
            strike();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_in_the_middle_is_finished_or_undone() {
    let Some(plane) = support::control_plane() else { return };
    for forward in [true, false] {
        let world = World::new(&plane, "killed").await;
        let before = snapshot(&world.cluster, &world.namespace).await;
        let (sender, died) = tokio::sync::oneshot::channel();
        let strike = InTheMiddle(Mutex::new(Some(move || sender.send(()).unwrap())));
        let run = world.begin(world.plan("image:2").await, &strike);
        // What is in flight is in flight: nothing of it is answered any more.
        tokio::select! {
            _ = run.forward() => panic!("it was to be killed"),
            () = async { died.await.unwrap(); tokio::time::sleep(Duration::from_millis(15)).await } => {}
        }
        drop(run);
        let outcome = world.go_on(forward).await;
        world.settled().await;
        if forward {
            assert_eq!(outcome.ending, Ending::Applied, "{outcome:#?}");
            let app = value(world.cluster.get(&deployment(&world.namespace, "app", "", "").key()).await.unwrap());
            assert_eq!(app["spec"]["template"]["spec"]["containers"][0]["image"], "image:2");
        } else {
            assert_eq!(outcome.ending, Ending::RolledBack, "{outcome:#?}");
            assert_eq!(snapshot(&world.cluster, &world.namespace).await, before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_killed_in_the_middle_is_waited_for() {
    let Some(plane) = support::own_control_plane(&["--nodes", "1"]) else { return };
    let plane = std::sync::Arc::new(plane);
    let world = World::new(&plane, "away").await;
    let (hand, killer) = (plane.clone(), std::sync::Arc::new(Mutex::new(None)));
    let thread = killer.clone();
    let strike = InTheMiddle(Mutex::new(Some(move || {
        *thread.lock().unwrap() = Some(std::thread::spawn(move || {
            hand.kill("apiserver");
            std::thread::sleep(Duration::from_secs(2));
            hand.start("apiserver");
        }));
    })));
    let outcome = world.begin(world.plan("image:2").await, &strike).forward().await;
    assert_eq!(outcome.ending, Ending::Applied, "{outcome:#?}");
    let handle = killer.lock().unwrap().take();
    handle.expect("it was killed").join().unwrap();
}

/// A custom kind whose list has keys, one of them with a default, and a name that tells nothing of it.
async fn define_crossings(plane: &ControlPlane, cluster: &Cluster, group: &str) {
    let text = json!({"type": "string"});
    let lane = json!({"type": "object", "required": ["route"],
        "properties": {"route": text, "mode": {"type": "string", "default": "fast"}, "limit": {"type": "integer"}}});
    let lanes = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["route", "mode"], "items": lane});
    let tags = json!({"type": "array", "x-kubernetes-list-type": "set", "items": text});
    let spec = json!({"type": "object", "properties": {"lanes": lanes, "tags": tags}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    let name = format!("crossings.{group}");
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Crossing", "plural": "crossings"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    as_manager(cluster, &FieldManager("somebody".into()), &Object::try_from(definition).unwrap()).await;
    plane.kubectl_out(&["wait", "--for=condition=Established", "--timeout=30s", "crd", &name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_kinds_lists_are_undone_by_its_type() {
    let Some(plane) = support::control_plane() else { return };
    let world = World { cluster: plane.cluster().await, namespace: plane.namespace("lanes"), folder: tempfile::tempdir().unwrap() };
    let ns = &*world.namespace;
    let group = format!("{ns}.example.dev");
    define_crossings(&plane, &world.cluster, &group).await;
    let crossing = |spec: Value| object(ns, &format!("{group}/v1"), "Crossing", "x", json!({"spec": spec}));
    let ours = world.identity().field_manager();
    as_manager(&world.cluster, &ours, &crossing(json!({"lanes": [{"route": "a", "limit": 1}, {"route": "b"}], "tags": ["old"]}))).await;
    let wanted = crossing(json!({"lanes": [{"route": "a", "limit": 2}], "tags": ["new"]}));
    let next = config_map(ns, "next", json!({"a": "1"}));
    let plan = vec![
        world.change(Action::Update, 0, &wanted, vec![Write::Apply { object: wanted.clone(), force: false, creates: false }]).await,
        world.change(Action::Create, 1, &next, vec![Write::Apply { object: next.clone(), force: false, creates: true }]).await,
    ];
    let (sender, died) = tokio::sync::oneshot::channel();
    let strike = InTheMiddle(Mutex::new(Some(move || sender.send(()).unwrap())));
    let run = world.begin(plan, &strike);
    tokio::select! {
        _ = run.forward() => panic!("it was to be killed"),
        () = async { died.await.unwrap(); } => {}
    }
    drop(run);
    // Somebody else uses the same lists meanwhile.
    let theirs = only(&wanted, json!({"spec": {"lanes": [{"route": "c"}], "tags": ["theirs"]}}));
    as_manager(&world.cluster, &FieldManager("human".into()), &theirs).await;
    let outcome = world.go_on(false).await;
    assert_eq!(outcome.ending, Ending::RolledBack, "{outcome:#?}");
    let spec = world.cluster.get(&wanted.key()).await.unwrap().unwrap().value()["spec"].clone();
    let lane = |route: &str| json!({"route": route, "mode": "fast"});
    let mut first = lane("a");
    first["limit"] = 1.into();
    let mut routes: Vec<Value> = spec["lanes"].as_array().unwrap().clone();
    routes.sort_by_key(|lane| lane["route"].to_string());
    assert_eq!((routes, &spec["tags"]), (vec![first, lane("b"), lane("c")], &json!(["theirs", "old"])));
    plane.kubectl_out(&["delete", "crd", &format!("crossings.{group}")]);
}
