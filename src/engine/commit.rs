//! After a success: what every object is now goes into the state, and the inventory in the cluster says so.
//!
//! The order makes each step repeatable: what is to be stored is journalled first; a run that was killed stores just that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ground::Ground;
use crate::apply::{Ledger, Run};
use crate::cluster::inventory::{self, Inventory};
use crate::cluster::{Cluster, ClusterError};
use crate::plan::{self, Action};
use crate::resource::{Desired, Diagnostic, FieldManager, GroupVersionKind, Object, ObjectKey, Prior, PriorSet};
use crate::state::{Journal, RevisionInfo, StateStore as _};

/// What a run changes in the state.
#[derive(Debug, Serialize, Deserialize)]
struct Delta {
    info: RevisionInfo,
    /// What each object is now; None: no longer the stack's.
    objects: Vec<(ObjectKey, Option<Prior>)>,
}

/// Refuses to go on with a plan that was made of another state than the one that is there.
pub(super) fn expect_revision(ground: &Ground, revision: u64) -> Result<(), Diagnostic> {
    let now = ground.store.head()?.map_or(0, |head| head.revision);
    if now == revision {
        return Ok(());
    }
    Err(Diagnostic::error("state::moved", format!("another run went from revision {revision} to {now} meanwhile"))
        .help("run it again: the plan is made anew"))
}

/// Whether a record says something else than the stack about an object that is the same.
pub(super) fn is_outdated(prior: &Prior, desired: &Desired) -> bool {
    prior.desired != desired.digest()
        || prior.scope != desired.scope
        || prior.edges != desired.edges
        || prior.origin != desired.declared.object
        || prior.prevent_destroy != desired.lifecycle.prevent_destroy
}

/// Stores what the run did; gives the new revision. May be repeated after a crash anywhere in it.
pub(super) async fn commit(ground: &Ground, run: &Run<'_, Cluster, Journal>) -> Result<u64, Diagnostic> {
    let unreadable = |error: serde_json::Error| Diagnostic::error("apply::journal", format!("what was applied can't be recorded: {error}"));
    let expected = run.ledger(|ledger| ledger.header.revision);
    let head = ground.store.head()?;
    let mut prior = head.as_ref().map_or_else(|| Ok(PriorSet::default()), |head| ground.store.revision(head.revision))?;
    let delta = if let Some(value) = run.ledger(|ledger| ledger.committing.clone()) {
        serde_json::from_value::<Delta>(value).map_err(unreadable)?
    } else {
        let delta = delta(ground, run, &prior).await?;
        run.committing(serde_json::to_value(&delta).map_err(unreadable)?)?;
        delta
    };
    let number = delta.info.number;
    let done = head.is_some_and(|head| head.revision == number) && ground.store.history()?.first() == Some(&delta.info);
    if !done {
        for (key, now) in delta.objects {
            match now {
                Some(now) => prior.objects.insert(key, now),
                None => prior.objects.remove(&key),
            };
        }
        prior.revision = number;
        let info = RevisionInfo { objects: prior.objects.len(), ..delta.info };
        ground.store.commit(&ground.binding(), expected, info, &prior)?;
    }
    record_inventory(ground, &prior).await?;
    Ok(number)
}

/// The inventory says what the state says.
async fn record_inventory(ground: &Ground, prior: &PriorSet) -> Result<(), Diagnostic> {
    let root = &ground.target.root_namespace;
    let Some(head) = ground.store.head()? else { return Ok(()) };
    let stored = inventory::read(&ground.cluster, &ground.identity, root).await?;
    let now = Inventory {
        identity: ground.identity.clone(),
        kinds: prior.objects.keys().map(ObjectKey::group_kind).collect(),
        revision: head.revision,
        digest: Some(head.digest),
        by: ground.by.clone(),
    };
    inventory::write(&ground.cluster, root, &now, stored.as_ref()).await?;
    Ok(())
}

