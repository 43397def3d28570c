//! Arguments in, exit code out; no logic.

mod args;
mod cluster_verbs;
mod generate;
mod groups;
mod interrupt;
mod plan_verbs;
mod request;
mod run;
mod run_verbs;
mod stack_verbs;
mod state_verbs;
mod surroundings;
mod terminal;
mod variables;
mod write_verbs;

pub use generate::{man_pages, reference};
pub use run::main;
