//! What a file of the stack may say: as JSON Schema for editors, as text for people, and as a check of what was said.
//!
//! All three come from the [`model`](super::model)'s types and doc comments, through schemars. The check walks that
//! schema over the spanned tree by itself instead of asking serde, since serde stops at the first error and knows no
//! places in untagged and flattened types: here all that is wrong is found at once, each at its key or value.

mod check;
mod describe;
mod schema;
mod words;

pub use check::check;
pub use describe::describe;
pub use schema::{FileKind, ShapeRef, json_schema};
