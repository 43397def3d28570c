//! What stays as it is, for what is counted over all that a namespace has: of what the sieve dropped, what the stack says of it
//! is what stands there, but for how many pods it runs.

use std::collections::BTreeSet;

use crate::merge;
use crate::resource::{Desired, FieldPath, Object};

use super::case::Decision;
use super::planner::Planner;
use super::sieve::Running;
use super::wanted::One;

/// The objects that were dropped, in the namespaces that have a quota (or are to get one) and in which something changes.
pub(super) fn objects(planner: &Planner<'_>) -> Vec<Object> {
    let there = planner.limits.quotas.iter().filter_map(|quota| quota.namespace().map(str::to_owned));
    let to_be = planner.wanted.iter().filter(|one| one.key.kind == "ResourceQuota").filter_map(|one| one.key.namespace.map(str::to_owned));
    let bound: BTreeSet<String> = there.chain(to_be).collect();
    let concerned: BTreeSet<&str> = planner
        .cases
        .iter()
        .filter(|case| !matches!(case.decision, Decision::Unchanged(_)))
        .filter_map(|case| case.key.namespace.as_deref())
        .collect();
    let counts = |one: &One<'_>| {
        let namespace = one.key.namespace.filter(|_| planner.settled.has(one.place));
        namespace.is_some_and(|namespace| bound.contains(namespace) && concerned.contains(namespace))
    };
    let settled = planner.wanted.iter().filter(counts);
    settled.map(|one| standing(one.desired, planner.settled.running(one.place))).collect()
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
