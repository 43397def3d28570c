//! What an apply leaves of an object in the state, and whether that still holds.

use crate::merge;
use crate::resource::{Desired, Diagnostic, FieldManager, Object, Prior};

/// What is remembered of an object after an apply.
///
/// # Errors
/// The server's answer shows nothing of ours on it: it wasn't applied by this manager.
pub fn record(desired: &Desired, after: &Object, manager: &FieldManager) -> Result<Prior, Diagnostic> {
    let (Some(entry), Some(uid)) = (merge::our_entry(after, manager), after.uid()) else {
        return Err(Diagnostic::error("plan::not_ours", format!("{} shows no fields applied by {manager}", after.key()))
            .at_maybe(desired.declared.object.as_ref(), "")
            .help("an admission webhook that rewrites metadata.managedFields does that; spai can't work with one"));
    };
    Ok(Prior {
        applied: desired.object.clone().into(),
        desired: desired.digest(),
        ownership: merge::entry_digest(entry),
        values: merge::values_digest(&entry["fieldsV1"], after.value()),
        uid: uid.to_owned(),
        scope: desired.scope.clone(),
        edges: desired.edges.clone(),
        origin: desired.declared.object.clone(),
        prevent_destroy: desired.lifecycle.prevent_destroy,
    })
}

/// Whether nothing changed since, on neither side: what the stack wants, what we own, and the values that stand there.
pub(super) fn holds(prior: &Prior, desired: &Desired, live: &Object, manager: &FieldManager) -> bool {
    !live.is_being_deleted()
        && live.uid() == Some(prior.uid.as_str())
        && live.api_version() == desired.object.api_version()
        && prior.desired == desired.digest()
        && merge::our_entry(live, manager).is_some_and(|entry| {
            merge::entry_digest(entry) == prior.ownership && merge::values_digest(&entry["fieldsV1"], live.value()) == prior.values
        })
}
