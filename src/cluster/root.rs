//! The root namespace: the one place in the cluster where spai keeps things of its own, the inventory and the lease.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Cluster, ClusterError, Guard};
use crate::plan::Propagation;
use crate::resource::{FieldManager, MANAGED_BY, Object, ObjectKey, StackIdentity};

/// Label on a root namespace that spai made: the stack it made it for. It carries no labels of the stack itself, so it is
/// none of its objects: no plan changes it.
pub const ROOT_LABEL: &str = "spai.dev/root";

/// How long a root namespace may take to be gone: a namespace is emptied kind by kind.
const DELETION: Duration = Duration::from_mins(2);

/// Makes the root namespace if it isn't there. Whether it was made.
///
/// # Errors
/// It is just being deleted ([`ClusterError::Stale`]), or may be neither read nor made.
pub async fn ensure_root(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<bool, ClusterError> {
    let key = namespace(root);
    for _ in 0..2 {
        if let Some(live) = until_not_being_deleted(cluster, &key).await? {
            if live.is_being_deleted() {
                return Err(ClusterError::Stale { message: format!("the root namespace {root} is still being deleted") });
            }
            return Ok(false);
        }
        let wanted = own_object(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": root, "labels": own_labels(identity)},
        }))?;
        match cluster.create(&wanted, &identity.field_manager()).await {
            Ok(_) => return Ok(true),
            // Somebody else just made it, or our own request did and its answer was lost.
            Err(ClusterError::AlreadyExists { .. }) => return Ok(false),
            Err(error) if error.may_have_been_done() => {}
            Err(error) => return Err(error),
        }
    }
    Err(ClusterError::Unavailable { message: format!("the root namespace {root} can't be made"), sent: true })
}

/// The namespace as it is once a deletion that was under way is over: an apply right after a destroy waits for it. As it
/// still is, where that takes too long.
async fn until_not_being_deleted(cluster: &Cluster, key: &ObjectKey) -> Result<Option<Object>, ClusterError> {
    let until = Instant::now() + DELETION;
    loop {
        match cluster.get(key).await? {
            Some(live) if live.is_being_deleted() && Instant::now() < until => tokio::time::sleep(Duration::from_millis(200)).await,
            live => return Ok(live),
        }
    }
}

/// Labels of what is spai's own. Not those that list a stack's objects.
pub(super) fn own_labels(identity: &StackIdentity) -> serde_json::Value {
    json!({"app.kubernetes.io/managed-by": MANAGED_BY, ROOT_LABEL: identity.stack})
}

/// The manager of what is spai's own.
pub(super) fn own_manager(identity: &StackIdentity) -> FieldManager {
    identity.field_manager()
}

/// An object of spai's own making.
pub(super) fn own_object(value: serde_json::Value) -> Result<Object, ClusterError> {
    // Only a nameless root namespace could make it none.
    Object::try_from(value).map_err(|error| ClusterError::Invalid { causes: Vec::new(), message: error.to_string() })
}

fn namespace(root: &str) -> ObjectKey {
    ObjectKey::new("", "Namespace", None, root)
}

/// Removes what is spai's own: the inventory, and the root namespace, if spai made it and nothing else is in it.
///
/// # Errors
/// What there is can't be read or deleted.
pub async fn remove_root(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<(), ClusterError> {
    let Some(live) = cluster.get(&namespace(root)).await? else { return Ok(()) };
    if live.label(ROOT_LABEL) != Some(&identity.stack) || !is_empty(cluster, identity, root).await? {
        return delete(cluster, &identity.inventory_key(root)).await;
    }
    delete(cluster, &live.key()).await
}

/// Whether nothing is in the namespace but the inventory and what every namespace has.
async fn is_empty(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<bool, ClusterError> {
    let inventory = identity.inventory_key(root);
    let common =
        [ObjectKey::new("", "ConfigMap", Some(root), "kube-root-ca.crt"), ObjectKey::new("", "ServiceAccount", Some(root), "default")];
    for kind in cluster.kinds().await?.iter().filter(|kind| kind.namespaced && kind.verbs.contains("list") && kind.gvk.kind != "Event") {
        let found = match cluster.list_in(kind, root, None).await {
            Ok(found) => found,
            // The kind went just now, with all its objects.
            Err(ClusterError::NoSuchKind { .. }) => continue,
            Err(error) => return Err(error),
        };
        if found.iter().map(Object::key).any(|key| key != inventory && !common.contains(&key)) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn delete(cluster: &Cluster, key: &ObjectKey) -> Result<(), ClusterError> {
    let Some(guard) = cluster.get(key).await?.as_ref().and_then(Guard::of) else { return Ok(()) };
    cluster.delete(key, &guard, Propagation::Background, false).await.map(|_| ())
}
