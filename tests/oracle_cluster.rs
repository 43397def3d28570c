//! What `cluster` promises, held against a real API server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use futures::StreamExt as _;
use serde_json::{Value, json};
use spai::cluster::{Applied, ApplyRequest, Cluster, ClusterError, Deletion, Guard, WatchEvent};
use spai::plan::Propagation;
use spai::resource::{FieldManager, GroupKind, Object, ObjectKey};

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

fn config_map(namespace: &str, name: &str, data: Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}))
}

fn ours() -> FieldManager {
    FieldManager("spai:test:oracle".to_owned())
}

fn request(manager: &FieldManager, guard: Option<Guard>) -> ApplyRequest<'_> {
    ApplyRequest { manager, force: false, dry_run: false, guard, strict: true }
}

async fn apply(cluster: &Cluster, object: &Object, guard: Option<Guard>) -> Result<Applied, ClusterError> {
    cluster.apply(object, &request(&ours(), guard)).await
}

#[tokio::test]
async fn an_apply_says_whether_it_created_and_changes_nothing_the_second_time() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("apply"));
    let wanted = config_map(&namespace, "a", json!({"k": "v"}));
    let first = apply(&cluster, &wanted, None).await.unwrap();
    assert!(first.created && first.warnings.is_empty());
    let again = apply(&cluster, &wanted, Guard::of(&first.object)).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.object.resource_version(), first.object.resource_version());
    assert_eq!(cluster.get(&wanted.key()).await.unwrap(), Some(again.object));
}

#[tokio::test]
async fn a_guard_that_does_not_hold_is_stale_and_nothing_is_written() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("guard"));
    let live = apply(&cluster, &config_map(&namespace, "a", json!({"k": "1"})), None).await.unwrap().object;
    let guard = Guard::of(&live).unwrap();
    plane.kubectl_out(&["-n", &namespace, "annotate", "configmap", "a", "x=y"]);
    // Another resourceVersion.
    let changed = config_map(&namespace, "a", json!({"k": "2"}));
    assert!(matches!(apply(&cluster, &changed, Some(guard.clone())).await, Err(ClusterError::Stale { .. })));
    assert!(matches!(cluster.delete(&live.key(), &guard, Propagation::Background, false).await, Err(ClusterError::Stale { .. })));
    let patch = json!([{"op": "add", "path": "/data/x", "value": "y"}]);
    let patched = cluster.patch_json(&live.key(), patch, Some(&guard), &ours(), false).await;
    assert!(matches!(patched, Err(ClusterError::Stale { .. })), "{patched:?}");
    assert_eq!(cluster.get(&live.key()).await.unwrap().unwrap().value()["data"], json!({"k": "1"}));
    // Another object of the same name.
    plane.kubectl_out(&["-n", &namespace, "delete", "configmap", "a"]);
    assert!(matches!(apply(&cluster, &changed, Some(guard.clone())).await, Err(ClusterError::Stale { .. })), "of a missing object");
    assert_eq!(cluster.get(&live.key()).await.unwrap(), None);
    apply(&cluster, &changed, None).await.unwrap();
    let refused = apply(&cluster, &changed, Some(guard.clone())).await;
    assert!(matches!(refused, Err(ClusterError::Stale { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_conflict_names_owner_and_field_and_force_takes_it() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("conflict"));
    plane.kubectl_apply(
        "someone",
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {namespace}}}\ndata: {{a.b: theirs}}\n"),
    );
    let wanted = config_map(&namespace, "a", json!({"a.b": "ours"}));
    let live = cluster.get(&wanted.key()).await.unwrap().unwrap();
    let Err(ClusterError::Conflict { ownership, .. }) = apply(&cluster, &wanted, Guard::of(&live)).await else { panic!("no conflict") };
    assert_eq!(ownership.len(), 1);
    assert_eq!((ownership[0].manager.as_str(), ownership[0].path.to_string().as_str()), ("someone", "data[\"a.b\"]"));
    let manager = ours();
    let forced = ApplyRequest { force: true, ..request(&manager, Guard::of(&live)) };
    assert_eq!(cluster.apply(&wanted, &forced).await.unwrap().object.value()["data"]["a.b"], "ours");
}

