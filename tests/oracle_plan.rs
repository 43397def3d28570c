//! What a plan promises, held against a real API server: what it says is what an apply does, and afterwards it is empty.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use spai::apply::{Ending, Interrupt, Options};
use spai::engine::{self, Process, Request, Session};
use spai::plan::{Action, Cause, Change, ConsentKind, Decided, Plan, Shown, Write};
use spai::resource::{Diagnostics, StackIdentity};
use support::{ControlPlane, Namespaces, unique};

/// A stack of manifests, and the control plane it is applied to.
struct World {
    plane: ControlPlane,
    folder: tempfile::TempDir,
    name: String,
    request: Request,
    _namespaces: Namespaces,
}

impl World {
    fn new(prefix: &str) -> Option<Self> {
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

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("stack").join(path)
    }

    /// A manifest; `NS` stands for the namespace, `NAME` for the stack's own name.
    fn manifest(&self, file: &str, yaml: &str) {
        self.write(&format!("manifests/{file}.yaml"), &yaml.replace("NS", &self.namespace()).replace("NAME", &self.name));
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(&format!("manifests/{file}.yaml"))).unwrap();
    }

    fn namespace(&self) -> String {
        format!("{}-app", self.name)
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let namespace = self.namespace();
        let all: Vec<&str> = ["-n", &namespace].iter().chain(arguments).copied().collect();
        self.plane.kubectl_out(&all)
    }

    async fn try_plan(&self) -> Result<Plan, Diagnostics> {
        engine::plan(&Session::open(&self.request).await?, &self.request).await
    }

    async fn plan(&self) -> Plan {
        self.try_plan().await.unwrap()
    }

    /// Applies with every consent, and demands that the next plan is empty and asks nothing.
    async fn apply(&self) {
        let pending = engine::apply::begin(&self.request).await.unwrap();
        let given = pending.plan().consents.iter().map(|consent| consent.kind).collect();
        let (_sender, interrupt) = tokio::sync::watch::channel(Interrupt::None);
        let outcome = pending.run(&given, Options::default(), &(), interrupt).await.unwrap();
        assert_eq!(outcome.ending, Ending::Applied, "{outcome:?}");
        let plan = self.plan().await;
        assert_eq!((shown(&plan), plan.asked), (Vec::new(), 0));
    }
}

/// `action kind name: path before → after (cause); …`, one for each change.
fn shown(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{:?} {} {}", change.action, change.key.kind, change.key.name)).collect()
}

fn change<'p>(plan: &'p Plan, kind: &str, name: &str) -> &'p Change {
    let found = plan.changes.iter().find(|change| change.key.kind == kind && change.key.name == name);
    found.unwrap_or_else(|| panic!("no change of {kind} {name}: {:?} {:#?}", shown(plan), plan.findings))
}

