//! Asks which of the rights that a plan needs are missing: one request for each namespace in which something changes, and
//! few for what belongs to the whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use crate::admission::rbac::Action;
use crate::cluster::Cluster;
use crate::plan::Rights;

/// What is missing of what is needed. A server that can't say so is taken to allow it: it will say so when asked to do it.
pub(super) async fn missing(cluster: &Cluster, needed: Rights, parallel: usize) -> Rights {
    let missing = |(namespace, actions): (Option<String>, BTreeSet<Action>)| async move {
        let missing = match &namespace {
            Some(name) => in_namespace(cluster, name, actions).await,
            None => in_cluster(cluster, actions).await,
        };
        (namespace, missing)
    };
    let found: Rights = futures::stream::iter(needed.into_iter().map(missing)).buffered(parallel.max(1)).collect().await;
    found.into_iter().filter(|(_, actions)| !actions.is_empty()).collect()
}

async fn in_namespace(cluster: &Cluster, namespace: &str, actions: BTreeSet<Action>) -> BTreeSet<Action> {
    match cluster.rights_in(namespace).await {
        Ok(rules) => rules.missing(&actions).into_iter().cloned().collect(),
        Err(error) => {
            tracing::debug!("what may be done in {namespace} is not known: {error}");
            BTreeSet::new()
        }
    }
}

/// First whether it is allowed whatever the object's name; only then one by one.
async fn in_cluster(cluster: &Cluster, actions: BTreeSet<Action>) -> BTreeSet<Action> {
    let mut by_kind: BTreeMap<Action, Vec<Action>> = BTreeMap::new();
    for action in actions {
        by_kind.entry(Action { name: None, ..action.clone() }).or_default().push(action);
    }
    let mut missing = BTreeSet::new();
    for (any, each) in by_kind {
        if allowed(cluster, &any).await {
            continue;
        }
        for action in each {
            if action.name.is_none() || !allowed(cluster, &action).await {
                missing.insert(action);
            }
        }
    }
    missing
}

async fn allowed(cluster: &Cluster, action: &Action) -> bool {
    cluster.may(action, None).await.unwrap_or_else(|error| {
        tracing::debug!("whether one may {action} is not known: {error}");
        true
    })
}