#[tokio::test]
async fn refusals_are_typed_and_keep_secrets() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("refuse"));
    let mut bad = config_map(&namespace, "a", json!({"k": "v"}));
    bad.value_mut()["spec"] = json!({});
    let error = apply(&cluster, &bad, None).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Invalid { .. }) && error.to_string().contains("spec"), "{error:?}");
    let selectorless = object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": &*namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}}}));
    let Err(ClusterError::Invalid { causes, .. }) = apply(&cluster, &selectorless, None).await else { panic!("was not refused") };
    assert_eq!(causes[0].field, "spec.template.metadata.labels");
    let secret = object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": &*namespace},
        "type": "kubernetes.io/tls", "data": {"tls.crt": "aHVudGVyMi1odW50ZXIy!", "bad key": "c3dvcmRmaXNo"}}));
    let error = format!("{:?}", apply(&cluster, &secret, None).await.unwrap_err());
    assert!(!error.contains("aHVudGVy") && !error.contains("c3dvcmRmaXNo") && !error.contains("swordfish"), "{error}");
    let nowhere = config_map("no-such-namespace-anywhere", "a", json!({}));
    assert!(matches!(apply(&cluster, &nowhere, None).await, Err(ClusterError::NotFound { .. })));
    let unknown = object(json!({"apiVersion": "nobody.example/v1", "kind": "Thing", "metadata": {"name": "a"}}));
    assert_eq!(
        apply(&cluster, &unknown, None).await.unwrap_err(),
        ClusterError::NoSuchKind { kind: GroupKind::new("nobody.example", "Thing") }
    );
}

#[tokio::test]
async fn lists_are_whole_and_typed_however_many_pages_they_have() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("list"));
    let count = 1203;
    let created = futures::stream::iter((0..count).map(|n| {
        let mut one = config_map(&namespace, &format!("n{n:04}"), json!({}));
        one.set_label("list", &namespace);
        let cluster = cluster.clone();
        async move { cluster.create(&one, &ours()).await.map(|_| ()) }
    }));
    created.buffer_unordered(32).for_each(|result| async { result.unwrap() }).await;
    let kinds = cluster.kinds().await.unwrap();
    let kind = kinds.get(&GroupKind::new("", "ConfigMap")).unwrap();
    let listed = cluster.list(kind, Some(&format!("list={}", &*namespace))).await.unwrap();
    assert_eq!(listed.len(), count);
    assert!(listed.iter().all(|object| object.kind() == "ConfigMap" && object.api_version() == "v1"));
    assert!(listed.is_sorted_by_key(Object::key));
    let error = cluster.list(kind, Some("a in (")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Invalid { .. }), "{error:?}");
}

#[tokio::test]
async fn deletes_end_at_once_or_begin() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("delete"));
    let mut held = config_map(&namespace, "held", json!({}));
    held.value_mut()["metadata"]["finalizers"] = json!(["test.example/held"]);
    let held = apply(&cluster, &held, None).await.unwrap().object;
    let free = apply(&cluster, &config_map(&namespace, "free", json!({})), None).await.unwrap().object;
    let delete =
        async |object: &Object, dry_run| cluster.delete(&object.key(), &Guard::of(object).unwrap(), Propagation::Background, dry_run).await;
    assert!(matches!(delete(&free, true).await, Ok(Deletion::Gone)));
    assert!(cluster.get(&free.key()).await.unwrap().is_some(), "a dry-run deletes nothing");
    assert!(matches!(delete(&free, false).await, Ok(Deletion::Gone)));
    assert_eq!(cluster.get(&free.key()).await.unwrap(), None);
    assert!(matches!(delete(&free, false).await, Ok(Deletion::Gone)), "gone already");
    let Ok(Deletion::Begun(going)) = delete(&held, false).await else { panic!("a finalizer holds it") };
    assert!(going.is_being_deleted());
    plane.kubectl_out(&[
        "-n",
        &namespace,
        "patch",
        "configmap",
        "held",
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/metadata/finalizers"}]"#,
    ]);
}

