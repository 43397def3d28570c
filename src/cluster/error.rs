//! What can go wrong with a request, typed where logic depends on it, and always with the server's own words.

use std::time::Duration;

use serde::Deserialize;

use crate::resource::{Diagnostic, FieldPath, GroupKind};

/// A request that didn't do what it should.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClusterError {
    /// There is no such object; or its namespace isn't there, which `message` then says.
    #[error("{message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// The cluster serves no such kind: its CRD is missing, or was deleted with all its resources.
    #[error("the cluster has no kind {kind}")]
    NoSuchKind {
        /// Which.
        kind: GroupKind,
    },
    /// A create of something that is there.
    #[error("{message}")]
    AlreadyExists {
        /// The server's words.
        message: String,
    },
    /// Other field managers own fields that this apply would change.
    #[error("{message}")]
    Conflict {
        /// Who owns which field.
        ownership: Vec<OwnershipConflict>,
        /// The server's words.
        message: String,
    },
    /// The guard didn't hold: the object changed, or is another one of the same name, or is gone. Nothing was written.
    #[error("{message}")]
    Stale {
        /// The server's words.
        message: String,
    },
    /// The object is refused by validation, immutable fields included. Nothing was written.
    #[error("{message}")]
    Invalid {
        /// What is wrong, field by field, where the server says so.
        causes: Vec<Cause>,
        /// The server's words.
        message: String,
    },
    /// Refused: rights, quota, Pod Security, an admission policy or webhook.
    #[error("{message}")]
    Forbidden {
        /// The server's words.
        message: String,
    },
    /// The server doesn't know who we are: no credentials, or expired ones.
    #[error("{message}")]
    Unauthorized {
        /// The server's words, or the credential plugin's.
        message: String,
    },
    /// The server has too much to do, for longer than we were to wait.
    #[error("{message}")]
    TooManyRequests {
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
        /// The server's words.
        message: String,
    },
    /// The server didn't answer, or something between it and us did.
    #[error("{message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// The request may have been carried out: read before deciding anything.
        sent: bool,
    },
    /// Anything else.
    #[error("{message}")]
    Other {
        /// The HTTP status, 0 where there was none.
        code: u16,
        /// The server's reason, `InternalError`; may be empty.
        reason: String,
        /// The server's words.
        message: String,
    },
}

/// One thing that validation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Where, as the server writes it: `spec.template.spec.containers[0].image`. May be empty.
    pub field: String,
    /// What.
    pub message: String,
    /// `FieldValueInvalid`, `FieldValueForbidden`, `FieldManagerConflict`, …
    pub reason: String,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnershipConflict {
    /// The owner's field manager.
    pub manager: String,
    /// When it last wrote, as the server says it; absent for managers that apply.
    pub since: Option<String>,
    /// Which field.
    pub path: FieldPath,
}

/// `metav1.Status`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub code: u16,
    pub reason: String,
    pub message: String,
    pub details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    pub kind: String,
    pub causes: Vec<RawCause>,
    pub retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl ClusterError {
    /// A list whose reader is no more: what wasn't read is not absent.
    pub fn list_broke_off(why: Option<&tokio::task::JoinError>) -> Self {
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        Self::Unavailable { message: format!("the list broke off{why}"), sent: false }
    }

    /// The typed form of an answer that isn't a success.
    pub(super) fn from_answer(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body).unwrap_or_default();
        let details = status.details.unwrap_or_default();
        let message = if status.message.is_empty() { plain_text(code, body) } else { status.message };
        let causes = || {
            let cause = |c: &RawCause| Cause { field: c.field.clone(), message: c.message.clone(), reason: c.reason.clone() };
            details.causes.iter().map(cause).collect::<Vec<_>>()
        };
        match (code, status.reason.as_str()) {
            // Only the API server's own word counts: a proxy's 404, or a path that isn't served, says nothing of objects.
            (404, "NotFound") => Self::NotFound { message },
            (_, "AlreadyExists") => Self::AlreadyExists { message },
            (409, _) => {
                let ownership: Vec<_> = details.causes.iter().filter_map(super::ownership::conflict).collect();
                let by_managers = details.causes.iter().any(|cause| cause.reason == "FieldManagerConflict");
                if by_managers { Self::Conflict { ownership, message } } else { Self::Stale { message } }
            }
            (400 | 422, _) => Self::Invalid { causes: causes(), message },
            (403, _) => Self::Forbidden { message },
            (401, _) => Self::Unauthorized { message },
            (429, _) => {
                let asked = (details.retry_after_seconds > 0).then(|| Duration::from_secs(details.retry_after_seconds));
                Self::TooManyRequests { retry_after: retry_after.or(asked), message }
            }
            // What the schema doesn't have is refused before anything is done, and yet called an error of the server's own.
            (500, _) if message.starts_with(UNTYPED) => Self::Invalid { causes: untyped_causes(&message), message },
            // 504 and the like may come after the server, or a proxy before it, has begun.
            (502..=504, _) => Self::Unavailable { message, sent: true },
            (code, reason) => Self::Other { code, reason: reason.to_owned(), message },
        }
    }

    /// Whether the server, or the way to it, failed rather than the request: waiting helps.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::TooManyRequests { .. })
    }

    /// Whether the write may have been carried out in spite of this error.
    pub fn may_have_been_done(&self) -> bool {
        match self {
            Self::Unavailable { sent, .. } => *sent,
            Self::Other { code, .. } => *code == 0 || *code >= 500,
            _ => false,
        }
    }

    /// The stable code of its diagnostic.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "cluster::not_found",
            Self::NoSuchKind { .. } => "cluster::no_such_kind",
            Self::AlreadyExists { .. } => "cluster::already_exists",
            Self::Conflict { .. } => "cluster::conflict",
            Self::Stale { .. } => "cluster::stale",
            Self::Invalid { .. } => "cluster::invalid",
            Self::Forbidden { .. } => "cluster::forbidden",
            Self::Unauthorized { .. } => "cluster::unauthorized",
            Self::TooManyRequests { .. } => "cluster::too_many_requests",
            Self::Unavailable { .. } => "cluster::unavailable",
            Self::Other { .. } => "cluster::failed",
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { .. } | Self::AlreadyExists { .. } | Self::Stale { .. } => {
                "somebody else changed the cluster meanwhile: plan again".to_owned()
            }
            Self::NoSuchKind { kind } => format!("install the CustomResourceDefinition of {kind}, or correct `apiVersion` and `kind`"),
            Self::Conflict { .. } => "take the fields with `--take-ownership`, or leave them out of the stack".to_owned(),
            Self::Unauthorized { .. } => "log in again, or choose other credentials with `--context` or `--kubeconfig`".to_owned(),
            Self::TooManyRequests { .. } => "lower `--parallel`, or wait longer with `--server-timeout`".to_owned(),
            Self::Unavailable { .. } => {
                "see whether the API server is up and reachable; `--server-timeout` says how long to wait for it".to_owned()
            }
            Self::Forbidden { message } if message.contains("cannot") && message.contains("User") => {
                "ask for the right that the message names, or choose other credentials with `--context`".to_owned()
            }
            Self::Forbidden { .. } | Self::Invalid { .. } | Self::Other { .. } => return None,
        })
    }
}

