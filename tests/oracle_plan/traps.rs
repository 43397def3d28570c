//! The traps of server-side apply, each as a scenario: the plan says what will really happen, apply does it, and the next plan is
//! empty and asks nothing.

use std::collections::BTreeSet;

use spai::plan::{Action, Cause, Decided, Plan, Shown};
use spai::report::plan_json;

use crate::world::{DEPLOYMENT, World, change, codes, fields, shown, writes};

/// Applies, and holds every field of the plan to what then stands there.
pub async fn as_said(world: &World) -> Plan {
    let plan = world.plan().await;
    assert_eq!(codes(&plan), Vec::<&str>::new(), "{:#?}", plan.findings);
    assert!(plan.doubts.is_empty(), "{:#?}", plan.doubts);
    world.apply().await;
    let cluster = world.plane.cluster().await;
    for change in &plan.changes {
        let live = cluster.get(&change.key).await.unwrap();
        // What the server allots differs each time that it is asked.
        for field in change.fields.iter().filter(|field| field.cause != Cause::Server) {
            let there = live.as_ref().and_then(|live| field.path.get(live.value()));
            match &field.after {
                None => assert_eq!(there, None, "{}: {}", change.key, field.path),
                Some(Shown::Value(value)) if change.action != Action::Create => {
                    assert_eq!(there, Some(value), "{}: {}", change.key, field.path);
                }
                Some(_) => {}
            }
        }
    }
    plan
}

fn config_map(content: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: NS}}\n{content}\n")
}

#[tokio::test]
async fn amounts_are_compared_by_what_they_are_worth() {
    let Some(world) = World::new("trap-amounts") else { return };
    world.manifest("web", &DEPLOYMENT.replace("{cpu: 500m}", "{cpu: 1000m, memory: 1024Mi}"));
    as_said(&world).await;
    // The next plan is empty; another way to write the same is no change either.
    world.manifest("web", &DEPLOYMENT.replace("{cpu: 500m}", "{cpu: '1', memory: 1Gi}"));
    let plan = world.plan().await;
    assert_eq!((shown(&plan), plan.asked), (Vec::new(), 0));
    world.manifest("web", &DEPLOYMENT.replace("{cpu: 500m}", "{cpu: '0.5', memory: 1Gi}"));
    let plan = as_said(&world).await;
    assert_eq!(
        fields(change(&plan, "Deployment", "web")),
        ["spec.template.spec.containers[app].resources.limits.cpu: \"1\" → \"500m\" (intended)"]
    );
}

#[tokio::test]
async fn every_union_leaves_nothing_of_its_former_member() {
    let Some(world) = World::new("trap-unions") else { return };
    let set = |strategy: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: set, namespace: NS}}\nspec:\n  replicas: 0\n  serviceName: s\n{strategy}  \
             selector: {{matchLabels: {{app: set}}}}\n  template: {{metadata: {{labels: {{app: set}}}}, spec: {{containers: [{{name: app, image: i}}]}}}}\n"
        )
    };
    let service = |affinity: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: NS}}\nspec: {{selector: {{app: set}}, {affinity}ports: [{{port: 80}}]}}\n"
        )
    };
    let web = |volume: &str| format!("{DEPLOYMENT}      volumes: [{{name: v, {volume}}}]\n");
    world.manifest("c", &config_map("data: {a: '1'}"));
    world.manifest("web", &web("configMap: {name: c}"));
    world.manifest("set", &set(""));
    world.manifest("s", &service("sessionAffinity: ClientIP, "));
    as_said(&world).await;
    world.manifest("web", &web("emptyDir: {}").replace("replicas: 3", "replicas: 3\n  strategy: {type: Recreate}"));
    world.manifest("set", &set("  updateStrategy: {type: OnDelete}\n"));
    world.manifest("s", &service("sessionAffinity: None, "));
    let plan = as_said(&world).await;
    for (kind, name) in [("Deployment", "web"), ("StatefulSet", "set")] {
        assert_eq!(writes(change(&plan, kind, name)), ["apply", "apply"], "{kind}");
    }
    assert_eq!(writes(change(&plan, "Service", "s")), ["apply"], "the server drops it by itself");
    let spec = world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.strategy} {.spec.template.spec.volumes}"]);
    assert_eq!(spec, r#"{"type":"Recreate"} [{"emptyDir":{},"name":"v"}]"#);
}

