//! What the stack itself changes: creates, updates, replaces, renames, parts.

use std::collections::BTreeSet;

use spai::engine;
use spai::plan::{Action, ConsentKind, Decided, Write};
use spai::resource::StackIdentity;

use crate::world::{DEPLOYMENT, World, change, codes, fields, kinds, shown, writes};

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
    assert_eq!(change(&plan, "Namespace", &world.namespace()).decided, Decided::Verified);
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
