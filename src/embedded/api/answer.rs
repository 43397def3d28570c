//! Answers: JSON in one piece, or a stream of lines.

use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;

use super::Failure;

/// A body, whole or coming.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// An answer, before it is bytes.
#[derive(Default)]
pub struct Reply {
    /// 200 if not set.
    pub code: u16,
    /// Its body.
    pub content: Content,
    /// What the client is to be told besides.
    pub warnings: Vec<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// What is in it.
#[derive(Default)]
pub enum Content {
    /// Nothing.
    #[default]
    Nothing,
    /// JSON.
    Json(Value),
    /// JSON that is bytes already.
    Bytes(Vec<u8>, &'static str),
    /// Text.
    Text(String),
    /// Lines, as they come.
    Stream(BoxStream<'static, Bytes>),
}

impl Reply {
    /// JSON and 200.
    pub fn json(value: Value) -> Self {
        Self { code: 200, content: Content::Json(value), ..Self::default() }
    }

    /// Text and 200.
    pub fn text(text: &str) -> Self {
        Self { code: 200, content: Content::Text(text.to_owned()), ..Self::default() }
    }

    /// Bytes and 200.
    pub fn bytes(bytes: Vec<u8>, kind: &'static str) -> Self {
        Self { code: 200, content: Content::Bytes(bytes, kind), ..Self::default() }
    }

    /// With another code.
    #[must_use]
    pub fn code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    /// As HTTP.
    pub fn into_response(self) -> Response<Body> {
        let (kind, body): (&str, Body) = match self.content {
            Content::Nothing => ("text/plain", whole(Vec::new())),
            // A JSON value always has a text.
            Content::Json(value) => ("application/json", whole(serde_json::to_vec(&value).unwrap_or_default())),
            Content::Bytes(bytes, kind) => (kind, whole(bytes)),
            Content::Text(text) => ("text/plain; charset=utf-8", whole(text.into_bytes())),
            Content::Stream(stream) => {
                use futures::StreamExt as _;
                ("application/json", StreamBody::new(stream.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::OK);
        let headers: &mut HeaderMap = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(http::header::CONTENT_TYPE, kind);
        }
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        for warning in self.warnings {
            let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
                headers.append(http::header::WARNING, value);
            }
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Self { retry_after: (failure.code == 429).then_some(1), ..Self::json(failure.status()).code(failure.code) }
    }
}

fn whole(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}
