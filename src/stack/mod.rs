//! Reads a stack's TOML, layers it, resolves references, validates it: every error has a span.
//!
//! Owns [`Stack`] and the typed model ([`model`]) of what files may say. The model's doc comments are the schema:
//! `schemars` makes the JSON Schema of them that editors read, `spai schema` prints and the validator walks.

mod load;
pub mod model;
pub mod naming;
pub mod node;
mod resolved;
mod sources;

pub use load::{ResolveOptions, Stack};
pub use resolved::{Instance, Manifest, Place, PlaceKind, PlaceSecret, Provenance, Resolved, ScopedPatch, Spoken};
pub use sources::Sources;
