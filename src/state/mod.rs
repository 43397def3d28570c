//! What was applied before: the state store, its lock and the write-ahead journal of a run.
//!
//! `managedFields` in the cluster is the truth about what spai owns; the state adds what a server can't hold. It can be
//! lost: `spai state recover` rebuilds it.

mod database;
mod files;
mod frames;
mod holder;
mod journal;
mod key;
mod ledger;
mod local;
mod lock;
mod run_lock;
mod sealed;
mod store;

pub use holder::Holder;
pub use journal::{Journal, Unfinished};
pub use key::StateKey;
pub use local::{HISTORY_KEPT, LocalStore, REVISIONS_KEPT, Verified};
pub use lock::{Lock, LockError, LockGuard};
pub use run_lock::{Locks, RunLock, agree};
pub use store::{Binding, FORMAT, Head, Outline, RevisionInfo, Snapshot, StateStore};
