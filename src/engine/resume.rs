//! `spai apply --resume` and `spai apply --rollback`: a run that was killed or stopped is finished, or undone.

use tokio::sync::watch;

use super::apply::finish;
use super::ground::{Ground, observed, read, until_lease_lost};
use super::{Refusal, Request, Session, left_behind};
use crate::apply::{Interrupt, Means, Observer, Options, Outcome, Run};
use crate::cluster::Cluster;
use crate::resource::Diagnostic;
use crate::state::{RunLock, StateStore as _};

/// Which way a run is to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

/// Finishes the unfinished run. None: there is none.
///
/// # Errors
/// Its rollback has begun, it is another cluster's, or another run holds the lock.
pub async fn resume(
    request: &Request,
    options: Options,
    observer: &dyn Observer,
    interrupt: watch::Receiver<Interrupt>,
) -> Result<Option<Outcome>, Refusal> {
    Box::pin(go(request, Way::Forward, options, observer, interrupt)).await
}

/// Undoes the unfinished run. None: there is none.
///
/// # Errors
/// It is recorded already, it is another cluster's, or another run holds the lock.
pub async fn undo(
    request: &Request,
    options: Options,
    observer: &dyn Observer,
    interrupt: watch::Receiver<Interrupt>,
) -> Result<Option<Outcome>, Refusal> {
    Box::pin(go(request, Way::Backward, options, observer, interrupt)).await
}

async fn go(
    request: &Request,
    way: Way,
    options: Options,
    observer: &dyn Observer,
    interrupt: watch::Receiver<Interrupt>,
) -> Result<Option<Outcome>, Refusal> {
    let ground = match Session::open(request).await {
        Ok(session) => Ground::of(&session, request).await?,
        // The run is known by its journal, whatever has become of the stack since; else it is the stack that is told.
        Err(broken) => left_behind::ground(request).await.ok().flatten().ok_or(broken)?,
    };
    if ground.unfinished()?.is_none() {
        return Ok(None);
    }
    let lock = ground.lock().await?;
    let result = under_lock(&ground, &lock, way, options, observer, interrupt.clone()).await;
    ground.give_back(lock, Some(interrupt)).await;
    result
}

async fn under_lock(
    ground: &Ground,
    lock: &RunLock,
    way: Way,
    options: Options,
    observer: &dyn Observer,
    interrupt: watch::Receiver<Interrupt>,
) -> Result<Option<Outcome>, Refusal> {
    let Some(unfinished) = ground.unfinished()? else { return Ok(None) };
    let ledger = read(&unfinished)?;
    if ledger.header.binding != ground.binding() {
        let theirs = &ledger.header.binding;
        return Err(Diagnostic::error(
            "apply::another_cluster",
            format!("the unfinished run is of the cluster {} (context {})", theirs.cluster_uid, ledger.header.context),
        )
        .help("choose it with `--context` or `--kubeconfig`, and the same root namespace")
        .into());
    }
    let recorded = ledger.committing.is_some() && ground.store.head()?.is_some_and(|head| head.revision > ledger.header.revision);
    match way {
        Way::Forward if ledger.undo => {
            return Err(Refusal::Unfinished(
                Diagnostic::error("apply::undoing", format!("the rollback of the unfinished run ({}) has begun", ledger.header.describe()))
                    .help("`spai apply --rollback` finishes it"),
            ));
        }
        Way::Backward if recorded => {
            return Err(Refusal::Unfinished(
                Diagnostic::error("apply::recorded", format!("the run ({}) is applied and recorded already", ledger.header.describe()))
                    .help("`spai apply --resume` finishes it; then `spai rollback` goes back to the revision before"),
            ));
        }
        _ => {}
    }
    let interrupt = until_lease_lost(interrupt, lock);
    if !ledger.has_begun() && ledger.committing.is_none() && ledger.changes.iter().any(|change| !change.planned.writes.is_empty()) {
        // Nothing was sent, and its plan may not be wholly there.
        unfinished.continue_()?.finish()?;
        return Ok(Some(Outcome::untouched(ledger.header.revision)));
    }
    let log = unfinished.continue_()?;
    observed(&ground.cluster, observer, async |cluster: &Cluster| {
        let run = Run::resume(Means { api: cluster, log, options, observer, interrupt }, ledger);
        let outcome = match way {
            Way::Forward => run.forward().await,
            Way::Backward => run.backward().await,
        };
        Ok(Some(finish(ground, run, outcome).await.0))
    })
    .await
}
