//! Tests: what a server, or the way to it, can do wrong. Each answer of a scripted server is one fault.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;

use super::list::{Selection, first_page};
use super::{ApplyRequest, Cluster, ClusterError, Guard, WatchEvent};
use crate::resource::{FieldManager, GroupKind, Object, ObjectKey};

/// What the server does with one connection's request.
#[derive(Clone)]
enum Does {
    /// Answers.
    Says(u16, &'static str, String),
    /// Reads the request and ends the connection: the answer is lost.
    Hangs,
    /// Ends in the middle of the answer.
    Breaks,
    /// Says nothing.
    Sleeps,
}

fn ok(body: &str) -> Does {
    Does::Says(200, "", body.to_owned())
}

fn status(code: u16, headers: &'static str, reason: &str) -> Does {
    Does::Says(code, headers, json!({"kind": "Status", "code": code, "reason": reason, "message": format!("says {code}")}).to_string())
}

/// A server that does these things, one request after the other, and notes what it was asked.
struct Scripted {
    cluster: Cluster,
    asked: Arc<Mutex<Vec<String>>>,
}

const DISCOVERY: &str = r#"{"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
    {"resource": "configmaps", "responseKind": {"kind": "ConfigMap"}, "scope": "Namespaced", "verbs": ["get", "list"]}]}]}]}"#;

fn scripted(patience: Duration, script: Vec<Does>) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::new(Mutex::new(script.into_iter()));
    std::thread::spawn({
        let asked = asked.clone();
        move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (asked, script) = (asked.clone(), script.clone());
                std::thread::spawn(move || serve(connection, &asked, &script));
            }
        }
    });
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    let cluster = Cluster::over(kube::Client::try_from(config).unwrap(), "scripted", patience);
    Scripted { cluster, asked }
}

