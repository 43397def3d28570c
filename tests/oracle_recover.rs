//! A lost state is rebuilt from a real cluster.

#![allow(clippy::large_futures, reason = "held once by a test, not by the thousand")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on fails")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use spai::cluster::inventory::{self, Inventory};
use spai::cluster::{ApplyRequest, Cluster};
use spai::engine::{self, Process, Recovered, Refusal, Request, Session, recover};
use spai::plan::Action;
use spai::resource::{GroupKind, ObjectKey, StackIdentity};
use spai::state::{Binding, Head, Journal, RevisionInfo, StateStore as _};
use support::{ControlPlane, Namespaces};

/// A stack of manifests alone, in a folder of its own.
struct Orchard<'p> {
    plane: &'p ControlPlane,
    folder: tempfile::TempDir,
    root: String,
    _gone_after: Namespaces,
}

impl<'p> Orchard<'p> {
    fn new(plane: &'p ControlPlane) -> Self {
        let root = support::unique("orchard");
        let orchard = Self { plane, folder: tempfile::tempdir().unwrap(), _gone_after: plane.namespaces_of(&root), root };
        for dir in ["stack/environments", "stack/manifests"] {
            fs::create_dir_all(orchard.path(dir)).unwrap();
        }
        fs::write(orchard.path("stack/stack.toml"), format!("name = \"{}\"\n", orchard.root)).unwrap();
        let environment = format!("cluster = {{ context = \"*\" }}\nnamespace = \"{}\"\n", orchard.root);
        fs::write(orchard.path("stack/environments/test.toml"), environment).unwrap();
        orchard.manifests(&["apple", "pear"], "red");
        orchard
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A namespace; in it a Secret, a Service (whose ports are completed by the server) and config maps.
    fn manifests(&self, config_maps: &[&str], colour: &str) {
        let namespace = format!("{}-trees", self.root);
        let mut yaml = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\napiVersion: v1\nkind: Secret\n\
             metadata: {{name: keys, namespace: {namespace}}}\ndata: {{gate: c2VjcmV0}}\n---\napiVersion: v1\nkind: Service\n\
             metadata: {{name: shop, namespace: {namespace}}}\nspec: {{selector: {{app: shop}}, ports: [{{port: 80}}]}}\n---\n\
             apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: fence, namespace: {namespace}}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{ports: [{{port: 80}}]}}]}}\n"
        );
        for name in config_maps {
            let metadata = format!("{{name: {name}, namespace: {namespace}}}");
            let document = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {{colour: {colour}}}\n");
            yaml.push_str(&document);
        }
        fs::write(self.path("stack/manifests/trees.yaml"), yaml).unwrap();
    }

    fn request(&self) -> Request {
        let process = Process {
            user: "ana".to_owned(),
            host: "laptop".to_owned(),
            command: "spai state recover".to_owned(),
            variables: std::collections::BTreeMap::new(),
            config_dir: self.path("config"),
        };
        Request {
            kubeconfig: Some(self.plane.kubeconfig().to_owned()),
            state_dir: Some(self.path("state")),
            server_timeout: Duration::from_secs(30),
            ..Request::new(self.path("stack"), process)
        }
    }

    async fn session(&self) -> Session {
        Session::open(&self.request()).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    async fn recover(&self) -> Result<Recovered, Refusal> {
        recover(&self.session().await, &self.request()).await
    }

    /// What an apply does, as far as a recovery depends on it.
    async fn apply(&self, revision: u64) -> Head {
        let session = self.session().await;
        let manager = session.identity().field_manager();
        let mut objects: Vec<_> = session.compiled.desired.iter().collect();
        objects.sort_by_key(|desired| desired.object.kind() != "Namespace");
        let mut prior = session.store.load().unwrap().prior;
        prior.objects.clear();
        for desired in objects {
            let request = ApplyRequest { manager: &manager, force: false, dry_run: false, guard: None, strict: true };
            let live = session.cluster.apply(&desired.object, &request).await.unwrap().object;
            prior.objects.insert(desired.key(), spai::plan::record(desired, &live, &manager).unwrap());
        }
        let uid = session.cluster.target(&self.root).await.unwrap().cluster_uid;
        let info = RevisionInfo {
            number: revision,
            at: jiff::Timestamp::now(),
            operation: "apply".to_owned(),
            by: "ana@laptop".to_owned(),
            summary: String::new(),
            objects: prior.objects.len(),
        };
        session.store.commit(&session.binding(&uid), revision - 1, info, &prior).unwrap();
        let head = session.store.head().unwrap().unwrap();
        spai::cluster::ensure_root(&session.cluster, session.identity(), &self.root).await.unwrap();
        let inventory = Inventory {
            kinds: prior.objects.keys().map(ObjectKey::group_kind).collect(),
            revision,
            digest: Some(head.digest.clone()),
            ..Inventory::new(session.identity().clone())
        };
        inventory::overwrite(&session.cluster, &self.root, &inventory).await.unwrap();
        head
    }

    fn state(&self) -> PathBuf {
        self.path("state").join(&self.root).join("test")
    }

    fn key(&self, kind: &str, name: &str) -> ObjectKey {
        ObjectKey::new("", kind, Some(&format!("{}-trees", self.root)), name)
    }

    async fn binding(&self, cluster: &Cluster) -> Binding {
        let cluster_uid = cluster.target(&self.root).await.unwrap().cluster_uid;
        Binding { identity: StackIdentity::new(&self.root, "test"), cluster_uid, root_namespace: self.root.clone() }
    }
}

