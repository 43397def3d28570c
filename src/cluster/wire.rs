//! The HTTP client below `kube::Client`: HTTP/2 where the server speaks it, so that all requests of a run share one connection
//! and its one handshake (kube's own client speaks HTTP/1.1 alone: each request that is under way needs a connection, and a
//! handshake costs as much as listing a hundred objects); HTTP/1.1 with servers and proxies that don't.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::legacy::{Builder, Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _};
use rustls::pki_types::ServerName;
use tower::{Service, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

use super::transport::find;

/// How much of one answer may be on its way: a page of a list, so that the server never waits for us to say that we read on.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same of all answers together: bounds what a run holds unread.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// A server that fell silent is asked whether it is there; without an answer its connection is given up, with all that waits
/// on it. One connection for all would otherwise be a black hole for all.
const ASK_AFTER: Duration = Duration::from_secs(10);
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Https = TimeoutConnector<HttpsConnector<HttpConnector>>;

/// A client for what a kubeconfig says. Nothing is sent yet. A proxy is not for here: see [`super::connect`].
///
/// # Errors
/// Certificates, keys, tokens or names that can't be used.
pub(super) fn client(config: kube::Config) -> Result<kube::Client, kube::Error> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may just have done the same: as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(DecompressionLayer::new().gzip(!config.disable_compression))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Wire::new(https(&config)?, config.cluster_url.scheme_str() == Some("https")));
    Ok(kube::Client::new(service, config.default_namespace))
}

/// TLS as the kubeconfig has it, both versions of HTTP on offer.
fn https(config: &kube::Config) -> Result<Https, kube::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).map_err(|error| kube::Error::Service(error.into()))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut connector = TimeoutConnector::new(builder.enable_http1().enable_http2().wrap_connector(http));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    Ok(connector)
}

/// What the server was found to speak.
#[derive(Clone, Debug, Default)]
struct Speaks(Arc<AtomicU8>);

impl Speaks {
    const UNKNOWN: u8 = 0;
    const ONE: u8 = 1;
    const TWO: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn found(&self, version: u8) {
        self.0.store(version, Ordering::Relaxed);
    }
}

/// Sends requests by HTTP/2, and by HTTP/1.1 once the server was found not to speak it.
#[derive(Clone)]
struct Wire {
    one: Client<Https, Body>,
    two: Client<OnlyTwo, Body>,
    speaks: Speaks,
}

impl Wire {
    /// Without TLS nothing tells what the server speaks: HTTP/1.1 is what everybody does.
    fn new(connector: Https, secure: bool) -> Self {
        let speaks = Speaks::default();
        speaks.found(if secure { Speaks::UNKNOWN } else { Speaks::ONE });
        let mut builder = Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        Self { one: builder.build(connector.clone()), two: two(builder).build(OnlyTwo { connector, speaks: speaks.clone() }), speaks }
    }
}

/// One connection for everything: without `http2_only` the client would open one for each request that comes before the
/// first connection is there, and close them again.
fn two(mut builder: Builder) -> Builder {
    builder
        .http2_only(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(ASK_AFTER)
        .http2_keep_alive_timeout(GIVE_UP_AFTER);
    builder
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { one, two, speaks } = self.clone();
        match speaks.get() {
            Speaks::ONE => Box::pin(one.request(request)),
            Speaks::TWO => Box::pin(carried(two.request(request))),
            _ => Box::pin(carried(async move {
                let again = copy(&request);
                match (two.request(request).await, again) {
                    // It is told before anything is sent, so the same request may go again.
                    (Err(error), Some(again)) if find::<NotTwo>(&error).is_some() => one.request(again).await,
                    (result, _) => result,
                }
            })),
        }
    }
}

/// A request in a task of its own, which ends with who waits for it. All requests share one connection: the one that is about
/// to make it holds up all others, and must get on even while nobody looks at it (a watch, whose reader does something else).
async fn carried<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> T {
    let mut task = tokio::task::JoinSet::new();
    task.spawn(request);
    match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and whoever waits here with it.
        _ => std::future::pending().await,
    }
}

/// The same request once more, unless its body can be read only once.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// The server doesn't speak HTTP/2. Nothing was sent but the handshake.
#[derive(Debug, thiserror::Error)]
#[error("the server doesn't speak HTTP/2")]
struct NotTwo;

/// Connections over which the server agreed to speak HTTP/2.
#[derive(Clone)]
struct OnlyTwo {
    connector: Https,
    speaks: Speaks,
}

impl Service<Uri> for OnlyTwo {
    type Response = <Https as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let speaks = self.speaks.clone();
        if speaks.get() == Speaks::ONE {
            // Another request found it out meanwhile.
            return Box::pin(std::future::ready(Err(NotTwo.into())));
        }
        let connecting = self.connector.call(uri);
        Box::pin(async move {
            let connection = connecting.await?;
            let two = connection.connected().is_negotiated_h2();
            speaks.found(if two { Speaks::TWO } else { Speaks::ONE });
            if two { Ok(connection) } else { Err(NotTwo.into()) }
        })
    }
}