async fn delta(ground: &Ground, run: &Run<'_, Cluster, Journal>, prior: &PriorSet) -> Result<Delta, Diagnostic> {
    let manager = ground.identity.field_manager();
    let (mut objects, unseen, mut info) = run.ledger(|ledger| {
        let (objects, unseen) = answered(ledger, &manager)?;
        Ok::<_, Diagnostic>((objects, unseen, info(ground, ledger)))
    })?;
    let live = live(ground, &unseen).await?;
    for desired in &unseen {
        let key = desired.key();
        let after = live.get(&key).ok_or_else(|| {
            Diagnostic::error("apply::vanished", format!("{key} was applied, and somebody else deleted it since"))
                .help("`spai apply --rollback` undoes the run")
        })?;
        objects.push((key, Some(plan::record(desired, after, &manager)?)));
    }
    // As many as there will be: what stays, is changed and comes.
    let mut keys: BTreeSet<ObjectKey> = prior.objects.keys().cloned().collect();
    for (key, now) in &objects {
        if now.is_some() {
            keys.insert(key.clone())
        } else {
            keys.remove(key)
        };
    }
    info.objects = keys.len();
    Ok(Delta { info, objects })
}

/// What is to be recorded of each object.
type Records = Vec<(ObjectKey, Option<Prior>)>;

/// What is known of the run's objects by what its writes were answered with; and what else is to be recorded: what the records say
/// otherwise than the stack. Of a run that was taken up again nothing is known so: it may have lain for long, and what it wrote
/// before may be gone.
fn answered(ledger: &Ledger, manager: &FieldManager) -> Result<(Records, Vec<Desired>), Diagnostic> {
    let (mut known, mut unseen) = (Vec::new(), ledger.kept.clone());
    for change in &ledger.changes {
        if matches!(change.planned.action, Action::Delete | Action::Forget) {
            known.push((change.planned.key.clone(), None));
            continue;
        }
        let Some(desired) = &change.planned.desired else { continue };
        match change.last().filter(|_| !ledger.taken_up && change.is_done()) {
            Some(after) => known.push((change.planned.key.clone(), Some(plan::record(desired, after, manager)?))),
            None => unseen.push(desired.clone()),
        }
    }
    Ok((known, unseen))
}

fn info(ground: &Ground, ledger: &Ledger) -> RevisionInfo {
    let words = [
        (Action::Create, "created"),
        (Action::Adopt, "adopted"),
        (Action::Update, "updated"),
        (Action::Own, "taken"),
        (Action::Replace, "replaced"),
        (Action::Delete, "deleted"),
        (Action::Forget, "forgotten"),
    ];
    let counted = words.iter().filter_map(|(action, word)| {
        let count = ledger.changes.iter().filter(|change| change.planned.action == *action).count();
        (count > 0).then(|| format!("{count} {word}"))
    });
    let summary: Vec<String> = counted.collect();
    RevisionInfo {
        number: ledger.header.revision + 1,
        at: Timestamp::now(),
        operation: ledger.header.operation.clone(),
        by: ground.by.clone(),
        summary: if summary.is_empty() { "nothing changed in the cluster".to_owned() } else { summary.join(", ") },
        objects: 0,
    }
}

/// The live forms of these objects: one list per kind, all at once.
async fn live(ground: &Ground, wanted: &[Desired]) -> Result<BTreeMap<ObjectKey, Object>, Diagnostic> {
    let gvks: BTreeSet<GroupVersionKind> = wanted.iter().map(|desired| desired.object.gvk()).collect();
    let mut found = BTreeMap::new();
    if gvks.is_empty() {
        return Ok(found);
    }
    let (kinds, selector) = (ground.cluster.kinds().await?, ground.identity.label_selector());
    let lists = gvks.into_iter().map(|gvk| {
        let kind = kinds.get_version(&gvk).ok_or_else(|| ClusterError::NoSuchKind { kind: gvk.group_kind() });
        async { ground.cluster.list(&kind?, Some(&selector)).await }
    });
    for listed in futures::future::try_join_all(lists).await? {
        found.extend(listed.into_iter().map(|object| (object.key(), object)));
    }
    Ok(found)
}
