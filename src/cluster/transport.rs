//! One request and its answer, and when a request is repeated.
//!
//! A read is repeated until the server answers or `server_timeout` is over. A write is repeated only where it is certain
//! that it wasn't carried out: no connection came about, or the server said so (429). Everything else is given
//! back as [`ClusterError::Unavailable`] with `sent: true`, and whoever wrote has to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::connect::chain;
use super::{ClusterError, Outage, OutageObserver, protobuf};

/// An answer that doesn't begin within this time is given up: nobody waits for ever on a black hole. Sooner, if the
/// server is to be waited for less long, but never sooner than [`LEAST_ANSWER`].
const ANSWER: Duration = Duration::from_mins(1);
const LEAST_ANSWER: Duration = Duration::from_secs(1);

/// The first pause before a request is repeated; each next one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Bytes of a long answer.
const PAGE: usize = 1 << 20;

/// Who asks: an API server's audit log has it, beside the user.
const AGENT: &str = concat!("spai/", env!("CARGO_PKG_VERSION"));

/// What is asked for where nothing else is said.
pub(super) const JSON: &str = "application/json";

/// A request, in a form that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub accept: &'static str,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), accept: JSON, content_type: "", body: Vec::new() }
    }

    fn reads(&self) -> bool {
        self.method == Method::GET
    }

    fn request(&self) -> Result<Request<Body>, ClusterError> {
        let mut builder = Request::builder().method(self.method.clone()).uri(&self.path);
        builder = builder.header(http::header::USER_AGENT, AGENT).header(http::header::ACCEPT, self.accept);
        if !self.content_type.is_empty() {
            builder = builder.header(http::header::CONTENT_TYPE, self.content_type);
        }
        builder.body(Body::from(self.body.clone())).map_err(|error| ClusterError::Other {
            code: 0,
            reason: "BadRequest".to_owned(),
            message: format!("no request can be made of `{}`: {error}", self.path),
        })
    }
}

/// An answer that is a success.
pub(super) struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Result<Value, ClusterError> {
        serde_json::from_slice(&self.body).map_err(|error| ClusterError::Other {
            code: self.code,
            reason: String::new(),
            message: format!("the server's answer is no JSON: {error}"),
        })
    }

    /// The texts of the `Warning` headers: `299 - "text"`.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        for header in self.headers.get_all(http::header::WARNING) {
            let Ok(text) = header.to_str() else { continue };
            let text = text.split_once('"').map_or_else(|| text.to_owned(), |(_, quoted)| unquoted(quoted));
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
        warnings
    }
}

