//! What the last apply left behind of one object: what tells drift from an intended change, and what to delete or to go back to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Edge, Object, ObjectKey, Origin, Scope};

/// An object as it was left by the last apply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    /// What was applied, in full (kept encrypted by the state store, for it may hold secrets).
    pub applied: Object,
    /// [`super::Desired::digest`] of it.
    pub desired: Digest,
    /// The digest of our Apply entry's field set in managedFields after that apply.
    pub ownership: Digest,
    /// The digest of the live values at that entry's paths after that apply.
    pub values: Digest,
    /// The object's uid.
    pub uid: String,
    /// Which part of the stack it belonged to.
    pub scope: Scope,
    /// What it came after: a removed object is deleted in the reverse of this order.
    pub edges: Vec<Edge>,
    /// The line that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Deleting it is refused until the stack itself lifts this.
    #[serde(default)]
    pub prevent_destroy: bool,
}

/// Everything that the last apply left behind.
#[derive(Clone, Debug, Default)]
pub struct PriorSet {
    /// The revision that these are of; 0 before the first apply.
    pub revision: u64,
    /// By identity.
    pub objects: BTreeMap<ObjectKey, Prior>,
}
