//! `spai state recover`: the state is lost, damaged, an old copy, or its key is; the cluster tells what it was.
//!
//! Which kinds to look at is in the inventory (without one, every kind that the cluster serves is); what is ours is told
//! by labels and our Apply entry in managedFields; what was applied is what that entry names. An object on which the
//! stack's own version of it would change nothing is recorded as that version, so the next plan has nothing to do with it.
//! Nothing of the stack is written; what was there of a state is put aside, not deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use crate::cluster::inventory::{self, Inventory, InventoryError};
use crate::cluster::{ApplyRequest, Cluster, ClusterError, Guard, Kind};
use crate::plan;
use crate::resource::{
    Declared, Desired, Diagnostic, Diagnostics, FieldManager, GroupKind, Lifecycle, Object, ObjectKey, Prior, PriorSet, Scope,
    StackIdentity,
};
use crate::state::{Holder, Journal, LocalStore, RevisionInfo, RunLock, StateStore as _};

use super::{Process, Refusal, Request, Session, applied};

/// What a recovery did.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The revision that the state stands at now.
    pub revision: u64,
    /// How many objects it has.
    pub objects: usize,
    /// How many of them are just as the stack wants them.
    pub as_wanted: usize,
    /// Where the former state was put, if it was put aside.
    pub aside: Option<PathBuf>,
    /// What was wrong with the former state; None if it was sound, or there was none.
    pub former: Option<Diagnostic>,
    /// What to know: objects with the stack's labels that are not its own.
    pub warnings: Diagnostics,
}

/// Rebuilds the state.
///
/// # Errors
/// [`Refusal::Held`] if a run is under way; [`Refusal::Unfinished`] if one is unfinished whose journal can be read
/// (finish it: that loses nothing); else whatever can't be read of the cluster, for what wasn't read is not absent.
pub async fn recover(session: &Session, request: &Request) -> Result<Recovered, Refusal> {
    let Process { user, host, command, .. } = &request.process;
    let holder = Holder::this_process(user, host, command, Timestamp::now());
    let lock = RunLock::acquire(&session.state_dir, &session.cluster, session.identity(), session.root_namespace(), &holder).await?;
    let recovered = rebuild(session, request).await;
    if let Err(error) = lock.release().await {
        tracing::warn!("the lease could not be given back: {error}");
    }
    recovered
}

async fn rebuild(session: &Session, request: &Request) -> Result<Recovered, Refusal> {
    let Session { cluster, store, .. } = session;
    let (identity, root) = (session.identity(), session.root_namespace());
    let former = Former::look(store)?;
    let known = match inventory::read(cluster, identity, root).await {
        Ok(stored) => stored.map(|stored| stored.inventory),
        Err(InventoryError::Damaged(..)) => None,
        Err(error) => return Err(Diagnostic::from(error).into()),
    };
    let target = cluster.target(root).await.map_err(Diagnostic::from)?;
    let found = find(session, request, known.as_ref()).await?;
    let mut prior = record(session, request, found.ours).await?;

    // A sound state that is no older than the cluster's goes on; else the number that was lost is taken up again.
    let lost = known.as_ref().map_or(0, |inventory| inventory.revision);
    let (expected, number, aside) = match &former {
        Former::Sound(revision) if *revision >= lost => (*revision, revision + 1, None),
        _ => (0, lost.max(1), store.set_aside(Timestamp::now())?),
    };
    prior.set.revision = number;
    let by = request.process.who();
    let info = RevisionInfo {
        number,
        at: Timestamp::now(),
        operation: "recover".to_owned(),
        by: by.clone(),
        summary: format!("{} objects found in the cluster", prior.set.objects.len()),
        objects: prior.set.objects.len(),
    };
    store.commit(&session.binding(&target.cluster_uid), expected, info, &prior.set)?;

    let kinds: BTreeSet<GroupKind> = prior.set.objects.keys().map(ObjectKey::group_kind).collect();
    let digest = store.head()?.map(|head| head.digest);
    let now = Inventory { kinds, revision: number, digest, by, ..Inventory::new(identity.clone()) };
    inventory::overwrite(cluster, root, &now).await.map_err(Diagnostic::from)?;
    Ok(Recovered {
        revision: number,
        objects: prior.set.objects.len(),
        as_wanted: prior.as_wanted,
        aside,
        former: former.problem(),
        warnings: found.warnings,
    })
}

