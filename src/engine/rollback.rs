//! `spai rollback`: the revision before, or any one that is kept, is applied again, as a new revision.

use std::collections::BTreeMap;

use super::apply::{Pending, begin_as};
use super::{Refusal, Request, Session};
use crate::resource::{Declared, Desired, Diagnostic, FieldPath, Lifecycle, ObjectKey, Prior, PriorSet};
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
    let wanted = wanted(session.store.revision(to)?, &session.compiled.desired);
    Box::pin(begin_as(session, request, &format!("rollback to {to}"), Some(wanted))).await
}

/// What a revision wanted. Which fields are handed over, and which are secret besides those of Secrets, the state doesn't
/// keep: that is as the stack says now.
fn wanted(revision: PriorSet, now: &[Desired]) -> Vec<Desired> {
    let now: BTreeMap<ObjectKey, &Desired> = now.iter().map(|desired| (desired.key(), desired)).collect();
    revision.objects.into_iter().map(|(key, prior)| desired(prior, now.get(&key).copied())).collect()
}

fn desired(prior: Prior, now: Option<&Desired>) -> Desired {
    let set = |path: &FieldPath| path.get(prior.applied.value()).is_some();
    let hand_overs = now.map(|now| now.hand_overs.iter().filter(|hand_over| !set(&hand_over.path)).cloned().collect());
    Desired {
        hand_overs: hand_overs.unwrap_or_default(),
        sensitive: now.map(|now| now.sensitive.clone()).unwrap_or_default(),
        object: prior.applied.into(),
        scope: prior.scope,
        edges: prior.edges,
        declared: Declared { object: prior.origin, ..Declared::default() },
        lifecycle: Lifecycle { prevent_destroy: prior.prevent_destroy, ..Lifecycle::default() },
    }
}