#[tokio::test]
async fn a_services_type_takes_along_what_was_allotted_for_it() {
    let Some(world) = World::new("trap-types") else { return };
    let service = |spec: &str| format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: NS}}\nspec: {{{spec}}}\n");
    let ports = "selector: {app: web}, ports: [{port: 80}]";
    for spec in [
        format!("type: NodePort, {ports}"),
        format!("type: ClusterIP, {ports}"),
        format!("type: NodePort, {ports}"),
        "type: ExternalName, externalName: example.com".to_owned(),
    ] {
        world.manifest("s", &service(&spec));
        let plan = as_said(&world).await;
        assert_eq!(writes(change(&plan, "Service", "s")).len(), 1, "{spec}");
    }
}

#[tokio::test]
async fn what_the_server_draws_is_known_after_apply_and_not_before() {
    let Some(world) = World::new("trap-drawn") else { return };
    let service = |spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: NS}}\nspec: {{selector: {{app: web}}, {spec}}}\n")
    };
    world.manifest("s", &service("type: ClusterIP, ports: [{name: one, port: 80}]"));
    as_said(&world).await;
    world.manifest("s", &service("type: NodePort, ports: [{name: one, port: 80}, {name: two, port: 81, nodePort: 32081}]"));
    let (one, two) = (world.plan().await, world.plan().await);
    assert_eq!(plan_json(&one)["changes"], plan_json(&two)["changes"], "the same inputs give the same bytes");
    let drawn = |plan: &Plan| -> Vec<String> {
        let fields = change(plan, "Service", "s").fields.iter().filter(|field| field.after == Some(Shown::KnownAfterApply));
        fields.map(|field| field.path.to_string()).collect()
    };
    assert_eq!(drawn(&one), ["spec.ports[80].nodePort"], "the other one is asked for");
    assert!(plan_json(&one)["changes"].to_string().contains("known-after-apply"));
    let text = fields(change(&one, "Service", "s"));
    assert!(text.contains(&"spec.ports[80].nodePort: - → (known after apply) (server)".to_owned()), "{text:#?}");
    as_said(&world).await;
    // A Service that had no address gets one.
    world.manifest(
        "s",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: NS}\nspec: {type: ExternalName, externalName: example.com}\n",
    );
    as_said(&world).await;
    world.manifest("s", &service("type: ClusterIP, ports: [{port: 80}]"));
    let plan = as_said(&world).await;
    assert_eq!(drawn(&plan), ["spec.clusterIP", "spec.clusterIPs"]);
}

#[tokio::test]
async fn leaving_out_what_has_a_default_is_said_to_set_it() {
    let Some(world) = World::new("trap-defaults") else { return };
    world.manifest("web", DEPLOYMENT);
    as_said(&world).await;
    world.manifest("web", &DEPLOYMENT.replace("  replicas: 3\n", ""));
    let plan = as_said(&world).await;
    assert_eq!(fields(change(&plan, "Deployment", "web")), ["spec.replicas: 3 → 1 (intended)"]);
    assert_eq!(world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]), "1");
}

#[tokio::test]
async fn a_secrets_texts_go_with_their_keys() {
    let Some(world) = World::new("trap-texts") else { return };
    let secret = |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: NS}}\nstringData: {data}\n");
    world.manifest("s", &secret("{a: one, b: two}"));
    as_said(&world).await;
    world.manifest("s", &secret("{a: one}"));
    let plan = as_said(&world).await;
    assert_eq!(fields(change(&plan, "Secret", "s")), ["data.b: (secret) → - (intended)"]);
    assert_eq!(world.kubectl(&["get", "secret", "s", "-o", "jsonpath={.data}"]), r#"{"a":"b25l"}"#);
}

