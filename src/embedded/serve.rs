//! The embedded cluster on a port of this machine, for kubectl and whatever else speaks to Kubernetes: TLS with a certificate of
//! its own, and a token that only the kubeconfig knows. Tokens of service accounts are good as well.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use chacha20poly1305::KeyInit as _;
use chacha20poly1305::aead::OsRng;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use super::EmbeddedCluster;
use super::api::{Body, Failure, Reply};

/// The largest body that is read, as a real server has it.
const LARGEST: usize = 3 << 20;

/// The context's name in the kubeconfig.
pub const CONTEXT: &str = "spai-embedded";

/// A cluster on a port. Ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    authority: String,
    token: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Begins to serve on loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// The port is taken, or no certificate can be made.
    pub async fn start(cluster: EmbeddedCluster, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (acceptor, authority) = certified().map_err(std::io::Error::other)?;
        let secret = chacha20poly1305::ChaCha20Poly1305::generate_key(&mut OsRng);
        let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        let task = tokio::spawn(accept(listener, acceptor, cluster, Arc::from(token.as_str())));
        Ok(Self { address, authority, token, task })
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A kubeconfig for it. It holds the token: whoever reads it is the administrator.
    pub fn kubeconfig(&self) -> String {
        let authority = base64::engine::general_purpose::STANDARD.encode(&self.authority);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: {CONTEXT}\n  cluster: {{server: \"{}\", certificate-authority-data: {authority}}}\nusers:\n- name: {CONTEXT}\n  user: {{token: {}}}\ncontexts:\n- name: {CONTEXT}\n  context: {{cluster: {CONTEXT}, user: {CONTEXT}}}\ncurrent-context: {CONTEXT}\n",
            self.url(),
            self.token
        )
    }
}

/// A certificate for loopback by an authority of its own, made anew each time; and the authority's, as PEM.
fn certified() -> Result<(TlsAcceptor, String), Box<dyn std::error::Error + Send + Sync>> {
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "spai embedded cluster");
    let key = rcgen::KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    let issuer = rcgen::Issuer::new(params, key);
    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc"].map(str::to_owned);
    let own = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(names)?.signed_by(&own, &issuer)?;
    let private = rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), authority))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, cluster: EmbeddedCluster, token: Arc<str>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, acceptor.clone(), cluster.clone(), Arc::clone(&token)));
            }
            // Too many open files, and the like: it passes.
            Err(error) => {
                tracing::warn!("a connection can't be taken: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, cluster: EmbeddedCluster, token: Arc<str>) {
    // Small answers are not to wait for more.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = hyper::service::service_fn(move |request| {
        let (cluster, token) = (cluster.clone(), Arc::clone(&token));
        async move { answer(&cluster, &token, request).await }
    });
    let builder = Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn answer(cluster: &EmbeddedCluster, token: &str, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let (mut parts, body) = request.into_parts();
    if knows(&parts.headers, token) {
        parts.headers.remove(http::header::AUTHORIZATION);
    } else if !parts.headers.contains_key(http::header::AUTHORIZATION) {
        return Ok(Reply::from(Failure::unauthorized()).into_response());
    }
    // Any other token is one that the cluster itself knows, or nobody's.
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        let message = "Request entity too large: limit is 3145728".to_owned();
        let failure = Failure { code: 413, reason: "RequestEntityTooLarge", message, details: None };
        return Ok::<_, Infallible>(Reply::from(failure).into_response()).map_err(|never| match never {});
    };
    let body: Bytes = body.to_bytes();
    cluster.answer(Request::from_parts(parts, body)).await
}

/// Whether the token is the right one; every byte is looked at, whatever the first ones are.
fn knows(headers: &HeaderMap, token: &str) -> bool {
    let said = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ")).unwrap_or_default();
    said.len() == token.len() && said.bytes().zip(token.bytes()).fold(0, |differs, (one, two)| differs | (one ^ two)) == 0
}