/// What there is of a state.
enum Former {
    Absent,
    Sound(u64),
    Unreadable(Diagnostic),
}

impl Former {
    fn look(store: &LocalStore) -> Result<Self, Refusal> {
        match Journal::unfinished(store.dir(), store.key()) {
            Ok(None) => {}
            Ok(Some(_)) => {
                return Err(Refusal::Unfinished(
                    Diagnostic::error("state::journal_unfinished", "a run is unfinished, and its journal is sound")
                        .help("finish it first: `spai apply --resume` goes on with it, `spai apply --rollback` undoes it; then recover, if that is still needed"),
                ));
            }
            Err(problem) => return Self::unreadable(problem),
        }
        match store.verify() {
            Ok(verified) => Ok(verified.head.map_or(Self::Absent, |head| Self::Sound(head.revision))),
            Err(problem) => Self::unreadable(problem),
        }
    }

    /// Damage and lost keys are what a recovery is for; a newer format, a busy store or a full disk are not.
    fn unreadable(problem: Diagnostic) -> Result<Self, Refusal> {
        match problem.code.as_str() {
            "state::corrupt" | "state::journal_corrupt" | "state::key_missing" | "state::key_other" => Ok(Self::Unreadable(problem)),
            _ => Err(problem.into()),
        }
    }

    fn problem(self) -> Option<Diagnostic> {
        match self {
            Self::Unreadable(problem) => Some(problem),
            _ => None,
        }
    }
}

/// What is in the cluster.
struct Found {
    ours: Vec<Object>,
    warnings: Diagnostics,
}

async fn find(session: &Session, request: &Request, known: Option<&Inventory>) -> Result<Found, Diagnostic> {
    let (cluster, identity) = (&session.cluster, session.identity());
    let manager = identity.field_manager();
    let kinds = kinds(session, known).await?;
    let lists = cluster.list_many(&kinds, Some(&identity.label_selector()), request.parallel_reads()).await?;
    let mut live: BTreeMap<ObjectKey, Object> = lists.into_iter().flatten().map(|object| (object.key(), object)).collect();

    // Objects of the stack whose labels somebody took away.
    let served: BTreeSet<GroupKind> = kinds.iter().map(Kind::group_kind).collect();
    let unseen = session
        .compiled
        .desired
        .iter()
        .filter(|desired| !live.contains_key(&desired.key()) && served.contains(&desired.key().group_kind()));
    let looked: Vec<Option<Object>> = futures::stream::iter(unseen.map(|desired| cluster.get_live(&desired.object)).collect::<Vec<_>>())
        .buffered(request.parallel_reads())
        .try_collect()
        .await?;
    live.extend(looked.into_iter().flatten().filter(|object| applied::entry(object, &manager).is_some()).map(|o| (o.key(), o)));

    let mut found = Found { ours: Vec::new(), warnings: Diagnostics::default() };
    for object in live.into_values() {
        if object.has_controller() {
            // Controllers copy labels to what they make.
            continue;
        }
        if applied::entry(&object, &manager).is_some() {
            found.ours.push(object);
        } else {
            found.warnings.push(
                Diagnostic::warning("state::not_ours", format!("{} has the stack's labels, but spai never applied it", object.key()))
                    .help("it is left out of the state; `spai import` or `--adopt` makes it the stack's own, if the stack wants it"),
            );
        }
    }
    Ok(found)
}

/// All kinds that the stack may have objects of.
async fn kinds(session: &Session, known: Option<&Inventory>) -> Result<Vec<Kind>, Diagnostic> {
    let served = session.cluster.refresh().await?;
    let Some(known) = known else {
        let can = |kind: &&Kind| ["list", "patch"].iter().all(|verb| kind.verbs.contains(*verb));
        return Ok(served.iter().filter(can).cloned().collect());
    };
    let mut kinds = Vec::new();
    let wanted = session.compiled.desired.iter().map(|desired| desired.key().group_kind());
    for group_kind in known.kinds.iter().cloned().chain(wanted).collect::<BTreeSet<_>>() {
        match served.get(&group_kind) {
            Some(kind) => kinds.push(kind.clone()),
            None if served.is_stale(&group_kind.group) => {
                let message = format!("the API server of the group {} is down, so nothing can be said of {group_kind}", group_kind.group);
                return Err(ClusterError::Unavailable { message, sent: false }.into());
            }
            // With its definition, all its objects went.
            None => {}
        }
    }
    Ok(kinds)
}

