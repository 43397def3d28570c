//! Renders core values and outcomes for people and programs: text, JSON. Decides nothing.

mod diagnostics;
mod explain;
mod look;
pub mod objects;
mod outcome;
mod plan_json;
mod plan_text;
mod progress;
mod status;
mod values;
mod visible;
mod yaml;

pub use diagnostics::{diagnostic, diagnostics};
pub use explain::{explain_object, explain_service};
pub use look::{Look, Tone};
pub use outcome::{outcome, outcome_json};
pub use plan_json::{PLAN_FORMAT, plan_json};
pub use plan_text::{Expand, plan_summary, plan_text};
pub use progress::Progress;
pub use status::{status, status_json};
pub use visible::{visible, visible_line};
pub use yaml::yaml;
