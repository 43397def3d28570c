//! What a stack may not mean, though it has the right shape: amounts that can't be, names that Kubernetes would refuse,
//! parts that contradict each other. Found before anything is sent, each at its line.
//!
//! Services are checked after layering, once for each place that they run in: what is wrong in all of them is the same
//! message at the same place, and said once.

mod amounts;
mod cron;
mod figures;
mod image;
mod labels;
mod network;
mod pods;
mod ports;
mod rights;
mod stack;
mod storage;
mod subject;

pub use stack::{deletes, environment, patch, place, root, tier};
pub use subject::Subject;

use crate::resource::Diagnostics;

/// Checks a service in a place.
pub fn service(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    image::check(subject, diagnostics);
    figures::check(subject, diagnostics);
    amounts::check(subject, diagnostics);
    ports::check(subject, diagnostics);
    network::check(subject, diagnostics);
    storage::check(subject, diagnostics);
    labels::check(subject, diagnostics);
    rights::check(subject, diagnostics);
    pods::check(subject, diagnostics);
}

/// The checks of a service that depend on the texts of its `[config]`, for one that is otherwise like one that has been checked.
pub fn texts(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    storage::sizes(subject, diagnostics);
}
