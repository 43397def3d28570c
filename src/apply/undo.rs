//! The way back: what a run did is undone in reverse, as far as nobody else has built upon it since.
//!
//! Each undo reads the object first and does only what is still missing, so it can be killed and run again. Values and
//! ownership go back in two writes, for a write that changes values makes their writer the owner, whatever it says.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use super::api::Api;
use super::event::Event;
use super::judge::{Verdict, holds};
use super::outcome::{Ending, Failure, Left, Outcome, Restored};
use super::ownership;
use super::record::{Effect, Ledger, Log, Planned, Record};
use super::restore::{restore, same_content};
use super::run::{Run, Stop, stop_for};
use super::typed::by_type;
use super::wait::{Awaited, Goal};
use crate::cluster::{ClusterError, Guard};
use crate::merge::ManagedFields;
use crate::plan::{Propagation, Types, Write};
use crate::resource::{FieldPath, Object};

/// How often an undo is decided again because the object changed under it.
const ATTEMPTS: u32 = 12;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 50 });

/// What became of one undo.
enum Undone {
    /// There was nothing to undo.
    Nothing,
    /// It is as it was.
    Restored {
        /// Except for this.
        note: Option<String>,
        /// What remains to be waited for.
        awaited: Option<Awaited>,
    },
    /// It is not.
    Left(Why),
}

/// Why something isn't as it was.
enum Why {
    /// Somebody else has built upon it: it must not be undone, not later either.
    Theirs(String),
    /// It couldn't be undone, and may be tried again.
    Hindered(String),
}

/// Why an undo didn't come to its end.
enum Trouble {
    /// Nothing can be written any more.
    Stop(Box<Stop>),
    /// This object can't be undone.
    Left(Why),
}

