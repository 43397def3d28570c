//! More traps of server-side apply: handlers of probes, metrics, update strategies, values that the server writes in its own
//! way, rules of a definition, and what kubectl had applied. As in `traps`: the plan says what will really happen.

use spai::plan::{Action, Shown};

use crate::traps::as_said;
use crate::world::{DEPLOYMENT, World, change, codes, shown, writes};

#[tokio::test]
async fn a_probes_other_handler_takes_the_former_along() {
    let Some(world) = World::new("trap-probes") else { return };
    let web = |probe: &str| DEPLOYMENT.replace("image: 'image:1'", &format!("image: 'image:1', livenessProbe: {{{probe}}}"));
    world.manifest("web", &web("httpGet: {path: /, port: 80}"));
    as_said(&world).await;
    for probe in ["exec: {command: [a]}", "tcpSocket: {port: 80}", "grpc: {port: 80}", "httpGet: {path: /x, port: http}"] {
        world.manifest("web", &web(probe));
        let plan = as_said(&world).await;
        assert_eq!(change(&plan, "Deployment", "web").action, Action::Update, "{probe}");
        let there = world.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].livenessProbe}"]);
        let handlers = ["httpGet", "exec", "tcpSocket", "grpc"].iter().filter(|handler| there.contains(**handler)).count();
        assert_eq!(handlers, 1, "{there}");
    }
}

#[tokio::test]
async fn a_daemon_sets_strategy_leaves_nothing_of_the_former() {
    let Some(world) = World::new("trap-daemons") else { return };
    let set = |strategy: &str| {
        format!(
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: d, namespace: NS}}\nspec:\n{strategy}  selector: {{matchLabels: {{app: d}}}}\n  \
             template: {{metadata: {{labels: {{app: d}}}}, spec: {{nodeSelector: {{none: such}}, containers: [{{name: a, image: i}}]}}}}\n"
        )
    };
    world.manifest("d", &set(""));
    as_said(&world).await;
    world.manifest("d", &set("  updateStrategy: {type: OnDelete}\n"));
    let plan = as_said(&world).await;
    let there = world.kubectl(&["get", "daemonset", "d", "-o", "jsonpath={.spec.updateStrategy.type}"]);
    assert_eq!((there.as_str(), change(&plan, "DaemonSet", "d").action), ("OnDelete", Action::Update));
}

#[tokio::test]
async fn an_autoscalers_metrics_are_what_the_stack_says() {
    let Some(world) = World::new("trap-metrics") else { return };
    world.manifest("web", DEPLOYMENT);
    let scaler = |metric: &str| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h, namespace: NS}}\n\
             spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, minReplicas: 3, maxReplicas: 3{metric}}}\n"
        )
    };
    let cpu = |target: &str| format!(", metrics: [{{type: Resource, resource: {{name: cpu, target: {{{target}}}}}}}]");
    world.manifest("h", &scaler(&cpu("type: Utilization, averageUtilization: 70")));
    as_said(&world).await;
    world.manifest("h", &scaler(&cpu("type: AverageValue, averageValue: 1000m")));
    as_said(&world).await;
    let target = world.kubectl(&["get", "hpa", "h", "-o", "jsonpath={.spec.metrics[0].resource.target}"]);
    assert_eq!(target, r#"{"averageValue":"1","type":"AverageValue"}"#);
    // Without any the server has its own.
    world.manifest("h", &scaler(""));
    as_said(&world).await;
}

#[tokio::test]
async fn what_the_server_writes_in_its_own_way_is_no_change() {
    let Some(world) = World::new("trap-ways") else { return };
    world.manifest(
        "l",
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l, namespace: NS}\n\
         spec: {holderIdentity: x, leaseTransitions: 2147483647, acquireTime: '2026-01-01T00:00:00.5Z'}\n",
    );
    world.manifest("s", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\ndata: {a: \"YWI=\", b: \"\"}\n");
    as_said(&world).await;
    let time = world.kubectl(&["get", "lease", "l", "-o", "jsonpath={.spec.acquireTime}"]);
    assert_eq!(time, "2026-01-01T00:00:00.500000Z");
    world.manifest("s", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: NS}\ndata: {a: YWI}\n");
    let refused = world.try_plan().await.unwrap_err();
    assert_eq!(refused.0[0].code, "compile::not_base64", "without its padding it is none");
}

