//! The embedded cluster as a library: what it keeps, what it tells watches, its controllers on a clock that the test moves,
//! faults on request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use spai::cluster::{ApplyRequest, Cluster, ClusterError, ConnectOptions, Guard, WatchEvent};
use spai::embedded::serve::Server;
use spai::embedded::{Clock, EmbeddedCluster, Fault, Mishap, OpenError, Options};
use spai::resource::{FieldManager, GroupKind, Object, ObjectKey};
use spai::stack::model::ClusterRef;
use std::time::Duration;

/// A cluster whose controllers work when they are told to, at a time that stands still.
fn still() -> EmbeddedCluster {
    let clock = Clock::manual("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
    EmbeddedCluster::open(&Options { clock, seed: Some(7), driven: false, ..Options::default() }).unwrap()
}

fn over(embedded: &EmbeddedCluster) -> Cluster {
    Cluster::over(embedded.client(), "embedded", Duration::from_secs(5))
}

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

async fn apply(cluster: &Cluster, value: Value) -> Object {
    let manager = FieldManager("test".to_owned());
    let request = ApplyRequest { manager: &manager, force: false, dry_run: false, guard: None, strict: true };
    cluster.apply(&object(value), &request).await.unwrap().object
}

fn deployment(image: &str, replicas: i64, marks: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 60, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": "web"}, "annotations": marks}, "spec": {"containers": [{"name": "c", "image": image}]}}},
    })
}

fn web() -> ObjectKey {
    ObjectKey::new("apps", "Deployment", Some("default"), "web")
}

async fn condition(cluster: &Cluster, kind: &str) -> Value {
    let live = cluster.get(&web()).await.unwrap().unwrap();
    live.value()["status"]["conditions"].as_array().unwrap().iter().find(|one| one["type"] == kind).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_deployment_rolls_and_gives_up_at_its_deadline() {
    let embedded = still();
    let cluster = over(&embedded);
    apply(&cluster, deployment("web:1", 3, json!({}))).await;
    embedded.settle();
    let status = cluster.get(&web()).await.unwrap().unwrap().value()["status"].clone();
    assert_eq!((&status["readyReplicas"], &status["observedGeneration"]), (&json!(3), &json!(1)), "{status}");
    // A pod that never gets ready takes the surge, and nothing of what serves.
    apply(&cluster, deployment("web:2", 3, json!({"spai.dev/test": "never-ready"}))).await;
    embedded.settle();
    let status = cluster.get(&web()).await.unwrap().unwrap().value()["status"].clone();
    assert_eq!(
        (&status["updatedReplicas"], &status["availableReplicas"], &status["replicas"]),
        (&json!(1), &json!(3), &json!(4)),
        "{status}"
    );
    assert_eq!(condition(&cluster, "Progressing").await["status"], "True");
    embedded.advance(SignedDuration::from_secs(61));
    assert_eq!(condition(&cluster, "Progressing").await["reason"], "ProgressDeadlineExceeded");
    // What came before comes again, as the newest revision.
    apply(&cluster, deployment("web:1", 3, json!({}))).await;
    embedded.settle();
    let live = cluster.get(&web()).await.unwrap().unwrap();
    assert_eq!(
        (live.value()["status"]["updatedReplicas"].as_i64(), live.annotation("deployment.kubernetes.io/revision")),
        (Some(3), Some("3"))
    );
}

#[tokio::test]
async fn a_namespace_takes_all_that_is_in_it() {
    let embedded = still();
    let cluster = over(&embedded);
    let space = apply(&cluster, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})).await;
    embedded.settle();
    let held = apply(
        &cluster,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "a", "finalizers": ["a.example/f"]}}),
    )
    .await;
    cluster
        .delete(
            &space.key(),
            &Guard::of(&cluster.get(&space.key()).await.unwrap().unwrap()).unwrap(),
            spai::plan::Propagation::Background,
            false,
        )
        .await
        .unwrap();
    embedded.settle();
    let ending = cluster.get(&space.key()).await.unwrap().unwrap();
    assert_eq!(ending.value()["status"]["phase"], "Terminating");
    let refused = cluster
        .create(
            &object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y", "namespace": "a"}})),
            &FieldManager("t".into()),
        )
        .await;
    assert!(matches!(&refused, Err(ClusterError::Forbidden { message }) if message.contains("being terminated")), "{refused:?}");
    cluster
        .patch_json(&held.key(), json!([{"op": "remove", "path": "/metadata/finalizers"}]), None, &FieldManager("t".into()), false)
        .await
        .unwrap();
    embedded.settle();
    assert!(cluster.get(&space.key()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_written_is_there_for_the_next_process_and_for_no_second_one() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: Some(folder.path().to_owned()), driven: false, ..Options::default() };
    let first = EmbeddedCluster::open(&options).unwrap();
    let uid = over(&first).target("x").await.unwrap().cluster_uid;
    apply(
        &over(&first),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}, "data": {"a": "b"}}),
    )
    .await;
    assert!(matches!(EmbeddedCluster::open(&options), Err(OpenError::Held { .. })));
    drop(first);
    // The client's own task ends a moment after its last clone.
    let mut again = EmbeddedCluster::open(&options);
    while matches!(again, Err(OpenError::Held { .. })) {
        tokio::task::yield_now().await;
        again = EmbeddedCluster::open(&options);
    }
    let cluster = over(&again.unwrap());
    let kept = cluster.get(&ObjectKey::new("", "ConfigMap", Some("default"), "x")).await.unwrap().unwrap();
    assert_eq!((kept.value()["data"]["a"].as_str(), cluster.target("x").await.unwrap().cluster_uid), (Some("b"), uid));
}

