//! What a run needs of a cluster: the seam at which tests put one that loses answers and goes away.

use std::collections::BTreeSet;
use std::future::Future;

use futures::stream::BoxStream;
use serde_json::Value;

use crate::admission::symptoms::Symptom;
use crate::cluster::{Applied, ApplyRequest, Cluster, ClusterError, Deletion, Guard, SchemaCache, WatchEvent};
use crate::plan::Propagation;
use crate::resource::{FieldManager, GroupKind, Object, ObjectKey};
use crate::schema::Catalog;

/// What a run needs of a cluster. All errors are those of [`Cluster`], and mean the same.
pub trait Api: Sync {
    /// The object, in the given version or the server's favourite one; None only if the server says that it isn't there.
    fn get(&self, key: &ObjectKey, version: Option<&str>) -> impl Future<Output = Result<Option<Object>, ClusterError>> + Send;

    /// Server-side apply.
    fn apply(
        &self,
        object: &Object,
        manager: &FieldManager,
        force: bool,
        guard: Option<Guard>,
    ) -> impl Future<Output = Result<Applied, ClusterError>> + Send;

    /// A JSON patch under a guard.
    fn patch(
        &self,
        key: &ObjectKey,
        patch: Value,
        guard: &Guard,
        manager: &FieldManager,
    ) -> impl Future<Output = Result<Object, ClusterError>> + Send;

    /// Puts a whole object in the place of what is there, if that has its uid and resourceVersion.
    fn replace(&self, object: &Object, manager: &FieldManager) -> impl Future<Output = Result<Object, ClusterError>> + Send;

    /// Creates an object.
    fn create(&self, object: &Object, manager: &FieldManager) -> impl Future<Output = Result<Object, ClusterError>> + Send;

    /// Deletes an object under a guard.
    fn delete(
        &self,
        key: &ObjectKey,
        guard: &Guard,
        propagation: Propagation,
    ) -> impl Future<Output = Result<Deletion, ClusterError>> + Send;

    /// Watches a kind: what is there, then every change.
    fn watch(&self, kind: &GroupKind, selector: &str) -> impl Future<Output = Result<Watching, ClusterError>> + Send;

    /// Why an object isn't ready.
    fn diagnose(&self, key: &ObjectKey) -> impl Future<Output = Result<Vec<Symptom>, ClusterError>> + Send;

    /// The types of group versions, as the server has them.
    fn catalog(&self, api_versions: &BTreeSet<String>) -> impl Future<Output = Result<Catalog, ClusterError>> + Send;

    /// Custom resource definitions came or went: what kinds there are is to be asked again.
    fn refresh(&self) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// What a watch tells, for as long as it is wanted.
pub type Watching = BoxStream<'static, Result<WatchEvent, ClusterError>>;

impl Api for Cluster {
    async fn get(&self, key: &ObjectKey, version: Option<&str>) -> Result<Option<Object>, ClusterError> {
        match self.get_in_version(key, version).await {
            // With its CRD, all its objects went (or they never were).
            Err(ClusterError::NoSuchKind { .. }) => Ok(None),
            other => other,
        }
    }

    async fn apply(&self, object: &Object, manager: &FieldManager, force: bool, guard: Option<Guard>) -> Result<Applied, ClusterError> {
        Self::apply(self, object, &ApplyRequest { manager, force, dry_run: false, guard, strict: true }).await
    }

    async fn patch(&self, key: &ObjectKey, patch: Value, guard: &Guard, manager: &FieldManager) -> Result<Object, ClusterError> {
        self.patch_json(key, patch, Some(guard), manager, false).await
    }

    async fn replace(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        Self::replace(self, object, manager).await
    }

    async fn create(&self, object: &Object, manager: &FieldManager) -> Result<Object, ClusterError> {
        Self::create(self, object, manager).await
    }

    async fn delete(&self, key: &ObjectKey, guard: &Guard, propagation: Propagation) -> Result<Deletion, ClusterError> {
        Self::delete(self, key, guard, propagation, false).await
    }

    async fn watch(&self, kind: &GroupKind, selector: &str) -> Result<Watching, ClusterError> {
        let kinds = self.kinds().await?;
        let kind = kinds.get(kind).ok_or_else(|| ClusterError::NoSuchKind { kind: kind.clone() })?;
        Ok(Self::watch(self, kind, Some(selector)))
    }

    async fn diagnose(&self, key: &ObjectKey) -> Result<Vec<Symptom>, ClusterError> {
        crate::cluster::diagnose(self, key).await
    }

    async fn catalog(&self, api_versions: &BTreeSet<String>) -> Result<Catalog, ClusterError> {
        Self::catalog(self, api_versions, &SchemaCache::of_user()).await
    }

    async fn refresh(&self) -> Result<(), ClusterError> {
        Self::refresh(self).await.map(|_| ())
    }
}
