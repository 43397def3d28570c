//! `spai apply`: a plan under the lock, shown and consented to by whoever calls, then carried out and recorded.

use std::any::Any;
use std::collections::BTreeSet;

use tokio::sync::watch;

use super::ground::{Ground, observed, until_lease_lost};
use super::{Basis, Refusal, Request, Session, commit, plan};
use crate::apply::{Ending, Failure, Interrupt, Ledger, Means, Observer, Options, Outcome, Planned, Run};
use crate::cluster::Cluster;
use crate::plan::{Consent, ConsentKind, Plan};
use crate::resource::{Desired, Diagnostic};
use crate::state::{Journal, RunLock, StateStore as _};
use crate::strategy;

/// A plan that can be applied: the lock is held until it is applied or given up.
pub struct Pending {
    session: Session,
    ground: Ground,
    plan: Plan,
    lock: RunLock,
    operation: String,
    /// What is wanted, if not what the stack says.
    wanted: Option<Vec<Desired>>,
}

/// What a run leaves in memory: thousands of objects, and nothing that anybody needs.
#[expect(dead_code, reason = "it is kept, and no more")]
pub struct Remains(Box<dyn Any>);

/// Makes the plan that `spai apply` shows and carries out.
///
/// # Errors
/// The stack, the cluster or the state is not in order, a run is unfinished, or another one holds the lock. Nothing was written
/// (but the root namespace, that the lock lives in, and that goes again with the last run).
pub async fn begin(request: &Request) -> Result<Pending, Refusal> {
    Box::pin(begin_as(Session::open(request).await?, request, "apply", None)).await
}

/// The same for another operation, which may want something else than the stack says.
pub(super) async fn begin_as(
    session: Session,
    request: &Request,
    operation: &str,
    wanted: Option<Vec<Desired>>,
) -> Result<Pending, Refusal> {
    let ground = Ground::of(&session, request).await?;
    ground.no_unfinished(false)?;
    strategy::check(&session.compiled.resolved).into_result(())?;
    let lock = ground.lock().await?;
    match plan_under_lock(&session, request, wanted.clone(), &ground).await {
        Ok(plan) => Ok(Pending { session, ground, plan, lock, operation: operation.to_owned(), wanted }),
        Err(refusal) => {
            ground.give_back(lock, None).await;
            Err(refusal)
        }
    }
}

async fn plan_under_lock(session: &Session, request: &Request, wanted: Option<Vec<Desired>>, ground: &Ground) -> Result<Plan, Refusal> {
    ground.no_unfinished(true)?;
    let basis = wanted.map(|desired| Basis { desired, prior: None });
    let mut plan = super::plan_for(session, request, basis).await?;
    plan::for_writing(&mut plan);
    commit::expect_revision(ground, plan.revision)?;
    Ok(plan)
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
        self.ground.give_back(self.lock, None).await;
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
    ) -> Result<(Outcome, Remains), Refusal> {
        let result = Box::pin(self.carry_out(given, options, observer, interrupt.clone())).await;
        let Self { session, ground, plan, lock, .. } = self;
        ground.give_back(lock, Some(interrupt)).await;
        result.map(|(outcome, run)| (outcome, Remains(Box::new((session, plan, run)))))
    }

    async fn carry_out(
        &self,
        given: &BTreeSet<ConsentKind>,
        options: Options,
        observer: &dyn Observer,
        interrupt: watch::Receiver<Interrupt>,
    ) -> Result<(Outcome, Option<Ledger>), Refusal> {
        if self.plan.findings.has_errors() || self.plan.lacks_rights() {
            return Err(Refusal::Failed(self.plan.findings.clone()));
        }
        let missing = self.unanswered(given);
        if !missing.is_empty() {
            return Err(Refusal::NoConsent(missing.into_iter().cloned().collect()));
        }
        let kept = self.kept()?;
        if self.plan.changes.is_empty() && kept.is_empty() {
            let mut outcome = Outcome::untouched(self.plan.revision);
            outcome.ending = Ending::Applied;
            return Ok((outcome, None));
        }
        self.ground.announce(self.plan.changes.iter().map(|change| change.key.group_kind()).collect()).await?;
        let header = self.ground.header(&self.operation, self.plan.revision);
        let log = Journal::create(&self.ground.dir(), self.ground.store.key(), &header)?;
        let interrupt = until_lease_lost(interrupt, &self.lock);
        observed(&self.ground.cluster, observer, async |cluster: &Cluster| {
            let means = Means { api: cluster, log, options, observer, interrupt };
            let run = Run::begin(means, header, Planned::all(&self.plan), kept)?;
            let outcome = run.forward().await;
            let (outcome, ledger) = finish(&self.ground, run, outcome).await;
            Ok((outcome, Some(ledger)))
        })
        .await
    }

    /// Objects that stay as they are and whose records don't: the stack says where they stand in another line, or the
    /// server called a change of words none.
    fn kept(&self) -> Result<Vec<Desired>, Diagnostic> {
        let unchanged: BTreeSet<_> = self.plan.unchanged.iter().collect();
        let records = self.ground.store.load()?.prior.objects;
        let stale = |desired: &&Desired| {
            let key = desired.key();
            unchanged.contains(&key) && records.get(&key).is_none_or(|prior| commit::is_outdated(prior, desired))
        };
        let wanted = self.wanted.as_ref().unwrap_or(&self.session.compiled.desired);
        Ok(wanted.iter().filter(stale).cloned().collect())
    }
}

/// What follows a run's end: the state and the inventory after a success, the journal's end if nothing is left to do.
pub(super) async fn finish(ground: &Ground, run: Run<'_, Cluster, Journal>, mut outcome: Outcome) -> (Outcome, Ledger) {
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
    let (log, ledger) = run.into_parts();
    if outcome.over
        && let Err(diagnostic) = log.finish()
    {
        let diagnostic = Diagnostic { severity: crate::resource::Severity::Warning, ..diagnostic };
        outcome.failures.push(Failure { key: None, diagnostic, symptoms: Vec::new() });
    }
    (outcome, ledger)
}
