//! Who owns which field, and what differs between two forms of an object: the vocabulary of server-side apply
//! (KEP-555, structured-merge-diff) as pure functions.

mod difference;
mod element;
mod field_set;
mod lists;
mod managed;

pub use difference::{Difference, differences};
pub use element::{parse_element, print_element};
pub use field_set::FieldSet;
pub use lists::merge_keys;
pub use managed::{Entry, ManagedFields, Operation, applied_set};
