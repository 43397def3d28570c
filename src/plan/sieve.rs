//! What is taken out of a page of live objects at once: those that are as the stack wants them. Nothing of them is kept but
//! their identity, and of what runs pods how many; so a plan holds what may change, and not what there is.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::resource::{Desired, FieldManager, Object, ObjectKey};

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
    /// Where the objects stand that can be decided by themselves.
    places: HashMap<ObjectKey, usize>,
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
    fn of(object: &Object) -> Option<Self> {
        object.pod_template()?;
        let numbers = object.value()["status"].as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
        let status = numbers.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some(Self { replicas: object.value()["spec"].get("replicas").cloned(), status })
    }
}

impl Sieve {
    pub(super) fn new(input: &PlanInput<'_>, manager: &FieldManager) -> Self {
        let mut places = HashMap::new();
        // Everything is asked about: then everything is kept.
        if input.asking != Asking::Everything {
            for (place, desired) in input.desired.iter().enumerate() {
                let key = desired.key();
                if is_kept(desired, &key, input) {
                    continue;
                }
                places.insert(key, place);
            }
        }
        let types = Arc::clone(input.types);
        Self { inner: Arc::new(Inner { desired: Arc::clone(input.desired), places, types, manager: manager.clone() }) }
    }

    /// Takes out of a page what stays as it is.
    pub fn sift(&self, page: Vec<Object>) -> Sifted {
        let mut sifted = Sifted::default();
        for object in page {
            let key = object.key();
            if self.inner.settles(&key, &object) {
                let running = Running::of(&object);
                sifted.settled.push((key, running));
            } else {
                sifted.rest.push(object);
            }
        }
        sifted
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
    fn settles(&self, key: &ObjectKey, live: &Object) -> bool {
        let Some(desired) = self.places.get(key).and_then(|place| self.desired.get(*place)) else { return false };
        let kind = self.types.kind(&desired.object.gvk());
        kind.is_some_and(|kind| configuration::changes_nothing(desired, live, &self.manager, kind.of))
    }
}