/// What a plan would do, by identity.
async fn planned(orchard: &Orchard<'_>) -> Vec<(Action, String)> {
    let plan = engine::plan(&orchard.session().await, &orchard.request()).await.unwrap_or_else(|error| panic!("{error:?}"));
    plan.changes.iter().map(|change| (change.action, change.key.name.clone())).collect()
}

fn code(result: Result<Recovered, Refusal>) -> String {
    result.unwrap_err().diagnostics().0[0].code.clone()
}

fn remove(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}

#[tokio::test]
async fn a_deleted_state_is_as_it_was_and_keeps_its_number() {
    let Some(plane) = support::control_plane() else { return };
    let orchard = Orchard::new(&plane);
    orchard.apply(1).await;
    orchard.apply(2).await;
    let before = orchard.session().await.store.load().unwrap();
    assert_eq!(Box::pin(planned(&orchard)).await, []);
    remove(&orchard.state());
    let lost = engine::plan(&orchard.session().await, &orchard.request()).await.unwrap_err();
    assert_eq!(lost.0[0].code, "state::lost");
    let recovered = orchard.recover().await.unwrap();
    assert_eq!((recovered.revision, recovered.objects, recovered.as_wanted, recovered.aside), (2, 6, 6, None));
    assert_eq!(Box::pin(planned(&orchard)).await, []);
    let session = orchard.session().await;
    let after = session.store.load().unwrap();
    assert_eq!(after.binding, Some(orchard.binding(&session.cluster).await));
    assert_eq!(serde_json::to_value(before.prior.objects.values().collect::<Vec<_>>()).unwrap(), {
        serde_json::to_value(after.prior.objects.values().collect::<Vec<_>>()).unwrap()
    });
    let written = inventory::read(&session.cluster, session.identity(), &orchard.root).await.unwrap().unwrap().inventory;
    assert_eq!(written.digest, session.store.head().unwrap().map(|head| head.digest));
    assert!(written.kinds.contains(&GroupKind::new("networking.k8s.io", "NetworkPolicy")));
}

