//! `spai status`: what runs, whether it is ready, and if not, why.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use serde::Serialize;

use super::{Request, Session};
use crate::admission::symptoms::Symptom;
use crate::admission::{Readiness, readiness};
use crate::cluster::{ClusterError, diagnose};
use crate::plan::Target;
use crate::resource::{Diagnostic, Diagnostics, GroupKind, Object, ObjectKey, Scope, StackIdentity};
use crate::state::{RevisionInfo, StateStore as _};

/// How many objects it is asked of at once why they aren't ready.
const AT_ONCE: usize = 8;

/// What runs.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Whose.
    pub identity: StackIdentity,
    /// Where.
    pub target: Target,
    /// The newest revision; None before the first apply.
    pub revision: Option<RevisionInfo>,
    /// A run that isn't finished, in words.
    pub unfinished: Option<String>,
    /// All objects of the state, and those in the cluster that carry the stack's labels, by identity.
    pub objects: Vec<ObjectStatus>,
}

/// How an object is.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectStatus {
    /// Which.
    pub key: ObjectKey,
    /// Which part of the stack it belongs to.
    pub scope: Scope,
    /// How it is.
    pub health: Health,
    /// Why it isn't ready.
    pub symptoms: Vec<Symptom>,
}

/// How an object is, in a word and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Health {
    /// It does what it is for.
    Ready,
    /// Not yet, or no longer.
    Progressing {
        /// What is missing.
        reason: String,
    },
    /// It won't without a change.
    Failed {
        /// Why.
        reason: String,
    },
    /// The state has it, the cluster hasn't.
    Missing,
    /// The cluster has it, the state hasn't.
    Unknown,
}

impl Status {
    /// Whether everything that was applied is there and ready.
    pub fn is_ready(&self) -> bool {
        self.objects.iter().all(|object| object.health == Health::Ready)
    }
}

/// Looks at everything that is the stack's.
///
/// # Errors
/// A kind can't be listed, or the state can't be read: an object that wasn't looked at is never called missing.
pub async fn status(session: &Session, request: &Request) -> Result<Status, Diagnostics> {
    let identity = session.identity().clone();
    let snapshot = session.store.load()?;
    let live = list(session, snapshot.prior.objects.keys().map(ObjectKey::group_kind).collect()).await?;
    let mut objects = BTreeMap::new();
    for (key, prior) in snapshot.prior.objects {
        let health = live.get(&key).map_or(Health::Missing, health);
        objects.insert(key.clone(), ObjectStatus { key, scope: prior.scope, health, symptoms: Vec::new() });
    }
    for (key, object) in &live {
        // Controllers copy labels to what they make.
        if !objects.contains_key(key) && !object.has_controller() {
            let status = ObjectStatus { key: key.clone(), scope: scope(object), health: Health::Unknown, symptoms: Vec::new() };
            objects.insert(key.clone(), status);
        }
    }
    let filter = &request.filter;
    let mut objects: Vec<ObjectStatus> = objects.into_values().filter(|status| filter.selects(&status.key, &status.scope)).collect();
    explain(session, &mut objects).await?;
    Ok(Status {
        identity,
        target: session.cluster.target(session.root_namespace()).await.map_err(Diagnostic::from)?,
        revision: session.store.history()?.into_iter().next(),
        unfinished: unfinished(session)?,
        objects,
    })
}

fn health(object: &Object) -> Health {
    match readiness(object) {
        Readiness::Ready => Health::Ready,
        Readiness::Progressing { reason } => Health::Progressing { reason },
        Readiness::Failed { reason } => Health::Failed { reason },
    }
}

/// The part of the stack that an object's labels name.
fn scope(object: &Object) -> Scope {
    let label = |name: &str| object.label(name).map(str::to_owned);
    Scope { tenant: label(StackIdentity::TENANT), tier: label(StackIdentity::TIER), service: label(StackIdentity::SERVICE) }
}

async fn list(session: &Session, kinds: BTreeSet<GroupKind>) -> Result<BTreeMap<ObjectKey, Object>, Diagnostic> {
    let known = session.cluster.kinds().await?;
    // A kind that the cluster no longer has took its objects with it.
    let kinds: Vec<_> = kinds.iter().filter_map(|kind| known.get(kind).cloned()).collect();
    let selector = session.identity().label_selector();
    let lists = session.cluster.list_many(&kinds, Some(&selector), AT_ONCE).await?;
    Ok(lists.into_iter().flatten().map(|object| (object.key(), object)).collect())
}

/// Asks why what isn't ready isn't.
async fn explain(session: &Session, objects: &mut [ObjectStatus]) -> Result<(), Diagnostic> {
    let waiting = objects.iter_mut().filter(|object| matches!(object.health, Health::Progressing { .. } | Health::Failed { .. }));
    let asked = waiting.map(|object| async move {
        match diagnose(&session.cluster, &object.key).await {
            Ok(symptoms) => object.symptoms = symptoms,
            // It went meanwhile, or its pods may not be read: then nothing is known.
            Err(ClusterError::NotFound { .. } | ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(Diagnostic::from(error)),
        }
        Ok(())
    });
    let results: Vec<Result<(), Diagnostic>> = futures::stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

pub(super) fn unfinished(session: &Session) -> Result<Option<String>, Diagnostic> {
    let Some(unfinished) = crate::state::Journal::unfinished(session.store.dir(), session.store.key())? else { return Ok(None) };
    let ledger = super::ground::read(&unfinished)?;
    // One that was killed before it sent anything is none.
    let counts = ledger.has_begun() || ledger.undo || ledger.committing.is_some();
    Ok(counts.then(|| ledger.header.describe()))
}
