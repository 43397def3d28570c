//! Reads what binds a plan's objects in their namespaces, for [`crate::plan::Limits`]: quotas, limit ranges, and the classes that
//! decide what of pods they count, each by a list; only where something changes that they could bind.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _};

use crate::cluster::{Cluster, ClusterError, Kinds};
use crate::plan::Limits;
use crate::resource::{Diagnostic, GroupKind, Object};

/// So many namespaces are listed at once rather than one by one.
const LIST_FROM: usize = 6;

/// What gives pods something that is counted.
const CLASSES: [(&str, &str); 2] = [("node.k8s.io", "RuntimeClass"), ("scheduling.k8s.io", "PriorityClass")];

/// Reads what binds these namespaces.
pub(super) async fn read(cluster: &Cluster, kinds: &Kinds, namespaces: BTreeSet<String>, parallel: usize) -> Result<Limits, Diagnostic> {
    let namespaces: Vec<String> = namespaces.into_iter().collect();
    let mut limits = Limits::default();
    if namespaces.is_empty() {
        return Ok(limits);
    }
    let reads = ["ResourceQuota", "LimitRange"].map(|kind| list(cluster, kinds, kind, &namespaces, parallel));
    let classes = CLASSES.map(|(group, kind)| classes(cluster, kinds, GroupKind::new(group, kind)));
    let ([quotas, ranges], [runtimes, priorities]) = (reads, classes);
    let (quotas, ranges, runtimes, priorities) = tokio::join!(quotas, ranges, runtimes, priorities);
    for ((_, kind), found) in CLASSES.into_iter().zip([runtimes?, priorities?]) {
        match found {
            Ok(objects) => limits.classes.extend(objects),
            Err(why) => {
                limits.unread_classes.insert(kind.to_owned(), why);
            }
        }
    }
    for (found, into) in [(quotas?, &mut limits.quotas), (ranges?, &mut limits.ranges)] {
        for (namespace, objects) in found {
            match objects {
                Ok(objects) => into.extend(objects),
                Err(why) => {
                    limits.unread.insert(namespace, why);
                }
            }
        }
    }
    Ok(limits)
}

/// All classes of a kind, or why they may not be read.
async fn classes(cluster: &Cluster, kinds: &Kinds, kind: GroupKind) -> Result<Result<Vec<Object>, String>, Diagnostic> {
    let Some(kind) = kinds.get(&kind) else { return Ok(Ok(Vec::new())) };
    match cluster.list(kind, None).await {
        Ok(objects) => Ok(Ok(objects)),
        Err(ClusterError::Forbidden { message }) => Ok(Err(message)),
        Err(error) => Err(error.into()),
    }
}

type Found = Vec<(String, Result<Vec<Object>, String>)>;

/// The objects of a kind in each namespace, or why they may not be read.
async fn list(cluster: &Cluster, kinds: &Kinds, kind: &str, namespaces: &[String], parallel: usize) -> Result<Found, Diagnostic> {
    let Some(kind) = kinds.get(&GroupKind::new("", kind)) else { return Ok(Vec::new()) };
    if namespaces.len() >= LIST_FROM {
        match cluster.list(kind, None).await {
            Ok(all) => {
                let mut found: BTreeMap<&String, Vec<Object>> = namespaces.iter().map(|namespace| (namespace, Vec::new())).collect();
                for object in all {
                    let of = object.namespace().map(str::to_owned);
                    if let Some(held) = of.and_then(|namespace| found.get_mut(&namespace)) {
                        held.push(object);
                    }
                }
                return Ok(found.into_iter().map(|(namespace, objects)| (namespace.clone(), Ok(objects))).collect());
            }
            // Perhaps one by one.
            Err(ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let one = |namespace: String| async move {
        match cluster.list_in(kind, &namespace, None).await {
            Ok(objects) => Ok((namespace, Ok(objects))),
            Err(ClusterError::Forbidden { message }) => Ok((namespace, Err(message))),
            Err(error) => Err(Diagnostic::from(error)),
        }
    };
    futures::stream::iter(namespaces.iter().cloned().map(one)).buffered(parallel.max(1)).try_collect().await
}
