//! What stays as it is, for what is counted over all that a namespace has: of what the sieve dropped, what the stack says of it
//! is what stands there, but for how many pods it runs.

use std::collections::BTreeSet;

use crate::merge;
use crate::resource::{Desired, FieldPath, Object, ObjectKey};

use super::case::Decision;
use super::planner::Planner;
use super::sieve::Running;

/// The objects that were dropped, in the namespaces that have a quota (or are to get one) and in which something changes.
pub(super) fn objects(planner: &Planner<'_>) -> Vec<Object> {
    let quotas =
        planner.limits.quotas.iter().map(Object::key).chain(planner.wanted.keys().filter(|key| key.kind == "ResourceQuota").cloned());
    let bound: BTreeSet<String> = quotas.filter_map(|key| key.namespace).collect();
    let concerned: BTreeSet<&str> = planner
        .cases
        .iter()
        .filter(|case| !matches!(case.decision, Decision::Unchanged(_)))
        .filter_map(|case| case.key.namespace.as_deref())
        .collect();
    let counts =
        |key: &ObjectKey| key.namespace.as_deref().is_some_and(|namespace| bound.contains(namespace) && concerned.contains(namespace));
    let settled = planner.settled.iter().filter(|(key, _)| counts(key));
    settled.filter_map(|(key, running)| Some(standing(planner.wanted.get(key)?, running.as_ref()))).collect()
}

fn standing(desired: &Desired, running: Option<&Running>) -> Object {
    let mut object = desired.object.clone();
    if let Some(running) = running {
        if let Some(replicas) = &running.replicas {
            merge::set(object.value_mut(), &FieldPath::fields(&["spec", "replicas"]), replicas.clone());
        }
        merge::set(object.value_mut(), &FieldPath::fields(&["status"]), running.status.clone().into());
    }
    object
}
