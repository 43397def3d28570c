//! Custom resource definitions: what they define is served like anything else, with their own types, defaults and rules.

mod budget;
mod conversion;
mod definitions;
mod rules;
mod serve;
mod structural;
mod validate;

pub use conversion::{between, of_kept, refused as conversion_errors};
pub use definitions::{Definitions, refused};
pub use serve::{establish, place, served};