fn fields(change: &Change) -> Vec<String> {
    let text = |shown: Option<&Shown>| match shown {
        None => "-".to_owned(),
        Some(Shown::Secret) => "(secret)".to_owned(),
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

fn writes(change: &Change) -> Vec<&'static str> {
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

fn kinds(plan: &Plan) -> BTreeSet<ConsentKind> {
    plan.consents.iter().map(|consent| consent.kind).collect()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.findings.0.iter().map(|finding| finding.code.as_str()).collect()
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: NS}\nspec:\n  replicas: 3\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      \
    - {name: app, image: 'image:1', env: [{name: A, value: '1'}, {name: B, value: '2'}], resources: {limits: {cpu: 500m}}}\n";

#[tokio::test]
async fn what_the_plan_makes_is_predicted_then_nothing_is_left_to_do_and_nothing_is_asked() {
    let Some(world) = World::new("plan-fresh") else { return };
    world.manifest("web", DEPLOYMENT);
    world.manifest("secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\ndata: {key: aHVudGVyMg==}\n");
    let plan = world.plan().await;
    assert_eq!(
        shown(&plan),
        ["Create Namespace NS", "Create Secret s", "Create Deployment web"].map(|s| s.replace("NS", &world.namespace()))
    );
    assert_eq!(change(&plan, "Namespace", &world.namespace()).decided, Decided::DryRun);
    assert_eq!(change(&plan, "Deployment", "web").decided, Decided::Prediction);
    assert!(fields(change(&plan, "Secret", "s")).contains(&"data.key: - → (secret) (intended)".to_owned()));
    assert!(!format!("{plan:?}").contains("hunter2") && !format!("{plan:?}").contains("aHVudGVyMg"));
    world.apply().await;
    // Unchanged objects cost no request of their own: all that names the stack are lists, and its root's inventory.
    let before = world.plane.audit().len();
    assert_eq!(world.plan().await.unchanged.len(), 3);
    let asked: Vec<(String, String)> = world.plane.audit()[before..]
        .iter()
        .filter(|event| event["requestURI"].as_str().is_some_and(|uri| uri.contains(&world.name)))
        .map(|event| (event["verb"].as_str().unwrap().to_owned(), event["objectRef"]["resource"].as_str().unwrap_or_default().to_owned()))
        .filter(|(verb, _)| verb != "list")
        .collect();
    assert!(asked.iter().all(|(verb, resource)| verb == "get" && resource == "configmaps"), "{asked:?}");
    assert_eq!(world.plan().await.unchanged, world.plan().await.unchanged);
}

#[tokio::test]
async fn drift_is_told_apart_from_intended_change_field_by_field() {
    let Some(world) = World::new("plan-drift") else { return };
    world.manifest("web", DEPLOYMENT);
    world.apply().await;
    world.kubectl(&["set", "image", "deployment/web", "app=image:debug"]);
    world.kubectl(&["set", "env", "deployment/web", "A-"]);
    world.kubectl(&["scale", "deployment", "web", "--replicas=1"]);
    world.manifest("web", &DEPLOYMENT.replace("value: '2'", "value: '3'"));
    let plan = world.plan().await;
    let web = change(&plan, "Deployment", "web");
    assert_eq!(
        fields(web),
        [
            "spec.replicas: 1 → 3 (drift by kubectl false)",
            "spec.template.spec.containers[app].env[A].name: - → \"A\" (drift by ? false)",
            "spec.template.spec.containers[app].env[A].value: - → \"1\" (drift by ? false)",
            "spec.template.spec.containers[app].env[B].value: \"2\" → \"3\" (intended)",
            "spec.template.spec.containers[app].image: \"image:debug\" → \"image:1\" (drift by kubectl-set true)",
        ]
    );
    assert_eq!(writes(web), ["force"]);
    assert!(web.conflicts.iter().all(|conflict| conflict.ours_before) && web.conflicts.len() == 2, "{:?}", web.conflicts);
    assert!(plan.consents.is_empty() && codes(&plan).is_empty(), "{:?}", plan.findings);
    assert!(web.notes.iter().any(|note| note.starts_with("restarts 1 pod")), "{:?}", web.notes);
    world.apply().await;
}

#[tokio::test]
async fn fields_of_others_are_conflicts_until_somebody_consents() {
    let Some(mut world) = World::new("plan-conflict") else { return };
    let yaml = |value: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: NS}}\ndata: {{a: '1'{value}}}\n");
    world.manifest("c", &yaml(""));
    world.apply().await;
    world.kubectl(&["patch", "configmap", "c", "--field-manager=other", "--type=merge", "-p", "{\"data\": {\"x\": \"theirs\"}}"]);
    assert_eq!(shown(&world.plan().await), Vec::<String>::new(), "what others add is theirs");
    world.manifest("c", &yaml(", x: ours"));
    let plan = world.plan().await;
    assert_eq!(codes(&plan), ["plan::conflict"]);
    let finding = &plan.findings.0[0];
    assert!(finding.message.contains("`other`") && finding.message.contains("data.x"), "{}", finding.message);
    assert!(finding.labels.iter().any(|label| &*label.origin.file == "manifests/c.yaml"), "{finding:?}");
    world.request.take_ownership = true;
    let plan = world.plan().await;
    assert!(codes(&plan).is_empty());
    assert_eq!(kinds(&plan), BTreeSet::from([ConsentKind::TakeOwnership]));
    world.apply().await;
    assert_eq!(world.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data.x}"]), "ours");
}