#[tokio::test]
async fn what_the_stack_no_longer_has_or_has_otherwise_is_found_as_it_was_applied() {
    let Some(plane) = support::control_plane() else { return };
    let orchard = Orchard::new(&plane);
    orchard.apply(1).await;
    remove(&orchard.state());
    orchard.manifests(&["apple"], "green");
    // Somebody took the labels away, and somebody else put them where they don't belong.
    let namespace = format!("{}-trees", orchard.root);
    plane.kubectl_out(&["-n", &namespace, "label", "service", "shop", "spai.dev/stack-"]);
    let theirs = format!("spai.dev/stack={}", orchard.root);
    plane.kubectl_out(&["-n", &namespace, "create", "configmap", "theirs"]);
    plane.kubectl_out(&["-n", &namespace, "label", "configmap", "theirs", &theirs, "spai.dev/environment=test"]);
    let recovered = orchard.recover().await.unwrap();
    assert_eq!(recovered.objects, 6);
    assert_eq!(recovered.warnings.0.len(), 1);
    assert!(recovered.warnings.0[0].message.contains("theirs"), "{:?}", recovered.warnings);
    let prior = orchard.session().await.store.load().unwrap().prior;
    for name in ["apple", "pear"] {
        let applied = prior.objects[&orchard.key("ConfigMap", name)].applied.value().clone();
        assert_eq!(applied["data"], json!({"colour": "red"}), "{name}");
        assert_eq!(applied["metadata"]["labels"]["spai.dev/stack"], json!(orchard.root));
        assert!(applied["metadata"].get("uid").is_none());
    }
    assert!(prior.objects.contains_key(&orchard.key("Service", "shop")));
    let planned = Box::pin(planned(&orchard)).await;
    let expected = [(Action::Delete, "pear"), (Action::Update, "apple"), (Action::Update, "shop")];
    assert_eq!(planned, expected.map(|(action, name)| (action, name.to_owned())));
}

#[tokio::test]
async fn damaged_files_are_put_aside_and_not_deleted() {
    let Some(plane) = support::control_plane() else { return };
    let orchard = Orchard::new(&plane);
    orchard.apply(1).await;
    let head = orchard.state().join("head.json");
    fs::write(&head, "{}").unwrap();
    let recovered = orchard.recover().await.unwrap();
    assert_eq!(recovered.former.map(|problem| problem.code).as_deref(), Some("state::corrupt"));
    let aside = recovered.aside.unwrap();
    assert!(aside.join("db").is_dir() && aside.join("objects/1").is_file() && aside.join("head.json").is_file());
    assert_eq!((recovered.revision, recovered.objects, recovered.as_wanted), (1, 6, 6));
    // A journal that can't be read goes with the state; one that can is to be finished first.
    fs::write(orchard.state().join("journal"), "spai journal 1\nnonsense that is no record at all").unwrap();
    let recovered = orchard.recover().await.unwrap();
    assert_eq!(recovered.former.map(|problem| problem.code).as_deref(), Some("state::journal_corrupt"));
    assert!(recovered.aside.unwrap().join("journal").is_file());
    let session = orchard.session().await;
    drop(Journal::create(&session.state_dir, &session.key, &json!({})).unwrap());
    assert_eq!(code(orchard.recover().await), "state::journal_unfinished");
}

#[tokio::test]
async fn a_lost_key_is_replaced_and_an_old_copy_of_the_state_superseded() {
    let Some(plane) = support::control_plane() else { return };
    let orchard = Orchard::new(&plane);
    orchard.apply(1).await;
    remove(&orchard.path("config"));
    let recovered = orchard.recover().await.unwrap();
    assert_eq!(recovered.former.map(|problem| problem.code).as_deref(), Some("state::key_missing"));
    assert_eq!(orchard.session().await.store.load().unwrap().prior.objects.len(), 6);
    // The cluster is ahead: another copy of the state was applied with.
    let session = orchard.session().await;
    let ahead = inventory::read(&session.cluster, session.identity(), &orchard.root).await.unwrap().unwrap().inventory;
    inventory::overwrite(&session.cluster, &orchard.root, &Inventory { revision: 7, ..ahead }).await.unwrap();
    let recovered = orchard.recover().await.unwrap();
    assert_eq!(recovered.revision, 7);
    assert!(recovered.aside.is_some() && recovered.former.is_none());
    // A sound state goes on with its history.
    let recovered = orchard.recover().await.unwrap();
    assert_eq!((recovered.revision, recovered.aside), (8, None));
    assert_eq!(orchard.session().await.store.history().unwrap().len(), 2);
}

#[tokio::test]
async fn without_an_inventory_every_kind_is_looked_at() {
    let Some(plane) = support::control_plane() else { return };
    let orchard = Orchard::new(&plane);
    orchard.apply(1).await;
    remove(&orchard.state());
    plane.kubectl_out(&["-n", &orchard.root, "delete", "configmap", &format!("spai-inventory-{}", orchard.root)]);
    fs::remove_file(orchard.path("stack/manifests/trees.yaml")).unwrap();
    let recovered = orchard.recover().await.unwrap();
    assert_eq!((recovered.revision, recovered.objects, recovered.as_wanted), (1, 6, 0));
}
