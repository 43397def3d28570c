//! The way forward: wave by wave, each journalled before it is sent, and begun when all that it needs is ready. What no wave
//! needs is waited for at the end, all of it together; should it fail for good before, the run ends as soon as that is seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;

use super::api::Api;
use super::event::Event;
use super::judge::Verdict;
use super::ownership;
use super::record::{Effect, Log, Planned, Progress, Record};
use super::run::{Run, Stop, failure, stop_for};
use super::wait::{Awaited, Goal, Pending};
use crate::admission::Readiness;
use crate::cluster::{ClusterError, Deletion, Guard};
use crate::plan::{Action, Write};
use crate::resource::{Diagnostic, Object, ObjectKey};

/// How often a write is decided again, because the object changed under it or its answer was lost.
const ATTEMPTS: u32 = 12;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });

/// What a request did.
struct Answer {
    after: Option<Object>,
    /// It was to be made and was there already.
    hit_existing: bool,
}

impl<A: Api, L: Log> Run<'_, A, L> {
    /// All waves, from the first that isn't done.
    pub(super) async fn go_forward(&self) -> Result<(), Stop> {
        let waves = self.ledger(super::record::Ledger::waves);
        let count = waves.len();
        let mut pending = Pending::new();
        for (position, (wave, indices)) in waves.into_iter().enumerate() {
            if let Some(stop) = self.interrupted() {
                return Err(stop);
            }
            self.settle_some(&mut pending, self.options.timeout, |awaited| awaited.ready_by() <= wave).await?;
            // After a crash, what this wave's requests did is in doubt; a wave that begins now has none yet.
            let doubt = self.ledger(|ledger| indices.iter().any(|index| ledger.changes[*index].begun));
            if !doubt {
                self.append(Record::Wave(wave))?;
                self.sync()?;
            }
            self.tell(&Event::WaveStarted { wave: position, waves: count, objects: indices.len() });
            self.send_wave(&indices, doubt).await?;
            self.look_at(&mut pending, self.awaited(&indices)).await?;
            let defines = |key: &ObjectKey| key.kind == "CustomResourceDefinition";
            if indices.iter().any(|index| defines(&self.planned(*index).key)) {
                self.settle_some(&mut pending, self.options.timeout, |awaited| defines(awaited.key())).await?;
                self.api.refresh().await.map_err(|error| stop_for(&self.planned(indices[0]), error))?;
                self.forget_types().await;
            }
        }
        // The answers are durable before what may take long.
        self.sync()?;
        self.settle_some(&mut pending, self.options.timeout, |_| true).await?;
        Ok(())
    }

    /// Sends a wave's requests, `parallel` changes at once. After a failure nothing new is begun, and what is in flight answers.
    async fn send_wave(&self, indices: &[usize], doubt: bool) -> Result<(), Stop> {
        let stopped = AtomicBool::new(false);
        let stopped = &stopped;
        let changes = self.spread(indices).into_iter().map(|index| async move {
            if stopped.load(Ordering::Relaxed) || self.interrupted().is_some() {
                return Ok(());
            }
            let result = self.perform(index, doubt).await;
            if result.is_err() {
                stopped.store(true, Ordering::Relaxed);
            }
            result
        });
        let results: Vec<Result<(), Stop>> =
            futures::stream::iter(changes.collect::<Vec<_>>()).buffer_unordered(self.options.parallel.max(1)).collect().await;
        let mut failures = Vec::new();
        for result in results {
            match result {
                Ok(()) => {}
                Err(Stop::Failed(more)) => failures.extend(more),
                Err(stop) => return Err(stop),
            }
        }
        if !failures.is_empty() {
            failures.sort_by(|a, b| a.key.cmp(&b.key));
            return Err(Stop::Failed(failures));
        }
        self.interrupted().map_or(Ok(()), Err)
    }

    /// A wave's changes, one of each namespace in turn: a server counts what a namespace's quotas are used by one request after
    /// the other, and does so for several namespaces at once.
    fn spread(&self, indices: &[usize]) -> Vec<usize> {
        let mut before: BTreeMap<Option<String>, usize> = BTreeMap::new();
        let mut turns: Vec<(usize, usize)> = self.ledger(|ledger| {
            let turn = |index: &usize| {
                let before = before.entry(ledger.changes[*index].planned.key.namespace.clone()).or_default();
                *before += 1;
                (*before, *index)
            };
            indices.iter().map(turn).collect()
        });
        turns.sort_unstable();
        turns.into_iter().map(|(_, index)| index).collect()
    }

    /// All writes of a change that aren't done yet.
    async fn perform(&self, index: usize, doubt: bool) -> Result<(), Stop> {
        let planned = self.planned(index);
        for position in 0..planned.writes.len() {
            let (done, base) = self.ledger(|ledger| {
                let change = &ledger.changes[index];
                (change.effects[position].is_some(), change.base(position).cloned())
            });
            if done {
                continue;
            }
            if let Some(going) = self.ledger(|ledger| still_going(&ledger.changes[index], position)) {
                // What comes next has the same name: the old object has to be gone.
                self.until_gone(&planned, going).await?;
            }
            let effect = self.write(&planned, position, base, doubt).await?;
            self.append(Record::Answer { change: index, write: position, effect: Box::new(effect) })?;
        }
        self.tell(&Event::Sent { key: planned.key.clone(), action: planned.action });
        Ok(())
    }

    /// One write, until it is certain that it was done, or that it can't be.
    async fn write(&self, planned: &Planned, position: usize, base: Option<Object>, mut doubt: bool) -> Result<Effect, Stop> {
        let write = &planned.writes[position];
        // What comes after a deletion comes upon nothing.
        let mut base = base.filter(|_| !matches!(write, Write::Apply { creates: true, .. }));
        let mut trouble: Option<ClusterError> = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            if doubt {
                let live = self.read(planned).await.map_err(|error| stop_for(planned, error))?;
                match self.judged(write, base.as_ref(), live.as_ref()).await.map_err(|error| stop_for(planned, error))? {
                    Verdict::Done(effect) => return Ok(effect),
                    Verdict::Moved(why) => return self.moved(planned, write, live, why),
                    Verdict::Send => base = live,
                }
                // The server answers, and says that it failed inside. One that has just started does so for moments (its
                // address ranges aren't ready), so that is tried again; what a webhook broke stays broken.
                if let Some(error @ ClusterError::Other { .. }) = &trouble
                    && (error.to_string().contains("failed calling webhook") || attempt + 1 == ATTEMPTS)
                {
                    return Err(stop_for(planned, error.clone()));
                }
            }
            let sent = self.send(write, base.as_ref(), &planned.key).await;
            match sent {
                Ok(Answer { hit_existing: true, after: Some(after) }) => return self.hit(planned, after),
                Ok(answer) => return Ok(Effect { before: base, after: answer.after, hit_existing: false }),
                Err(error @ (ClusterError::Stale { .. } | ClusterError::NotFound { .. })) if base.is_some() => {
                    trouble = Some(error);
                    doubt = true;
                }
                Err(error) if error.may_have_been_done() => {
                    trouble = Some(error);
                    doubt = true;
                }
                Err(error) => return Err(stop_for(planned, error)),
            }
        }
        let error = trouble.map_or_else(|| Diagnostic::error("apply::unsettled", "it couldn't be written"), Diagnostic::from);
        Err(Stop::Failed(vec![failure(planned, error)]))
    }

    /// Sends a write once.
    async fn send(&self, write: &Write, base: Option<&Object>, key: &ObjectKey) -> Result<Answer, ClusterError> {
        // A guard is missing only on what was never read from a server; then nothing may be written at all.
        let guard = || base.and_then(Guard::of).ok_or_else(|| ClusterError::Stale { message: format!("{key} is not there") });
        match write {
            Write::Apply { object, force, creates } => {
                let guard = if *creates { None } else { Some(guard()?) };
                let applied = self.api.apply(object, &self.manager, *force, guard).await?;
                let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                warnings.extend(applied.warnings.into_iter().map(|warning| (key.clone(), warning)));
                Ok(Answer { after: Some(applied.object), hit_existing: *creates && !applied.created })
            }
            Write::Delete { propagation } => match self.api.delete(key, &guard()?, *propagation).await? {
                Deletion::Gone => Ok(Answer { after: None, hit_existing: false }),
                Deletion::Begun(left) => Ok(Answer { after: Some(*left), hit_existing: false }),
            },
            Write::Release { paths } => self.own(key, base, ownership::released, paths, guard()?).await,
            Write::TakeOver { managers } => self.own(key, base, ownership::taken_over, managers, guard()?).await,
        }
    }

    /// Writes managedFields alone.
    async fn own<T: ?Sized>(
        &self,
        key: &ObjectKey,
        base: Option<&Object>,
        entries: impl Fn(&Object, &crate::resource::FieldManager, &T) -> Option<Vec<serde_json::Value>>,
        what: &T,
        guard: Guard,
    ) -> Result<Answer, ClusterError> {
        let entries = base.and_then(|base| entries(base, &self.manager, what));
        let after = match entries {
            Some(entries) => Some(self.api.patch(key, ownership::patch(entries), &guard, &self.manager).await?),
            None => base.cloned(),
        };
        Ok(Answer { after, hit_existing: false })
    }

    /// A create that found something there. In a namespace that this run made, controllers are quick (the service
    /// account `default`): it is as if we had made it, for it goes with its namespace. Elsewhere it is somebody else's.
    fn hit(&self, planned: &Planned, after: Object) -> Result<Effect, Stop> {
        let effect = Effect { before: None, after: Some(after), hit_existing: true };
        if self.in_own_namespace(planned) {
            return Ok(effect);
        }
        // It has our fields now: that is in the journal before the run fails of it, so that they can be taken out again.
        let index = self.ledger(|ledger| ledger.changes.iter().position(|change| change.planned.key == planned.key));
        if let Some(change) = index {
            let write = planned.writes.iter().position(|write| matches!(write, Write::Apply { creates: true, .. })).unwrap_or_default();
            self.append(Record::Answer { change, write, effect: Box::new(effect) })?;
        }
        Err(Stop::Failed(vec![failure(planned, moved_diagnostic("somebody else made it meanwhile".to_owned()))]))
    }

    /// A write that must not be sent any more, as the object isn't what was planned upon.
    fn moved(&self, planned: &Planned, write: &Write, live: Option<Object>, why: String) -> Result<Effect, Stop> {
        let ours = |live: &Object| ownership::applied_entry(live, &self.manager).is_some();
        if let (Write::Apply { creates: true, .. }, Some(live)) = (write, live)
            && !live.is_being_deleted()
            && ours(&live)
        {
            return self.hit(planned, live);
        }
        Err(Stop::Failed(vec![failure(planned, moved_diagnostic(why))]))
    }

    fn in_own_namespace(&self, planned: &Planned) -> bool {
        let Some(namespace) = &planned.key.namespace else { return false };
        let key = ObjectKey::new("", "Namespace", None, namespace);
        self.ledger(|ledger| {
            ledger.changes.iter().any(|change| {
                change.planned.key == key
                    && change.planned.action == Action::Create
                    && change.effects.iter().flatten().next().is_some_and(|effect| effect.before.is_none() && !effect.hit_existing)
            })
        })
    }

    /// Waits until a replaced object is gone.
    async fn until_gone(&self, planned: &Arc<Planned>, going: Object) -> Result<(), Stop> {
        self.settle(vec![Awaited::new(planned, Some(going), Goal::Gone)], self.options.timeout).await
    }

    /// What a wave leaves to be waited for: its objects are to be ready, or gone. Most are, as soon as they are answered.
    fn awaited(&self, indices: &[usize]) -> Vec<Awaited> {
        let (mut settled, mut awaited) = (Vec::new(), Vec::new());
        self.ledger(|ledger| {
            for change in indices.iter().map(|index| &ledger.changes[*index]) {
                let Some(last) = change.planned.writes.last() else { continue };
                let goal = if matches!(last, Write::Delete { .. }) { Goal::Gone } else { Goal::Ready };
                if goal.progress(change.last()) == Readiness::Ready {
                    settled.push(change.planned.clone());
                } else {
                    awaited.push(Awaited::new(&change.planned, change.last().cloned(), goal));
                }
            }
        });
        for planned in settled {
            self.tell(&Event::Ready { key: planned.key.clone(), after: Duration::ZERO });
        }
        awaited
    }
}

/// The object whose deletion the write before this one has begun.
fn still_going(change: &Progress, position: usize) -> Option<Object> {
    let previous = position.checked_sub(1)?;
    let deletes = matches!(change.planned.writes.get(previous)?, Write::Delete { .. });
    change.effects.get(previous)?.as_ref().filter(|_| deletes)?.after.clone()
}

fn moved_diagnostic(why: String) -> Diagnostic {
    Diagnostic::error("apply::moved", why).help("plan again: what was planned upon is no longer so")
}