#[tokio::test]
async fn defaults_left_over_from_before_go_in_two_steps() {
    let Some(world) = World::new("plan-leftover") else { return };
    let volumes = |source: &str| format!("      volumes: [{{name: v, {source}}}]\n");
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n");
    world.manifest("web", &format!("{DEPLOYMENT}{}", volumes("configMap: {name: c}")));
    world.apply().await;
    let recreate = DEPLOYMENT.replace("replicas: 3", "replicas: 3\n  strategy: {type: Recreate}");
    world.manifest("web", &format!("{recreate}{}", volumes("emptyDir: {}")));
    let plan = world.plan().await;
    let web = change(&plan, "Deployment", "web");
    assert_eq!((web.action, writes(web)), (Action::Update, vec!["apply", "apply"]), "{:?}", plan.findings);
    assert_eq!(web.decided, Decided::Prediction);
    assert!(fields(web).contains(&"spec.strategy.type: \"RollingUpdate\" → \"Recreate\" (intended)".to_owned()), "{:?}", fields(web));
    world.apply().await;
    let spec = world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.strategy} {.spec.template.spec.volumes}"]);
    assert_eq!(spec, r#"{"type":"Recreate"} [{"emptyDir":{},"name":"v"}]"#);
}

#[tokio::test]
async fn a_probe_of_another_kind_is_an_ordinary_change() {
    let Some(world) = World::new("plan-probe") else { return };
    let web = |probe: &str| DEPLOYMENT.replace("name: app, image", &format!("name: app, livenessProbe: {{{probe}}}, image"));
    world.manifest("web", &web("httpGet: {path: /, port: 80}"));
    world.apply().await;
    world.manifest("web", &web("tcpSocket: {port: 80}"));
    let plan = world.plan().await;
    assert!(codes(&plan).is_empty(), "{:#?}", plan.findings);
    assert_eq!(writes(change(&plan, "Deployment", "web")), ["apply"]);
    world.apply().await;
    let probe = world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].livenessProbe}"]);
    assert!(probe.contains("tcpSocket") && !probe.contains("httpGet"), "{probe}");
}

