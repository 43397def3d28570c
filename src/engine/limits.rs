//! Reads what binds a plan's objects in their namespaces, for [`crate::plan::Limits`]: two lists, where something changes
//! that they could bind.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _};

use crate::cluster::{Cluster, ClusterError, Kinds};
use crate::plan::Limits;
use crate::resource::{Diagnostic, GroupKind, Object};

/// So many namespaces are listed at once rather than one by one.
const LIST_FROM: usize = 6;

/// Reads what binds these namespaces.
pub(super) async fn read(cluster: &Cluster, kinds: &Kinds, namespaces: BTreeSet<String>, parallel: usize) -> Result<Limits, Diagnostic> {
    let namespaces: Vec<String> = namespaces.into_iter().collect();
    let mut limits = Limits { plurals: kinds.iter().map(|kind| (kind.group_kind(), kind.plural.clone())).collect(), ..Limits::default() };
    let reads = ["ResourceQuota", "LimitRange"].map(|kind| list(cluster, kinds, kind, &namespaces, parallel));
    let [quotas, ranges] = reads;
    let (quotas, ranges) = tokio::join!(quotas, ranges);
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
