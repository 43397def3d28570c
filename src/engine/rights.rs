//! Asks which of the rights that a plan needs are missing: one request for each namespace in which something changes, and
//! few for what belongs to the whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use crate::admission::rbac::{Action, Rules};
use crate::cluster::Cluster;
use crate::plan::Rights;

/// What may be done in namespaces, as far as the server says so.
pub(super) type RulesByNamespace = BTreeMap<String, Option<Rules>>;

/// What may be done in these namespaces.
pub(super) async fn rules(cluster: &Cluster, namespaces: BTreeSet<String>, parallel: usize) -> RulesByNamespace {
    let rules = |namespace: String| async move {
        let rules = rules_in(cluster, &namespace).await;
        (namespace, rules)
    };
    futures::stream::iter(namespaces.into_iter().map(rules)).buffered(parallel.max(1)).collect().await
}

/// What is missing of what is needed. A server that can't say so is taken to allow it: it will say so when asked to do it.
/// `known`: what was asked already.
pub(super) async fn missing(cluster: &Cluster, needed: Rights, known: &RulesByNamespace, parallel: usize) -> Rights {
    let missing = |(namespace, actions): (Option<String>, BTreeSet<Action>)| async move {
        let missing = match &namespace {
            Some(name) => match known.get(name) {
                Some(rules) => missing_of(rules.as_ref(), &actions),
                None => missing_of(rules_in(cluster, name).await.as_ref(), &actions),
            },
            None => in_cluster(cluster, actions).await,
        };
        (namespace, missing)
    };
    let found: Rights = futures::stream::iter(needed.into_iter().map(missing)).buffered(parallel.max(1)).collect().await;
    found.into_iter().filter(|(_, actions)| !actions.is_empty()).collect()
}

async fn rules_in(cluster: &Cluster, namespace: &str) -> Option<Rules> {
    let rules = cluster.rights_in(namespace).await;
    rules.inspect_err(|error| tracing::debug!("what may be done in {namespace} is not known: {error}")).ok()
}

fn missing_of(rules: Option<&Rules>, actions: &BTreeSet<Action>) -> BTreeSet<Action> {
    rules.map(|rules| rules.missing(actions).into_iter().cloned().collect()).unwrap_or_default()
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