impl<A: Api, L: Log> Run<'_, A, L> {
    /// Undoes everything, and says how that ended.
    pub(super) async fn roll_back(&self, mut failures: Vec<Failure>) -> Outcome {
        let (mut restored, mut left) = (Vec::new(), Vec::new());
        let mut hindered = false;
        let undone = self.until_second_interrupt(self.undo_all(&mut restored, &mut left, &mut hindered)).await;
        if let Err(stop) = undone {
            if let Stop::Halted(failure) = stop {
                failures.push(*failure);
            }
            let mut outcome = self.between(failures);
            outcome.restored = restored;
            return outcome;
        }
        let ending = if left.is_empty() { Ending::RolledBack } else { Ending::Between };
        let mut outcome = self.outcome(ending, failures, left);
        restored.sort_by(|a, b| a.key.cmp(&b.key));
        outcome.restored = restored;
        outcome.over = !hindered;
        if hindered {
            outcome.advice = Some("`spai apply --rollback` tries again what could not be undone".to_owned());
        } else if ending == Ending::Between {
            outcome.advice =
                Some("the objects that are left were changed by somebody else since: see what they should be, then plan again".to_owned());
        }
        outcome
    }

    async fn undo_all(&self, restored: &mut Vec<Restored>, left: &mut Vec<Left>, hindered: &mut bool) -> Result<(), Stop> {
        self.append(Record::Undo)?;
        self.sync()?;
        let mut waves = self.ledger(Ledger::waves);
        waves.reverse();
        for (_, indices) in &mut waves {
            self.ledger(|ledger| indices.retain(|index| ledger.changes[*index].begun && !ledger.changes[*index].undone));
        }
        self.tell(&Event::RollbackStarted { changes: waves.iter().map(|(_, indices)| indices.len()).sum() });
        let mut awaited = Vec::new();
        for (_, indices) in waves {
            let (back, rest) = self.undo_wave(&indices, restored, left, hindered).await?;
            // Other objects may need what was made again: a namespace, a definition.
            self.settle_back(back, restored, left).await?;
            awaited.extend(rest);
        }
        self.settle_back(awaited, restored, left).await?;
        self.sync()?;
        Ok(())
    }

    /// Undoes a wave; gives what was made again and is waited for now, and what is waited for in the end.
    async fn undo_wave(
        &self,
        indices: &[usize],
        restored: &mut Vec<Restored>,
        left: &mut Vec<Left>,
        hindered: &mut bool,
    ) -> Result<(Vec<Awaited>, Vec<Awaited>), Stop> {
        // What is found out by reading has to be durable before an undo changes what was read.
        let parallel = self.options.parallel.max(1);
        let known = indices.iter().map(|&index| async move { (index, self.effects(index, &self.planned(index)).await) });
        let known: Vec<_> = futures::stream::iter(known.collect::<Vec<_>>()).buffer_unordered(parallel).collect().await;
        for (index, _) in known.iter().filter(|(_, effects)| effects.is_ok()) {
            self.append(Record::Undoing(*index))?;
        }
        self.sync()?;
        let undos = known.into_iter().map(|(index, effects)| async move { (index, self.undo(index, effects).await) });
        let results: Vec<_> = futures::stream::iter(undos.collect::<Vec<_>>()).buffer_unordered(parallel).collect().await;
        let (mut back, mut rest, mut stop) = (Vec::new(), Vec::new(), None);
        for (index, result) in results {
            let planned = self.planned(index);
            match result {
                Err(reason) => stop = Some(reason),
                Ok(Undone::Nothing) => self.append(Record::Undone(index))?,
                Ok(Undone::Restored { note, awaited }) => {
                    self.append(Record::Undone(index))?;
                    self.tell(&Event::Undone { key: planned.key.clone() });
                    restored.push(Restored { key: planned.key.clone(), action: planned.action, note });
                    match awaited {
                        Some(awaited) if awaited.is_to_be_ready() && self.is_made_again(index) => back.push(awaited),
                        awaited => rest.extend(awaited),
                    }
                }
                Ok(Undone::Left(why)) => {
                    *hindered |= matches!(why, Why::Hindered(_));
                    let (Why::Theirs(reason) | Why::Hindered(reason)) = why;
                    self.tell(&Event::NotUndone { key: planned.key.clone(), reason: reason.clone() });
                    left.push(Left { key: planned.key.clone(), action: planned.action, reason });
                }
            }
        }
        stop.map_or(Ok((back, rest)), Err)
    }

    fn is_made_again(&self, index: usize) -> bool {
        self.ledger(|ledger| ledger.changes[index].recreated.is_some())
    }

    /// Waits for what was undone. What doesn't get ready again is said, what isn't gone is left.
    async fn settle_back(&self, awaited: Vec<Awaited>, restored: &mut [Restored], left: &mut Vec<Left>) -> Result<(), Stop> {
        let mut pending = awaited;
        while !pending.is_empty() {
            let failures = match self.settle(pending.clone(), self.options.timeout).await {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(failures)) => failures,
                Err(stop) => return Err(stop),
            };
            let before = pending.len();
            for failure in failures {
                let Some(position) = pending.iter().position(|awaited| Some(awaited.key()) == failure.key.as_ref()) else { continue };
                let awaited = pending.remove(position);
                if awaited.is_to_be_ready() {
                    if let Some(told) = restored.iter_mut().find(|told| told.key == *awaited.key()) {
                        told.note = Some(format!("not ready again: {}", failure.diagnostic.message));
                    }
                } else {
                    left.push(Left { key: awaited.key().clone(), action: awaited.action(), reason: failure.diagnostic.message });
                }
            }
            if pending.len() == before {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Undoes what a change did.
    async fn undo(&self, index: usize, effects: Result<Vec<Effect>, Trouble>) -> Result<Undone, Stop> {
        let planned = self.planned(index);
        let undone = match effects {
            Ok(effects) => self.undo_effects(index, &planned, &effects).await,
            Err(trouble) => Err(trouble),
        };
        match undone {
            Ok(undone) => Ok(undone),
            Err(Trouble::Left(why)) => Ok(Undone::Left(why)),
            Err(Trouble::Stop(stop)) => Err(*stop),
        }
    }

    /// What the change's writes did, in order, up to the first that wasn't done. What isn't in the journal is read.
    async fn effects(&self, index: usize, planned: &Arc<Planned>) -> Result<Vec<Effect>, Trouble> {
        let mut effects = Vec::new();
        for (position, write) in planned.writes.iter().enumerate() {
            let (known, base, undoing) = self.ledger(|ledger| {
                let change = &ledger.changes[index];
                (change.effects[position].clone(), change.base(position).cloned(), change.undoing)
            });
            if let Some(effect) = known {
                effects.push(effect);
                continue;
            }
            // An undo that was killed has looked already: what it didn't find, wasn't done.
            if undoing {
                break;
            }
            let live = self.read_back(planned).await?;
            let verdict = self.judged(write, base.as_ref(), live.as_ref()).await.map_err(|error| trouble(planned, error))?;
            match verdict {
                Verdict::Done(effect) => {
                    self.append(Record::Answer { change: index, write: position, effect: Box::new(effect.clone()) })
                        .map_err(|diagnostic| Trouble::Stop(Box::new(diagnostic.into())))?;
                    effects.push(effect);
                }
                Verdict::Moved(why) if self.may_be_ours(write, base.as_ref(), live.as_ref()) => {
                    return Err(Trouble::Left(Why::Theirs(why)));
                }
                Verdict::Send | Verdict::Moved(_) => break,
            }
        }
        Ok(effects)
    }

    /// Whether a write whose answer is lost may have been done, now that somebody else has written to the object too.
    fn may_be_ours(&self, write: &Write, base: Option<&Object>, live: Option<&Object>) -> bool {
        let ours = |object: Option<&Object>| object.map(|object| ownership::applied_fields(object, &self.manager)).unwrap_or_default();
        match (write, live) {
            // It is still there, or it is gone, and not by us.
            (Write::Delete { .. }, _) | (_, None) => false,
            (_, Some(_)) => ours(base) != ours(live),
        }
    }

    async fn undo_effects(&self, index: usize, planned: &Arc<Planned>, effects: &[Effect]) -> Result<Undone, Trouble> {
        let Some(first) = effects.first() else { return Ok(Undone::Nothing) };
        let deletion = effects.iter().rposition(|effect| effect.before.is_some() && is_going(effect));
        let (head, tail) = effects.split_at(deletion.map_or(0, |position| position + 1));
        match (&first.before, deletion) {
            (_, Some(_)) => {
                if let Some(made) = tail.first() {
                    let gone = if made.hit_existing { self.withdraw(planned).await? } else { self.unmake(planned, tail).await? };
                    match gone {
                        Undone::Restored { awaited: Some(awaited), .. } => self.until_settled(planned, awaited).await?,
                        Undone::Left(why) => return Ok(Undone::Left(why)),
                        Undone::Nothing | Undone::Restored { .. } => {}
                    }
                }
                // There is one: it is what the deletion was of.
                let Some(before) = head.first().and_then(|effect| effect.before.as_ref()) else { return Ok(Undone::Nothing) };
                self.make_again(index, planned, before).await
            }
            (None, None) if first.hit_existing => self.withdraw(planned).await,
            (None, None) => self.unmake(planned, effects).await,
            (Some(_), None) => self.put_back(planned, effects).await,
        }
    }

    /// Undoes a create by deleting the object, if nobody has changed what we set.
    async fn unmake(&self, planned: &Arc<Planned>, effects: &[Effect]) -> Result<Undone, Trouble> {
        let Some(made) = effects.iter().rev().find_map(|effect| effect.after.as_ref()) else { return Ok(Undone::Nothing) };
        let gone = |note: Option<&str>| Undone::Restored { note: note.map(str::to_owned), awaited: None };
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let Some(live) = self.read_back(planned).await? else { return Ok(gone(None)) };
            if live.uid() != made.uid() {
                return Ok(gone(Some("somebody else has made another one since, which stays")));
            }
            if !live.is_being_deleted() {
                if let Some(path) = self.changed_by_others(made, &live) {
                    return Ok(Undone::Left(Why::Theirs(format!("created, and somebody else changed its {path} since: it stays"))));
                }
                let Some(guard) = Guard::of(&live) else {
                    return Ok(Undone::Left(Why::Theirs("created; the server gives it no version".to_owned())));
                };
                match self.api.delete(&planned.key, &guard, Propagation::Foreground).await {
                    Ok(_) => {}
                    Err(error) => {
                        again(planned, error)?;
                        continue;
                    }
                }
            }
            return Ok(Undone::Restored { note: None, awaited: Some(Awaited::new(planned, Some(live), Goal::Gone)) });
        }
        Err(Trouble::Left(Why::Hindered("created; it changes too often to be deleted safely".to_owned())))
    }

    /// A field of ours whose value somebody else has changed since.
    fn changed_by_others(&self, made: &Object, live: &Object) -> Option<FieldPath> {
        let leaf = |value: &Value| !value.is_object() && !value.is_array();
        ownership::applied_fields(made, &self.manager)
            .into_iter()
            .find(|path| path.get(made.value()).is_some_and(|was| leaf(was) && path.get(live.value()) != Some(was)))
    }

    /// Takes our fields out of an object that somebody else had made in the same moment.
    async fn withdraw(&self, planned: &Arc<Planned>) -> Result<Undone, Trouble> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let Some(live) = self.read_back(planned).await? else { return Ok(Undone::Nothing) };
            if ownership::applied_entry(&live, &self.manager).is_none() || live.is_being_deleted() {
                return Ok(Undone::Restored { note: Some("somebody else made it, and it stays".to_owned()), awaited: None });
            }
            if let Err(error) = self.api.apply(&ownership::empty_configuration(&live), &self.manager, false, Guard::of(&live)).await {
                again(planned, error)?;
            }
        }
        Err(Trouble::Left(Why::Hindered("somebody else made it; our fields could not be taken out of it".to_owned())))
    }

    /// Undoes updates: values first, where they are still ours, then who owns them.
    async fn put_back(&self, planned: &Arc<Planned>, effects: &[Effect]) -> Result<Undone, Trouble> {
        let steps: Vec<(&Object, &Object)> =
            effects.iter().filter_map(|effect| Some((effect.before.as_ref()?, effect.after.as_ref()?))).collect();
        let (Some((before, _)), Some((_, after))) = (steps.first(), steps.last()) else { return Ok(Undone::Nothing) };
        let types = self.types().await.map_err(|error| trouble(planned, error))?;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let Some(mut live) = self.read_back(planned).await? else {
                return Ok(Undone::Left(Why::Theirs("updated, and somebody else deleted it since".to_owned())));
            };
            if live.uid() != after.uid() || live.is_being_deleted() {
                return Ok(Undone::Left(Why::Theirs("updated, and somebody else deleted it since".to_owned())));
            }
            let goal = by_type(&types, &[before, after, &live], |of| restore(&steps, &live, of));
            if !same_content(&goal.object, &live) {
                match self.api.replace(&goal.object, &self.manager).await {
                    Ok(answer) => live = answer,
                    Err(error) => {
                        again(planned, error)?;
                        continue;
                    }
                }
            }
            if let Err(error) = self.give_back(planned, before, after, &live, &goal.kept).await {
                again(planned, error)?;
                continue;
            }
            // What a controller counts up on the object (a roll-out's revision) goes on; it never was ours.
            let ours = |object: &Object, path: &FieldPath| {
                ManagedFields::of(object).applied(&self.manager).is_some_and(|entry| entry.fields.owns(path) || entry.fields.touches(path))
            };
            let kept: Vec<String> =
                goal.kept.iter().filter(|path| ours(before, path) || ours(after, path)).map(ToString::to_string).collect();
            if kept.is_empty() {
                return Ok(Undone::Restored { note: None, awaited: Some(Awaited::new(planned, Some(live), Goal::Ready)) });
            }
            return Ok(Undone::Left(Why::Theirs(format!("as it was, but for what somebody else changed since: {}", kept.join(", ")))));
        }
        Err(Trouble::Left(Why::Hindered("updated; it changes too often to be restored safely".to_owned())))
    }

    /// Puts managedFields back.
    async fn give_back(
        &self,
        planned: &Arc<Planned>,
        before: &Object,
        after: &Object,
        live: &Object,
        kept: &[FieldPath],
    ) -> Result<(), ClusterError> {
        let (Some(entries), Some(guard)) = (ownership::restored(before, after, live, &self.manager, kept), Guard::of(live)) else {
            return Ok(());
        };
        self.api.patch(&planned.key, ownership::patch(entries), &guard, &self.manager).await.map(|_| ())
    }

    /// Undoes a delete: makes the object again of its before-image.
    async fn make_again(&self, index: usize, planned: &Arc<Planned>, before: &Object) -> Result<Undone, Trouble> {
        let nobodys = ownership::empty_configuration(before);
        let types = self.types().await.map_err(|error| trouble(planned, error))?;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let live = match self.read_back(planned).await? {
                Some(live) if live.uid() == before.uid() && live.is_being_deleted() => {
                    self.until_settled(planned, Awaited::new(planned, Some(live), Goal::Gone)).await?;
                    continue;
                }
                Some(live) if live.uid() == before.uid() => {
                    return Ok(Undone::Restored { note: None, awaited: Some(Awaited::new(planned, Some(live), Goal::Ready)) });
                }
                Some(live) if self.is_our_copy(index, before, &live, &types) => live,
                Some(_) => return Ok(Undone::Left(Why::Theirs("deleted, and somebody else has made another one since".to_owned()))),
                None => match self.api.create(&creatable(before), &self.manager).await {
                    Ok(live) => live,
                    Err(error) => {
                        again(planned, error)?;
                        continue;
                    }
                },
            };
            if let Some(uid) = live.uid() {
                self.append(Record::Recreated { change: index, uid: uid.to_owned() })
                    .map_err(|error| Trouble::Stop(Box::new(error.into())))?;
            }
            if let Err(error) = self.give_back(planned, before, &nobodys, &live, &[]).await {
                again(planned, error)?;
                continue;
            }
            let note = Some("it was made again, so its uid is new".to_owned());
            return Ok(Undone::Restored { note, awaited: Some(Awaited::new(planned, Some(live), Goal::Ready)) });
        }
        Err(Trouble::Left(Why::Hindered("deleted, and it could not be made again".to_owned())))
    }

    /// Whether an object is one that an undo (this one, or one that was killed) made of the before-image.
    fn is_our_copy(&self, index: usize, before: &Object, live: &Object, types: &Types) -> bool {
        if self.ledger(|ledger| ledger.changes[index].recreated.as_deref() == live.uid()) {
            return true;
        }
        // Written by nobody but an undo, or back in the same hands already; and it says the same.
        let by_us = |entry: &Value| entry["manager"] == self.manager.as_str() && entry["operation"] == "Update";
        let just_made = live.managed_fields().iter().filter(|entry| ownership::on_main(entry)).all(by_us);
        let given_back = ownership::restored(before, &ownership::empty_configuration(before), live, &self.manager, &[]).is_none();
        (just_made || given_back) && by_type(types, &[before, live], |of| holds(&creatable(before), live, of))
    }

    async fn until_settled(&self, planned: &Arc<Planned>, awaited: Awaited) -> Result<(), Trouble> {
        match self.settle(vec![awaited], self.options.timeout).await {
            Ok(()) => Ok(()),
            Err(Stop::Failed(failures)) => {
                let reason = failures.first().map_or_else(|| planned.key.to_string(), |failure| failure.diagnostic.message.clone());
                Err(Trouble::Left(Why::Hindered(reason)))
            }
            Err(stop) => Err(Trouble::Stop(Box::new(stop))),
        }
    }

    async fn read_back(&self, planned: &Arc<Planned>) -> Result<Option<Object>, Trouble> {
        self.read(planned).await.map_err(|error| trouble(planned, error))
    }
}

