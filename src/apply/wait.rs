//! Waits until objects are ready, or gone: one watch per kind, and words for what is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};

use super::api::Api;
use super::event::Event;
use super::outcome::Failure;
use super::record::{Log, Planned};
use super::run::{Run, Stop, failure, stop_for};
use crate::admission::symptoms::{Symptom, terminal};
use crate::admission::{Readiness, readiness};
use crate::cluster::{ClusterError, WatchEvent};
use crate::plan::Action;
use crate::resource::{Diagnostic, GroupKind, Object, ObjectKey};

/// How often it is asked why something isn't ready.
const DIAGNOSE_EVERY: Duration = Duration::from_secs(3);

/// About how many objects it is asked at once.
const DIAGNOSE_AT_ONCE: usize = 8;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It does what it is for.
    Ready,
    /// It is no longer there.
    Gone,
}

/// An object that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    planned: Arc<Planned>,
    state: Option<Object>,
    goal: Goal,
    since: Instant,
    reason: String,
}

impl Awaited {
    /// An object as its last write left it.
    pub fn new(planned: &Arc<Planned>, state: Option<Object>, goal: Goal) -> Self {
        Self { planned: planned.clone(), state, goal, since: Instant::now(), reason: String::new() }
    }

    /// Which object.
    pub fn key(&self) -> &ObjectKey {
        &self.planned.key
    }

    /// The wave that doesn't begin before it is as it is to be.
    pub fn ready_by(&self) -> usize {
        self.planned.ready_by
    }

    /// What the run did to it.
    pub fn action(&self) -> Action {
        self.planned.action
    }

    /// Whether it is to be ready, rather than gone.
    pub fn is_to_be_ready(&self) -> bool {
        self.goal == Goal::Ready
    }

    fn progress(&self) -> Readiness {
        self.goal.progress(self.state.as_ref())
    }
}

impl Goal {
    /// How far an object is that is now so.
    pub fn progress(self, state: Option<&Object>) -> Readiness {
        match (self, state) {
            (Self::Gone, None) => Readiness::Ready,
            (Self::Gone, Some(object)) => Readiness::Progressing { reason: why_it_stays(object) },
            (Self::Ready, None) => Readiness::Failed { reason: "somebody else deleted it".to_owned() },
            (Self::Ready, Some(object)) => readiness(object),
        }
    }
}

/// Why an object that is being deleted is still there.
fn why_it_stays(object: &Object) -> String {
    let list = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut finalizers = list(&object.value()["metadata"]["finalizers"]);
    if object.kind() == "Namespace" {
        finalizers.extend(list(&object.value()["spec"]["finalizers"]).into_iter().filter(|finalizer| finalizer != "kubernetes"));
        let conditions = object.value()["status"]["conditions"].as_array();
        let remaining = conditions.into_iter().flatten().filter(|condition| {
            condition["status"] == "True"
                && condition["type"].as_str().is_some_and(|kind| kind.ends_with("Remaining") || kind.ends_with("Failure"))
        });
        let told: Vec<&str> = remaining.filter_map(|condition| condition["message"].as_str()).collect();
        if !told.is_empty() {
            return format!("being deleted: {}", told.join("; "));
        }
    }
    match finalizers.as_slice() {
        [] => "being deleted".to_owned(),
        [one] if one == "foregroundDeletion" => "being deleted: its dependents go first".to_owned(),
        some => format!("being deleted: held by the finalizer {}", some.join(", ")),
    }
}

/// A watch, with the kind that it is of.
type KindWatch = BoxStream<'static, (GroupKind, Result<WatchEvent, ClusterError>)>;

/// All that is still waited for, by identity.
pub(super) type Pending = BTreeMap<ObjectKey, Awaited>;

