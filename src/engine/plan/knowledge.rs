//! What a plan must know of the cluster beside the stack's objects: the types of their kinds, and what of mutating admission
//! could touch them.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, ClusterError, Kind, Kinds, SchemaCache};
use crate::plan::{Mutators, Target, Types};
use crate::resource::{Desired, Diagnostic, GroupKind, Object};

/// Kinds that say what of mutating admission is in force.
const MUTATING: [&str; 3] = ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"];

/// The types of the kinds of these objects: embedded where the server's are the same, by its hash; else as it tells them.
pub(super) async fn types(cluster: &Cluster, kinds: &Kinds, desired: &[Desired], target: &Target) -> Result<Types, Diagnostic> {
    let wanted: BTreeSet<String> = desired.iter().map(|desired| desired.object.api_version().to_owned()).collect();
    let mut types = match cluster.schema(&wanted, &target.server_version, &SchemaCache::of_user()).await {
        Ok(catalog) => Types::of(catalog),
        Err(error @ ClusterError::Unavailable { .. }) => return Err(error.into()),
        Err(error) => Types::missed(error.to_string()),
    };
    types.define(desired);
    types.with_status_apart(kinds.iter().filter(|kind| kind.subresources.contains("status")).map(Kind::group_kind));
    Ok(types)
}

/// The cluster's mutating webhooks and policies.
pub(super) async fn mutators(cluster: &Cluster, kinds: &Kinds) -> Result<Mutators, Diagnostic> {
    let served = MUTATING.iter().filter_map(|kind| kinds.get(&GroupKind::new("admissionregistration.k8s.io", *kind)));
    let read = futures::future::join_all(served.map(|kind| cluster.list(kind, None))).await;
    let mut objects: Vec<Object> = Vec::new();
    for list in read {
        match list {
            Ok(list) => objects.extend(list),
            Err(ClusterError::Forbidden { message }) => return Ok(Mutators::unread(message)),
            Err(ClusterError::NoSuchKind { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Mutators::of(&objects))
}
