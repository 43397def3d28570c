//! Values of a type, as server-side apply sees them: their fields, two of them merged, compared, and parts taken out
//! (the meaning of structured-merge-diff v6, as Kubernetes 1.36 has it).
//!
//! [`validate`] comes first; the others take it that a value is of its type, and leave alone what isn't.

mod atom;
mod check;
mod compare;
mod fields;
mod merged;
mod nulls;
mod reconcile;
#[cfg(test)]
mod tests;
mod without;

pub(super) use atom::element;
pub use check::{Duplicates, TypeError, TypeErrors, validate};
pub use compare::{Comparison, compare};
pub use fields::fields_of;
pub use merged::merged;
pub use nulls::refused_null;
pub use reconcile::reconciled;
pub use without::without_items;
