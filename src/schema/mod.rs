//! What the API server knows of a kind's fields: their types, which lists and maps merge and by what, real defaults,
//! and what can't change once it stands.
//!
//! A [`Schema`] is a value: read from a server's OpenAPI v3 and its CRDs, or unpacked from what is embedded for the
//! built-in kinds of each supported minor version. The rules of server-side apply (`merge`) and of admission are functions of it.

mod built_in;
mod canonical;
mod catalog;
mod complete;
mod definition;
mod facts;
mod immutable;
mod minor;
mod openapi;
mod pack;
mod rules;
mod types;

pub use built_in::{BuiltIn, MINORS, archive, built_in};
pub use canonical::{Malformed, MalformedValue, canonical};
pub use catalog::Catalog;
pub use complete::complete;
pub use definition::{DefinedVersion, Definition, ScalePaths};
pub use facts::Facts;
pub use immutable::{Immutable, immutable};
pub use minor::{Minor, MinorError};
pub use openapi::SchemaError;
pub use rules::ruled;
pub use types::{Field, ListKey, ListKind, Scalar, Schema, Shape, Type, TypeId, TypeRef};
