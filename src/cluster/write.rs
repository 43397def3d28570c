//! Writing: every change carries what it expects to find, so that it changes nothing else.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use super::kinds::segment;
use super::mask::masked;
use super::transport::{Answer, Call};
use super::{Cluster, ClusterError};
use crate::plan::Propagation;
use crate::resource::{FieldManager, Object, ObjectKey};

/// What a write expects to find: this very object, unchanged. Otherwise it is [`ClusterError::Stale`], and nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

impl Guard {
    /// That the object is as it was read. None for one that wasn't read from a server.
    pub fn of(live: &Object) -> Option<Self> {
        Some(Self { uid: live.uid()?.to_owned(), resource_version: live.resource_version()?.to_owned() })
    }
}

/// How an apply is done.
#[derive(Clone, Debug)]
pub struct ApplyRequest<'r> {
    /// As whom.
    pub manager: &'r FieldManager,
    /// Takes fields away from other managers.
    pub force: bool,
    /// Asks only what would happen.
    pub dry_run: bool,
    /// The object that is expected to be there. None: it is expected not to be there ([`Applied::created`] says whether that was so).
    pub guard: Option<Guard>,
    /// Unknown and doubled fields are refused; else they are warnings.
    pub strict: bool,
}

/// What an apply did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as it now is (or, of a dry-run, would be).
    pub object: Object,
    /// It wasn't there before. False where it was expected not to be there: somebody else made it meanwhile, and it must
    /// not be undone by deleting it.
    pub created: bool,
    /// The server's warnings: deprecated versions, Pod Security, …
    pub warnings: Vec<String>,
}

/// What a delete did.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// It is gone.
    Gone,
    /// Its deletion has begun: finalizers, dependents or a grace period hold it up.
    Begun(Box<Object>),
}

impl Cluster {
    /// Server-side apply.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] names the owners; [`ClusterError::Stale`] that the guard didn't hold; the others as they say.
    pub async fn apply(&self, object: &Object, request: &ApplyRequest<'_>) -> Result<Applied, ClusterError> {
        let mut body = object.value().clone();
        let metadata = &mut body["metadata"];
        match &request.guard {
            Some(guard) => {
                metadata["uid"] = guard.uid.as_str().into();
                metadata["resourceVersion"] = guard.resource_version.as_str().into();
            }
            None => {
                if let Some(metadata) = metadata.as_object_mut() {
                    metadata.remove("uid");
                    metadata.remove("resourceVersion");
                }
            }
        }
        let query = Query::of(request.manager, request.dry_run)
            .and("force", if request.force { "true" } else { "false" })
            .and("fieldValidation", if request.strict { "Strict" } else { "Warn" });
        let path = self.path_of(object, request.dry_run).await? + &query.0;
        let call = write_call(Method::PATCH, path, "application/apply-patch+yaml", &body);
        let answer = self.send_object(&call, object).await?;
        let applied = Applied { object: self::object(&answer)?, created: answer.code == 201, warnings: answer.warnings() };
        Ok(applied)
    }

    /// A JSON patch (RFC 6902), under a guard: the list of operations without those that the guard needs.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when the object is gone, [`ClusterError::Stale`] when it changed.
    pub async fn patch_json(
        &self,
        key: &ObjectKey,
        operations: Value,
        guard: Option<&Guard>,
        manager: &FieldManager,
        dry_run: bool,
    ) -> Result<Object, ClusterError> {
        let mut guarded = Vec::new();
        if let Some(guard) = guard {
            // A resourceVersion is of one object only, so it stands for the uid as well. Replacing it (and not
            // testing it) makes a mismatch a 409.
            guarded.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": guard.resource_version}));
        }
        match operations {
            Value::Array(more) => guarded.extend(more),
            one => guarded.push(one),
        }
        let kind = self.kind_of(&key.group_kind(), None).await?;
        let path = kind.object_path(key.namespace.as_deref(), &key.name) + &Query::of(manager, dry_run).0;
        let call = write_call(Method::PATCH, path, "application/json-patch+json", &Value::Array(guarded));
        object(&self.transport.call(&call).await?)
    }

    /// Puts a whole object in the place of what is there; its own uid and resourceVersion, if it has them, are the guard.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when there is nothing, [`ClusterError::Stale`] when it changed.
    pub async fn replace(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        let path = self.path_of(object, false).await? + &Query::of(manager, false).0;
        self::object(&self.send_object(&write_call(Method::PUT, path, "application/json", object.value()), object).await?)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`ClusterError::AlreadyExists`] when it is there.
    pub async fn create(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        let gvk = object.gvk();
        let kind = self.kind_soon(&gvk.group_kind(), &gvk.version).await?;
        let path = kind.path(object.namespace()) + &Query::of(manager, false).0;
        self::object(&self.send_object(&write_call(Method::POST, path, "application/json", object.value()), object).await?)
    }

    /// Deletes an object, if it is the one that the guard names, unchanged. One that is gone already is [`Deletion::Gone`].
    ///
    /// # Errors
    /// [`ClusterError::Stale`] when it is another one, or changed.
    pub async fn delete(&self, key: &ObjectKey, guard: &Guard, propagation: Propagation, dry_run: bool) -> Result<Deletion, ClusterError> {
        let kind = match self.kind_of(&key.group_kind(), None).await {
            // With its CRD, all its objects went.
            Err(ClusterError::NoSuchKind { .. }) => return Ok(Deletion::Gone),
            other => other?,
        };
        let mut options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
            "preconditions": {"uid": guard.uid, "resourceVersion": guard.resource_version},
        });
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let path = kind.object_path(key.namespace.as_deref(), &key.name);
        match self.transport.call(&write_call(Method::DELETE, path, "application/json", &options)).await {
            Err(ClusterError::NotFound { .. }) => Ok(Deletion::Gone),
            Err(error) => Err(error),
            Ok(answer) => match object(&answer) {
                // Kinds without finalizers or grace answer with the object's last form, or with a Status.
                Ok(left) if left.kind() != "Status" && left.is_being_deleted() => Ok(Deletion::Begun(Box::new(left))),
                _ => Ok(Deletion::Gone),
            },
        }
    }

    async fn path_of(&self, object: &Object, dry_run: bool) -> Result<String, ClusterError> {
        let gvk = object.gvk();
        let kind = if dry_run {
            self.kind_of(&gvk.group_kind(), Some(&gvk.version)).await?
        } else {
            self.kind_soon(&gvk.group_kind(), &gvk.version).await?
        };
        Ok(kind.object_path(object.namespace(), object.name()))
    }

    async fn send_object(&self, call: &Call, object: &Object) -> Result<Answer, ClusterError> {
        self.transport.call(call).await.map_err(|error| masked(error, object))
    }
}

/// A query string, begun.
struct Query(String);

impl Query {
    fn of(manager: &FieldManager, dry_run: bool) -> Self {
        let query = Self(format!("?fieldManager={}", segment(manager.as_str())));
        if dry_run { query.and("dryRun", "All") } else { query }
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "&{name}={value}");
        self
    }
}

fn write_call(method: Method, path: String, content_type: &'static str, body: &Value) -> Call {
    Call { method, path, accept: "application/json", content_type, body: body.to_string().into_bytes() }
}

/// The object in an answer.
pub(super) fn object(answer: &Answer) -> Result<Object, ClusterError> {
    Object::try_from(answer.json()?).map_err(|error| ClusterError::Other {
        code: answer.code,
        reason: String::new(),
        message: format!("the server's answer is no object: {error}"),
    })
}
