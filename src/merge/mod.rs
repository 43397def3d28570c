//! Server-side apply's bookkeeping as data: which manager owns which fields, which values stand there, and how two
//! values differ, with items of keyed lists matched by their keys.
//!
//! Everything here works on JSON and on `managedFields`; the merge itself is the server's.

mod diff;
mod digest;
mod field_set;
mod list_keys;
mod managed_fields;
mod patch;
#[cfg(test)]
mod properties;

pub use diff::{FieldDiff, diff, leaves};
pub use digest::{entry_digest, values_digest};
pub use field_set::{FieldSet, FieldsError};
pub use list_keys::element_of;
pub use managed_fields::{ManagedFields, ManagerEntry, Operation, our_entry};
pub use patch::{patch, remove, set};
