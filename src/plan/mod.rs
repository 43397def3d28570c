//! Desired, live and prior compared field by field: what would happen, and by which writes. Pure.
//!
//! A plan is a fold: it takes pages of live objects and keeps of them what isn't as the stack says, by the rules of server-side
//! apply. Of that it predicts what an apply would come to, returns what is to be asked of the server (dry-runs of these few),
//! takes the answers, and gives the [`Plan`]. Where prediction and answer differ, the answer counts, and the plan says so.

mod allotted;
mod case;
mod change;
mod configuration;
pub mod consents;
mod cure;
mod decide;
mod doubt;
mod fields;
mod filter;
mod finish;
mod known;
mod limits;
mod model;
mod moved;
mod notes;
mod objection;
mod planner;
mod predict;
mod question;
mod record;
mod refusal;
mod removal;
mod rights;
mod scope;
mod sieve;
mod sight;
mod standing;
#[cfg(test)]
mod tests;
mod touched;
mod types;
mod wanted;

pub use change::{Action, Cause, Change, Conflict, Decided, Doubt, FieldChange, Propagation, Shown, Write};
pub use filter::Filter;
pub use known::Known;
pub use limits::{Limits, OpenNamespaces};
pub use model::{Asking, Consent, ConsentKind, Plan, Summary, Target};
pub use planner::{Lookup, PlanInput, Planner, listed};
pub use question::{Answer, Ask, Question};
pub use record::record;
pub use rights::Rights;
pub use sieve::{Sieve, Sifted};
pub use touched::Mutators;
pub use types::Types;