#[tokio::test]
async fn an_autoscaler_that_comes_later_takes_the_replicas_as_they_are() {
    let Some(world) = World::new("plan-scaler") else { return };
    world.write("stack.toml", &format!("name = \"{}\"\n[tiers.t]\ncpu = \"100m\"\nmemory = \"64Mi\"\nreplicas = 3\n", world.name));
    world.write("tenants/earth.toml", "tier = \"t\"\n");
    let service = |scaling: &str| {
        format!(
            "tiers = \"all\"\nimage = {{ repository = \"r.example/web\", tag = \"1\" }}\n[ports.http]\nport = 8080\n[scaling]\n{scaling}\n"
        )
    };
    world.write("services/web.toml", &service("enabled = false"));
    world.apply().await;
    world.write("services/web.toml", &service("cpu = 70"));
    let plan = world.plan().await;
    assert!(codes(&plan).is_empty(), "{:#?}", plan.findings);
    let web = change(&plan, "Deployment", "web");
    assert_eq!(writes(web)[0], "release");
    assert!(web.fields.iter().all(|field| !field.path.to_string().contains("replicas")), "{:?}", fields(web));
    assert!(web.notes.is_empty(), "nothing restarts: {:?}", web.notes);
    world.apply().await;
    let namespace = &web.key.namespace.clone().unwrap();
    assert_eq!(world.plane.kubectl_out(&["-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]), "3");
}

#[tokio::test]
async fn what_cannot_change_is_replaced_with_the_servers_words() {
    let Some(world) = World::new("plan-replace") else { return };
    let yaml = |a: &str| {
        DEPLOYMENT.replace("app: web", &format!("app: {a}"))
            + &format!(
                "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: b, namespace: NS}}\n\
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role-{a}}}\n\
                 subjects: [{{kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}}]\n\
                 ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: NS}}\ntype: example.com/{a}\n\
                 ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: NS}}\nimmutable: true\ndata: {{k: {a}}}\n\
                 ---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: set, namespace: NS}}\nspec:\n  replicas: 0\n  serviceName: {a}\n  \
                 selector: {{matchLabels: {{app: set}}}}\n  template: {{metadata: {{labels: {{app: set}}}}, spec: {{containers: [{{name: app, image: i}}]}}}}\n\
                 ---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: job, namespace: NS}}\nspec:\n  suspend: true\n  \
                 template: {{spec: {{restartPolicy: Never, containers: [{{name: app, image: '{a}'}}]}}}}\n\
                 ---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: p, namespace: NS}}\n\
                 spec: {{accessModes: [ReadWriteOnce], storageClassName: {a}, resources: {{requests: {{storage: 1Gi}}}}}}\n"
            )
    };
    world.manifest("all", &yaml("web"));
    // Jobs that are suspended and claims that nobody binds never get ready: only the plan is of interest.
    let pending = engine::apply::begin(&world.request).await.unwrap();
    for planned in &pending.plan().changes {
        let Some(Write::Apply { object, .. }) = planned.writes.first() else { continue };
        let manager = StackIdentity::new(&world.name, "test").field_manager();
        let ask = spai::cluster::ApplyRequest { manager: &manager, force: false, dry_run: false, guard: None, strict: true };
        pending.session().cluster.apply(object, &ask).await.unwrap();
    }
    pending.give_up().await;
    assert_eq!(shown(&world.plan().await), Vec::<String>::new());
    world.manifest("all", &yaml("other"));
    let plan = world.plan().await;
    let reasons: Vec<String> =
        plan.changes.iter().map(|c| format!("{:?} {}: {}", c.action, c.key.kind, c.replace_reasons.join("; "))).collect();
    assert_eq!(codes(&plan), Vec::<&str>::new(), "{:#?}", plan.findings);
    assert_eq!(reasons.len(), 7, "{reasons:#?}");
    for (reason, words) in reasons.iter().zip([
        "Replace ConfigMap: data: field is immutable",
        "Replace PersistentVolumeClaim: spec",
        "Replace Secret: type: field is immutable",
        "Replace Deployment: spec.selector: field is immutable",
        "Replace StatefulSet: spec: updates to statefulset spec",
        "Replace Job: spec.template.spec: field is immutable",
        "Replace RoleBinding: roleRef: cannot change roleRef",
    ]) {
        assert!(reason.starts_with(words), "{reason}: {words}");
    }
    assert_eq!(writes(change(&plan, "Deployment", "web")), ["delete", "create"]);
    assert_eq!(kinds(&plan), BTreeSet::from([ConsentKind::DeleteVolume, ConsentKind::Replace]));
    assert!(
        fields(change(&plan, "Deployment", "web")).contains(&"spec.selector.matchLabels.app: \"web\" → \"other\" (intended)".to_owned())
    );
}

#[tokio::test]
async fn everything_that_the_server_refuses_is_told_at_its_line() {
    let Some(world) = World::new("plan-refused") else { return };
    world.apply().await;
    world.manifest(
        "bad",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: NS}\nspec: {ports: [{port: 99999}]}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: NS}\ndatta: {}\n\
         ---\napiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: c, namespace: NS}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, namespace: NS-elsewhere}\n\
         ---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: e, namespace: NS}\nprovisioner: x\n",
    );
    let plan = world.plan().await;
    let lines: Vec<(String, u32)> = plan.findings.0.iter().map(|f| (f.code.clone(), f.labels[0].origin.line)).collect();
    let expected =
        [("plan::refused", 1), ("plan::refused", 6), ("plan::no_such_kind", 11), ("plan::no_namespace", 15), ("plan::no_place", 19)];
    assert_eq!(lines.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), expected.map(|(code, _)| code), "{:#?}", plan.findings);
    assert!(lines.windows(2).all(|pair| pair[0].1 < pair[1].1), "{lines:?}");
    let words: Vec<&str> = plan.findings.0.iter().map(|f| f.message.as_str()).collect();
    assert!(words[0].contains("must be between 1 and 65535") && words[1].contains("datta"), "{words:?}");
}

