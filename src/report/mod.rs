//! Renders core values and outcomes for people and programs: text, JSON. Decides nothing.

mod diagnostics;
mod look;
pub mod objects;
mod plan_text;
mod values;
mod visible;
mod yaml;

pub use diagnostics::{diagnostic, diagnostics};
pub use look::{Look, Tone};
pub use plan_text::{Expand, plan_summary, plan_text};
pub use visible::{visible, visible_line};
pub use yaml::yaml;
