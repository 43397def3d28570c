//! What isn't done, or not unasked: refusals, missing rights, deletes, definitions.

use std::collections::BTreeSet;

use spai::plan::{ConsentKind, Decided};
use spai::resource::StackIdentity;

use crate::support;
use crate::world::{DEPLOYMENT, World, change, codes, kinds, shown};

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
async fn a_policys_refusal_is_told_and_what_the_plan_cures_is_not() {
    let Some(world) = World::new("plan-policy") else { return };
    world.manifest("c", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: NS}\n");
    world.apply().await;
    // The quota comes when all that it counts is there: a controller that counts while objects come may count too few,
    // and counts again only minutes later. kube-root-ca.crt is the first, c the second.
    support::eventually("the namespace has its certificates", || {
        world.kubectl(&["get", "configmap", "-o", "name"]).contains("kube-root-ca.crt")
    });
    world.manifest(
        "quota",
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: NS}\nspec: {hard: {count/configmaps: '2'}}\n",
    );
    world.apply().await;
    support::eventually("the quota is counted", || {
        world.kubectl(&["get", "resourcequota", "q", "-o", "jsonpath={.status.used}"]).contains("\"2\"")
    });
    world.manifest("d", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, namespace: NS}\n");
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
