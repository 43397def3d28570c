//! What the last apply left, as far as a plan needs it: of which objects, always; what of them, only where something changes. Most
//! plans change little or nothing, and never read it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::resource::{Diagnostic, GroupKind, ObjectKey, Prior, PriorSet};

type Read = dyn Fn() -> Result<PriorSet, Diagnostic> + Send + Sync;

/// What the last apply left.
pub struct Known {
    revision: u64,
    /// Sorted.
    keys: Vec<ObjectKey>,
    set: Arc<OnceLock<Result<PriorSet, Diagnostic>>>,
    read: Arc<Read>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known(revision {}, {} objects)", self.revision, self.keys.len())
    }
}

impl From<PriorSet> for Known {
    fn from(set: PriorSet) -> Self {
        let (revision, keys) = (set.revision, set.objects.keys().cloned().collect());
        Self { revision, keys, set: Arc::new(OnceLock::from(Ok(set))), read: Arc::new(|| Ok(PriorSet::default())) }
    }
}

impl Known {
    /// What `read` gives, once somebody asks for more than the revision and the identities of its objects.
    pub fn lazy(revision: u64, mut keys: Vec<ObjectKey>, read: impl Fn() -> Result<PriorSet, Diagnostic> + Send + Sync + 'static) -> Self {
        keys.sort();
        Self { revision, keys, set: Arc::default(), read: Arc::new(read) }
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
        if self.has(key) { self.all()?.objects.get(key) } else { None }
    }

    /// Everything.
    pub fn all(&self) -> Option<&PriorSet> {
        self.set.get_or_init(&*self.read).as_ref().ok()
    }

    /// Reads everything, if it wasn't yet: for who has nothing else to do while the server works.
    pub fn ahead(&self) -> impl FnOnce() + Send + 'static {
        let (set, read) = (Arc::clone(&self.set), Arc::clone(&self.read));
        move || {
            set.get_or_init(&*read);
        }
    }

    /// Why something that was asked for couldn't be read: a plan that was made without it is none.
    pub fn failure(&self) -> Option<&Diagnostic> {
        self.set.get()?.as_ref().err()
    }

    /// The kinds that there are objects of.
    pub fn kinds(&self) -> impl Iterator<Item = GroupKind> + '_ {
        let runs = self.keys.chunk_by(|a, b| a.group == b.group && a.kind == b.kind);
        runs.filter_map(|run| run.first().map(ObjectKey::group_kind))
    }
}
