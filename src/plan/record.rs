//! What an apply leaves of an object in the state.

use crate::merge;
use crate::resource::{Desired, Diagnostic, FieldManager, Object, Prior};

/// What is remembered of an object after an apply.
///
/// # Errors
/// The server's answer shows nothing of ours on it: it wasn't applied by this manager.
pub fn record(desired: &Desired, after: &Object, manager: &FieldManager) -> Result<Prior, Diagnostic> {
    let (Some(_), Some(uid)) = (merge::our_entry(after, manager), after.uid()) else {
        return Err(Diagnostic::error("plan::not_ours", format!("{} shows no fields applied by {manager}", after.key()))
            .at_maybe(desired.declared.object.as_ref(), "")
            .help("an admission webhook that rewrites metadata.managedFields does that; spai can't work with one"));
    };
    Ok(Prior {
        applied: desired.object.clone().into(),
        desired: desired.digest(),
        uid: uid.to_owned(),
        scope: desired.scope.clone(),
        edges: desired.edges.clone(),
        origin: desired.declared.object.clone(),
        prevent_destroy: desired.lifecycle.prevent_destroy,
    })
}
