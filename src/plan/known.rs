//! What the last apply left, as far as a plan needs it: of which objects, always; what of them, only where something changes. Most
//! plans change little or nothing, and never read it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::resource::{Diagnostic, GroupKind, ObjectKey, Prior, PriorSet, Recall};

type Open = dyn Fn() -> Result<Recall, Diagnostic> + Send + Sync;

/// What the last apply left.
pub struct Known {
    revision: u64,
    /// Sorted.
    keys: Vec<ObjectKey>,
    /// What each of them was, once it was looked at.
    priors: Vec<OnceLock<Option<Box<Prior>>>>,
    recall: Arc<OnceLock<Result<Recall, Diagnostic>>>,
    open: Arc<Open>,
    /// The first of them that couldn't be read.
    failed: OnceLock<Diagnostic>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known(revision {}, {} objects)", self.revision, self.keys.len())
    }
}

impl From<PriorSet> for Known {
    fn from(set: PriorSet) -> Self {
        let (keys, priors) = set.objects.into_iter().map(|(key, prior)| (key, OnceLock::from(Some(Box::new(prior))))).unzip();
        let open = Arc::new(|| -> Result<Recall, _> { Ok(Box::new(|_| Ok(None))) });
        Self { revision: set.revision, keys, priors, recall: Arc::default(), open, failed: OnceLock::new() }
    }
}

impl Known {
    /// What `open` gives access to, once somebody asks for more than the revision and the identities of its objects.
    pub fn lazy(revision: u64, mut keys: Vec<ObjectKey>, open: impl Fn() -> Result<Recall, Diagnostic> + Send + Sync + 'static) -> Self {
        keys.sort();
        let priors = keys.iter().map(|_| OnceLock::new()).collect();
        Self { revision, keys, priors, recall: Arc::default(), open: Arc::new(open), failed: OnceLock::new() }
    }

    /// The revision; 0 before the first apply.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The identities of all objects, sorted.
    pub fn keys(&self) -> &[ObjectKey] {
        &self.keys
    }

    /// Whether the object is among them.
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.keys.binary_search(key).is_ok()
    }

    /// What was left of an object. None also where it can't be read: see [`Self::failure`].
    pub fn get(&self, key: &ObjectKey) -> Option<&Prior> {
        let slot = self.priors.get(self.keys.binary_search(key).ok()?)?;
        slot.get_or_init(|| {
            let read = self.recall.get_or_init(&*self.open).as_ref().map_err(Clone::clone).and_then(|recall| recall(key));
            read.map_err(|error| self.failed.get_or_init(|| error)).ok()?.map(Box::new)
        })
        .as_deref()
    }

    /// Everything that can be read.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Prior)> {
        self.keys.iter().filter_map(|key| Some((key, self.get(key)?)))
    }

    /// Sees to it that objects can be read, if nobody did yet: for who has nothing else to do while the server works.
    pub fn ahead(&self) -> impl FnOnce() + Send + 'static {
        let (recall, open) = (Arc::clone(&self.recall), Arc::clone(&self.open));
        move || {
            recall.get_or_init(&*open);
        }
    }

    /// Why something that was asked for couldn't be read: a plan that was made without it is none.
    pub fn failure(&self) -> Option<&Diagnostic> {
        self.failed.get()
    }

    /// The kinds that there are objects of.
    pub fn kinds(&self) -> impl Iterator<Item = GroupKind> + '_ {
        let runs = self.keys.chunk_by(|a, b| a.group == b.group && a.kind == b.kind);
        runs.filter_map(|run| run.first().map(ObjectKey::group_kind))
    }
}
