//! Reading one object.

use super::transport::Call;
use super::{Cluster, ClusterError};
use crate::resource::{Object, ObjectKey};

impl Cluster {
    /// The object, in the version that the server likes best; None if the server says that it isn't there.
    ///
    /// # Errors
    /// The server doesn't answer, refuses, or knows no such kind ([`ClusterError::NoSuchKind`]).
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ClusterError> {
        self.get_in_version(key, None).await
    }

    /// The object, in the given version: that of the desired object it is compared with.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_in_version(&self, key: &ObjectKey, version: Option<&str>) -> Result<Option<Object>, ClusterError> {
        let kind = self.kind_of(&key.group_kind(), version).await?;
        match self.transport.call(&Call::get(kind.object_path(key.namespace.as_deref(), &key.name))).await {
            Ok(answer) => super::write::object(&answer).map(Some),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unserved(&key.group_kind(), error).await),
        }
    }

    /// The live form of the same object: same identity, same version.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_live(&self, object: &Object) -> Result<Option<Object>, ClusterError> {
        self.get_in_version(&object.key(), Some(&object.gvk().version)).await
    }
}
