//! Reads a stack's TOML, layers it, resolves references, validates it: every error has a span.
//!
//! Owns [`Stack`] and the typed model ([`model`]) of what files may say. The model's doc comments are the schema:
//! `schemars` makes the JSON Schema of them that editors read, `spai schema` prints and the validator walks.
//!
//! [`Sources`] → [`Stack::load`] (parsed, names checked) → [`Stack::resolve`]: per environment a draft (which service runs where, its layers
//! laid over each other), then references, then the typed [`Resolved`] that the compiler reads.

mod alike;
mod checks;
mod defaults;
mod depth;
mod draft;
pub mod duration;
mod evaluate;
pub mod explain;
pub mod fmt;
mod gather;
pub mod init;
mod inputs;
mod known;
mod layer;
mod load;
mod manifest;
pub mod model;
mod moved;
mod names;
pub mod naming;
pub mod node;
pub mod parallel;
mod reference;
mod resolve;
mod resolved;
mod secrets;
pub mod shape;
mod sources;
#[cfg(test)]
mod tests;
mod version;

pub use load::{File, ResolveOptions, Stack};
pub use resolved::{Instance, Manifest, Place, PlaceKind, PlaceSecret, Provenance, Resolved, ScopedPatch, Spoken};
pub use sources::Sources;
