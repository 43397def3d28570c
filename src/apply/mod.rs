//! Runs a plan wave by wave: journal, send, wait, resume, roll back.

mod event;
mod options;
mod outcome;
mod record;
mod restore;

pub use event::{Event, Observer};
pub use options::{Interrupt, OnFailure, Options};
pub use outcome::{Ending, Failure, Left, Outcome, Restored};
pub use record::{Effect, FORMAT, Header, Ledger, Log, Planned, Progress, Record};
