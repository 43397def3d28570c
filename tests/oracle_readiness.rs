//! Readiness and its symptoms, held against real controllers: roll-outs that end, and ones that can't.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spai::admission::{Readiness, readiness};
use spai::cluster::{ApplyRequest, Cluster, Guard, Symptom, diagnose, terminal};
use spai::resource::{FieldManager, Object, ObjectKey};

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

/// A Deployment as Pod Security's `restricted` wants it, its pods marked for kwok's stages.
fn deployment(namespace: &str, replicas: u32, image: &str, mark: &str) -> Object {
    object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "app"}}, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": "app", "spai.dev/test": mark}},
                "spec": {"securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [{"name": "main", "image": image,
                    "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "100m"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}}}))
}

async fn apply(cluster: &Cluster, object: &Object) {
    let manager = FieldManager("spai:test:readiness".to_owned());
    let guard = cluster.get(&object.key()).await.unwrap().and_then(|live| Guard::of(&live));
    let request = ApplyRequest { manager: &manager, force: true, dry_run: false, guard, strict: true };
    match cluster.apply(object, &request).await {
        // A controller's status came between.
        Err(spai::cluster::ClusterError::Stale { .. }) => Box::pin(apply(cluster, object)).await,
        other => assert!(other.unwrap().warnings.is_empty()),
    }
}

async fn until_ready(cluster: &Cluster, key: &ObjectKey) {
    let start = Instant::now();
    loop {
        let live = cluster.get(key).await.unwrap().unwrap();
        let state = readiness(&live);
        if state == Readiness::Ready {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{key}: {state:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The first symptom whose text has this in it, and that the object isn't ready.
async fn until_told(cluster: &Cluster, key: &ObjectKey, part: &str) -> Symptom {
    let start = Instant::now();
    loop {
        let symptoms = diagnose(cluster, key).await.unwrap();
        if let Some(symptom) = symptoms.iter().find(|symptom| symptom.text.contains(part)) {
            assert_ne!(readiness(&cluster.get(key).await.unwrap().unwrap()), Readiness::Ready);
            return symptom.clone();
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{key}: nothing of `{part}` in {symptoms:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_roll_out_is_ready_when_it_is_over_and_not_before() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("roll"));
    let first = deployment(&namespace, 3, "r/app:1", "ok");
    apply(&cluster, &first).await;
    until_ready(&cluster, &first.key()).await;
    apply(&cluster, &deployment(&namespace, 3, "r/app:2", "ok")).await;
    assert_ne!(readiness(&cluster.get(&first.key()).await.unwrap().unwrap()), Readiness::Ready, "right after the change");
    until_ready(&cluster, &first.key()).await;
    let images = plane.kubectl_out(&["-n", &namespace, "get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}"]);
    assert_eq!(images, "r/app:2 r/app:2 r/app:2");
    assert_eq!(diagnose(&cluster, &first.key()).await.unwrap(), []);
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_final() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("image"));
    let bad = deployment(&namespace, 2, "r/does-not-exist:1", "ok");
    apply(&cluster, &bad).await;
    let symptom = until_told(&cluster, &bad.key(), "2 pods: ").await;
    assert!(terminal(&symptom), "{symptom:?}");
    assert_eq!(symptom.text, "2 pods: container main: its image \"r/does-not-exist:1\" can't be pulled: not found");
}

#[tokio::test]
async fn a_probe_that_never_passes_and_a_crash_are_told_and_may_pass() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("probe"));
    let never = deployment(&namespace, 1, "r/app:1", "never-ready");
    apply(&cluster, &never).await;
    let symptom = until_told(&cluster, &never.key(), "isn't ready: Readiness probe failed").await;
    assert!(!terminal(&symptom) && symptom.since.is_some(), "{symptom:?}");
    apply(&cluster, &deployment(&namespace, 1, "r/app:1", "crash")).await;
    let symptom = until_told(&cluster, &never.key(), "crashes: it ended with exit code 1, 3 restarts").await;
    assert!(!terminal(&symptom), "{symptom:?}");
}

#[tokio::test]
async fn a_full_quota_is_final_and_named_with_its_numbers() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("quota"));
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute", "namespace": &*namespace}, "spec": {"hard": {"limits.cpu": "200m"}}});
    let quota = object(quota);
    apply(&cluster, &quota).await;
    // A quota whose first count comes while pods are made counts too few for a while: there really is room then.
    let start = Instant::now();
    while cluster.get(&quota.key()).await.unwrap().unwrap().value()["status"]["used"]["limits.cpu"].is_null() {
        assert!(start.elapsed() < Duration::from_mins(1), "the quota is never counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let wanted = deployment(&namespace, 3, "r/app:1", "ok");
    apply(&cluster, &wanted).await;
    let symptom = until_told(&cluster, &wanted.key(), "don't fit in the quota compute").await;
    assert!(
        terminal(&symptom) && symptom.text.contains("limits.cpu=100m") && symptom.text.contains("limited: limits.cpu=200m"),
        "{symptom:?}"
    );
    assert_eq!(symptom.object.kind, "ReplicaSet");
}

#[tokio::test]
async fn pod_security_is_final_for_deployments_and_stateful_sets() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("refused"));
    plane.kubectl_out(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"]);
    let mut open = deployment(&namespace, 1, "r/app:1", "ok");
    open.value_mut()["spec"]["template"]["spec"]["securityContext"] = json!({});
    apply_warned(&cluster, &open).await;
    let symptom = until_told(&cluster, &open.key(), "Pod Security refuses its pods").await;
    assert!(terminal(&symptom) && symptom.text.contains("runAsNonRoot"), "{symptom:?}");
    let set = object(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set", "namespace": &*namespace},
        "spec": {"serviceName": "x", "replicas": 1, "selector": {"matchLabels": {"a": "set"}},
            "template": {"metadata": {"labels": {"a": "set"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}}}));
    apply_warned(&cluster, &set).await;
    let symptom = until_told(&cluster, &set.key(), "Pod Security refuses its pods").await;
    assert!(terminal(&symptom) && !symptom.text.contains("set-0"), "{symptom:?}");
}

#[tokio::test]
async fn a_policy_that_refuses_pods_is_final_and_told_in_its_own_words() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("policy"));
    let name = support::unique("no-latest");
    let policy = object(
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
            "validations": [{"expression": "object.spec.containers.all(c, !c.image.endsWith(':latest'))", "message": "images are pinned here"}]}}),
    );
    let binding = object(
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": &*namespace}}}}}),
    );
    apply(&cluster, &policy).await;
    apply(&cluster, &binding).await;
    let probe = || plane.kubectl().args(["-n", &namespace, "run", "probe", "--image=r/a:latest", "--dry-run=server"]).output().unwrap();
    support::eventually("the policy is in force", || !probe().status.success());
    let wanted = deployment(&namespace, 2, "r/app:latest", "ok");
    apply(&cluster, &wanted).await;
    let symptom = until_told(&cluster, &wanted.key(), "a policy refuses its pods").await;
    assert!(terminal(&symptom) && symptom.text.ends_with("denied request: images are pinned here"), "{symptom:?}");
    plane.kubectl_out(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", &name]);
}

