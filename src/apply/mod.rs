//! Runs a plan wave by wave: journal, send, wait, resume, roll back.

mod event;

pub use event::{Event, Observer};
