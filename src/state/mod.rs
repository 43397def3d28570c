//! What was applied before: the state store, its lock and the write-ahead journal of a run.
//!
//! `managedFields` in the cluster is the truth about what spai owns; the state adds what a server can't hold. It can be
//! lost: `spai state recover` rebuilds it.

mod files;
mod frames;
mod holder;
mod journal;
mod key;
mod lock;
mod store;

pub use holder::Holder;
pub use journal::{Journal, Unfinished};
pub use key::StateKey;
pub use lock::{Lock, LockError, LockGuard};
pub use store::{Binding, FORMAT, Head, RevisionInfo, Snapshot, StateStore};
