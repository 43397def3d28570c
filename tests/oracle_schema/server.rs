//! Raw requests to the test's API server.

use std::path::PathBuf;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use spai::cluster::Kinds;
use spai::resource::GroupVersionKind;
use spai::schema::Minor;

use crate::support::ControlPlane;

/// A real API server.
#[derive(Clone)]
pub struct Server {
    client: kube::Client,
    /// What it serves.
    pub kinds: Kinds,
    /// `v1.36.3`.
    pub version: String,
}

impl Server {
    pub async fn of(plane: &ControlPlane) -> Self {
        let file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.proxy_url = None;
        let kinds = plane.cluster().await.kinds().await.unwrap();
        let server = Self { client: kube::Client::try_from(config).unwrap(), kinds, version: String::new() };
        let version = server.get("/version").await["gitVersion"].as_str().unwrap().to_owned();
        Self { version, ..server }
    }

    pub fn minor(&self) -> Minor {
        self.version.parse().unwrap()
    }

    /// What stands at a path.
    pub async fn get(&self, path: &str) -> Value {
        self.send("GET", path, "", &Value::Null).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Sends a request; a refusal is the server's `Status`.
    pub async fn send(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Result<Value, Value> {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = || {
            let mut request = Request::builder().method(method).uri(path);
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            self.client.send(request.body(kube::client::Body::from(body.clone())).unwrap())
        };
        // A connection that was kept open may be closed by the server just then; and some bad objects make it panic, which
        // closes it every time.
        let response = match request().await {
            Ok(response) => response,
            Err(_) => match request().await {
                Ok(response) => response,
                Err(error) => return Err(json!({"message": format!("the server closes the connection: {error}")})),
            },
        };
        let good = response.status().is_success();
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(json!({"message": format!("no JSON: {}", String::from_utf8_lossy(&bytes))}));
        };
        if good { Ok(value) } else { Err(value) }
    }
}

impl Server {
    /// Where objects of an object's kind are made.
    pub fn path_of(&self, object: &Value) -> Option<String> {
        let gvk = GroupVersionKind::from_api_version(object["apiVersion"].as_str()?, object["kind"].as_str()?);
        let kind = self.kinds.get_version(&gvk)?;
        let base = if gvk.group.is_empty() { "/api" } else { "/apis" };
        let namespace = if kind.namespaced { "/namespaces/default" } else { "" };
        Some(format!("{base}/{}{namespace}/{}", gvk.api_version(), kind.plural))
    }

    /// Creates an object, or asks what would become of it.
    pub async fn create(&self, object: &Value, dry: bool) -> Result<Value, Value> {
        let Some(path) = self.path_of(object) else { return Err(json!({"message": "this server doesn't serve the kind"})) };
        let path = format!("{path}?fieldManager=probe&fieldValidation=Strict{}", if dry { "&dryRun=All" } else { "" });
        self.send("POST", &path, "application/json", object).await
    }

    /// A definition, once its names are taken for good.
    pub async fn established(&self, definition: &Value) -> Value {
        let path = format!("{}/{}", self.path_of(definition).unwrap(), definition["metadata"]["name"].as_str().unwrap());
        for _ in 0..600 {
            let now = self.get(&path).await;
            if now["status"]["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True") {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{path} was not established within a minute")
    }

    /// Asks what would become of an object if it were written so.
    pub async fn update_dry(&self, object: &Value) -> Result<Value, Value> {
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{}/{name}?fieldManager=probe&dryRun=All", self.path_of(object).unwrap());
        self.send("PUT", &path, "application/json", object).await
    }
}

/// Whether tables are to be written in place of being compared.
pub fn writes() -> bool {
    std::env::var("SPAI_SCHEMA_TABLES").as_deref() == Ok("write")
}

/// A file of the module `schema`.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/schema").join(name)
}
