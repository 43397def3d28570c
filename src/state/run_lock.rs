//! All that keeps a second run away: the lock beside the local state and the lease in the cluster, taken and given back together.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::inventory::Inventory;
use crate::cluster::lease::{self, Claim, Lease, LeaseError, LeaseHolder};
use crate::cluster::{Cluster, ensure_root};
use crate::resource::{Diagnostic, StackIdentity};

use super::{Head, Holder, Lock, LockError, LockGuard};

/// A run's right to write: to the state, and to the stack's objects in the cluster.
#[derive(Debug)]
pub struct RunLock {
    local: LockGuard,
    lease: Lease,
}

impl RunLock {
    /// Takes both, the local one first, and makes the root namespace if need be.
    ///
    /// # Errors
    /// [`LockError::Held`] if another run has one of them: exit code 5.
    pub async fn acquire(dir: &Path, cluster: &Cluster, identity: &StackIdentity, root: &str, holder: &Holder) -> Result<Self, LockError> {
        let local = Lock::acquire(dir, holder)?;
        ensure_root(cluster, identity, root).await.map_err(Diagnostic::from)?;
        let is_dead = |token: &Value| serde_json::from_value(token.clone()).is_ok_and(|other: Holder| other.is_seen_dead(holder));
        let token = serde_json::to_value(holder).map_err(|error| Diagnostic::error("state::lock", error.to_string()))?;
        let claim = Claim { text: holder.to_string(), token, is_dead: &is_dead };
        let lease = lease::acquire(cluster, identity, root, &claim).await.map_err(|error| match error {
            LeaseError::Held(other) => match holder_of(&other) {
                Some(other) => LockError::Held(Box::new(other)),
                None => LockError::Io(LeaseError::Held(other).into()),
            },
            other => LockError::Io(other.into()),
        })?;
        Ok(Self { local, lease })
    }

    /// To be asked before each step that writes; waits at most `patience` for a server that is away.
    ///
    /// # Errors
    /// `state::lock_lost` or `cluster::lease_lost`: nothing more may be written.
    pub async fn check(&self, patience: Duration) -> Result<(), Diagnostic> {
        if !self.local.is_held() {
            return Err(Diagnostic::error("state::lock_lost", "the lock of the state was taken away from this run").help(
                "somebody broke it; see `spai lock show`, then go on with `spai apply --resume` or undo with `spai apply --rollback`",
            ));
        }
        Ok(self.lease.check(patience).await?)
    }

    /// The lease's status, to be watched.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Gives both back.
    ///
    /// # Errors
    /// The server can't be reached: the lease expires by itself then, and the lock is free anyway.
    pub async fn release(self) -> Result<(), Diagnostic> {
        let released = self.lease.release().await;
        drop(self.local);
        Ok(released?)
    }
}

/// Who holds a stack's locks: `spai lock show`.
#[derive(Debug)]
pub struct Locks {
    /// The lock beside the local state.
    pub local: Option<Holder>,
    /// The lease in the cluster.
    pub lease: Option<LeaseHolder>,
}

impl Locks {
    /// Reads both.
    pub async fn show(dir: &Path, cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<Self, Diagnostic> {
        Ok(Self { local: Lock::holder(dir)?, lease: lease::holder(cluster, identity, root).await? })
    }

    /// Takes both away from whoever holds them, and says who that was.
    pub async fn break_(dir: &Path, cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<Self, Diagnostic> {
        Ok(Self { local: Lock::break_(dir)?, lease: lease::break_(cluster, identity, root).await? })
    }
}

/// The holder as it stands in a lease that spai took.
fn holder_of(other: &LeaseHolder) -> Option<Holder> {
    serde_json::from_value(other.token.clone()?).ok()
}

/// Whether a local state and the inventory in the cluster are of the same history, so that the state may be gone by.
///
/// A state that is newer than the inventory is: a run that died right after its commit left it so.
///
/// # Errors
/// `state::lost`, `state::behind`, `state::another`: with the way out.
pub fn agree(state: Option<&Head>, inventory: Option<&Inventory>) -> Result<(), Diagnostic> {
    let Some((inventory, digest)) = inventory.and_then(|inventory| Some((inventory, inventory.digest.as_ref()?))) else { return Ok(()) };
    let there = inventory.revision;
    let by = if inventory.by.is_empty() { String::new() } else { format!(", made by {}", inventory.by) };
    match state {
        None => Err(Diagnostic::error(
            "state::lost",
            format!("{} is in the cluster, at revision {there}{by}, but there is no state here", inventory.identity),
        )
        .help("use the state it was applied with (`--state`), or rebuild one from the cluster: `spai state recover`")),
        Some(head) if head.revision < there => Err(Diagnostic::error(
            "state::behind",
            format!("the cluster is at revision {there} of {}{by}; the state here only at {}", inventory.identity, head.revision),
        )
        .help("it was applied with another state, or this one is an old copy: use the newest one (`--state`), or `spai state recover`")),
        Some(head) if head.revision == there && head.digest != *digest => Err(Diagnostic::error(
            "state::another",
            format!("revision {there} of {} in the cluster{by} isn't the one of the state here", inventory.identity),
        )
        .help("it was applied with another state: use that one (`--state`), or rebuild it from the cluster: `spai state recover`")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Digest;

    fn head(revision: u64, digest: &str) -> Head {
        Head { revision, digest: Digest(digest.to_owned()) }
    }

    #[test]
    fn a_lost_older_or_other_state_is_no_state_to_go_by() {
        let fresh = Inventory::new(StackIdentity::new("hello", "development"));
        let inventory = Inventory { revision: 41, digest: Some(Digest("a".into())), by: "ana@laptop".into(), ..fresh.clone() };
        for fine in [None, Some(&fresh)] {
            assert!(agree(None, fine).is_ok() && agree(Some(&head(3, "x")), fine).is_ok());
        }
        assert!(agree(Some(&head(41, "a")), Some(&inventory)).is_ok());
        assert!(agree(Some(&head(42, "b")), Some(&inventory)).is_ok());
        let code = |state: Option<&Head>| agree(state, Some(&inventory)).unwrap_err().code;
        assert_eq!(code(None), "state::lost");
        assert_eq!(code(Some(&head(40, "a"))), "state::behind");
        assert_eq!(code(Some(&head(41, "b"))), "state::another");
    }
}