#[tokio::test]
async fn a_watch_tells_what_happens_and_begins_anew_after_410() {
    let embedded = still();
    let cluster = over(&embedded);
    let kind = cluster.kinds().await.unwrap().get(&GroupKind::new("", "ConfigMap")).unwrap().clone();
    let mut watch = cluster.watch(&kind, Some("w=1"));
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Restarted(all) if all.is_empty()));
    let config = |value: &str, label: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default", "labels": {"w": label}}, "data": {"a": value}});
    apply(&cluster, config("1", "1")).await;
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Applied(object) if object.value()["data"]["a"] == "1"));
    // What no longer matches is gone for whoever watches.
    apply(&cluster, config("2", "2")).await;
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Deleted(_)));
    let version =
        cluster.get(&ObjectKey::new("", "ConfigMap", Some("default"), "x")).await.unwrap().unwrap().resource_version().unwrap().to_owned();
    apply(&cluster, config("3", "2")).await;
    embedded.forget_history();
    let path = format!("/api/v1/configmaps?watch=true&resourceVersion={version}");
    let request = http::Request::get(path).body(kube::client::Body::empty()).unwrap();
    let answer = embedded.client().send(request).await.unwrap().into_body().collect_bytes().await.unwrap();
    let event: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&event["type"], &event["object"]["code"], &event["object"]["reason"]), (&json!("ERROR"), &json!(410), &json!("Expired")));
}

#[tokio::test]
async fn faults_strike_as_often_as_was_asked_for() {
    let embedded = still();
    let cluster = over(&embedded);
    let config = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}}));
    let manager = FieldManager("t".to_owned());
    let fault =
        |mishap: Mishap| Fault { method: Some(http::Method::POST), path: "configmaps".to_owned(), after: 0, times: 1, share: 1.0, mishap };
    embedded.faults(|faults| faults.add(fault(Mishap::webhook("w.example", "no"))));
    let refused = cluster.create(&config, &manager).await;
    assert!(matches!(&refused, Err(ClusterError::Forbidden { message }) if message.contains("w.example")), "{refused:?}");
    embedded.faults(|faults| faults.add(fault(Mishap::LostAnswer)));
    let lost = cluster.create(&config, &manager).await;
    assert!(matches!(lost, Err(ClusterError::Unavailable { sent: true, .. })), "{lost:?}");
    assert!(cluster.get(&config.key()).await.unwrap().is_some(), "it was carried out");
    // A 429 passes by itself.
    embedded.faults(|faults| {
        faults.add(Fault { method: None, path: "configmaps/x".to_owned(), after: 0, times: 1, share: 1.0, mishap: Mishap::code(429) });
    });
    assert!(cluster.get(&config.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn pages_are_of_one_moment() {
    let embedded = still();
    let cluster = over(&embedded);
    for name in ["a", "b", "c"] {
        apply(&cluster, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}})).await;
    }
    let list = async |query: String| {
        let request =
            http::Request::get(format!("/api/v1/namespaces/default/configmaps?{query}")).body(kube::client::Body::empty()).unwrap();
        let answer = embedded.client().send(request).await.unwrap();
        serde_json::from_slice::<Value>(&answer.into_body().collect_bytes().await.unwrap()).unwrap()
    };
    let names = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = list("limit=2".to_owned()).await;
    apply(&cluster, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bb", "namespace": "default"}})).await;
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = list(format!("limit=5&continue={token}")).await;
    assert_eq!((names(&first), names(&rest)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned(), "kube-root-ca.crt".to_owned()]));
    embedded.forget_history();
    let expired = list(format!("limit=5&continue={token}")).await;
    assert_eq!((&expired["code"], &expired["reason"]), (&json!(410), &json!("Expired")));
}