fn serve(mut connection: TcpStream, asked: &Mutex<Vec<String>>, script: &Mutex<std::vec::IntoIter<Does>>) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        match connection.read(&mut part) {
            Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let does = if line == "GET /api" || line == "GET /apis" {
        ok(if line == "GET /api" { DISCOVERY } else { r#"{"kind": "APIGroupDiscoveryList", "items": []}"# })
    } else {
        asked.lock().unwrap().push(line);
        script.lock().unwrap().next().unwrap_or(Does::Hangs)
    };
    match does {
        Does::Says(code, headers, body) => {
            let _ = write!(connection, "HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len());
        }
        Does::Hangs => {}
        Does::Breaks => {
            let _ = write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{{\"kind\":");
        }
        Does::Sleeps => std::thread::sleep(Duration::from_secs(5)),
    }
}

const ONE: &str =
    r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7"}}"#;

fn key() -> ObjectKey {
    ObjectKey::new("", "ConfigMap", Some("n"), "a")
}

async fn read(server: &Scripted) -> Result<Option<Object>, ClusterError> {
    server.cluster.get(&key()).await
}

async fn write(server: &Scripted) -> Result<super::Applied, ClusterError> {
    let object = Object::try_from(serde_json::from_str::<serde_json::Value>(ONE).unwrap()).unwrap();
    let manager = FieldManager("spai:a:b".to_owned());
    let guard = Guard::of(&object);
    server.cluster.apply(&object, &ApplyRequest { manager: &manager, force: false, dry_run: false, guard, strict: true }).await
}

const PATIENT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_read_is_repeated_until_it_is_answered() {
    for fault in [
        Does::Hangs,
        Does::Breaks,
        status(500, "", "InternalError"),
        status(503, "", ""),
        status(504, "", "Timeout"),
        status(429, "", "TooManyRequests"),
    ] {
        let server = scripted(PATIENT, vec![fault.clone(), fault, ok(ONE)]);
        assert_eq!(read(&server).await.unwrap().map(|object| object.key()), Some(key()));
        assert_eq!(server.asked.lock().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_failed_read_is_never_an_absent_object() {
    for fault in [status(403, "", "Forbidden"), status(401, "", "Unauthorized"), status(400, "", "BadRequest")] {
        let server = scripted(PATIENT, vec![fault]);
        assert!(read(&server).await.is_err());
    }
    let server = scripted(Duration::from_millis(200), vec![]);
    assert!(matches!(read(&server).await, Err(ClusterError::Unavailable { .. })));
    let server = scripted(PATIENT, vec![status(404, "", "NotFound")]);
    assert_eq!(read(&server).await, Ok(None));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    for fault in [Does::Hangs, Does::Breaks, status(503, "", ""), status(504, "", "Timeout"), status(500, "", "InternalError")] {
        let server = scripted(PATIENT, vec![fault, ok(ONE)]);
        let error = write(&server).await.unwrap_err();
        assert!(error.may_have_been_done(), "{error:?}");
        assert_eq!(server.asked.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_write_that_the_server_put_off_waits_as_long_as_it_asked() {
    let quota = json!({"code": 409, "reason": "Conflict", "message": "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified"});
    let server =
        scripted(PATIENT, vec![status(429, "retry-after: 1\r\n", "TooManyRequests"), Does::Says(409, "", quota.to_string()), ok(ONE)]);
    let start = Instant::now();
    write(&server).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked.lock().unwrap().len(), 3);
    let server = scripted(Duration::from_secs(2), vec![status(429, "retry-after: 60\r\n", "TooManyRequests")]);
    let error = write(&server).await.unwrap_err();
    assert!(matches!(error, ClusterError::TooManyRequests { retry_after: Some(wait), .. } if wait == Duration::from_mins(1)), "{error:?}");
}

#[tokio::test]
async fn silence_ends() {
    let server = scripted(Duration::from_millis(100), vec![Does::Sleeps]);
    let error = write(&server).await.unwrap_err();
    assert_eq!(error, ClusterError::Unavailable { message: "the server didn't answer within 1 s".to_owned(), sent: true });
}

fn page(names: &[&str], more: &str) -> Does {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name, "namespace": "n"}})).collect();
    ok(&json!({"kind": "ConfigMapList", "metadata": {"resourceVersion": "9", "continue": more}, "items": items}).to_string())
}

#[tokio::test]
async fn a_list_whose_pages_are_too_old_begins_again() {
    let server = scripted(
        PATIENT,
        vec![page(&["a"], "one&two"), status(410, "", "Expired"), page(&["a", "c"], "t"), Does::Breaks, page(&["b"], "")],
    );
    let kinds = server.cluster.kinds().await.unwrap();
    let listed = server.cluster.list(kinds.get(&GroupKind::new("", "ConfigMap")).unwrap(), Some("a=b,c in (d)")).await.unwrap();
    assert_eq!(listed.iter().map(Object::name).collect::<Vec<_>>(), ["a", "b", "c"]);
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked[0], "GET /api/v1/configmaps?limit=500&labelSelector=a%3Db%2Cc%20in%20%28d%29");
    assert!(asked[1].ends_with("&continue=one%26two") && asked[2] == asked[0] && asked[3] == asked[4], "{asked:?}");
}

#[tokio::test]
async fn a_page_in_protobuf_that_is_not_understood_is_read_as_json() {
    const PROTOBUF: &str = "content-type: application/vnd.kubernetes.protobuf\r\n";
    let server = scripted(
        PATIENT,
        vec![
            ok(r#"{"gitVersion": "v1.36.3"}"#),
            Does::Says(200, PROTOBUF, "k8s\0something else".to_owned()),
            page(&["a"], "t"),
            page(&["b"], ""),
        ],
    );
    let kinds = server.cluster.kinds().await.unwrap();
    server.cluster.version().await.unwrap();
    let listed = server.cluster.list(kinds.get(&GroupKind::new("", "ConfigMap")).unwrap(), None).await.unwrap();
    assert_eq!(listed.iter().map(Object::name).collect::<Vec<_>>(), ["a", "b"]);
    let asked = server.asked.lock().unwrap();
    assert!(asked.len() == 4 && asked[1] == asked[2] && asked[3].ends_with("&continue=t"), "{asked:?}");
}

#[tokio::test]
async fn a_list_begun_ahead_that_breaks_off_is_read_as_if_it_had_not_been_begun() {
    let server = scripted(PATIENT, vec![page(&["a", "gone"], "t"), Does::Breaks, page(&["a"], "t"), page(&["b"], "")]);
    let kinds = server.cluster.kinds().await.unwrap();
    let kind = kinds.get(&GroupKind::new("", "ConfigMap")).unwrap();
    let first = first_page(kind, Selection::default());
    let mut hasty = server.cluster.clone();
    hasty.transport = server.cluster.transport.hasty();
    server.cluster.ahead.begin(&first, || hasty.begin(kind, &first));
    let listed = server.cluster.list(kind, None).await.unwrap();
    assert_eq!(listed.iter().map(Object::name).collect::<Vec<_>>(), ["a", "b"]);
    let asked = server.asked.lock().unwrap();
    assert!(asked.len() == 4 && asked[0] == asked[2] && asked[1] == asked[3], "{asked:?}");
}

#[tokio::test]
async fn a_list_that_nobody_reads_to_its_end_is_no_shorter_list() {
    let server = scripted(PATIENT, vec![page(&["a"], "")]);
    let kinds = server.cluster.kinds().await.unwrap();
    let kind = kinds.get(&GroupKind::new("", "ConfigMap")).unwrap();
    let (sender, pieces) = tokio::sync::mpsc::channel(1);
    server.cluster.ahead.begin(&first_page(kind, Selection::default()), || pieces);
    drop(sender);
    assert_eq!(server.cluster.list(kind, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_that_is_none_is_an_error() {
    for body in [
        "{}",
        "[]",
        "",
        r#"{"kind": "Status"}"#,
        r#"{"kind": "ConfigMapList", "items": [1]}"#,
        r#"{"kind": "ConfigMapList", "items": [{}]}"#,
    ] {
        let server = scripted(PATIENT, vec![ok(body)]);
        let kinds = server.cluster.kinds().await.unwrap();
        assert!(server.cluster.list(kinds.get(&GroupKind::new("", "ConfigMap")).unwrap(), None).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_and_starts_over_when_that_is_too_old() {
    let event = |kind: &str, version: &str| {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n", "resourceVersion": version}});
        json!({"type": kind, "object": object}).to_string()
    };
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}).to_string();
    let server = scripted(
        PATIENT,
        vec![
            page(&["a"], ""),
            ok(&format!("{}\n{}\n", event("MODIFIED", "10"), event("BOOKMARK", "12"))),
            ok(&format!("{gone}\n")),
            page(&["a", "b"], ""),
            status(503, "", ""),
            ok(&format!("{}\n", event("DELETED", "13"))),
        ],
    );
    let kinds = server.cluster.kinds().await.unwrap();
    let events = server.cluster.watch(kinds.get(&GroupKind::new("", "ConfigMap")).unwrap(), None);
    let told: Vec<String> = events
        .take(4)
        .map(|event| match event.unwrap() {
            WatchEvent::Restarted(objects) => format!("restarted {}", objects.len()),
            WatchEvent::Applied(object) => format!("applied {}", object.name()),
            WatchEvent::Deleted(object) => format!("deleted {}", object.name()),
        })
        .collect()
        .await;
    assert_eq!(told, ["restarted 1", "applied a", "restarted 2", "deleted a"]);
    let asked = server.asked.lock().unwrap();
    assert!(asked[1].ends_with("resourceVersion=9") && asked[2].ends_with("resourceVersion=12"), "{asked:?}");
}

#[tokio::test]
async fn a_watch_that_is_refused_ends_with_the_error() {
    let server = scripted(PATIENT, vec![page(&[], ""), status(403, "", "Forbidden")]);
    let kinds = server.cluster.kinds().await.unwrap();
    let events: Vec<_> = server.cluster.watch(kinds.get(&GroupKind::new("", "ConfigMap")).unwrap(), None).collect().await;
    assert!(matches!(events[..], [Ok(WatchEvent::Restarted(_)), Err(ClusterError::Forbidden { .. })]), "{events:?}");
}

#[tokio::test]
async fn a_path_that_is_not_served_says_nothing_of_objects() {
    let page = Does::Says(404, "", "404 page not found".to_owned());
    let server = scripted(PATIENT, vec![page.clone()]);
    let error = read(&server).await.unwrap_err();
    assert!(matches!(error, ClusterError::Other { code: 404, .. }), "discovery still has the kind: {error:?}");
    let other = ObjectKey::new("gone.example", "Widget", None, "a");
    assert_eq!(server.cluster.get(&other).await, Err(ClusterError::NoSuchKind { kind: other.group_kind() }));
    let error = server.cluster.get_in_version(&key(), Some("v9")).await.unwrap_err();
    assert_eq!(error.to_string(), "the cluster serves ConfigMap in version v1, not in v9");
}
