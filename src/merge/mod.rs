//! Server-side apply as a function: what a write makes of an object, who then owns which field, and what is a conflict; how
//! two values differ, with items of keyed lists matched by their keys.
//!
//! Everything here works on JSON, on `managedFields` and on the types of a [`crate::schema::Schema`].

mod diff;
mod field_set;
#[cfg(test)]
mod laws;
mod list_keys;
mod managed_fields;
mod patch;
#[cfg(test)]
mod properties;
mod server;
mod typed;
mod unchanged;
mod words;

pub use diff::{FieldDiff, diff, diff_of, leaves, leaves_of};
pub use field_set::{FieldSet, FieldsError};
pub use list_keys::element_of;
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
