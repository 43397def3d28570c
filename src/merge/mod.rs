//! Server-side apply as a function: what a write makes of an object, who then owns which field, and what is a conflict; how
//! two values differ, with items of keyed lists matched by their keys. Which lists are keyed, and by what, a type says, never a name.
//!
//! Everything here works on JSON, on `managedFields` and on the types of a [`crate::schema::Schema`].

mod deduced;
mod diff;
mod field_set;
mod items;
#[cfg(test)]
mod laws;
mod managed_fields;
mod patch;
#[cfg(test)]
mod properties;
mod server;
mod typed;
mod unchanged;
#[cfg(test)]
pub(crate) mod widget;
mod words;

pub use deduced::Deduced;
pub use diff::{FieldDiff, diff, leaves};
pub use field_set::{FieldSet, FieldsError};
pub use items::{below, element_of, elements, value_at};
pub use managed_fields::{ManagedFields, ManagerEntry, Operation, our_entry};
pub use patch::{patch, remove, set};
pub use server::{
    Conflict, Conflicts, Converted, ManagersError, Merged, Refused, ScaleError, Writer, apply, predict, replicas_path, reset_fields,
    scale_entries, scaled, update,
};
pub use typed::{
    Comparison, Duplicates, TypeError, TypeErrors, compare, fields_of, merged, reconciled, refused_null, validate, without_items,
};
pub use unchanged::{Precedents, Reason, Rule, Verdict, unchanged, unchanged_by};