#[tokio::test]
async fn creates_and_replaces_do_neither_in_place_of_the_other() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("replace"));
    let first = config_map(&namespace, "a", json!({"k": "1"}));
    let missing = cluster.replace(&first, &ours()).await;
    assert!(matches!(missing, Err(ClusterError::NotFound { .. })), "{missing:?}");
    let live = cluster.create(&first, &ours()).await.unwrap();
    assert!(matches!(cluster.create(&first, &ours()).await, Err(ClusterError::AlreadyExists { .. })));
    let mut wanted = live.clone();
    wanted.value_mut()["data"] = json!({"k": "2"});
    let replaced = cluster.replace(&wanted, &ours()).await.unwrap();
    assert_eq!(replaced.value()["data"], json!({"k": "2"}));
    // With the resourceVersion from before.
    assert!(matches!(cluster.replace(&wanted, &ours()).await, Err(ClusterError::Stale { .. })));
    // managedFields alone: a field is released, its value stays.
    let released = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]);
    let released = cluster.patch_json(&live.key(), released, Guard::of(&replaced).as_ref(), &ours(), false).await.unwrap();
    assert_eq!((released.managed_fields().len(), released.value()["data"]["k"].as_str()), (0, Some("2")));
}

#[tokio::test]
async fn who_may_not_read_is_told_so_and_nothing_counts_as_absent() {
    use spai::cluster::ConnectOptions;
    let Some(plane) = support::control_plane() else { return };
    let (admin, namespace, folder) = (plane.cluster().await, plane.namespace("rights"), tempfile::tempdir().unwrap());
    let live = apply(&admin, &config_map(&namespace, "a", json!({})), None).await.unwrap().object;
    let kubeconfig = Some(plane.kubeconfig_as("nobody-at-all", folder.path()));
    let options = ConnectOptions { kubeconfig, server_timeout: std::time::Duration::from_secs(10), ..ConnectOptions::default() };
    let cluster = Cluster::connect(&options).await.unwrap();
    let forbidden = |error: ClusterError| {
        assert!(matches!(&error, ClusterError::Forbidden { message } if message.contains("nobody-at-all")), "{error:?}");
    };
    forbidden(cluster.get(&live.key()).await.unwrap_err());
    forbidden(cluster.target("root").await.unwrap_err());
    let kinds = cluster.kinds().await.unwrap();
    let kind = kinds.get(&live.gvk().group_kind()).unwrap();
    forbidden(cluster.list(kind, None).await.unwrap_err());
    let mut events = cluster.watch(kind, None);
    forbidden(events.next().await.unwrap().unwrap_err());
    assert!(events.next().await.is_none());
    forbidden(apply(&cluster, &live, Guard::of(&live)).await.unwrap_err());
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_every_change() {
    let Some(plane) = support::control_plane() else { return };
    let (cluster, namespace) = (plane.cluster().await, plane.namespace("watch"));
    let labelled = |data: Value| {
        let mut object = config_map(&namespace, "a", data);
        object.set_label("watch", &namespace);
        object
    };
    let live = apply(&cluster, &labelled(json!({"k": "1"})), None).await.unwrap().object;
    let kinds = cluster.kinds().await.unwrap();
    let mut events = cluster.watch(kinds.get(&live.gvk().group_kind()).unwrap(), Some(&format!("watch={}", &*namespace)));
    let Some(Ok(WatchEvent::Restarted(first))) = events.next().await else { panic!("begins with what is there") };
    assert_eq!(first.as_slice(), std::slice::from_ref(&live));
    let live = apply(&cluster, &labelled(json!({"k": "2"})), Guard::of(&live)).await.unwrap().object;
    let Some(Ok(WatchEvent::Applied(changed))) = events.next().await else { panic!("then changes") };
    assert_eq!(changed, live);
    cluster.delete(&live.key(), &Guard::of(&live).unwrap(), Propagation::Background, false).await.unwrap();
    let Some(Ok(WatchEvent::Deleted(gone))) = events.next().await else { panic!("and what goes") };
    assert_eq!(gone.key(), live.key());
}

#[tokio::test]
async fn the_target_is_known_by_the_uid_of_kube_system() {
    let Some(plane) = support::control_plane() else { return };
    let target = plane.cluster().await.target("root").await.unwrap();
    assert_eq!(target.context, "spai-test");
    assert_eq!(target.cluster_uid, plane.kubectl_out(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]));
    assert!(target.server_version.starts_with("v1."), "{}", target.server_version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_waited_for_and_no_longer_than_said() {
    use spai::cluster::Outage;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    let Some(plane) = support::own_control_plane(&["--no-controllers"]).map(Arc::new) else { return };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |outage: &Outage| seen.lock().unwrap().push(outage.clone()))
    };
    let cluster = plane.cluster_waiting(Duration::from_secs(40)).await.observed(observer);
    let wanted = config_map("default", "a", json!({"k": "1"}));
    let live = apply(&cluster, &wanted, None).await.unwrap().object;
    let kind = cluster.kinds().await.unwrap().get(&GroupKind::new("", "ConfigMap")).unwrap().clone();
    let mut events = cluster.watch(&kind, None);
    assert!(matches!(events.next().await, Some(Ok(WatchEvent::Restarted(_)))));
    plane.kill("apiserver");

    let impatient = plane.cluster_waiting(Duration::from_millis(300)).await;
    let error = impatient.get(&ObjectKey::new("", "ConfigMap", Some("default"), "a")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unavailable { sent: false, .. }), "{error:?}");

    let changed = config_map("default", "a", json!({"k": "2"}));
    let key = wanted.key();
    let back = tokio::task::spawn_blocking({
        let plane = plane.clone();
        move || plane.start("apiserver")
    });
    // Nothing listens, so nothing can have been done: the write is sent again.
    let (read, written) = tokio::join!(cluster.get(&key), apply(&cluster, &changed, Guard::of(&live)));
    back.await.unwrap();
    assert!(read.unwrap().is_some());
    assert_eq!(written.unwrap().object.value()["data"]["k"], "2");
    loop {
        match events.next().await {
            Some(Ok(WatchEvent::Applied(object))) if object.name() == "a" => break,
            // The new server's history may begin after the write: then all that is there is told again.
            Some(Ok(WatchEvent::Restarted(objects))) if objects.iter().any(|o| o.name() == "a" && o.value()["data"]["k"] == "2") => break,
            Some(Ok(_)) => {}
            other => panic!("the watch goes on after the server is back: {other:?}"),
        }
    }
    let seen = seen.lock().unwrap();
    assert!(matches!(seen.first(), Some(Outage::Away { .. })) && seen.contains(&Outage::Back), "{seen:?}");
}

