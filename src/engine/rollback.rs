//! `spai rollback`: the revision before, or any one that is kept, is applied again, as a new revision.

use super::apply::{Pending, begin_as};
use super::{Refusal, Request, Session};
use crate::resource::{Declared, Desired, Diagnostic, Lifecycle, Prior, PriorSet};
use crate::state::StateStore as _;

/// Makes the plan that goes back to revision `to`, or to the one before the newest.
///
/// # Errors
/// There is no such revision; else as [`super::apply::begin`].
pub async fn begin(request: &Request, to: Option<u64>) -> Result<Pending, Refusal> {
    let session = Session::open(request).await?;
    let newest = session.store.head()?.map_or(0, |head| head.revision);
    let to = match to {
        Some(to) => to,
        None if newest > 1 => newest - 1,
        None => {
            return Err(Diagnostic::error(
                "rollback::nothing_before",
                format!("the state is at revision {newest}: there is none before it"),
            )
            .help("`spai destroy` removes everything")
            .into());
        }
    };
    if to == 0 || to >= newest {
        return Err(Diagnostic::error("rollback::no_revision", format!("revision {to} isn't before the newest, {newest}"))
            .help("`spai history` lists all revisions")
            .into());
    }
    let then = session.store.revision(to)?;
    Box::pin(begin_as(session, request, &format!("rollback to {to}"), Some(wanted(then)))).await
}

/// What a revision wanted.
fn wanted(revision: PriorSet) -> Vec<Desired> {
    revision.objects.into_values().map(desired).collect()
}

fn desired(prior: Prior) -> Desired {
    Desired {
        object: prior.applied,
        scope: prior.scope,
        edges: prior.edges,
        declared: Declared { object: prior.origin, ..Declared::default() },
        lifecycle: Lifecycle { prevent_destroy: prior.prevent_destroy, ..Lifecycle::default() },
        hand_overs: Vec::new(),
        sensitive: Vec::new(),
    }
}
