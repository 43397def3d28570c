//! What a server and its controllers decide, as functions of objects: whether one is ready, and why it isn't.

mod readiness;
pub mod symptoms;

pub use readiness::{Readiness, readiness};
