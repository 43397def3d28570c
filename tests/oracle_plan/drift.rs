//! What others do to the stack's objects: drift, conflicts, hand-overs, adoption.

use std::collections::BTreeSet;

use spai::plan::{Action, Cause, Change, ConsentKind};

use crate::world::{DEPLOYMENT, World, change, codes, fields, kinds, shown, writes};

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