#[tokio::test]
async fn a_definition_and_its_resources_come_in_one_plan_and_go_only_with_consent() {
    let Some(world) = World::new("plan-crd") else { return };
    let group = format!("{}.example.com", world.name);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things.{group}}}\nspec:\n  group: {group}\n  \
         scope: Namespaced\n  names: {{kind: Thing, plural: things, singular: thing, listKind: ThingList}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    );
    world.manifest("crd", &crd);
    world.manifest("thing", &format!("apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: t, namespace: NS}}\nspec: {{size: 1}}\n"));
    assert_eq!(change(&world.plan().await, "Thing", "t").decided, Decided::Prediction);
    world.apply().await;
    let theirs = format!("apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: theirs, namespace: {}}}\n", world.namespace());
    world.plane.kubectl_apply("somebody", &theirs);
    world.remove("crd");
    world.remove("thing");
    let plan = world.plan().await;
    assert_eq!(shown(&plan)[0], "Delete Thing t", "resources before their definition");
    let consent = plan.consents.iter().find(|consent| consent.kind == ConsentKind::DeleteDefinition).unwrap();
    assert!(consent.text.contains("2 resources"), "{}", consent.text);
    world.apply().await;
}

#[tokio::test]
async fn what_others_made_is_adopted_whole_and_another_stacks_never() {
    let Some(world) = World::new("plan-adopt") else { return };
    world.apply().await;
    let file = world.folder.path().join("legacy.yaml");
    let legacy = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: legacy, namespace: NS}\ndata: {keep: same, old: gone}\n";
    std::fs::write(&file, legacy.replace("NS", &world.namespace())).unwrap();
    world.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    world.kubectl(&["create", "configmap", "made", "--from-literal=a=1", "--from-literal=b=2"]);
    world.manifest("legacy", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: legacy, namespace: NS}\ndata: {keep: same}\n");
    world.manifest("made", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made, namespace: NS}\ndata: {a: '9'}\n");
    let plan = world.plan().await;
    assert_eq!(shown(&plan), ["Adopt ConfigMap legacy", "Adopt ConfigMap made"]);
    let adopted = change(&plan, "ConfigMap", "legacy");
    assert_eq!(writes(adopted), ["take over", "apply"]);
    assert!(fields(adopted).contains(&"data.old: \"gone\" → - (intended)".to_owned()), "{:?}", fields(adopted));
    assert_eq!(writes(change(&plan, "ConfigMap", "made")), ["force"]);
    assert_eq!(kinds(&plan), BTreeSet::from([ConsentKind::Adopt]));
    assert!(codes(&plan).is_empty(), "{:?}", plan.findings);
    world.apply().await;
    assert_eq!(world.kubectl(&["get", "configmap", "legacy", "-o", "jsonpath={.data} {.metadata.annotations}"]), "{\"keep\":\"same\"} ");
    assert_eq!(world.kubectl(&["get", "configmap", "made", "-o", "jsonpath={.data}"]), "{\"a\":\"9\",\"b\":\"2\"}");

    let second = World::new("plan-second").unwrap();
    second.manifest("made", &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: made, namespace: {}}}\n", world.namespace()));
    assert_eq!(codes(&second.plan().await), ["plan::another_stack"]);
}

#[tokio::test]
async fn what_the_stack_no_longer_has_goes_last_and_within_a_budget() {
    let Some(world) = World::new("plan-delete") else { return };
    let maps = |count: usize| {
        let one = |index| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{index}, namespace: NS}}\n");
        (0..count).map(one).collect::<String>()
    };
    world.manifest("maps", &maps(6));
    world.manifest("web", DEPLOYMENT);
    world.apply().await;
    // A copy of the labels is no claim, and labels that somebody took away give the object back to them.
    let labels = format!("{}={}", StackIdentity::STACK, world.name);
    world.kubectl(&["create", "configmap", "copy"]);
    world.kubectl(&["label", "configmap", "copy", &labels, &format!("{}=test", StackIdentity::ENVIRONMENT)]);
    world.kubectl(&["label", "configmap", "c5", &format!("{}-", StackIdentity::STACK)]);
    world.kubectl(&["delete", "configmap", "c4"]);
    world.manifest("maps", &maps(3));
    world.remove("web");
    let plan = world.plan().await;
    assert_eq!(shown(&plan), ["Delete ConfigMap c3", "Delete Deployment web", "Forget ConfigMap c4", "Forget ConfigMap c5"]);
    assert_eq!(codes(&plan), ["plan::labels_only"]);
    assert!(kinds(&plan).is_empty(), "two of eight are within the budget");
    assert!(change(&plan, "Deployment", "web").notes.contains(&"stops 3 pods".to_owned()));
    world.apply().await;
    std::fs::remove_dir_all(world.path("manifests")).unwrap();
    let plan = world.plan().await;
    assert_eq!(kinds(&plan), BTreeSet::from([ConsentKind::DeleteBudget, ConsentKind::DeleteNamespace]));
    assert_eq!(plan.changes.last().unwrap().key.kind, "Namespace", "{:?}", shown(&plan));
    world.apply().await;
}