#[tokio::test]
async fn a_name_twice_in_a_list_is_refused_before_anything_is_written() {
    let Some(world) = World::new("trap-doubled") else { return };
    world.manifest("web", DEPLOYMENT);
    as_said(&world).await;
    world.manifest("web", &DEPLOYMENT.replace("{name: B, value: '2'}", "{name: A, value: '2'}"));
    let plan = world.plan().await;
    assert_eq!(codes(&plan), ["plan::refused"], "{:#?}", plan.findings);
    assert!(plan.findings.0[0].message.contains("duplicate entries for key"), "{:#?}", plan.findings);
    assert!(plan.doubts.is_empty(), "{:#?}", plan.doubts);
}

#[tokio::test]
async fn a_definitions_rule_that_a_field_stays_is_told_in_the_servers_words() {
    let Some(world) = World::new("trap-rules") else { return };
    let group = format!("{}.example.dev", world.name);
    world.manifest(
        "crd",
        &format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: rules.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Rule, plural: rules, singular: rule, listKind: RuleList}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n          spec:\n            \
             type: object\n            properties:\n              size: {{type: integer}}\n              class:\n                type: string\n                \
             x-kubernetes-validations: [{{rule: self == oldSelf, message: class stays as it is}}]\n"
        ),
    );
    let rule = |class: &str| {
        format!("apiVersion: {group}/v1\nkind: Rule\nmetadata: {{name: r, namespace: NS}}\nspec: {{class: {class}, size: 1}}\n")
    };
    world.manifest("r", &rule("fast"));
    as_said(&world).await;
    world.manifest("r", &rule("slow"));
    let plan = world.plan().await;
    assert!(plan.doubts.is_empty(), "{:#?}", plan.doubts);
    let told = format!("{:?} {:?}", plan.findings.0, plan.changes.iter().map(|change| &change.replace_reasons).collect::<Vec<_>>());
    assert!(told.contains("class stays as it is"), "{told}");
}

#[tokio::test]
async fn what_kubectl_applied_from_the_client_becomes_ours_whole() {
    let Some(world) = World::new("trap-kubectl") else { return };
    world.manifest("a", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: NS}\n");
    as_said(&world).await;
    let file = world.path("before.yaml");
    let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: NS}}\ndata: {data}\n");
    std::fs::write(&file, map("{kept: '1', dropped: '2'}").replace("NS", &world.namespace())).unwrap();
    world.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    world.manifest("c", &map("{kept: '1'}"));
    let plan = as_said(&world).await;
    let taken = change(&plan, "ConfigMap", "c");
    assert_eq!((taken.action, writes(taken)[0]), (Action::Adopt, "take over"), "{:?}", shown(&plan));
    assert!(taken.fields.iter().any(|field| field.path.to_string() == "data.dropped" && field.after.is_none()), "{:#?}", taken.fields);
    let labels = taken.fields.iter().all(|field| field.before.as_ref() != Some(&Shown::Secret));
    let there = world.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data}"]);
    assert!(labels && there == r#"{"kept":"1"}"#, "{there}");
}

#[tokio::test]
async fn an_owner_reference_is_one_value_and_unchanged_without_a_question() {
    let Some(world) = World::new("trap-owner") else { return };
    world.manifest("other", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: NS}\n");
    as_said(&world).await;
    world.kubectl(&["create", "configmap", "owner"]);
    let uid = world.kubectl(&["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
    let child = |more: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: child\n  namespace: NS\n  \
             ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}{more}}}]\ndata: {{k: v}}\n"
        )
    };
    world.manifest("child", &child(""));
    as_said(&world).await;
    let plan = world.plan().await;
    assert_eq!((plan.changes.len(), plan.asked), (0, 0), "{:?}", plan.changes);
    world.manifest("child", &child(", blockOwnerDeletion: true"));
    let plan = as_said(&world).await;
    assert_eq!(change(&plan, "ConfigMap", "child").action, Action::Update);
}
