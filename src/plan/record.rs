//! What is remembered of an object after it was applied: enough to know later, without a request, that nothing changed.

use crate::merge::applied_set;
use crate::resource::{Desired, Diagnostic, Digest, FieldManager, Object, Prior};

/// The record of an object as it was left: `after` is its live form once it is ready.
///
/// # Errors
/// `plan::not_ours`: the object has no entry of what we applied, so somebody else has taken all of it since.
pub fn record(desired: &Desired, after: &Object, manager: &FieldManager) -> Result<Prior, Diagnostic> {
    let key = desired.key();
    let Some(set) = applied_set(after, manager) else {
        return Err(Diagnostic::error("plan::not_ours", format!("{key} was applied, and nothing of it is {manager}'s any more"))
            .help("somebody else writes to it with our field manager's name, or removes managedFields"));
    };
    Ok(Prior {
        applied: desired.object.clone(),
        desired: desired.digest(),
        ownership: Digest::of(&set.print()),
        values: set.values_digest(after.value()),
        uid: after.uid().unwrap_or_default().to_owned(),
        scope: desired.scope.clone(),
        edges: desired.edges.clone(),
        origin: desired.declared.object.clone(),
        prevent_destroy: desired.lifecycle.prevent_destroy,
    })
}
