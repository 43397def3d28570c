//! Environments × tenants × services → desired objects. One file per concern.

mod run;

pub use run::compile;
