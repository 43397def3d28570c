//! The cluster as the engine sees it: connect, find out its kinds, list, read, write under guards, watch, and say
//! why something isn't ready.
//!
//! Everything goes through one `kube::Client`. Reads are repeated until the server answers or the time is over;
//! writes are repeated only when it is certain that they were not carried out. Errors keep the server's own words, and
//! never the value of a secret.

mod ahead;
mod connect;
mod diagnose;
mod error;
#[cfg(test)]
mod faults;
pub mod inventory;
mod kinds;
pub mod lease;
mod list;
mod mask;
mod ownership;
mod page;
mod private;
pub mod protobuf;
mod read;
mod rights;
mod root;
mod schema;
mod transport;
mod watch;
mod wire;
mod write;

pub use crate::admission::symptoms::{Symptom, terminal};
pub use connect::{Cluster, ConnectOptions, Outage, OutageObserver};
pub use diagnose::diagnose;
pub use error::{Cause, ClusterError, OwnershipConflict};
pub use kinds::{Kind, Kinds};
pub use list::{Pages, Piece};
pub use page::Page;
pub use private::open_private;
pub use root::{ROOT_LABEL, ensure_root, remove_root};
pub use schema::SchemaCache;
pub use watch::WatchEvent;
pub use write::{Applied, ApplyRequest, Deletion, Guard};
