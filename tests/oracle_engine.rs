//! Whole use cases over a real API server: from a stack's files to the cluster, the state, and back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]
#![allow(clippy::large_futures, reason = "tests have room")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use spai::apply::{Ending, Event, Interrupt, Observer, Options, Outcome};
use spai::engine::{self, Process, Refusal, Request};
use spai::plan::{Action, ConsentKind};
use spai::resource::ObjectKey;
use spai::state::StateStore as _;
use support::{ControlPlane, Namespaces};
use tokio::sync::watch;

/// A stack of manifests in a folder, with a root of namespaces that nobody else has.
struct World {
    plane: ControlPlane,
    folder: tempfile::TempDir,
    root: String,
    _namespaces: Namespaces,
}

impl World {
    fn new(prefix: &str) -> Option<Self> {
        let plane = support::control_plane()?;
        let root = support::unique(prefix);
        let namespaces = plane.namespaces_of(&root);
        let world = Self { folder: tempfile::tempdir().unwrap(), root, plane, _namespaces: namespaces };
        world.write("stack.toml", &format!("name = \"{}\"\n", world.root));
        world.write("environments/test.toml", &format!("cluster = {{ context = \"spai-test\" }}\nnamespace = \"{}\"\n", world.root));
        world.stack("one", "image:1");
        Some(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("stack").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn home(&self) -> String {
        format!("{}-home", self.root)
    }

    /// The stack's objects: a namespace, a config map with this value, a deployment with this image.
    fn stack(&self, value: &str, image: &str) {
        let home = self.home();
        self.write(
            "manifests/all.yaml",
            &format!(
                r#"
apiVersion: v1
kind: Namespace
metadata: {{name: {home}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {home}}}
data: {{value: {value}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {home}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec: {{containers: [{{name: app, image: "{image}"}}]}}
"#
            ),
        );
    }

    fn request(&self) -> Request {
        let process = Process {
            user: "test".into(),
            host: "here".into(),
            command: "spai apply".into(),
            variables: BTreeMap::new(),
            config_dir: self.folder.path().join("config"),
        };
        let mut request = Request::new(self.path(""), process);
        request.kubeconfig = Some(self.plane.kubeconfig().to_owned());
        request.environment = Some("test".into());
        request.server_timeout = Duration::from_secs(20);
        request
    }

    async fn apply(&self) -> Result<Outcome, Refusal> {
        run(engine::apply::begin(&self.request()).await?, &()).await
    }

    /// A value of the cluster, by kubectl's JSONPath; empty when the object isn't there.
    fn get(&self, object: &str, path: &str) -> String {
        let namespace = self.home();
        self.plane.kubectl_out(&["-n", &namespace, "get", object, "--ignore-not-found", "-o", &format!("jsonpath={{{path}}}")])
    }

    async fn break_lock(&self) {
        let session = engine::Session::open(&self.request()).await.unwrap();
        spai::state::Locks::break_(session.store.dir(), &session.cluster, session.identity(), &self.root).await.unwrap();
    }

    fn revision(&self) -> u64 {
        let dir = self.path(".spai/state").join(&self.root).join("test");
        let key = spai::state::StateKey::load_or_create(&self.folder.path().join("config"), None).unwrap();
        spai::state::LocalStore::open(dir, key).head().unwrap().map_or(0, |head| head.revision)
    }
}

fn everything() -> BTreeSet<ConsentKind> {
    use ConsentKind::{Adopt, DeleteBudget, DeleteDefinition, DeleteNamespace, DeleteVolume, Replace};
    [Adopt, DeleteBudget, DeleteDefinition, DeleteNamespace, DeleteVolume, Replace].into()
}

fn calm() -> watch::Receiver<Interrupt> {
    let (sender, receiver) = watch::channel(Interrupt::None);
    std::mem::forget(sender);
    receiver
}

fn options() -> Options {
    Options { timeout: Duration::from_secs(40), server_timeout: Duration::from_secs(20), ..Options::default() }
}

async fn run(pending: engine::Pending, observer: &dyn Observer) -> Result<Outcome, Refusal> {
    pending.run(&everything(), options(), observer, calm()).await.map(|(outcome, _)| outcome)
}

fn unwrapped<T>(result: Result<T, Refusal>) -> T {
    result.unwrap_or_else(|refusal| panic!("{:#?}", refusal.diagnostics()))
}

#[tokio::test]
async fn a_stack_goes_up_changes_goes_back_and_goes() {
    let Some(world) = World::new("life") else { return };
    let outcome = unwrapped(world.apply().await);
    assert_eq!((outcome.ending, outcome.revision, outcome.done.len()), (Ending::Applied, 1, 3), "{outcome:#?}");
    assert_eq!(world.get("deployment/app", ".status.readyReplicas"), "2");

    // Nothing to do, and no new revision.
    let pending = unwrapped(engine::apply::begin(&world.request()).await);
    assert!(pending.plan().is_empty(), "{:#?}", pending.plan().changes);
    assert_eq!(unwrapped(run(pending, &()).await).exit_code(), 0);
    assert_eq!(world.revision(), 1);

    // A change, and the way back.
    world.stack("two", "image:2");
    let pending = unwrapped(engine::apply::begin(&world.request()).await);
    let changed: Vec<Action> = pending.plan().changes.iter().map(|change| change.action).collect();
    assert_eq!(changed, [Action::Update, Action::Update]);
    assert_eq!(unwrapped(run(pending, &()).await).revision, 2);
    assert_eq!(world.get("configmap/settings", ".data.value"), "two");
    let outcome = unwrapped(run(unwrapped(engine::rollback::begin(&world.request(), None).await), &()).await);
    assert_eq!((outcome.ending, outcome.revision), (Ending::Applied, 3), "{outcome:#?}");
    assert_eq!(world.get("configmap/settings", ".data.value"), "one");
    assert_eq!(world.get("deployment/app", ".spec.template.spec.containers[0].image"), "image:1");

    let session = engine::Session::open(&world.request()).await.unwrap();
    let status = engine::status::status(&session, &world.request()).await.unwrap();
    assert!(status.is_ready() && status.objects.len() == 3, "{status:#?}");

    let outcome = unwrapped(run(unwrapped(engine::destroy::begin(&world.request()).await), &()).await);
    assert_eq!((outcome.ending, outcome.done.len()), (Ending::Applied, 3), "{outcome:#?}");
    let left = world.plane.kubectl_out(&["get", "namespaces", "-o", "name"]);
    support::eventually("the root namespace goes", || !world.plane.kubectl_out(&["get", "namespaces", "-o", "name"]).contains(&world.root));
    assert!(!left.contains(&world.home()), "{left}");
}

#[tokio::test]
async fn a_first_apply_that_fails_leaves_nothing_at_all() {
    let Some(world) = World::new("nothing") else { return };
    world.stack("one", "does-not-exist:1");
    let outcome = unwrapped(world.apply().await);
    assert_eq!(outcome.exit_code(), 3, "{outcome:#?}");
    support::eventually("everything goes", || !world.plane.kubectl_out(&["get", "namespaces", "-o", "name"]).contains(&world.root));
    assert_eq!(world.revision(), 0);
}

/// Says when the first object was sent.
struct FirstSent(std::sync::Mutex<Option<tokio::sync::oneshot::Sender<()>>>);

impl Observer for FirstSent {
    fn event(&self, event: &Event) {
        if let Event::Sent { .. } = event
            && let Some(sender) = self.0.lock().unwrap().take()
        {
            let _ = sender.send(());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_run_stands_in_the_way_until_it_is_finished_or_undone() {
    let Some(world) = World::new("killed") else { return };
    for forward in [false, true] {
        let (sender, died) = tokio::sync::oneshot::channel();
        let observer = FirstSent(std::sync::Mutex::new(Some(sender)));
        let pending = unwrapped(engine::apply::begin(&world.request()).await);
        tokio::select! {
            _ = run(pending, &observer) => panic!("it was to be killed"),
            _ = died => {}
        }
        // A process that is killed holds no lease any more; this one lives on.
        world.break_lock().await;
        let Err(refusal) = engine::apply::begin(&world.request()).await else { panic!("a run is unfinished") };
        assert_eq!(refusal.exit_code(), 4);
        assert!(refusal.diagnostics().0[0].help.as_ref().unwrap().contains("--resume"));
        let outcome = if forward {
            unwrapped(engine::resume::resume(&world.request(), options(), &(), calm()).await)
        } else {
            unwrapped(engine::resume::undo(&world.request(), options(), &(), calm()).await)
        };
        let outcome = outcome.expect("there was one");
        if forward {
            assert_eq!((outcome.ending, world.revision()), (Ending::Applied, 1), "{outcome:#?}");
            let pending = unwrapped(engine::apply::begin(&world.request()).await);
            assert!(pending.plan().is_empty(), "{:#?}", pending.plan().changes);
            pending.give_up().await;
        } else {
            assert_eq!((outcome.ending, world.revision()), (Ending::RolledBack, 0), "{outcome:#?}");
            support::eventually("everything goes", || !world.plane.kubectl_out(&["get", "namespaces", "-o", "name"]).contains(&world.root));
        }
        assert!(unwrapped(engine::resume::resume(&world.request(), options(), &(), calm()).await).is_none());
    }
}

#[tokio::test]
async fn the_second_of_two_runs_is_told_who_is_first() {
    let Some(world) = World::new("two") else { return };
    let first = unwrapped(engine::apply::begin(&world.request()).await);
    let Err(refusal) = engine::apply::begin(&world.request()).await else { panic!("the lock is held") };
    assert_eq!(refusal.exit_code(), 5);
    assert!(refusal.diagnostics().0[0].message.contains("test@here"));
    first.give_up().await;
    support::eventually("nothing stays of it", || !world.plane.kubectl_out(&["get", "namespaces", "-o", "name"]).contains(&world.root));
}

#[tokio::test]
async fn an_object_of_kubectls_is_imported_without_a_change() {
    let Some(world) = World::new("import") else { return };
    let home = world.home();
    world.plane.kubectl_out(&["create", "namespace", &home]);
    let yaml = world.folder.path().join("theirs.yaml");
    std::fs::write(
        &yaml,
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: {home}}}, data: {{value: one}}}}"),
    )
    .unwrap();
    world.plane.kubectl_out(&["apply", "-f", yaml.to_str().unwrap()]);
    let keys: Vec<ObjectKey> =
        ["ConfigMap", "Namespace"]
            .into_iter()
            .map(|kind| {
                if kind == "Namespace" { ObjectKey::new("", kind, None, &home) } else { ObjectKey::new("", kind, Some(&home), "settings") }
            })
            .collect();
    let uid = world.get("configmap/settings", ".metadata.uid");
    let outcome = unwrapped(run(unwrapped(engine::import::begin(&world.request(), &keys).await), &()).await);
    assert_eq!((outcome.ending, outcome.done.len()), (Ending::Applied, 2), "{outcome:#?}");
    assert_eq!(world.get("configmap/settings", ".metadata.uid"), uid);
    assert_eq!(world.get("configmap/settings", ".metadata.annotations"), "");
    // What the stack no longer says goes now, although kubectl made it.
    let managers = world.get("configmap/settings", ".metadata.managedFields[*].manager");
    assert!(!managers.contains("kubectl"), "{managers}");
    assert_eq!(unwrapped(world.apply().await).done.len(), 1);
}
