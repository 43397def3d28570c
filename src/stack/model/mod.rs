//! What the files of a stack may say, as types: the one source of the JSON Schema, of validation and of decoding.
//!
//! All structs are what stands *after* layering and references: plain values. Optional fields are those for which the
//! built-in defaults (`src/stack/defaults.toml`) say nothing.

mod environment;
mod service;
mod stack;
mod tenant;
mod workload;

pub use environment::*;
pub use service::*;
pub use stack::*;
pub use tenant::*;
pub use workload::*;
