//! A control plane of the test's own, without controllers: what changes there, the test has changed.

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use spai::resource::GroupVersionKind;
use spai::schema::{Definition, Schema};

use crate::cases::Case;
use crate::custom;
use crate::support::{self, ControlPlane};

/// Namespaces to work in; sequences are spread over them.
pub const NAMESPACES: u64 = 8;

/// The server, and what it says of its kinds.
pub struct Server {
    client: kube::Client,
    schemas: Vec<Schema>,
    _plane: ControlPlane,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The server's words about a refusal.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// How a body is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Json,
    Apply,
    Merge,
    JsonPatch,
    Strategic,
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Apply => "application/apply-patch+yaml",
            Self::Merge => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

impl Server {
    /// None: there is no control plane to be had, and the test is left out.
    pub async fn start() -> Option<Self> {
        let plane = support::own_control_plane(&["--no-controllers", "--audit", "None"])?;
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let mut server = Self { client, schemas: Vec::new(), _plane: plane };
        for crd in custom::definitions() {
            let made = server.send(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Content::Json, &crd).await;
            assert!(made.is_success(), "{}", made.body);
            server.schemas.push(Definition::read(&crd).unwrap().schema);
        }
        for index in 0..NAMESPACES {
            let name = format!("m{index}");
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            assert!(server.send(Method::POST, "/api/v1/namespaces", Content::Json, &namespace).await.is_success());
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
            let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
            assert!(server.send(Method::POST, &path, Content::Json, &account).await.is_success());
        }
        let index = server.send(Method::GET, "/openapi/v3", Content::Json, &Value::Null).await.body;
        for path in index["paths"].as_object().unwrap().keys().filter(|path| path.starts_with("api") && !path.contains("example.dev")) {
            if path.matches('/').count() >= 1 {
                let document = server.send(Method::GET, &format!("/openapi/v3/{path}"), Content::Json, &Value::Null).await;
                server.schemas.push(Schema::from_openapi(&document.body).unwrap());
            }
        }
        for case in custom::cases() {
            server.until_served(&case).await;
        }
        Some(server)
    }

    async fn until_served(&self, case: &Case) {
        for _ in 0..600 {
            if self.send(Method::GET, &case.collection("m0"), Content::Json, &Value::Null).await.is_success() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{} is not served", case.kind);
    }

    /// The type of a kind.
    pub fn type_of(&self, gvk: &GroupVersionKind) -> spai::schema::TypeRef<'_> {
        self.schemas.iter().find_map(|schema| schema.kind(gvk)).unwrap_or_else(|| panic!("no schema of {gvk:?}"))
    }

    /// Sends a request; again when the server has too much to do.
    pub async fn send(&self, method: Method, path: &str, content: Content, body: &Value) -> Answer {
        loop {
            let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("content-type", content.media_type())
                .header("accept", "application/json")
                .body(Body::from(bytes))
                .unwrap();
            let response = self.client.send(request).await.expect("the server answers");
            let code = response.status().as_u16();
            let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
            if code == 429 {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                continue;
            }
            let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
            return Answer { code, body };
        }
    }
}
