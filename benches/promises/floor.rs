//! The floors: what the same requests cost a bare client that does nothing with the answers. One connection, HTTP/2, large
//! windows, everything at once. Nothing of spai is in here; each run is a process of its own, as spai's are.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use futures::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use serde_json::Value;
use tower::Service as _;

use super::meter::{self, Cost};

/// The kinds that the generator's stacks have.
const KINDS: [&str; 10] = [
    "api/v1/namespaces",
    "api/v1/configmaps",
    "api/v1/services",
    "api/v1/serviceaccounts",
    "api/v1/resourcequotas",
    "api/v1/limitranges",
    "apis/apps/v1/deployments",
    "apis/networking.k8s.io/v1/networkpolicies",
    "apis/policy/v1/poddisruptionbudgets",
    "apis/autoscaling/v2/horizontalpodautoscalers",
];

/// Objects in a page; 0: all in one answer.
const PAGE: &str = "SPAI_BENCH_FLOOR_PAGE";

/// Lists all kinds; what it cost, and how many bytes came.
pub fn list(kubeconfig: &Path, selector: &str) -> (Cost, usize) {
    let (cost, printed) = own(&[OsString::from("list"), kubeconfig.into(), selector.into()]);
    (cost, String::from_utf8_lossy(&printed).trim().parse().expect("a number of bytes"))
}

/// What is done with objects.
#[derive(Clone, Copy)]
pub enum Patch {
    /// They are applied.
    Apply,
    /// They are applied, and then waited for: until the controllers have seen every deployment, as `kubectl rollout status` does.
    UntilSeen,
    /// The server is asked what an apply would do.
    DryRun,
}

/// Does this with the objects of a file (a JSON list), in their order, so many at once.
pub fn patch(kubeconfig: &Path, objects: &Path, manager: &str, parallel: usize, what: Patch) -> Cost {
    let verb = match what {
        Patch::Apply => "patch",
        Patch::UntilSeen => "patch-until-seen",
        Patch::DryRun => "dry-run",
    };
    let words = [OsString::from(verb), kubeconfig.into(), objects.into(), manager.into(), parallel.to_string().into()];
    own(&words).0
}

fn own(words: &[OsString]) -> (Cost, Vec<u8>) {
    let mut command = Command::new(env::current_exe().expect("this program"));
    let (cost, printed) = meter::run(command.arg("--floor").args(words));
    assert_eq!(cost.code, 0, "a floor failed: {words:?}");
    (cost, printed)
}

/// The floor's own process.
pub fn main(words: &[OsString]) {
    let words: Vec<&str> = words.iter().map(|word| word.to_str().expect("plain text")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async {
        match words[..] {
            ["list", kubeconfig, selector] => list_all(&connect(kubeconfig).await?, selector).await,
            [verb @ ("patch" | "patch-until-seen" | "dry-run"), kubeconfig, objects, manager, parallel] => {
                let query = format!(
                    "fieldManager={}&force=true{}",
                    manager.replace(':', "%3A"),
                    if verb == "dry-run" { "&dryRun=All" } else { "" }
                );
                let objects: Value = serde_json::from_slice(&fs::read(objects)?)?;
                let parallel = parallel.parse()?;
                let (wire, objects) = (connect(kubeconfig).await?, objects["items"].as_array().expect("a list"));
                let patched = patch_all(&wire, objects, &query, parallel).await;
                if verb == "patch-until-seen" {
                    until_seen(&wire, &objects[0]["metadata"]["labels"]).await?;
                }
                patched
            }
            _ => panic!("unknown floor: {words:?}"),
        }
    });
    println!("{}", done.unwrap_or_else(|error| panic!("the floor's requests failed: {error}")));
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A connection.
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    base: String,
}

impl Wire {
    /// Sends one request, gives each part of the answer to `part`, and fails unless it is a success.
    async fn send(&self, request: http::Request<Full<Bytes>>, mut part: impl FnMut(&Bytes)) -> Result<(), Failed> {
        let place = request.uri().to_string();
        let mut response = self.sender.clone().send_request(request).await?;
        while let Some(frame) = response.frame().await {
            if let Some(data) = frame?.data_ref() {
                part(data);
            }
        }
        if response.status().is_success() { Ok(()) } else { Err(format!("{} of {place}", response.status()).into()) }
    }
}

