//! What the API server knows of a kind's fields: their types, which lists and maps merge and by what, real defaults,
//! and what can't change once it stands.
//!
//! A [`Schema`] is a value: read from a server's OpenAPI v3 and its CRDs, or unpacked from what is embedded for the
//! built-in kinds of each supported minor version. The rules of server-side apply (`merge`) and of admission are functions of it.

mod definition;
mod openapi;
mod types;

pub use definition::{DefinedVersion, Definition, ScalePaths};
pub use openapi::SchemaError;
pub use types::{Field, ListKey, ListKind, Scalar, Schema, Shape, Type, TypeId, TypeRef};
