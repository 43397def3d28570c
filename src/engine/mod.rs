//! One file per use case: fetches, calls the core, carries its questions out.

mod applied;
pub mod state;