#[tokio::test]
async fn what_is_empty_vanishes_or_stays_as_the_server_has_it() {
    let Some(world) = World::new("trap-empty") else { return };
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS, labels: {}, annotations: {}}\ndata: {}\n");
    world.manifest(
        "p",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: NS}\nspec: {podSelector: {}, ingress: [], policyTypes: [Ingress]}\n",
    );
    let web = DEPLOYMENT.replace("image: 'image:1'", "image: 'image:1', args: [], volumeMounts: []");
    world.manifest(
        "web",
        &format!("{web}      volumes: [{{name: v, emptyDir: {{}}}}]\n      nodeSelector: {{}}\n      securityContext: {{}}\n"),
    );
    as_said(&world).await;
    assert_eq!(
        world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.volumes}"]),
        r#"[{"emptyDir":{},"name":"v"}]"#
    );
}

#[tokio::test]
async fn atomic_lists_are_compared_with_the_servers_defaults_in_them() {
    let Some(world) = World::new("trap-atoms") else { return };
    let env = "{name: A, value: '1'}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}";
    world.manifest("web", &DEPLOYMENT.replace("{name: A, value: '1'}", env));
    let policy = |port: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: NS}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress], ingress: [{{ports: [{{port: {port}}}]}}], egress: [{{}}]}}\n"
        )
    };
    world.manifest("p", &policy("80"));
    as_said(&world).await;
    world.manifest("p", &policy("http"));
    let plan = as_said(&world).await;
    assert_eq!(shown(&plan), ["Update NetworkPolicy p"]);
}

#[tokio::test]
async fn numbers_times_and_base64_are_written_as_the_server_does() {
    let Some(world) = World::new("trap-numbers") else { return };
    world.manifest("s", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\ndata: {a: YQ==}\n");
    let service = |port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: NS}}\nspec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: {port}}}]}}\n"
        )
    };
    world.manifest("svc", &service("8080"));
    as_said(&world).await;
    world.manifest("svc", &service("http"));
    let plan = as_said(&world).await;
    assert_eq!(fields(change(&plan, "Service", "s")), ["spec.ports[80].targetPort: 8080 → \"http\" (intended)"]);
}

#[tokio::test]
async fn what_somebody_adds_twice_stays_theirs() {
    let Some(world) = World::new("trap-twice") else { return };
    world.manifest("web", DEPLOYMENT);
    as_said(&world).await;
    let add = r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A", "value": "again"}}]"#;
    world.kubectl(&["patch", "deployment", "web", "--type=json", "-p", add]);
    let plan = world.plan().await;
    assert!(plan.doubts.is_empty(), "{:#?}", plan.doubts);
    world.apply().await;
}

#[tokio::test]
async fn another_version_of_the_same_kind_is_a_change_of_owners_at_most() {
    let Some(world) = World::new("trap-version") else { return };
    world.manifest("web", DEPLOYMENT);
    let scaler = |version: &str, target: &str| {
        format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h, namespace: NS}}\n\
             spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, minReplicas: 3, maxReplicas: 3, {target}}}\n"
        )
    };
    world.manifest("h", &scaler("v1", "targetCPUUtilizationPercentage: 70"));
    world.apply().await;
    let metrics = "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]";
    world.manifest("h", &scaler("v2", metrics));
    let plan = world.plan().await;
    assert_eq!(change(&plan, "HorizontalPodAutoscaler", "h").action, Action::Own, "{:?}", shown(&plan));
    world.apply().await;
}

/// A custom kind with what built-in kinds haven't: its own defaults, nullable fields, sets.
fn definition(world: &World) -> String {
    let group = format!("{}.example.dev", world.name);
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{group}}}\n\
         spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}}\n  \
         versions:\n  - name: v1\n    served: true\n    storage: true\n    subresources: {{status: {{}}}}\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
         properties:\n          spec:\n            type: object\n            properties:\n              \
         cpu: {{type: string}}\n              size: {{type: integer, default: 3}}\n              note: {{type: string, nullable: true}}\n              \
         big: {{type: integer, format: int64}}\n              share: {{type: number}}\n              \
         tags: {{type: array, x-kubernetes-list-type: set, items: {{type: string}}}}\n              \
         parts: {{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [id], items: {{type: object, required: [id], properties: {{id: {{type: integer}}, of: {{type: string, default: x}}}}}}}}\n              \
         plain: {{type: array, items: {{type: object, properties: {{a: {{type: string}}, b: {{type: integer, default: 7}}}}}}}}\n              \
         open: {{type: object, x-kubernetes-preserve-unknown-fields: true}}\n          status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
    )
}

