//! What is wrong, where, and what to do about it: the one error type that reaches people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a file of the stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Relative to the stack's folder, with `/`; `built-in defaults`, `command line` or `environment SPAI_…` for what is in no file.
    pub file: Arc<str>,
    /// From 1; 0 where there are no lines.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Byte offset of the start in the file.
    pub start: usize,
    /// Byte offset of the end in the file.
    pub end: usize,
}

impl Origin {
    /// The place of so many bytes that come behind `before`, the text that stands at this place's beginning.
    #[must_use]
    pub fn further(&self, before: &str, length: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let lines = number(before.bytes().filter(|byte| *byte == b'\n').count());
        let column = match before.rsplit_once('\n') {
            Some((_, line)) => 1 + number(line.chars().count()),
            None => self.column + number(before.chars().count()),
        };
        let start = self.start + before.len();
        Self { file: Arc::clone(&self.file), line: self.line + lines, column, start, end: start + length }
    }
}

impl fmt::Display for Origin {
    /// `services/backend.toml:7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; an error under `--strict`.
    Warning,
    /// Nothing goes on.
    Error,
}

/// A place and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub origin: Origin,
    /// What is there; may be empty.
    pub text: String,
}

/// One thing that is wrong. Build it with [`Diagnostic::error`] and the `with_…` functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    /// Stable, for searching: `stack::unknown_key`, `cluster::forbidden`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// What happened, in a sentence without a full stop.
    pub message: String,
    /// Where, the main place first. May be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None }
    }

    /// A warning.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, origin: &Origin, text: impl Into<String>) -> Self {
        self.labels.push(Label { origin: origin.clone(), text: text.into() });
        self
    }

    /// Adds a place if there is one.
    #[must_use]
    pub fn at_maybe(self, origin: Option<&Origin>, text: impl Into<String>) -> Self {
        match origin {
            Some(origin) => self.at(origin, text),
            None => self,
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All that is wrong, found in one run. Empty means nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", self.0.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Notes one more.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Notes all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// `Err(self)` if any is an error, else the value (warnings are lost: take them before).
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.has_errors() { Err(self) } else { Ok(value) }
    }

    /// In the order in which people read: by file and place, those without a place last; errors before warnings at one place. Duplicates go.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let place = |d: &Diagnostic| d.labels.first().map(|l| (l.origin.file.clone(), l.origin.start));
            let (pa, pb) = (place(a), place(b));
            (pa.is_none(), pa, std::cmp::Reverse(a.severity), &a.code, &a.message).cmp(&(
                pb.is_none(),
                pb,
                std::cmp::Reverse(b.severity),
                &b.code,
                &b.message,
            ))
        });
        self.0.dedup();
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}
