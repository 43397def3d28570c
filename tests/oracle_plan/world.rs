//! A stack of manifests on the control plane, and what its plans say in short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use spai::apply::{Ending, Interrupt, Options};
use spai::engine::{self, Process, Request, Session};
use spai::plan::{Cause, Change, ConsentKind, Plan, Shown, Write};
use spai::resource::Diagnostics;

use crate::support::{self, ControlPlane, Namespaces, unique};

/// A stack of manifests, and the control plane it is applied to.
pub struct World {
    pub plane: ControlPlane,
    pub folder: tempfile::TempDir,
    pub name: String,
    pub request: Request,
    _namespaces: Namespaces,
}

impl World {
    pub fn new(prefix: &str) -> Option<Self> {
        let plane = support::control_plane()?;
        let (folder, name) = (tempfile::tempdir().unwrap(), unique(prefix));
        let process = Process {
            user: "ann".into(),
            host: "here".into(),
            command: "a test".into(),
            variables: BTreeMap::new(),
            config_dir: folder.path().join("config"),
        };
        let mut request = Request::new(folder.path().join("stack"), process);
        request.kubeconfig = Some(plane.kubeconfig().to_owned());
        request.parallel = 8;
        let world = Self { _namespaces: plane.namespaces_of(&name), plane, folder, name, request };
        world.write("stack.toml", &format!("name = \"{}\"\n", world.name));
        world.write("environments/test.toml", "cluster = { context = \"spai-test\" }\n");
        world.manifest("namespace", &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}-app}}\n", world.name));
        Some(world)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("stack").join(path)
    }

    /// A manifest; `NS` stands for the namespace, `NAME` for the stack's own name.
    pub fn manifest(&self, file: &str, yaml: &str) {
        self.write(&format!("manifests/{file}.yaml"), &yaml.replace("NS", &self.namespace()).replace("NAME", &self.name));
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(&format!("manifests/{file}.yaml"))).unwrap();
    }

    pub fn namespace(&self) -> String {
        format!("{}-app", self.name)
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let namespace = self.namespace();
        let all: Vec<&str> = ["-n", &namespace].iter().chain(arguments).copied().collect();
        self.plane.kubectl_out(&all)
    }

    pub async fn try_plan(&self) -> Result<Plan, Diagnostics> {
        self.plan_as(&self.request).await
    }

    pub async fn plan_as(&self, request: &Request) -> Result<Plan, Diagnostics> {
        engine::plan(&Session::open(request).await?, request).await
    }

    pub async fn plan(&self) -> Plan {
        self.try_plan().await.unwrap()
    }

    /// Applies with every consent, and demands that the next plan is empty and asks nothing.
    pub async fn apply(&self) {
        let pending = engine::apply::begin(&self.request).await.unwrap();
        let given = pending.plan().consents.iter().map(|consent| consent.kind).collect();
        let (_sender, interrupt) = tokio::sync::watch::channel(Interrupt::None);
        let (outcome, _) = pending.run(&given, Options::default(), &(), interrupt).await.unwrap();
        assert_eq!(outcome.ending, Ending::Applied, "{outcome:?}");
        let plan = self.plan().await;
        assert_eq!((shown(&plan), plan.asked), (Vec::new(), 0));
    }
}

/// `action kind name: path before → after (cause); …`, one for each change.
pub fn shown(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{:?} {} {}", change.action, change.key.kind, change.key.name)).collect()
}

pub fn change<'p>(plan: &'p Plan, kind: &str, name: &str) -> &'p Change {
    let found = plan.changes.iter().find(|change| change.key.kind == kind && change.key.name == name);
    found.unwrap_or_else(|| panic!("no change of {kind} {name}: {:?} {:#?}", shown(plan), plan.findings))
}

pub fn fields(change: &Change) -> Vec<String> {
    let text = |shown: Option<&Shown>| match shown {
        None => "-".to_owned(),
        Some(Shown::Secret) => "(secret)".to_owned(),
        Some(Shown::KnownAfterApply) => "(known after apply)".to_owned(),
        Some(Shown::Value(value)) => value.to_string(),
    };
    let cause = |cause: &Cause| match cause {
        Cause::Intended => "intended".to_owned(),
        Cause::Drift { by, since } => format!("drift by {} {}", by.as_deref().unwrap_or("?"), since.is_some()),
        Cause::Server => "server".to_owned(),
    };
    let field =
        |f: &spai::plan::FieldChange| format!("{}: {} → {} ({})", f.path, text(f.before.as_ref()), text(f.after.as_ref()), cause(&f.cause));
    change.fields.iter().map(field).collect()
}

pub fn writes(change: &Change) -> Vec<&'static str> {
    let word = |write: &Write| match write {
        Write::Apply { creates: true, .. } => "create",
        Write::Apply { force: true, .. } => "force",
        Write::Apply { .. } => "apply",
        Write::Release { .. } => "release",
        Write::TakeOver { .. } => "take over",
        Write::Delete { .. } => "delete",
    };
    change.writes.iter().map(word).collect()
}

pub fn kinds(plan: &Plan) -> BTreeSet<ConsentKind> {
    plan.consents.iter().map(|consent| consent.kind).collect()
}

pub fn codes(plan: &Plan) -> Vec<&str> {
    plan.findings.0.iter().map(|finding| finding.code.as_str()).collect()
}

/// Three pods with all that is compared item by item.
pub const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec:\n  replicas: 3\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      \
    - {name: app, image: 'image:1', env: [{name: A, value: '1'}, {name: B, value: '2'}], resources: {limits: {cpu: 500m}}}\n";