/// The text up to the quote that ends it; quotes in it have a backslash before them.
fn unquoted(quoted: &str) -> String {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

/// The client, and what is known of the server's state.
#[derive(Clone)]
pub(super) struct Transport {
    client: kube::Client,
    server_timeout: Duration,
    observer: Option<OutageObserver>,
    /// Nothing is sent again, whatever became of it.
    hasty: bool,
    away: Arc<AtomicBool>,
}

impl Transport {
    pub fn new(client: kube::Client, server_timeout: Duration) -> Self {
        Self { client, server_timeout, observer: None, hasty: false, away: Arc::default() }
    }

    pub fn observed(mut self, observer: OutageObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same, giving up at once: for what somebody else reads again anyway.
    pub fn hasty(&self) -> Self {
        Self { hasty: true, observer: None, ..self.clone() }
    }

    /// Whether it is one that does.
    pub fn is_hasty(&self) -> bool {
        self.hasty
    }

    pub fn server_timeout(&self) -> Duration {
        self.server_timeout
    }

    /// Reads JSON.
    pub async fn read_json(&self, path: &str) -> Result<Value, ClusterError> {
        self.call(&Call::get(path)).await?.json()
    }

    /// Sends a call, and repeats it as the module says.
    pub async fn call(&self, call: &Call) -> Result<Answer, ClusterError> {
        let deadline = Instant::now() + self.server_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.once(call).await {
                Ok(answer) => {
                    self.is_back();
                    return Ok(answer);
                }
                Err(error) if self.hasty => return Err(error),
                Err(error) => error,
            };
            let wait = match &error {
                ClusterError::TooManyRequests { retry_after, .. } => retry_after.unwrap_or(pause),
                ClusterError::Unavailable { sent, .. } if call.reads() || !sent => pause,
                _ if call.reads() && is_passing(&error) => pause,
                _ if is_not_yet(&error, call) => pause,
                _ => {
                    if !error.is_outage() {
                        self.is_back();
                    }
                    return Err(error);
                }
            };
            if Instant::now() + wait > deadline {
                return Err(error);
            }
            if matches!(error, ClusterError::Unavailable { .. }) {
                self.is_away(&error.to_string());
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends a call once, and reads its whole answer.
    pub async fn once(&self, call: &Call) -> Result<Answer, ClusterError> {
        let response = self.open(call).await?;
        let (parts, body) = response.into_parts();
        let code = parts.status.as_u16();
        let body = match tokio::time::timeout(self.answer(), read(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                return Err(ClusterError::Unavailable { message: format!("the server's answer broke off: {}", chain(&error)), sent: true });
            }
            Err(_) => return Err(ClusterError::Unavailable { message: "the server's answer never ended".to_owned(), sent: true }),
        };
        if parts.status.is_success() {
            return Ok(Answer { code, headers: parts.headers, body });
        }
        let retry_after = parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        // Who was asked for protobuf refuses in it too.
        let body = protobuf::status(&body).map_or(body, Bytes::from);
        Err(ClusterError::from_answer(code, retry_after.map(Duration::from_secs), &body))
    }

    /// Sends a call once; the answer's body is still to be read. Not a success is no error here.
    pub async fn open(&self, call: &Call) -> Result<Response<Body>, ClusterError> {
        let limit = self.answer();
        tracing::trace!("{} {}", call.method, call.path);
        match tokio::time::timeout(limit, self.client.send(call.request()?)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unsent_or_lost(error)),
            Err(_) => {
                Err(ClusterError::Unavailable { message: format!("the server didn't answer within {} s", limit.as_secs()), sent: true })
            }
        }
    }

    /// How long an answer may take.
    fn answer(&self) -> Duration {
        self.server_timeout.clamp(LEAST_ANSWER, ANSWER)
    }

    pub fn is_away(&self, reason: &str) {
        if !self.away.swap(true, Ordering::Relaxed)
            && let Some(observer) = &self.observer
        {
            observer(&Outage::Away { reason: reason.to_owned() });
        }
    }

    pub fn is_back(&self) {
        if self.away.swap(false, Ordering::Relaxed)
            && let Some(observer) = &self.observer
        {
            observer(&Outage::Back);
        }
    }
}

/// A whole body.
async fn read(mut body: Body) -> Result<Bytes, kube::Error> {
    let mut first = Bytes::new();
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            // What a page of a list has, more or less. Parts are put where they belong as they come: kept until the end, they would be
            // there twice.
            whole.reserve(PAGE);
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// What the server itself calls a passing state: it is starting, or lost its storage for a moment.
fn is_passing(error: &ClusterError) -> bool {
    match error {
        ClusterError::Other { code, .. } => *code >= 500,
        _ => false,
    }
}

/// Refusals that pass by themselves, and come before anything is done: the server is still starting, as a whole or with the
/// addresses of Services; or two creates at once in a namespace with a quota, of which one lost the race for the quota's
/// object. A write to a quota that has changed is answered in the same words, and would be for as long as it is sent so.
fn is_not_yet(error: &ClusterError, call: &Call) -> bool {
    match error {
        ClusterError::Forbidden { message } => message.contains("not yet ready to handle request"),
        ClusterError::Invalid { message, .. } => message.contains("failed to allocate IP: allocator not ready"),
        ClusterError::Stale { message } => {
            message.contains("Operation cannot be fulfilled on resourcequotas") && !call.path.contains("/resourcequotas/")
        }
        _ => false,
    }
}

/// Whether a request that failed ever reached a server.
fn unsent_or_lost(error: kube::Error) -> ClusterError {
    match error {
        kube::Error::Auth(error) => ClusterError::Unauthorized { message: format!("the credentials can't be had: {}", chain(&error)) },
        kube::Error::Service(error) => {
            let connecting =
                error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect);
            if let Some(auth) = find::<kube::client::AuthError>(error.as_ref()) {
                return ClusterError::Unauthorized { message: format!("the credentials can't be had: {}", chain(auth)) };
            }
            let what = if connecting { "the server can't be reached" } else { "the connection to the server broke off" };
            ClusterError::Unavailable { message: format!("{what}: {}", chain(error.as_ref())), sent: !connecting }
        }
        other => ClusterError::Unavailable { message: format!("the connection to the server broke off: {}", chain(&other)), sent: true },
    }
}

/// The first of an error and its causes that is an `E`.
pub(super) fn find<'e, E: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_who_asks() {
        let request = Call::get("/version").request().unwrap();
        assert_eq!(request.headers()[http::header::USER_AGENT], format!("spai/{}", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn a_warning_ends_where_its_quote_ends() {
        for (header, text) in
            [(r#"plain""#, "plain"), (r#"level \"x\"" "a date""#, r#"level "x""#), (r#"a \\ b""#, r"a \ b"), ("open", "open")]
        {
            assert_eq!(unquoted(header), text);
        }
    }
}