/// Whether an undo is to be decided anew after this error: it changed under us, or the answer was lost.
fn again(planned: &Arc<Planned>, error: ClusterError) -> Result<(), Trouble> {
    match error {
        ClusterError::Stale { .. }
        | ClusterError::NotFound { .. }
        | ClusterError::AlreadyExists { .. }
        | ClusterError::Unavailable { sent: true, .. } => Ok(()),
        error => Err(trouble(planned, error)),
    }
}

fn trouble(planned: &Arc<Planned>, error: ClusterError) -> Trouble {
    let words = error.to_string();
    match stop_for(planned, error) {
        Stop::Failed(_) => Trouble::Left(Why::Hindered(format!("the server refuses to have it undone: {words}"))),
        stop => Trouble::Stop(Box::new(stop)),
    }
}

/// Whether the effect is a deletion, finished or begun.
fn is_going(effect: &Effect) -> bool {
    effect.after.as_ref().is_none_or(Object::is_being_deleted)
}

async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(PAUSE * attempt).await;
    }
}

/// A before-image as it can be created: without what the server, or a controller at creation, gives an object.
fn creatable(before: &Object) -> Object {
    let mut object = before.without_server_fields();
    let kind = object.kind().to_owned();
    let value = object.value_mut();
    match kind.as_str() {
        "Job" if value["spec"]["manualSelector"] != true => {
            remove(value, &["spec"], "selector");
            for label in ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"] {
                remove(value, &["spec", "template", "metadata", "labels"], label);
                remove(value, &["metadata", "labels"], label);
            }
        }
        "PersistentVolumeClaim" => {
            // The volume is bound to the claim that went.
            remove(value, &["spec"], "volumeName");
            for annotation in ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"] {
                remove(value, &["metadata", "annotations"], annotation);
            }
        }
        _ => {}
    }
    object
}

fn remove(value: &mut Value, path: &[&str], name: &str) {
    if let Some(Value::Object(map)) = FieldPath::fields(path).get_mut(value) {
        map.remove(name);
    }
}
