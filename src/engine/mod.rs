//! One file per use case: fetches, calls the core, carries its questions out.

mod applied;
mod compiled;
mod request;
mod session;
pub mod state;

pub use compiled::{Compiled, Stopped, compile, compile_environment, environment_of, read, validate};
pub use request::{Filter, Process, Request};
pub use session::{Session, connect, state_folder, store};
