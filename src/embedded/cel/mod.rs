//! CEL, the language of the rules in definitions and policies: compiled as the server compiles it (parsed, and checked against the
//! types that are declared), and evaluated.
//!
//! The grammar is the `cel` crate's. Types, functions and evaluation are here, because a server refuses a rule whose types don't
//! fit, and has functions and types of its own: one table in [`functions`] says what there is, to the checker and to the evaluator.
//! What isn't in it can't be compiled, so that no rule passes for want of understanding it.

mod bounds;
mod check;
mod declared;
mod estimate;
mod eval;
mod functions;
mod library;
mod meter;
mod program;
mod sizes;
mod types;
mod value;

pub use declared::declare;
pub use functions::{Rights, Wanted};
pub use meter::OVER;
pub use program::{Environment, Program, Run, compile};
pub use sizes::{Sizes, sizes};
pub use types::{Bindings, Type};
pub use value::Value;