impl<A: Api, L: Log> Run<'_, A, L> {
    /// Waits until all are as they are to be. What fails for good fails at once; what takes longer than `bound` fails then.
    pub(super) async fn settle(&self, awaited: Vec<Awaited>, bound: Duration) -> Result<(), Stop> {
        let mut pending = Pending::new();
        self.look_at(&mut pending, awaited).await?;
        self.settle_some(&mut pending, bound, |_| true).await
    }

    /// Puts these among the pending, but for those that are as they are to be already. What fails for good fails at once.
    pub(super) async fn look_at(&self, pending: &mut Pending, awaited: Vec<Awaited>) -> Result<(), Stop> {
        let keys: Vec<ObjectKey> = awaited.iter().map(|awaited| awaited.key().clone()).collect();
        pending.extend(awaited.into_iter().map(|awaited| (awaited.key().clone(), awaited)));
        self.step(pending, &keys).await
    }

    /// Waits until of the pending no `needed` one is left; those that take longer than `bound` fail then. What is pending
    /// besides is watched meanwhile: it may get ready, and what fails for good fails at once.
    pub(super) async fn settle_some(&self, pending: &mut Pending, bound: Duration, needed: impl Fn(&Awaited) -> bool) -> Result<(), Stop> {
        if !pending.values().any(&needed) {
            return Ok(());
        }
        let mut streams = self.watches(pending).await?;
        let deadline = tokio::time::sleep(bound);
        tokio::pin!(deadline);
        let mut ask = tokio::time::interval_at(tokio::time::Instant::now() + DIAGNOSE_EVERY / 3, DIAGNOSE_EVERY);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut interrupt = self.interrupt.clone();
        let mut interruptible = self.interrupted().is_none();
        let mut rotation = 0;
        while pending.values().any(&needed) {
            tokio::select! {
                event = streams.next() => match event {
                    Some((kind, Ok(event))) => {
                        let news = take(pending, &kind, event);
                        self.find(pending, &news.missing).await?;
                        self.step(pending, &news.changed).await?;
                        self.step(pending, &news.missing).await?;
                    }
                    Some((_, Err(error))) => return Err(unwatchable(pending, error)),
                    None => streams = self.watches(pending).await?,
                },
                _ = ask.tick() => self.explain(pending, &mut rotation).await?,
                () = &mut deadline => return Err(Stop::Failed(self.too_late(pending, &needed, bound).await)),
                changed = interrupt.changed(), if interruptible => {
                    interruptible = changed.is_ok();
                    if let Some(stop) = self.interrupted() {
                        return Err(stop);
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads objects that a watch doesn't know: deleted, or without the labels that it selects by.
    async fn find(&self, pending: &mut Pending, missing: &[ObjectKey]) -> Result<(), Stop> {
        for key in missing {
            let Some(awaited) = pending.get_mut(key) else { continue };
            let version = awaited.state.as_ref().map(|object| object.gvk().version);
            awaited.state = self.api.get(key, version.as_deref()).await.map_err(|error| stop_for(&awaited.planned, error))?;
        }
        Ok(())
    }

    async fn watches(&self, pending: &Pending) -> Result<SelectAll<KindWatch>, Stop> {
        let kinds: BTreeSet<GroupKind> = pending.keys().map(ObjectKey::group_kind).collect();
        let mut streams = SelectAll::new();
        for kind in kinds {
            match self.api.watch(&kind, &self.selector).await {
                Ok(stream) => streams.push(stream.map(move |event| (kind.clone(), event)).boxed()),
                Err(error) => return Err(unwatchable(pending, error)),
            }
        }
        Ok(streams)
    }

    /// Looks at these again: those that are as they are to be leave `pending`.
    async fn step(&self, pending: &mut Pending, keys: &[ObjectKey]) -> Result<(), Stop> {
        let mut failures = Vec::new();
        for key in keys {
            let Some(awaited) = pending.get_mut(key) else { continue };
            match awaited.progress() {
                Readiness::Ready => {
                    self.tell(&Event::Ready { key: key.clone(), after: awaited.since.elapsed() });
                    pending.remove(key);
                }
                Readiness::Progressing { reason } => self.waits(awaited, reason),
                Readiness::Failed { reason } => {
                    let symptoms = self.api.diagnose(key).await.unwrap_or_default();
                    failures.push(self.not_ready(awaited, &reason, symptoms));
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Stop::Failed(failures)) }
    }

    fn waits(&self, awaited: &mut Awaited, reason: String) {
        if awaited.reason != reason {
            self.tell(&Event::Waiting { key: awaited.planned.key.clone(), reason: reason.clone() });
        }
        awaited.reason = reason;
    }

    /// Asks why some of them aren't ready yet; what won't ever be fails now.
    async fn explain(&self, pending: &mut Pending, rotation: &mut usize) -> Result<(), Stop> {
        let waiting: Vec<ObjectKey> =
            pending.iter().filter(|(_, awaited)| awaited.goal == Goal::Ready).map(|(key, _)| key.clone()).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let start = *rotation % waiting.len();
        let chosen: Vec<&ObjectKey> = waiting.iter().cycle().skip(start).take(waiting.len().min(DIAGNOSE_AT_ONCE)).collect();
        *rotation = start + chosen.len();
        let asked = futures::future::join_all(chosen.into_iter().map(|key| async move { (key, self.api.diagnose(key).await) })).await;
        let mut failures = Vec::new();
        for (key, answer) in asked {
            // Why something waits is worth knowing, and not knowing it no reason to fail.
            let (Ok(symptoms), Some(awaited)) = (answer, pending.get_mut(key)) else { continue };
            let Readiness::Progressing { reason } = awaited.progress() else { continue };
            if symptoms.iter().any(terminal) {
                failures.push(self.not_ready(awaited, &reason, symptoms));
            } else if let Some(symptom) = symptoms.first() {
                self.waits(awaited, with_cause(&reason, &symptom.text));
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Stop::Failed(failures)) }
    }

    async fn too_late(&self, pending: &Pending, needed: impl Fn(&Awaited) -> bool, bound: Duration) -> Vec<Failure> {
        let mut failures = Vec::new();
        for awaited in pending.values().filter(|awaited| needed(awaited)) {
            let symptoms = match awaited.goal {
                Goal::Ready if failures.len() < DIAGNOSE_AT_ONCE => self.api.diagnose(&awaited.planned.key).await.unwrap_or_default(),
                _ => Vec::new(),
            };
            let reason = match awaited.progress() {
                Readiness::Progressing { reason } | Readiness::Failed { reason } => reason,
                Readiness::Ready => continue,
            };
            failures.push(self.not_ready(awaited, &format!("after {} s: {reason}", bound.as_secs()), symptoms));
        }
        failures
    }

    fn not_ready(&self, awaited: &Awaited, reason: &str, symptoms: Vec<Symptom>) -> Failure {
        let word = if awaited.goal == Goal::Gone { "is not gone" } else { "does not get ready" };
        let mut diagnostic = Diagnostic::error("apply::not_ready", format!("{word}: {reason}"));
        if awaited.goal == Goal::Gone {
            diagnostic = diagnostic.help("whoever set the finalizer has to remove it; `--timeout` says how long to wait");
        }
        let failure = Failure { symptoms, ..failure(&awaited.planned, diagnostic) };
        let told = failure.symptoms.first().map_or_else(|| reason.to_owned(), |symptom| with_cause(reason, &symptom.text));
        self.tell(&Event::Failed { key: awaited.planned.key.clone(), reason: told });
        failure
    }
}

/// What is missing and why, without saying the same twice.
fn with_cause(reason: &str, cause: &str) -> String {
    if reason.contains(cause) { reason.to_owned() } else { format!("{reason}: {cause}") }
}

/// What it means that a kind can't be watched.
fn unwatchable(pending: &Pending, error: ClusterError) -> Stop {
    match pending.values().next() {
        Some(awaited) => stop_for(&awaited.planned, error),
        None => Stop::Failed(Vec::new()),
    }
}

/// What a watch told: which objects changed, and which of those that are to be ready it doesn't know.
#[derive(Default)]
struct News {
    changed: Vec<ObjectKey>,
    missing: Vec<ObjectKey>,
}

/// Takes in what the watch of a kind told.
fn take(pending: &mut Pending, kind: &GroupKind, event: WatchEvent) -> News {
    let mut news = News::default();
    match event {
        WatchEvent::Applied(object) => news.changed.extend(note(pending, object)),
        WatchEvent::Deleted(object) => {
            let key = object.key();
            // An older object of the same name that goes late is none of our business.
            if let Some(awaited) = pending.get_mut(&key)
                && awaited.state.as_ref().is_none_or(|known| known.uid() == object.uid())
            {
                awaited.state = None;
                news.changed.push(key);
            }
        }
        WatchEvent::Restarted(objects) => {
            let listed: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
            news.changed = objects.into_iter().filter_map(|object| note(pending, object)).collect();
            for (key, awaited) in pending.iter_mut().filter(|(key, _)| key.group_kind() == *kind && !listed.contains(*key)) {
                if awaited.goal == Goal::Gone {
                    awaited.state = None;
                    news.changed.push(key.clone());
                } else {
                    news.missing.push(key.clone());
                }
            }
        }
    }
    news
}

fn note(pending: &mut Pending, object: Object) -> Option<ObjectKey> {
    let key = object.key();
    let awaited = pending.get_mut(&key)?;
    let known = awaited.state.as_ref();
    // A watch may begin with what was there before our write.
    if known.is_some_and(|known| is_older(&object, known)) {
        return None;
    }
    if awaited.goal == Goal::Gone && known.is_some_and(|known| known.uid() != object.uid()) {
        awaited.state = None;
    } else {
        awaited.state = Some(object);
    }
    Some(key)
}

/// Whether `object` is a former state of the same object.
fn is_older(object: &Object, known: &Object) -> bool {
    let version = |object: &Object| object.resource_version().and_then(|version| version.parse::<u64>().ok());
    object.uid() == known.uid() && version(object) < version(known)
}