async fn apply_warned(cluster: &Cluster, object: &Object) {
    let manager = FieldManager("spai:test:readiness".to_owned());
    let request = ApplyRequest { manager: &manager, force: false, dry_run: false, guard: None, strict: true };
    let applied = cluster.apply(object, &request).await.unwrap();
    assert!(applied.warnings.iter().any(|warning| warning.contains("would violate PodSecurity")), "{:?}", applied.warnings);
}

#[tokio::test]
async fn pods_that_fit_on_no_node_say_so() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("nodes"));
    let mut huge = deployment(&namespace, 2, "r/app:1", "ok");
    huge.value_mut()["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100k"}});
    apply(&cluster, &huge).await;
    let symptom = until_told(&cluster, &huge.key(), "2 pods: can't be scheduled: 0/").await;
    assert!(!terminal(&symptom) && symptom.text.contains("Insufficient cpu") && !symptom.text.contains("preemption"), "{symptom:?}");
}

#[tokio::test]
async fn jobs_end_well_or_fail_for_good() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("job"));
    let job = |name: &str, mark: &str| {
        object(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": &*namespace},
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"spai.dev/test": mark}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}}}))
    };
    let (good, bad) = (job("good", "ok"), job("bad", "crash"));
    apply(&cluster, &good).await;
    apply(&cluster, &bad).await;
    until_ready(&cluster, &good.key()).await;
    let symptom = until_told(&cluster, &bad.key(), "BackoffLimitExceeded").await;
    assert!(terminal(&symptom), "{symptom:?}");
    assert!(matches!(readiness(&cluster.get(&bad.key()).await.unwrap().unwrap()), Readiness::Failed { .. }));
    let all = diagnose(&cluster, &bad.key()).await.unwrap();
    assert!(all[0].text.contains("container main: it ended with exit code 1"), "{all:?}");
}

#[tokio::test]
async fn a_definition_is_waited_for_and_its_kind_is_then_known() {
    let Some(plane) = support::control_plane() else { return };
    let cluster = plane.cluster().await;
    let group = format!("{}.example", support::unique("g"));
    cluster.kinds().await.unwrap();
    let crd = object(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("widgets.{group}")},
        "spec": {"group": group, "scope": "Cluster", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}),
    );
    apply(&cluster, &crd).await;
    until_ready(&cluster, &crd.key()).await;
    let widget = object(json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"}, "size": 1}));
    apply(&cluster, &widget).await;
    assert!(cluster.get(&widget.key()).await.unwrap().is_some());
    plane.kubectl_out(&["delete", "crd", &format!("widgets.{group}")]);
}
