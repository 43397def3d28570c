//! One file per use case: each fetches what the core needs to know, calls it, and carries its questions out.
//!
//! [`Request`] is what a command asks for, [`Session`] all that the use cases share: the stack as it is in one
//! environment, its objects, the state, the cluster.

mod plan;
mod request;
mod session;
pub mod state;
mod validate;

pub use crate::plan::Filter;
pub use plan::{Basis, plan, plan_for};
pub use request::{Process, Request};
pub use session::{Compiled, Session};
pub use validate::{Validated, validate};
