//! A Kubernetes API server in this process: a tower service under the same `kube::Client` that talks to any other, its data
//! on disk, and small controllers that make workloads ready. Nothing runs in its pods.
//!
//! A request is carried out alone and wholly, in the order a real server has: decode, defaults, who owns what, admission,
//! validation, quota, and then the write, which is in the file before it is answered. What is stored is told to watches and to the
//! controllers, which look at one object at a time. Time is a [`Clock`], which tests move.

#![allow(
    clippy::match_same_arms,
    clippy::single_match_else,
    clippy::similar_names,
    reason = "tables of kinds, one line for each; what is and what is not, side by side; words of the trade are alike"
)]

mod admit;
mod api;
mod bootstrap;
mod catalog;
mod cel;
mod clock;
mod cluster;
mod control;
mod convert;
mod crd;
mod data;
mod faults;
mod fields;
mod random;
mod rights;
mod rules;
mod schemas;
pub mod serve;
mod store;
mod tokens;
mod typed;
mod world;

pub use api::{Failure, FieldError};
pub use clock::Clock;
pub use cluster::{EmbeddedCluster, Options, Service};
pub use faults::{Fault, Faults, Mishap, Stage, Trouble};
pub use store::{Folder, OpenError};