/// Objects with what protobuf and JSON write differently: amounts, times, numbers or texts, bytes, rules that there are none of.
const MANIFOLD: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: a, labels: {app: a}, annotations: {"a/b": "größe \"✓\"\n<&>"}}
  data: {empty: "", key: AAECAw==}
  immutable: true
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
  data: {empty: "", "a.b": "1\n2"}
  binaryData: {k: /w==}
- apiVersion: v1
  kind: Service
  metadata: {name: a}
  spec: {selector: {app: a}, ports: [{name: a, port: 80, targetPort: web}, {name: b, port: 81, targetPort: 8080, protocol: UDP}], sessionAffinity: ClientIP}
- apiVersion: v1
  kind: ResourceQuota
  metadata: {name: a}
  spec: {hard: {pods: "0", requests.cpu: "1.5", limits.memory: 1024Mi}, scopeSelector: {matchExpressions: [{operator: Exists, scopeName: PriorityClass}]}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata: {name: a}
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 0.5Gi}}, selector: {}, storageClassName: ""}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: a}
  spec:
    paused: true
    selector: {matchLabels: {app: a}, matchExpressions: [{key: x, operator: DoesNotExist}]}
    strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 25%}}
    template:
      metadata: {labels: {app: a}}
      spec:
        terminationGracePeriodSeconds: 0
        tolerations: [{operator: Exists, tolerationSeconds: 0, effect: NoExecute}]
        affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, labelSelector: {}, namespaceSelector: {}}}]}}
        securityContext: {runAsUser: 0, supplementalGroups: [0, 7], sysctls: [{name: kernel.shm_rmid_forced, value: "1"}]}
        volumes: [{name: e, emptyDir: {}}, {name: p, projected: {sources: [{serviceAccountToken: {path: t}}, {configMap: {name: a, items: []}}]}}]
        containers:
        - name: c
          image: registry.example/a:1
          args: ["", "--x"]
          resources: {limits: {cpu: 1500m, memory: 1G}}
          env: [{name: E, value: ""}, {name: F, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]
          livenessProbe: {httpGet: {path: /, port: web, httpHeaders: [{name: a, value: ""}]}, initialDelaySeconds: 0}
          readinessProbe: {grpc: {port: 1}}
          lifecycle: {preStop: {sleep: {seconds: 0}}}
          volumeMounts: [{name: e, mountPath: /e, readOnly: false}]
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: a}
  spec:
    replicas: 0
    serviceName: a
    selector: {matchLabels: {app: s}}
    template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: a}]}}
    volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: a}
  spec: {schedule: "0 0 1 1 *", suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: a}]}}}}}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: a}
  spec:
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}
    maxReplicas: 3
    metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: "0.5"}}}]
    behavior: {scaleDown: {stabilizationWindowSeconds: 0, tolerance: 50m}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: a}
  spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{ports: [{port: web}, {port: 1, endPort: 9}], to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: a}
  spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {name: a}}}}]}}], tls: [{}]}
