//! Desired, live and prior compared field by field: what would happen, and by which writes. Pure.
//!
//! A plan is a fold: it takes pages of live objects, returns the questions that only a server can answer (dry-runs),
//! takes the answers, and gives the [`Plan`].

mod change;
mod filter;
mod model;
mod record;

pub use change::{Action, Cause, Change, Conflict, Decided, FieldChange, Propagation, Shown, Write};
pub use filter::Filter;
pub use model::{Consent, ConsentKind, Plan, Summary, Target};
pub use record::record;