#[tokio::test]
async fn a_read_that_fails_is_never_an_empty_cluster() {
    let Some(mut world) = World::new("plan-rights") else { return };
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n");
    world.apply().await;
    world.request.kubeconfig = Some(world.plane.kubeconfig_as("nobody", world.folder.path()));
    let error = world.try_plan().await.unwrap_err();
    assert!(error.0.iter().all(|finding| finding.code == "cluster::forbidden"), "{error:?}");
}

#[tokio::test]
async fn a_narrowed_plan_takes_along_only_what_is_missing() {
    let Some(mut world) = World::new("plan-narrow") else { return };
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, namespace: NS}\n");
    world.request.filter.targets = vec!["ConfigMap/*/c".into()];
    let plan = world.plan().await;
    assert_eq!(shown(&plan), [format!("Create Namespace {}", world.namespace()), "Create ConfigMap c".to_owned()]);
    assert!(plan.narrowed && plan.changes[0].notes.iter().any(|note| note.contains("needs it")), "{:?}", plan.changes[0].notes);
    world.request.filter.targets = vec!["ConfigMap/*/x".into()];
    assert_eq!(world.try_plan().await.unwrap_err().0[0].code, "plan::nothing_selected");
}

#[tokio::test]
async fn an_object_that_moves_is_made_before_the_old_one_goes() {
    let Some(world) = World::new("plan-moved") else { return };
    let yaml = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: NS}}\n");
    world.manifest("c", &yaml("old"));
    world.apply().await;
    world.manifest("c", &yaml("new"));
    let moved = format!("[[moved]]\nfrom = \"ConfigMap/{0}/old\"\nto = \"ConfigMap/{0}/new\"\n", world.namespace());
    world.write("stack.toml", &format!("name = \"{}\"\ndeletes = {{ max = 0 }}\n{moved}", world.name));
    let plan = world.plan().await;
    let (old, new) = (change(&plan, "ConfigMap", "old"), change(&plan, "ConfigMap", "new"));
    assert!(new.wave < old.wave && old.notes.iter().chain(&new.notes).all(|note| note.contains("moved")));
    assert!(plan.consents.is_empty(), "{:?}", plan.consents);
    world.apply().await;
}

