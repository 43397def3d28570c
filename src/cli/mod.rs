//! Arguments in, exit code out; no logic.

mod args;
mod generate;
mod request;
mod run;
mod stack_verbs;
mod surroundings;
mod terminal;
mod variables;

pub use generate::{man_pages, reference};
pub use run::main;