- apiVersion: policy/v1
  kind: PodDisruptionBudget
  metadata: {name: a}
  spec: {maxUnavailable: 50%, selector: {}}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: a}
  rules: []
- apiVersion: coordination.k8s.io/v1
  kind: Lease
  metadata: {name: a}
  spec: {holderIdentity: "", acquireTime: "2026-01-02T03:04:05.000006Z", renewTime: "2026-01-02T03:04:05.000000Z", leaseTransitions: 0}
"#;

#[tokio::test]
async fn a_list_in_protobuf_holds_what_the_list_in_json_holds() {
    let Some(plane) = support::control_plane() else { return };
    let namespace = plane.namespace("protobuf");
    let in_namespace = format!("\n  metadata: {{namespace: {namespace}, name: a");
    plane.kubectl_apply("someone", &MANIFOLD.replace("\n  metadata: {name: a", &in_namespace));
    // Who knows the server's version asks for protobuf, who doesn't for JSON.
    let (json, protobuf) = (plane.cluster().await, plane.cluster().await);
    protobuf.target("none").await.unwrap();
    let kinds = json.kinds().await.unwrap();
    let (mut compared, mut kinds_compared) = (0, 0);
    for kind in kinds.iter().filter(|kind| kind.verbs.contains("list")) {
        let (a, b) = tokio::join!(json.list(kind, None), protobuf.list(kind, None));
        let (a, b) = (a.unwrap(), b.unwrap());
        // What isn't stored has no uid, and says something else each time.
        let same = |a: &Object, b: &Object| a.uid().is_some() && a.uid() == b.uid() && a.resource_version() == b.resource_version();
        let pairs: Vec<_> = a.iter().filter_map(|a| Some((a, b.iter().find(|b| same(a, b))?))).collect();
        for (a, b) in &pairs {
            assert_eq!(a.value(), b.value());
        }
        compared += pairs.len();
        kinds_compared += usize::from(!pairs.is_empty());
    }
    assert!(kinds_compared >= 25 && compared >= 100, "{compared} objects of {kinds_compared} kinds");
}