#[tokio::test]
async fn whatever_somebody_does_to_ours_is_seen_and_set_back() {
    let Some(world) = World::new("plan-hands") else { return };
    world.manifest("web", DEPLOYMENT);
    world.manifest(
        "policy",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: NS}\n\
         spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}\n",
    );
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS, annotations: {note: ours}}\ndata: {a: '1'}\n");
    world.apply().await;
    let causes = |change: &Change| -> Vec<(String, String)> {
        let by = |cause: &Cause| match cause {
            Cause::Drift { by, .. } => by.clone().unwrap_or_default(),
            other => format!("{other:?}"),
        };
        change.fields.iter().map(|field| (field.path.to_string(), by(&field.cause))).collect()
    };
    let of = |path: &str, by: &str| (path.to_owned(), by.to_owned());

    // A rule more in a list that is ours as a whole, a label less, another value.
    world.kubectl(&["patch", "networkpolicy", "p", "--type=json", "-p", r#"[{"op": "add", "path": "/spec/ingress/-", "value": {}}]"#]);
    world.kubectl(&["annotate", "configmap", "c", "note-"]);
    world.kubectl(&["patch", "configmap", "c", "--type=merge", "-p", r#"{"data": {"a": "2", "theirs": "x"}}"#]);
    let plan = world.plan().await;
    assert_eq!(causes(change(&plan, "NetworkPolicy", "p")), [of("spec.ingress", "kubectl-patch")]);
    assert_eq!(causes(change(&plan, "ConfigMap", "c")), [of("data.a", "kubectl-patch"), of("metadata.annotations.note", "")]);
    world.apply().await;
    assert_eq!(world.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data}"]), r#"{"a":"1","theirs":"x"}"#);

    // All records of ownership gone.
    let clear = r#"[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]"#;
    world.kubectl(&["patch", "configmap", "c", "--type=json", "-p", clear]);
    let plan = world.plan().await;
    assert_eq!((change(&plan, "ConfigMap", "c").action, fields(change(&plan, "ConfigMap", "c"))), (Action::Own, Vec::new()));
    world.apply().await;

    // Gone, and made again by somebody else: not ours any more.
    world.kubectl(&["delete", "configmap", "c"]);
    world.kubectl(&["create", "configmap", "c", "--from-literal=a=1"]);
    let plan = world.plan().await;
    assert_eq!((change(&plan, "ConfigMap", "c").action, kinds(&plan)), (Action::Adopt, BTreeSet::from([ConsentKind::Adopt])));
    world.apply().await;

    // The whole namespace.
    world.plane.kubectl_out(&["delete", "namespace", &world.namespace()]);
    let plan = world.plan().await;
    assert_eq!(plan.summary().create, 4);
    assert_eq!(plan.asked, 1, "what comes with its namespace is predicted");
    world.apply().await;
}

#[tokio::test]
async fn items_that_go_come_and_change_their_keys_are_what_the_plan_says() {
    let Some(world) = World::new("plan-items") else { return };
    let service = |ports: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: NS}}\nspec: {{selector: {{app: web}}, ports: [{ports}]}}\n")
    };
    world.manifest("web", DEPLOYMENT);
    world.manifest("s", &service("{name: http, port: 80}, {name: metrics, port: 9090}"));
    world.apply().await;
    world.manifest("web", &DEPLOYMENT.replace("{name: A, value: '1'}, ", "{name: Z, value: '9'}, ").replace("500m", "'1'"));
    world.manifest("s", &service("{name: http, port: 8080, targetPort: 80}, {name: metrics, port: 9090}"));
    let plan = world.plan().await;
    assert_eq!(
        fields(change(&plan, "Deployment", "web")),
        [
            "spec.template.spec.containers[app].env[A].name: \"A\" → - (intended)",
            "spec.template.spec.containers[app].env[A].value: \"1\" → - (intended)",
            "spec.template.spec.containers[app].env[Z].name: - → \"Z\" (intended)",
            "spec.template.spec.containers[app].env[Z].value: - → \"9\" (intended)",
            "spec.template.spec.containers[app].resources.limits.cpu: \"500m\" → \"1\" (intended)",
        ]
    );
    let ports: Vec<String> = fields(change(&plan, "Service", "s")).into_iter().filter(|field| !field.contains("(server)")).collect();
    assert!(ports.contains(&"spec.ports[80].port: 80 → - (intended)".to_owned()), "{ports:?}");
    assert!(ports.contains(&"spec.ports[8080].targetPort: - → 80 (intended)".to_owned()), "{ports:?}");
    world.apply().await;
    let spec = world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env}"]);
    assert!(spec.contains("\"Z\"") && !spec.contains("\"A\""), "{spec}");
}

#[tokio::test]
async fn a_policys_refusal_is_told_and_what_the_plan_cures_is_not() {
    let Some(world) = World::new("plan-policy") else { return };
    world.manifest(
        "quota",
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: NS}\nspec: {hard: {count/configmaps: '2'}}\n",
    );
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n");
    world.apply().await;
    // kube-root-ca.crt is the first, c the second.
    world.manifest("d", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, namespace: NS}\n");
    support::eventually("the quota is counted", || {
        world.kubectl(&["get", "resourcequota", "q", "-o", "jsonpath={.status.used}"]).contains("\"2\"")
    });
    let plan = world.plan().await;
    assert_eq!(codes(&plan), ["plan::refused"]);
    assert!(plan.findings.0[0].message.contains("exceeded quota"), "{:?}", plan.findings);
    world.manifest(
        "quota",
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: NS}\nspec: {hard: {count/configmaps: '9'}}\n",
    );
    let plan = world.plan().await;
    assert!(codes(&plan).is_empty(), "{:?}", plan.findings);
    assert_eq!(change(&plan, "ConfigMap", "d").decided, Decided::Prediction);
    assert!(change(&plan, "ResourceQuota", "q").wave < change(&plan, "ConfigMap", "d").wave, "what cures comes first");
}
