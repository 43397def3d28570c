//! Environments × tenants × services → desired objects. One file per concern.
//!
//! The compiler has no defaults of its own for what the stack language can say: these are the least specific layer of the
//! stack (`built-in defaults`), so that `explain` shows them. What nobody said isn't sent.

mod canonical;
mod config;
mod container;
mod context;
mod demand;
mod digests;
mod disruption;
mod exposure;
mod hooks;
mod identity;
mod jobs;
mod labels;
mod manifests;
mod marked;
mod names;
mod neighbours;
mod network;
mod order;
mod patches;
mod pattern;
mod pod;
mod probes;
mod quota;
mod routes;
mod run;
mod scaling;
mod secrets;
mod settings;
mod sizing;
mod slo;
mod tenancy;
#[cfg(test)]
mod tests;
mod volumes;
mod workload;

pub use labels::SPAI_LABELS;
pub use run::compile;