/// The rebuilt records.
struct Recorded {
    set: PriorSet,
    as_wanted: usize,
}

async fn record(session: &Session, request: &Request, ours: Vec<Object>) -> Result<Recorded, Diagnostic> {
    let manager = session.identity().field_manager();
    let wanted: BTreeMap<ObjectKey, &Desired> = session.compiled.desired.iter().map(|desired| (desired.key(), desired)).collect();
    let records = ours.into_iter().map(|live| {
        let desired = wanted.get(&live.key()).copied();
        record_one(&session.cluster, &manager, live, desired)
    });
    let records: Vec<(Prior, bool)> =
        futures::stream::iter(records.collect::<Vec<_>>()).buffered(request.parallel_reads()).try_collect().await?;
    let as_wanted = records.iter().filter(|(_, as_wanted)| *as_wanted).count();
    let objects = records.into_iter().map(|(prior, _)| (prior.applied.key(), prior)).collect();
    Ok(Recorded { set: PriorSet { revision: 0, objects }, as_wanted })
}

/// The record of one object, and whether it is just as the stack wants it.
async fn record_one(
    cluster: &Cluster,
    manager: &FieldManager,
    live: Object,
    desired: Option<&Desired>,
) -> Result<(Prior, bool), Diagnostic> {
    if let Some(desired) = desired
        && changes_nothing(cluster, manager, &live, desired).await?
    {
        return Ok((plan::record(desired, &live, manager)?, true));
    }
    let object = applied::extract(&live, manager)
        .ok_or_else(|| Diagnostic::error("state::recover", format!("what spai applied to {} can't be read out of it", live.key())))?;
    let then = Desired {
        object,
        scope: desired.map_or_else(|| scope(&live), |desired| desired.scope.clone()),
        edges: desired.map(|desired| desired.edges.clone()).unwrap_or_default(),
        declared: Declared { object: desired.and_then(|desired| desired.declared.object.clone()), ..Declared::default() },
        lifecycle: desired.map_or_else(Lifecycle::default, |desired| desired.lifecycle.clone()),
        hand_overs: Vec::new(),
        sensitive: desired.map(|desired| desired.sensitive.clone()).unwrap_or_default(),
    };
    Ok((plan::record(&then, &live, manager)?, false))
}

/// Whether applying what the stack wants would change nothing, in the server's judgement. What the server refuses
/// changes something: the plan will say what and why.
async fn changes_nothing(cluster: &Cluster, manager: &FieldManager, live: &Object, desired: &Desired) -> Result<bool, Diagnostic> {
    let live = if live.api_version() == desired.object.api_version() {
        live.clone()
    } else {
        match cluster.get_live(&desired.object).await {
            Ok(Some(live)) => live,
            Ok(None) | Err(ClusterError::NoSuchKind { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    };
    let request = ApplyRequest { manager, force: false, dry_run: true, guard: Guard::of(&live), strict: false };
    match cluster.apply(&desired.object, &request).await {
        Ok(applied) => Ok(without_times(&applied.object) == without_times(&live)),
        Err(error) if error.is_outage() || matches!(error, ClusterError::Unauthorized { .. }) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// An object but for what an apply that changes nothing may still touch.
fn without_times(object: &Object) -> Object {
    let mut object = object.clone();
    let metadata = &mut object.value_mut()["metadata"];
    for entry in metadata["managedFields"].as_array_mut().into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("time");
        }
    }
    object
}

/// Which part of the stack an object belongs to, by its labels.
fn scope(live: &Object) -> Scope {
    let label = |key: &str| live.label(key).map(str::to_owned);
    Scope { tenant: label(StackIdentity::TENANT), tier: label(StackIdentity::TIER), service: label(StackIdentity::SERVICE) }
}
