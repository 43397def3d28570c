//! The controllers: what makes workloads ready, in as few steps as make every state that users meet visible.
//!
//! Each looks at one object at a time and does the next thing that is missing; what it writes makes it look again. Nothing waits
//! by itself: whatever has to happen later is in [`Work`] with its time, so that a test can move the clock.

mod budget;
mod claim;
mod collector;
mod cron;
mod daemon;
mod deployment;
mod endpoints;
mod job;
mod kubelet;
mod namespace;
mod pods;
mod quota;
mod replicas;
mod scaler;
mod stateful;
mod status;
mod work;

pub use budget::may_evict;
pub use work::{Eye, Work, noticed, run, start};
