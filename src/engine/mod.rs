//! One file per use case: each fetches what the core needs to know, calls it, and carries its questions out.
//!
//! [`Request`] is what a command asks for, [`Session`] all that the use cases share: the stack as it is in one
//! environment, its objects, the state, the cluster.

mod applied;
pub mod apply;
mod commit;
pub mod destroy;
pub mod embedded;
mod ground;
pub mod import;
mod left_behind;
mod limits;
mod place;
mod plan;
mod recover;
mod refusal;
mod request;
pub mod resume;
mod rights;
pub mod rollback;
mod session;
pub mod state;
pub mod status;
mod validate;

pub use crate::plan::Filter;
pub use apply::Pending;
pub use embedded::HELD;
pub use plan::{Basis, plan, plan_for};
pub use recover::{Recovered, recover};
pub use refusal::Refusal;
pub use request::{Process, Request};
pub use session::{Compiled, Session, Stored, stored};
pub use validate::{Validated, validate};
