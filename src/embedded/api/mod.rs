//! HTTP, as a Kubernetes API server speaks it.

mod admission;
mod answer;
mod call;
mod delete;
mod discovery;
mod failure;
mod list;
mod patch;
mod protobuf;
mod reviews;
mod route;
mod scale;
mod selector;
mod table;
mod tokens;
mod watch;
mod write;

pub use answer::{Body, Reply};
pub use call::{Call, MediaType, Target};
pub use delete::remove_now;
pub use failure::{Failure, FieldError, trim};
pub use patch::{PatchError, json_patch};
pub use route::handle;
pub use selector::{Selector, matches_labels, matches_map};
pub use write::{Part, Validation, Write, put};
