//! Who writes what, and what comes of it.

use serde_json::Value;

use super::{Conflicts, ManagersError};
use crate::merge::FieldSet;
use crate::merge::typed::TypeErrors;
use crate::resource::{FieldPath, Object};
use crate::schema::{Malformed, TypeRef};

/// What an object is in another version of its kind.
#[derive(Clone, Debug)]
pub enum Converted<'a> {
    /// This, and of this type there.
    Object(Value, TypeRef<'a>),
    /// There is no such version of a built-in kind (any more): what is recorded in its terms is dropped.
    Missing,
    /// The server fails at it, in these words: a custom kind that has no such version (any more).
    Fails(String),
    /// Only the server can tell: a webhook converts it, or code of the server's own.
    Unknown,
}

impl<'a> Converted<'a> {
    /// As versions with the same fields convert, and those of a custom kind without a webhook: by the version's name alone.
    pub fn by_name(object: &Value, to: &str, of: TypeRef<'a>) -> Self {
        let mut object = object.clone();
        object["apiVersion"] = to.into();
        Self::Object(object, of)
    }
}

/// A write: who makes it, by what rules, and when.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The kind's type.
    pub of: TypeRef<'a>,
    /// The manager's name.
    pub manager: &'a str,
    /// The subresource that the write goes to; none for the object itself.
    pub subresource: Option<&'a str>,
    /// What a write to there can't change, and so nobody comes to own ([`super::reset_fields`]).
    pub reset: &'a FieldSet,
    /// Now, as RFC 3339 in whole seconds.
    pub time: &'a str,
    /// An object in another version of the kind, by the name of that version.
    pub convert: &'a dyn Fn(&Value, &str) -> Converted<'a>,
}

/// What a write makes of an object: before the server prunes, sets defaults, writes values in their canonical form and admits.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The object, with its managedFields.
    pub object: Value,
    /// Whether a value differs from what stands there.
    pub values_changed: bool,
    /// Whether somebody owns something else than before (times apart).
    pub owners_changed: bool,
}

impl Merged {
    /// Whether there is nothing to write: the resourceVersion stays.
    pub fn is_unchanged(&self) -> bool {
        !self.values_changed && !self.owners_changed
    }

    /// The object. None: it is none (no name).
    pub fn into_object(self) -> Option<Object> {
        Object::try_from(self.object).ok()
    }
}

/// Why the server refuses to apply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Others own what the configuration would change (409).
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// The configuration is of another version or kind than the object, or carries managedFields (400).
    #[error("{0}")]
    BadRequest(String),
    /// The configuration is not of its type (500, in the server's words).
    #[error("failed to create typed patch object ({object}): {errors}")]
    Configuration {
        /// `namespace/name; apps/v1, Kind=Deployment`.
        object: String,
        /// What is wrong with it.
        errors: TypeErrors,
    },
    /// What stands there is not of its type (500).
    #[error("failed to create typed live object ({object}): {errors}")]
    Live {
        /// `namespace/name; apps/v1, Kind=Deployment`.
        object: String,
        /// What is wrong with it.
        errors: TypeErrors,
    },
    /// Values that their fields can't hold: no amounts, no times (422).
    #[error("{}", .0.iter().map(|found| format!("{}: {}", found.path, found.error)).collect::<Vec<_>>().join(", "))]
    Malformed(Vec<Malformed>),
    /// Of a custom kind: merging leaves a null where its type has none (422).
    #[error("`{0}` is null, and its type has no null: what it held has all been taken out")]
    Null(FieldPath),
    /// Somebody owns fields in another version, in which one of the objects can't be written (500, in the server's words).
    #[error("{0}")]
    Conversion(String),
    /// Somebody owns fields in another version, and only the server can tell what the object is in that one.
    #[error("fields are owned in {0}, and only the server can tell what the object is in that version")]
    Unknown(String),
    /// The managedFields that stand there can't be read (500).
    #[error("failed to decode managed fields: {0}")]
    Managers(#[from] ManagersError),
}

/// The name of an object in the server's messages.
pub(super) fn named(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!("{}/{}; {}", text(&metadata["namespace"]), text(&metadata["name"]), kind_of(object))
}

/// `apps/v1, Kind=Deployment`; of the core group `/v1, Kind=Pod`.
pub(super) fn kind_of(object: &Value) -> String {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    format!("{group}/{version}, Kind={}", text("kind"))
}
