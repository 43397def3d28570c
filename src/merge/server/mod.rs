//! What the API server does with managers on a write, as functions: server-side apply, any other write, and `/scale`.

mod apply;
mod cap;
mod conflict;
mod empty;
mod last_applied;
mod managers;
mod predict;
mod prune;
mod reset;
mod scale;
mod service;
mod update;
mod versions;
mod writer;

pub(in crate::merge) use apply::KUBECTL;
pub use apply::apply;
pub use conflict::{Conflict, Conflicts};
pub(in crate::merge) use last_applied::ANNOTATION;
pub use managers::ManagersError;
pub use predict::predict;
pub use reset::reset_fields;
pub use scale::{ScaleError, replicas_path, scale_entries, scaled};
pub use update::update;
pub use writer::{Converted, Merged, Refused, Writer};
