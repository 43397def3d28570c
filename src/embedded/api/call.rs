//! A request, taken apart: what is asked of which resource.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use serde_json::Value;

use super::Failure;

/// A request with its whole body.
#[derive(Clone, Debug)]
pub struct Call {
    /// GET, POST, …
    pub method: Method,
    /// The path's segments, decoded.
    pub path: Vec<String>,
    /// The query's pairs, decoded.
    query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The place that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `""` for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// None: the path is of all namespaces, or of a resource without.
    pub namespace: Option<String>,
    /// `deployments`.
    pub plural: String,
    /// None: all of them.
    pub name: Option<String>,
    /// `status`, `scale`, …
    pub subresource: Option<String>,
}

impl Call {
    /// Takes a request apart.
    pub fn of(request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().split('/').filter(|segment| !segment.is_empty()).map(|segment| decoded(segment, false)).collect();
        let query = parts.uri.query().unwrap_or_default();
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name, true), decoded(value, true))
            })
            .collect();
        Self { method: parts.method, path, query, headers: parts.headers, body }
    }

    /// The first value of a query parameter, unless it is empty.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a query parameter.
    pub fn queries(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter says yes.
    pub fn says(&self, name: &str) -> bool {
        matches!(self.query(name), Some("true" | "1" | "True"))
    }

    /// A header's text.
    pub fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media types that are wanted, best first, each with its parameters.
    pub fn accepts(&self) -> impl Iterator<Item = MediaType<'_>> {
        self.header(http::header::ACCEPT).split(',').map(MediaType::of)
    }

    /// The body's media type.
    pub fn content_type(&self) -> &str {
        MediaType::of(self.header(http::header::CONTENT_TYPE)).name
    }

    /// Whether nothing is to be written; refuses what isn't known.
    pub fn dry_run(&self) -> Result<bool, Failure> {
        let mut dry = false;
        for value in self.queries("dryRun").filter(|value| !value.is_empty()) {
            if value != "All" {
                let error = super::FieldError::unsupported("dryRun", &serde_json::json!([value]), &["All"]);
                return Err(Failure::invalid("meta.k8s.io", self.options(), "", &[error]));
            }
            dry = true;
        }
        Ok(dry)
    }

    /// What the options of a write are called.
    pub fn options(&self) -> &'static str {
        match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::DELETE => "DeleteOptions",
            _ => "PatchOptions",
        }
    }

    /// Whoever writes: the parameter, else the agent's name, as far as its version.
    pub fn manager(&self) -> String {
        if let Some(manager) = self.query("fieldManager") {
            return manager.to_owned();
        }
        let agent = self.header(http::header::USER_AGENT);
        let name: String = agent.split('/').next().unwrap_or_default().chars().take(128).collect();
        if name.is_empty() { "unknown".to_owned() } else { name }
    }

    /// The place that the path names. None: it is no resource's.
    pub fn target(&self) -> Option<Target> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (group, version, rest) = match path.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // The namespaces themselves, and their own subresources.
            ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(name), None),
            [plural, name, sub, ..] => (plural, Some(name), Some(sub)),
            [] => return None,
        };
        Some(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace,
            plural: (*plural).to_owned(),
            name: name.map(|name| (*name).to_owned()),
            subresource: subresource.map(|sub| (*sub).to_owned()),
        })
    }
}

/// An option of a write with a value that isn't known.
pub fn invalid_option(call: &Call, field: &str, value: &str, supported: &[&str]) -> Failure {
    let error = super::FieldError::unsupported(field, &Value::from(value), supported);
    Failure::invalid("meta.k8s.io", call.options(), "", &[error])
}

/// A media type.
#[derive(Clone, Debug)]
pub struct MediaType<'c> {
    /// `application/json`.
    pub name: &'c str,
    parameters: &'c str,
}

impl<'c> MediaType<'c> {
    fn of(text: &'c str) -> Self {
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self { name: name.trim(), parameters }
    }

    /// A parameter: `as=Table`.
    pub fn parameter(&self, name: &str) -> Option<&'c str> {
        self.parameters.split(';').find_map(|pair| {
            let (known, value) = pair.split_once('=')?;
            (known.trim() == name).then(|| value.trim())
        })
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        match bytes[at] {
            b'%' => match (hex(at + 1), hex(at + 2)) {
                (Some(high), Some(low)) => {
                    out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<Target> {
        Call::of(Request::builder().uri(path).body(Bytes::new()).unwrap()).target()
    }

    #[test]
    fn paths_name_places() {
        let found = target("/apis/apps/v1/namespaces/a/deployments/x/scale").unwrap();
        assert_eq!((found.group.as_str(), found.version.as_str(), found.namespace.as_deref()), ("apps", "v1", Some("a")));
        assert_eq!((found.plural.as_str(), found.name.as_deref(), found.subresource.as_deref()), ("deployments", Some("x"), Some("scale")));
        let found = target("/api/v1/namespaces/a").unwrap();
        assert_eq!((found.plural.as_str(), found.name.as_deref(), found.namespace), ("namespaces", Some("a"), None));
        let found = target("/api/v1/namespaces/a/finalize").unwrap();
        assert_eq!((found.plural.as_str(), found.subresource.as_deref()), ("namespaces", Some("finalize")));
        let found = target("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode").unwrap();
        assert_eq!(found.name.as_deref(), Some("system:node"));
        assert_eq!(target("/version"), None);
    }

    #[test]
    fn queries_are_decoded() {
        let call = Call::of(Request::builder().uri("/x?labelSelector=a%3Db%2Cc&dryRun=All&x=1+2").body(Bytes::new()).unwrap());
        assert_eq!((call.query("labelSelector"), call.query("x"), call.query("y")), (Some("a=b,c"), Some("1 2"), None));
        assert!(call.dry_run().unwrap());
    }
}
