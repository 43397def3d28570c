//! What `admission` says a server decides, held against what a real one decides: hundreds of pods and other objects, made
//! by dice that are thrown alike every time, each sent as a dry-run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod classes;
mod ground;
mod immutable;
mod limit_range;
mod pod_security;
mod pods;
mod quota;
mod rbac;
#[path = "../support/mod.rs"]
mod support;
