//! What the stack wants, by identity, and what of it is as it is wanted. There are thousands of objects, and most plans find next to
//! all of them settled: so these are marks at places, and no identity is made of its own before something is to be said of one.

use std::collections::BTreeMap;

use crate::resource::{Desired, GroupVersionKind, KeyRef, ObjectKey};

use super::sieve::Running;

/// What the stack wants.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Sorted by identity.
    all: Vec<One<'a>>,
    sorted: bool,
}

/// One wanted object.
#[derive(Clone, Copy, Debug)]
pub(super) struct One<'a> {
    pub key: KeyRef<'a>,
    pub desired: &'a Desired,
    /// Where it stands in what was given to the plan.
    pub place: usize,
}

impl<'a> Wanted<'a> {
    /// Of these; each at its place in what was given to the plan.
    pub fn of(objects: impl Iterator<Item = (usize, &'a Desired)>) -> Self {
        let mut all: Vec<One<'_>> = objects.map(|(place, desired)| One { key: desired.object.key_ref(), desired, place }).collect();
        let sorted = all.is_sorted_by_key(|one| one.key);
        if !sorted {
            all.sort_by_key(|one| one.key);
        }
        Self { all, sorted }
    }

    /// Whether they were given by identity.
    pub fn came_sorted(&self) -> bool {
        self.sorted
    }

    /// All, by identity.
    pub fn iter(&self) -> impl Iterator<Item = One<'a>> + '_ {
        self.all.iter().copied()
    }

    /// The one of this identity.
    pub fn get(&self, key: &ObjectKey) -> Option<One<'a>> {
        self.all.binary_search_by(|one| one.key.cmp(&key.as_ref())).ok().and_then(|found| self.all.get(found)).copied()
    }

    /// Whether there is one of this identity.
    pub fn has(&self, key: &ObjectKey) -> bool {
        self.get(key).is_some()
    }

    /// Those of some identities, sorted, that aren't wanted.
    pub fn missing<'k>(&self, keys: &'k [ObjectKey]) -> Vec<&'k ObjectKey> {
        let mut wanted = self.all.iter().map(|one| one.key).peekable();
        let is_missing = |key: &&ObjectKey| {
            let key = key.as_ref();
            while wanted.next_if(|wanted| *wanted < key).is_some() {}
            wanted.peek() != Some(&key)
        };
        keys.iter().filter(is_missing).collect()
    }
}

/// The kinds of some objects with the versions they are written in, each once for a run of objects of one kind.
pub(super) fn kinds(desired: &[Desired]) -> impl Iterator<Item = GroupVersionKind> + '_ {
    let same = |a: &Desired, b: &Desired| a.object.kind() == b.object.kind() && a.object.api_version() == b.object.api_version();
    desired.chunk_by(same).filter_map(|run| run.first().map(|desired| desired.object.gvk()))
}

/// Which of the wanted objects are as they are wanted, by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    marks: Vec<bool>,
    /// What those that run pods run.
    running: BTreeMap<usize, Running>,
}

impl Settled {
    /// The object at this place is.
    pub fn mark(&mut self, place: usize, running: Option<Running>) {
        if self.marks.len() <= place {
            self.marks.resize(place + 1, false);
        }
        if let Some(mark) = self.marks.get_mut(place) {
            *mark = true;
        }
        if let Some(running) = running {
            self.running.insert(place, running);
        }
    }

    /// Whether the object at this place is.
    pub fn has(&self, place: usize) -> bool {
        self.marks.get(place).copied().unwrap_or_default()
    }

    /// What the object at this place runs.
    pub fn running(&self, place: usize) -> Option<&Running> {
        self.running.get(&place)
    }

    /// With those of another.
    pub fn add(&mut self, other: Self) {
        for place in (0..other.marks.len()).filter(|place| other.has(*place)) {
            self.mark(place, None);
        }
        self.running.extend(other.running);
    }
}