impl From<ClusterError> for Diagnostic {
    fn from(error: ClusterError) -> Self {
        let diagnostic = Self::error(error.code(), error.to_string().trim_end_matches('.'));
        match error.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// How a refusal begins whose object doesn't fit its schema.
const UNTYPED: &str = "failed to create typed patch object";

/// `….: .spec.a: field not declared in schema`, or several such lines after `errors:`.
fn untyped_causes(message: &str) -> Vec<Cause> {
    let Some((_, found)) = message.split_once("): ") else { return Vec::new() };
    let lines = found.lines().map(str::trim).filter(|line| line.starts_with('.'));
    let cause = |line: &str| {
        let (field, text) = line.split_once(": ")?;
        Some(Cause { field: field.trim_start_matches('.').to_owned(), message: text.to_owned(), reason: "FieldValueInvalid".to_owned() })
    };
    lines.filter_map(cause).collect()
}

/// What an answer that is no `Status` says: proxies answer in HTML or plain text. The first line, bounded.
fn plain_text(code: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..500).unwrap_or(body)).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<')).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() { format!("the server answered {code}") } else { format!("the server answered {code}: {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> ClusterError {
        ClusterError::from_answer(code, None, body.as_bytes())
    }

    #[test]
    fn a_conflict_of_owners_is_not_a_stale_object() {
        let owners = r#"{"reason": "Conflict", "message": "Apply failed", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"a\"", "field": ".spec.replicas"}]}}"#;
        let ClusterError::Conflict { ownership, .. } = answer(409, owners) else { panic!("no conflict") };
        assert_eq!(ownership[0].path.to_string(), "spec.replicas");
        assert!(matches!(answer(409, r#"{"reason": "Conflict", "message": "uid mismatch"}"#), ClusterError::Stale { .. }));
        assert!(matches!(answer(409, r#"{"reason": "AlreadyExists", "message": "x"}"#), ClusterError::AlreadyExists { .. }));
    }

    #[test]
    fn only_the_servers_own_word_means_absent() {
        assert!(matches!(answer(404, r#"{"kind": "Status", "reason": "NotFound", "message": "x"}"#), ClusterError::NotFound { .. }));
        assert!(matches!(answer(404, "404 page not found"), ClusterError::Other { code: 404, .. }));
        assert!(matches!(answer(404, "<html>nginx</html>"), ClusterError::Other { code: 404, .. }));
    }

    #[test]
    fn what_the_schema_does_not_have_is_the_objects_fault() {
        let message = r#"{"code": 500, "message": "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): errors:\n  .spec: field not declared in schema\n  .x: field not declared in schema"}"#;
        let ClusterError::Invalid { causes, .. } = answer(500, message) else { panic!("not invalid") };
        assert_eq!(causes.iter().map(|cause| cause.field.as_str()).collect::<Vec<_>>(), ["spec", "x"]);
    }

    #[test]
    fn what_is_no_status_is_told_in_one_short_line() {
        let error = answer(503, "<html>\n<body>\nupstream connect error\u{1b}[31m\n</body>");
        assert_eq!(error, ClusterError::Unavailable { message: "the server answered 503: upstream connect error[31m".into(), sent: true });
        assert_eq!(answer(418, "").to_string(), "the server answered 418");
        assert!(answer(400, &"x".repeat(100_000)).to_string().len() < 600);
    }
}
