//! What is taken out of a page of live objects at once: those that are as the stack wants them. Nothing of them is kept but
//! their identity, and of what runs pods how many; so a plan holds what may change, and not what there is.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::resource::{Desired, FieldManager, GroupKind, Object, ObjectKey, Tree};

use super::planner::PlanInput;
use super::{Asking, Types, configuration};

/// Decides over pages of live objects, as they come. Cheap to clone: pages may be sifted beside one another.
#[derive(Clone, Debug)]
pub struct Sieve {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    desired: Arc<Vec<Desired>>,
    /// Where the objects stand that can be decided by themselves, by kind, and by namespace and name.
    places: HashMap<GroupKind, HashMap<String, usize>>,
    types: Arc<Types>,
    manager: FieldManager,
}

/// A page, sifted.
#[derive(Debug, Default)]
pub struct Sifted {
    /// Wanted, and as they are wanted.
    pub(super) settled: Vec<(ObjectKey, Option<Running>)>,
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
    fn of(desired: &Desired, live: &Tree<'_>) -> Option<Self> {
        desired.object.pod_template()?;
        let numbers = live.get("status").map(Tree::map).into_iter().flatten().filter(|(_, value)| matches!(value, Tree::Number(_)));
        let status = numbers.map(|(name, value)| (name.as_ref().to_owned(), value.to_value())).collect();
        Some(Self { replicas: live.get("spec").and_then(|spec| spec.get("replicas")).map(Tree::to_value), status })
    }
}

impl Sieve {
    pub(super) fn new(input: &PlanInput<'_>, manager: &FieldManager) -> Self {
        let mut places: HashMap<GroupKind, HashMap<String, usize>> = HashMap::new();
        // Everything is asked about: then everything is kept.
        if input.asking != Asking::Everything {
            for (place, desired) in input.desired.iter().enumerate() {
                let key = desired.key();
                if is_kept(desired, &key, input) {
                    continue;
                }
                places.entry(key.group_kind()).or_default().insert(name_in_kind(key.namespace.as_deref(), &key.name), place);
            }
        }
        let types = Arc::clone(input.types);
        Self { inner: Arc::new(Inner { desired: Arc::clone(input.desired), places, types, manager: manager.clone() }) }
    }

    /// Takes out of a page of one kind what stays as it is. `make` makes an object of what doesn't.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn sift<E>(&self, kind: &GroupKind, items: &[Tree<'_>], make: impl Fn(&Tree<'_>) -> Result<Object, E>) -> Result<Sifted, E> {
        let mut sifted = Sifted::default();
        let places = self.inner.places.get(kind);
        for item in items {
            match places.and_then(|places| self.inner.settled(places, item)) {
                Some(desired) => sifted.settled.push((desired.key(), Running::of(desired, item))),
                None => sifted.rest.push(make(item)?),
            }
        }
        Ok(sifted)
    }
}

impl Sifted {
    /// With what another page came to.
    pub fn add(&mut self, other: Self) {
        self.settled.extend(other.settled);
        self.rest.extend(other.rest);
    }
}

/// Whether an object is needed for others even if it stays as it is.
fn is_kept(desired: &Desired, key: &ObjectKey, input: &PlanInput<'_>) -> bool {
    // Its labels and its deletion are others' matter too; a replaced one's content is needed; so is what quotas are counted by.
    let kept = (key.group.is_empty() && matches!(key.kind.as_str(), "Namespace" | "ResourceQuota" | "LimitRange"))
        || !desired.lifecycle.replace_triggered_by.is_empty();
    kept || input.plurals.get(&key.group_kind()).is_none_or(|plural| input.mutators.meet(&key.group_kind(), plural))
}

impl Inner {
    /// What is wanted of an item that is as it is wanted.
    fn settled(&self, places: &HashMap<String, usize>, live: &Tree<'_>) -> Option<&Desired> {
        let metadata = live.get("metadata")?;
        let text = |name| metadata.get(name).and_then(Tree::text);
        let desired = self.desired.get(*places.get(&name_in_kind(text("namespace"), text("name")?))?)?;
        let kind = self.types.kind(&desired.object.gvk())?;
        configuration::changes_nothing(desired, live, &self.manager, kind.of).then_some(desired)
    }
}

/// What tells an object from others of its kind: `namespace/name`, as neither has a `/` in it.
fn name_in_kind(namespace: Option<&str>, name: &str) -> String {
    [namespace.unwrap_or_default(), "/", name].concat()
}
