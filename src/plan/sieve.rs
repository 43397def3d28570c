//! What is taken out of a page of live objects at once: those that are as the stack wants them. Nothing of them is kept but
//! their identity, and of what runs pods how many; so a plan holds what may change, and not what there is.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::merge::Precedents;
use crate::resource::{Desired, FieldManager, GroupKind, Object, Tree, TreeShape, pod_template_path};

use super::planner::PlanInput;
use super::predict::Kind;
use super::wanted::Settled;
use super::{Asking, Types, configuration};

/// Decides over pages of live objects, as they come. Cheap to clone: pages may be sifted beside one another.
#[derive(Clone, Debug)]
pub struct Sieve {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    desired: Arc<Vec<Desired>>,
    /// Where the objects stand that can be decided by themselves, by kind.
    places: HashMap<GroupKind, Range<usize>>,
    types: Arc<Types>,
    manager: FieldManager,
}

/// A page, sifted.
#[derive(Debug, Default)]
pub struct Sifted {
    /// Wanted, and as they are wanted.
    pub(super) settled: Settled,
    /// All others.
    pub(super) rest: Vec<Object>,
}

/// How many pods something runs, as it stands: what quotas are counted by, beside what the stack says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    pub replicas: Option<Value>,
    /// The numbers of its status.
    pub status: Map<String, Value>,
}

impl Running {
    fn of(desired: &Desired, live: Tree<'_>) -> Option<Self> {
        pod_template_path(desired.object.group(), desired.object.kind())?;
        let numbers =
            live.get("status").map(Tree::map).into_iter().flatten().filter(|(_, value)| matches!(value.shape(), TreeShape::Number(_)));
        let status = numbers.map(|(name, value)| (name.to_owned(), value.to_value())).collect();
        Some(Self { replicas: live.at(&["spec", "replicas"]).map(Tree::to_value), status })
    }
}

impl Sieve {
    /// `sorted`: the wanted objects stand by identity.
    pub(super) fn new(input: &PlanInput<'_>, manager: &FieldManager, sorted: bool) -> Self {
        let mut places: HashMap<GroupKind, Range<usize>> = HashMap::new();
        let mut start = 0;
        for run in input.desired.chunk_by(|a, b| a.object.kind() == b.object.kind() && a.object.group() == b.object.group()) {
            let range = start..start + run.len();
            start = range.end;
            let Some(kind) = run.first().map(|desired| desired.object.gvk().group_kind()) else { continue };
            // Everything is asked about: then everything is kept.
            if sorted && input.asking != Asking::Everything && !is_kept(&kind, input) {
                places.insert(kind, range);
            }
        }
        let types = Arc::clone(input.types);
        Self { inner: Arc::new(Inner { desired: Arc::clone(input.desired), places, types, manager: manager.clone() }) }
    }

    /// Takes out of a page of one kind what stays as it is. `make` makes an object of what doesn't.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn sift<'t, E>(
        &self,
        kind: &GroupKind,
        items: impl Iterator<Item = Tree<'t>>,
        make: impl Fn(Tree<'t>) -> Result<Object, E>,
    ) -> Result<Sifted, E> {
        let mut sifted = Sifted::default();
        let places = self.inner.places.get(kind);
        let mut next = places.map_or(0, |places| places.start);
        let (mut precedents, mut of) = (Precedents::default(), None);
        for item in items {
            let place = places.and_then(|places| self.inner.place(places.clone(), item, next));
            next = place.map_or(next, |place| place + 1);
            match place.and_then(|place| self.inner.settled(place, item, &mut of, &mut precedents)) {
                Some((place, desired)) => sifted.settled.mark(place, Running::of(desired, item)),
                None => sifted.rest.push(make(item)?),
            }
        }
        Ok(sifted)
    }
}

impl Sifted {
    /// With what another page came to.
    pub fn add(&mut self, other: Self) {
        self.settled.add(other.settled);
        self.rest.extend(other.rest);
    }
}

/// Namespace and name.
fn named(desired: &Desired) -> (&str, &str) {
    (desired.object.namespace().unwrap_or_default(), desired.object.name())
}

/// Whether objects of a kind are needed for others even if they stay as they are.
fn is_kept(kind: &GroupKind, input: &PlanInput<'_>) -> bool {
    // Its labels and its deletion are others' matter too; so is what quotas are counted by.
    let kept = kind.group.is_empty() && matches!(kind.kind.as_str(), "Namespace" | "ResourceQuota" | "LimitRange");
    kept || input.plurals.get(kind).is_none_or(|plural| input.mutators.meet(kind, plural))
}

impl Inner {
    /// Where it stands what is wanted of an item, if that can be decided. A list comes by namespace and name, as what is wanted
    /// stands: mostly it is at the `next` place.
    fn place(&self, places: Range<usize>, live: Tree<'_>, next: usize) -> Option<usize> {
        let metadata = live.get("metadata")?;
        let text = |name| metadata.get(name).and_then(Tree::text);
        let wanted = (text("namespace").unwrap_or_default(), text("name")?);
        if places.contains(&next) && self.desired.get(next).map(named) == Some(wanted) {
            return Some(next);
        }
        let found = self.desired.get(places.clone())?.binary_search_by(|desired| named(desired).cmp(&wanted)).ok()?;
        Some(places.start + found)
    }

    /// What is wanted of an item that is as it is wanted. `of`: the type of the one before, with its version.
    fn settled<'s>(
        &'s self,
        place: usize,
        live: Tree<'s>,
        of: &mut Option<(&'s str, Kind<'s>)>,
        precedents: &mut Precedents<'s>,
    ) -> Option<(usize, &'s Desired)> {
        // The content of one that others replace is needed.
        let desired = self.desired.get(place).filter(|desired| desired.lifecycle.replace_triggered_by.is_empty())?;
        let version = desired.object.api_version();
        let kind = match of {
            Some((known, kind)) if *known == version => *kind,
            _ => of.insert((version, self.types.kind(&desired.object.gvk())?)).1,
        };
        configuration::changes_nothing(desired, live, &self.manager, kind.of, precedents).then_some((place, desired))
    }
}
