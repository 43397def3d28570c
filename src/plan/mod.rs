//! Desired, live and prior compared field by field: what would happen, and by which writes. Pure.
//!
//! A plan is a fold: it takes pages of live objects, returns the questions that only a server can answer (dry-runs),
//! takes the answers, and gives the [`Plan`].

mod case;
mod change;
mod configuration;
pub mod consents;
mod cure;
mod fields;
mod filter;
mod finish;
mod limits;
mod model;
mod moved;
mod notes;
mod planner;
mod question;
mod record;
mod refusal;
mod removal;
mod rights;
mod scope;
#[cfg(test)]
mod tests;

pub use change::{Action, Cause, Change, Conflict, Decided, FieldChange, Propagation, Shown, Write};
pub use filter::Filter;
pub use limits::Limits;
pub use model::{Consent, ConsentKind, Plan, Summary, Target};
pub use planner::{Lookup, PlanInput, Planner};
pub use question::{Answer, Ask, Question};
pub use record::record;
pub use rights::Rights;
