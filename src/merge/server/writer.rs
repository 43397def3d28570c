//! Who writes what, and what comes of it.

use serde_json::Value;

use super::{Conflicts, ManagersError};
use crate::merge::FieldSet;
use crate::merge::typed::TypeErrors;
use crate::resource::{FieldPath, Object};
use crate::schema::TypeRef;

/// How fields of one version of a kind are called in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted {
    /// So.
    Fields(FieldSet),
    /// As in the first: the versions agree.
    Same,
    /// That version is no longer served: what is written in its terms is dropped.
    NotServed,
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
    /// Between versions of the kind: fields, from, to.
    pub convert: &'a dyn Fn(&FieldSet, &str, &str) -> Converted,
}

impl Writer<'_> {
    /// What fields of one version are in another one. None: it isn't served.
    pub(super) fn converted(&self, fields: &FieldSet, from: &str, to: &str) -> Option<FieldSet> {
        if from == to {
            return Some(fields.clone());
        }
        match (self.convert)(fields, from, to) {
            Converted::Fields(fields) => Some(fields),
            Converted::Same => Some(fields.clone()),
            Converted::NotServed => None,
        }
    }
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
    /// Of a custom kind: merging leaves a null where its type has none (422).
    #[error("`{0}` is null, and its type has no null: what it held has all been taken out")]
    Null(FieldPath),
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