#[tokio::test]
async fn a_request_that_nobody_looks_at_holds_up_no_other() {
    let server = Server::start(EmbeddedCluster::open(&Options::default()).unwrap(), 0).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(kubeconfig),
        context: None,
        reference: ClusterRef::default(),
        server_timeout: Duration::from_secs(20),
    };
    let cluster = Cluster::connect(&options).await.unwrap();
    // It is about to make the one connection that all requests share, and then left alone.
    let mut left = Box::pin(cluster.target("default"));
    for _ in 0..2 {
        assert!(futures::poll!(&mut left).is_pending());
        tokio::task::yield_now().await;
    }
    cluster.target("default").await.unwrap();
    left.await.unwrap();
}

/// The code and the body that a request is answered with.
async fn asked(client: &kube::Client, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
    let mut request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = client.send(request.body(kube::client::Body::from(body)).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    (code, serde_json::from_slice(&answer.into_body().collect_bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn who_has_a_token_is_whose_it_is() {
    let server = Server::start(EmbeddedCluster::open(&Options::default()).unwrap(), 0).await.unwrap();
    let config: kube::config::Kubeconfig = serde_saphyr::from_str(&server.kubeconfig()).unwrap();
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options).await.unwrap();
    let administrator = kube::Client::try_from(config.clone()).unwrap();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let made = asked(&administrator, "POST", accounts, &[], json!({"metadata": {"name": "a"}})).await;
    assert_eq!(made.0, 201, "{}", made.1);
    let (_, request) = asked(&administrator, "POST", &format!("{accounts}/a/token"), &[], json!({})).await;
    let token = request["status"]["token"].as_str().unwrap().to_owned();
    let with = |token: &str| {
        let mut config = config.clone();
        config.auth_info.token = Some(token.to_owned().into());
        kube::Client::try_from(config).unwrap()
    };
    let account = with(&token);
    let reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (code, me) = asked(&account, "POST", reviews, &[], json!({})).await;
    assert_eq!((code, &me["status"]["userInfo"]["username"]), (201, &json!("system:serviceaccount:default:a")), "{me}");
    let pods = "/api/v1/namespaces/default/pods";
    let (code, refused) = asked(&account, "GET", pods, &[], Value::Null).await;
    assert_eq!(code, 403, "{refused}");
    // Nobody becomes somebody else by saying so.
    let (code, refused) =
        asked(&account, "GET", pods, &[("impersonate-user", "x"), ("impersonate-group", "system:masters")], Value::Null).await;
    let told = "pods is forbidden: User \"system:serviceaccount:default:a\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"default\"";
    assert_eq!((code, refused["message"].as_str().unwrap()), (403, told));
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let binding = json!({"metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "a"}]});
    assert_eq!(asked(&administrator, "POST", roles, &[], binding).await.0, 201);
    assert_eq!(asked(&account, "GET", pods, &[], Value::Null).await.0, 200);
    for wrong in ["x", "", &format!("{token}x")] {
        for path in [pods, "/version", "/api"] {
            assert_eq!(asked(&with(wrong), "GET", path, &[], Value::Null).await.0, 401, "{wrong} {path}");
        }
    }
    // For others it may be good; for the cluster it isn't.
    let (_, request) = asked(&administrator, "POST", &format!("{accounts}/a/token"), &[], json!({"spec": {"audiences": ["x"]}})).await;
    assert_eq!(asked(&with(request["status"]["token"].as_str().unwrap()), "GET", pods, &[], Value::Null).await.0, 401);
    assert_eq!(asked(&administrator, "DELETE", &format!("{accounts}/a"), &[], Value::Null).await.0, 200);
    assert_eq!(asked(&account, "GET", pods, &[], Value::Null).await.0, 401, "the account is gone");
}

#[tokio::test]
async fn a_token_outlives_the_process_and_ends_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
    let open = || {
        EmbeddedCluster::open(&Options {
            folder: Some(folder.path().to_owned()),
            clock: clock.clone(),
            driven: false,
            ..Options::default()
        })
        .unwrap()
    };
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let token = {
        let embedded = open();
        let client = embedded.client();
        asked(&client, "POST", accounts, &[], json!({"metadata": {"name": "a"}})).await;
        let (_, request) = asked(&client, "POST", &format!("{accounts}/a/token"), &[], json!({"spec": {"expirationSeconds": 600}})).await;
        request["status"]["token"].as_str().unwrap().to_owned()
    };
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder.path().join("service-accounts.key")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The last client lets go of the folder.
    let embedded = loop {
        match EmbeddedCluster::open(&Options {
            folder: Some(folder.path().to_owned()),
            clock: clock.clone(),
            driven: false,
            ..Options::default()
        }) {
            Ok(embedded) => break embedded,
            Err(OpenError::Held { .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    let client = embedded.client();
    let review = json!({"spec": {"token": token}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    assert_eq!(asked(&client, "POST", path, &[], review.clone()).await.1["status"]["authenticated"], true);
    clock.advance(SignedDuration::from_secs(700));
    let (_, over) = asked(&client, "POST", path, &[], review).await;
    assert_eq!(over["status"]["error"], "[invalid bearer token, service account token has expired]");
}
