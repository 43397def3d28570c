//! Runs a plan wave by wave: journal, send, wait, resume, roll back.

mod api;
mod event;
mod forward;
mod judge;
mod options;
mod outcome;
mod ownership;
mod record;
mod restore;
mod run;
mod typed;
mod undo;
mod wait;

#[cfg(test)]
mod tests;

pub use api::{Api, Watching};
pub use event::{Event, Observer};
pub use options::{Interrupt, OnFailure, Options};
pub use outcome::{Ending, Failure, Left, Outcome, Restored};
pub use record::{Effect, FORMAT, Header, Ledger, Log, Planned, Progress, Record};
pub use run::{Means, Run};