fn widget(world: &World, spec: &str) -> String {
    format!("apiVersion: {}.example.dev/v1\nkind: Widget\nmetadata: {{name: w, namespace: NS}}\nspec: {{{spec}}}\n", world.name)
}

#[tokio::test]
async fn resources_of_a_kind_that_comes_along_are_predicted_by_its_definition() {
    let Some(world) = World::new("trap-defined") else { return };
    world.manifest("crd", &definition(&world));
    world.manifest("w", &widget(&world, "cpu: 1000m, sise: 1"));
    let plan = world.plan().await;
    assert_eq!(codes(&plan), ["plan::refused"], "a field that the definition doesn't have: {:#?}", plan.findings);
    world.manifest("w", &widget(&world, "cpu: 1000m, note: null, big: 9007199254740993, share: 1.0, tags: [b, a], plain: [{a: x}]"));
    let plan = as_said(&world).await;
    let made = change(&plan, "Widget", "w");
    assert_eq!((made.action, made.decided), (Action::Create, Decided::Prediction));
    assert_eq!(made.predicted.as_ref().unwrap().value()["spec"]["size"], 3, "its default");
    let kind = format!("widgets.{}.example.dev", world.name);
    let there = world.kubectl(&["get", &kind, "w", "-o", "jsonpath={.spec.cpu} {.spec.big} {.spec.plain}"]);
    assert_eq!(there, r#"1000m 9007199254740993 [{"a":"x","b":7}]"#, "a text stays as it is written");
}

#[tokio::test]
async fn a_custom_kinds_defaults_nulls_and_sets_are_what_the_plan_says() {
    let Some(world) = World::new("trap-custom") else { return };
    world.manifest("crd", &definition(&world));
    world.manifest("w", &widget(&world, "size: 5, note: hello, tags: [a, b], parts: [{id: 1}, {id: 2, of: q}], open: {deep: {x: 1}}"));
    as_said(&world).await;
    world.manifest("w", &widget(&world, "size: null, note: null, tags: [b, c], parts: [{id: 2, of: z}, {id: 3}], open: {other: 2}"));
    let plan = as_said(&world).await;
    let fields: BTreeSet<String> = fields(change(&plan, "Widget", "w")).into_iter().collect();
    assert!(fields.contains("spec.size: 5 → 3 (intended)"), "{fields:#?}");
    assert!(fields.contains("spec.note: \"hello\" → null (intended)"), "{fields:#?}");
}

#[tokio::test]
async fn an_object_that_waits_for_its_finalizers_is_not_unchanged() {
    let Some(world) = World::new("trap-finalizer") else { return };
    let held = |finalizers: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: NS, finalizers: [{finalizers}]}}\ndata: {{a: '1'}}\n")
    };
    world.manifest("c", &held("example.dev/one, example.dev/two"));
    as_said(&world).await;
    world.manifest("c", &held("example.dev/one"));
    as_said(&world).await;
    world.kubectl(&["delete", "configmap", "c", "--wait=false"]);
    assert_eq!(codes(&world.plan().await), ["plan::being_deleted"]);
    world.kubectl(&["patch", "configmap", "c", "--type=json", "-p", r#"[{"op": "remove", "path": "/metadata/finalizers"}]"#]);
    let plan = world.plan().await;
    assert_eq!(shown(&plan), ["Create ConfigMap c"]);
}

#[tokio::test]
async fn taking_the_replicas_through_scale_is_a_conflict_that_is_predicted() {
    let Some(world) = World::new("trap-scale") else { return };
    world.manifest("web", DEPLOYMENT);
    as_said(&world).await;
    world.kubectl(&["scale", "deployment", "web", "--replicas=1"]);
    let plan = as_said(&world).await;
    let web = change(&plan, "Deployment", "web");
    assert_eq!((web.decided, writes(web)), (Decided::Verified, vec!["force"]));
}
