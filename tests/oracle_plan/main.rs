//! What a plan promises, held against a real API server: what it says is what an apply does, and afterwards it is empty.

#![allow(clippy::large_futures, reason = "held once by a test, not by the thousand")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod asked;
mod changes;
mod drift;
mod limits;
#[path = "../support/mod.rs"]
mod support;
mod traps;
mod unions;
mod whole;
mod world;
