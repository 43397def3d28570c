//! What was applied before: the state store, its lock and the write-ahead journal of a run.
//!
//! `managedFields` in the cluster is the truth about what spai owns; the state adds what a server can't hold. It can be
//! lost: `spai state recover` rebuilds it.

mod store;

pub use store::{Binding, FORMAT, RevisionInfo, Snapshot, StateStore};