/// The kubeconfig's server, by HTTP/2.
async fn connect(kubeconfig: &str) -> Result<Wire, Failed> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let mut connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_only()
        .enable_http2()
        .wrap_connector(http);
    let stream = connector.call(config.cluster_url.clone()).await?;
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(16 << 20)
        .initial_connection_window_size(64 << 20)
        .handshake(stream)
        .await?;
    tokio::spawn(connection);
    Ok(Wire { sender, base: config.cluster_url.to_string() })
}

/// All kinds side by side; the number of bytes.
async fn list_all(wire: &Wire, selector: &str) -> Result<usize, Failed> {
    let selector = selector.replace('=', "%3D").replace(',', "%2C").replace('/', "%2F");
    let page: usize = env::var(PAGE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let one = |kind: &'static str| {
        let limit = if page == 0 { String::new() } else { format!("&limit={page}") };
        let first = format!("{}{kind}?labelSelector={selector}{limit}", wire.base);
        async move {
            let (mut bytes, mut token) = (0, String::new());
            loop {
                let uri = if token.is_empty() { first.clone() } else { format!("{first}&continue={token}") };
                let request = http::Request::get(uri).header("accept", "application/json").body(Full::default())?;
                // The token of the next page stands near the front: `"metadata":{"resourceVersion":"…","continue":"…"`.
                let mut head = Vec::new();
                wire.send(request, |data| {
                    bytes += data.len();
                    if head.len() < 4096 {
                        head.extend_from_slice(&data[..data.len().min(4096)]);
                    }
                })
                .await?;
                let head = String::from_utf8_lossy(&head);
                token = head
                    .split_once("\"continue\":\"")
                    .and_then(|(_, rest)| rest.split_once('"'))
                    .map_or_else(String::new, |(t, _)| t.to_owned());
                if token.is_empty() {
                    return Ok::<usize, Failed>(bytes);
                }
            }
        }
    };
    Ok(futures::future::try_join_all(KINDS.map(one)).await?.iter().sum())
}

/// The objects, namespaces first, then so many at once; how many.
async fn patch_all(wire: &Wire, objects: &[Value], query: &str, parallel: usize) -> Result<usize, Failed> {
    let (first, rest): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(|object| object["kind"] == "Namespace");
    for batch in [first, rest] {
        let one = |object: &Value| {
            let uri = format!("{}{}?{query}", wire.base, path(object));
            let request =
                http::Request::patch(uri).header("content-type", "application/apply-patch+yaml").body(Full::from(object.to_string()));
            async move { wire.send(request?, |_| ()).await }
        };
        futures::stream::iter(batch.into_iter().map(one)).buffer_unordered(parallel).try_collect::<Vec<()>>().await?;
    }
    Ok(objects.len())
}

/// Lists the stack's deployments until their controller has seen all of them.
async fn until_seen(wire: &Wire, labels: &Value) -> Result<(), Failed> {
    let stack = labels["spai.dev/stack"].as_str().expect("a stack's object");
    let uri = format!("{}apis/apps/v1/deployments?labelSelector=spai.dev%2Fstack%3D{stack}", wire.base);
    loop {
        let mut body = Vec::new();
        wire.send(http::Request::get(uri.as_str()).body(Full::default())?, |data| body.extend_from_slice(data)).await?;
        let list: Value = serde_json::from_slice(&body)?;
        let seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
        if list["items"].as_array().expect("a list").iter().all(seen) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Where an object of the generator's kinds is.
fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, version) = (text(&object["kind"]).to_lowercase(), text(&object["apiVersion"]));
    let plural = if kind.ends_with('y') { format!("{}ies", kind.trim_end_matches('y')) } else { format!("{kind}s") };
    let base = if version.contains('/') { "apis" } else { "api" };
    let namespace = text(&object["metadata"]["namespace"]);
    let place = if namespace.is_empty() { String::new() } else { format!("namespaces/{namespace}/") };
    format!("{base}/{version}/{place}{plural}/{}", text(&object["metadata"]["name"]))
}
