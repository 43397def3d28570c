//! `spai apply`: a plan under the lock, shown and consented to by whoever calls, then carried out and recorded.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::ground::{Ground, until_lease_lost};
use super::{Refusal, Request, Session, Stopped, commit};
use crate::apply::{Ending, Failure, Interrupt, Means, Observer, Options, Outcome, Planned, Run};
use crate::cluster::Cluster;
use crate::graph::ResourceGraph;
use crate::plan::{Consent, ConsentKind, Plan};
use crate::resource::{Desired, Diagnostic, Diagnostics};
use crate::state::{Journal, RunLock};
use crate::strategy;

/// A plan that can be applied: the lock is held until it is applied or given up.
pub struct Pending {
    session: Session,
    ground: Ground,
    plan: Plan,
    lock: RunLock,
    operation: String,
}

/// Makes the plan that `spai apply` shows and carries out.
///
/// # Errors
/// The stack, the cluster or the state is not in order, a run is unfinished, or another one holds the lock. Nothing was written
/// (but the root namespace, that the lock lives in, and that goes again with the last run).
pub async fn begin(request: &Request) -> Result<Pending, Refusal> {
    begin_as(request, "apply", |_| Ok(())).await
}

/// The same for another operation, which may want something else than the stack says.
pub(super) async fn begin_as(
    request: &Request,
    operation: &str,
    reshape: impl FnOnce(&mut Session) -> Result<(), Refusal>,
) -> Result<Pending, Refusal> {
    let mut session = Session::open(request).await?;
    let ground = Ground::of(&session, request, operation);
    ground.no_unfinished(false)?;
    strategy::check(&session.compiled.resolved).into_result(()).map_err(|wrong| stopped(&session, wrong))?;
    reshape(&mut session)?;
    let lock = ground.lock().await?;
    match plan_under_lock(&session, &ground).await {
        Ok(plan) => Ok(Pending { session, ground, plan, lock, operation: operation.to_owned() }),
        Err(refusal) => {
            give_back(&ground, lock).await;
            Err(refusal)
        }
    }
}

/// Makes a session want other objects than the stack's.
pub(super) fn want(session: &mut Session, desired: Vec<Desired>) -> Result<(), Diagnostics> {
    session.compiled.graph = ResourceGraph::build(&desired)?;
    session.compiled.desired = desired;
    Ok(())
}

/// What is wrong, with the files that it stands in.
pub(super) fn stopped(session: &Session, diagnostics: Diagnostics) -> Refusal {
    Refusal::Failed(Stopped::from(diagnostics).within(session.compiled.stack.sources()))
}

async fn plan_under_lock(session: &Session, ground: &Ground) -> Result<Plan, Refusal> {
    ground.no_unfinished(true)?;
    let plan = super::plan(session).await.map_err(|wrong| stopped(session, wrong))?;
    commit::expect_revision(ground, plan.revision)?;
    Ok(plan)
}

/// Gives the lock back; a stack that has nothing in the cluster leaves nothing there.
async fn give_back(ground: &Ground, lock: RunLock) {
    // A lease that can't be given back expires by itself.
    if let Err(error) = lock.release().await {
        tracing::warn!("the lease could not be given back: {error}");
    }
    if ground.is_new() {
        ground.leave_nothing().await;
    }
}

impl Pending {
    /// What would be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it was made of.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the plan asks consent for, and isn't given.
    pub fn unanswered(&self, given: &BTreeSet<ConsentKind>) -> Vec<&Consent> {
        self.plan.consents.iter().filter(|consent| !given.contains(&consent.kind)).collect()
    }

    /// Gives the plan up: nothing is written, and the lock is free.
    pub async fn give_up(self) {
        give_back(&self.ground, self.lock).await;
    }

    /// Carries the plan out.
    ///
    /// # Errors
    /// It can't be applied, consent is missing, or the journal can't be written: nothing was written to the cluster.
    pub async fn run(
        self,
        given: &BTreeSet<ConsentKind>,
        options: Options,
        observer: &dyn Observer,
        interrupt: watch::Receiver<Interrupt>,
    ) -> Result<Outcome, Refusal> {
        let result = self.carry_out(given, options, observer, interrupt).await;
        give_back(&self.ground, self.lock).await;
        result
    }

    async fn carry_out(
        &self,
        given: &BTreeSet<ConsentKind>,
        options: Options,
        observer: &dyn Observer,
        interrupt: watch::Receiver<Interrupt>,
    ) -> Result<Outcome, Refusal> {
        if self.plan.findings.has_errors() {
            return Err(stopped(&self.session, self.plan.findings.clone()));
        }
        let missing = self.unanswered(given);
        if !missing.is_empty() {
            return Err(Refusal::NoConsent(missing.into_iter().cloned().collect()));
        }
        let kept = self.kept();
        if self.plan.changes.is_empty() && kept.is_empty() {
            let mut outcome = Outcome::untouched(self.plan.revision);
            outcome.ending = Ending::Applied;
            return Ok(outcome);
        }
        self.ground.announce(self.plan.changes.iter().map(|change| change.key.group_kind()).collect()).await?;
        let header = self.ground.header(&self.operation, self.plan.revision);
        let log = Journal::create(&self.ground.dir(), self.ground.store.key(), &header)?;
        let interrupt = until_lease_lost(interrupt, &self.lock);
        let means = Means { api: &self.ground.cluster, log, options, observer, interrupt };
        let run = Run::begin(means, header, Planned::all(&self.plan), kept)?;
        let outcome = run.forward().await;
        Ok(finish(&self.ground, run, outcome).await)
    }

    /// Objects that stay as they are and whose records don't: the stack says where they stand in another line, or the
    /// server called a change of words none.
    fn kept(&self) -> Vec<Desired> {
        let unchanged: BTreeSet<_> = self.plan.unchanged.iter().collect();
        let stale = |desired: &&Desired| {
            let key = desired.key();
            unchanged.contains(&key) && self.session.state.prior.objects.get(&key).is_none_or(|prior| commit::is_outdated(prior, desired))
        };
        self.session.compiled.desired.iter().filter(stale).cloned().collect()
    }
}

/// What follows a run's end: the state and the inventory after a success, the journal's end if nothing is left to do.
pub(super) async fn finish(ground: &Ground, run: Run<'_, Cluster, Journal>, mut outcome: Outcome) -> Outcome {
    if outcome.ending == Ending::Applied {
        match commit::commit(ground, &run).await {
            Ok(revision) => outcome.revision = revision,
            Err(diagnostic) => {
                outcome.ending = Ending::Between;
                outcome.over = false;
                outcome.failures.push(Failure { key: None, diagnostic, symptoms: Vec::new() });
                outcome.advice = Some("everything is applied, but not recorded: `spai apply --resume` records it".to_owned());
            }
        }
    }
    if outcome.over
        && let Err(diagnostic) = run.into_log().finish()
    {
        let diagnostic = Diagnostic { severity: crate::resource::Severity::Warning, ..diagnostic };
        outcome.failures.push(Failure { key: None, diagnostic, symptoms: Vec::new() });
    }
    outcome
}
