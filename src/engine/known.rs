//! What is known of a stack before its objects are read: the state here and the inventory in the cluster, held against
//! each other and against the cluster they are asked about.

use crate::cluster::inventory::{self, Inventory};
use crate::plan::Target;
use crate::resource::Diagnostic;
use crate::state::{self, Binding, Snapshot, StateStore as _};

use super::Session;

/// State and inventory, of one history.
#[derive(Debug)]
pub struct Known {
    /// The state.
    pub snapshot: Snapshot,
    /// The inventory; None before the first apply.
    pub inventory: Option<Inventory>,
}

/// Reads both.
///
/// # Errors
/// One can't be read; the state is lost, older than the cluster, or of another history (`state::lost`, `state::behind`,
/// `state::another`); it is of another cluster or root namespace (`state::another_cluster`, `state::another_root`).
pub async fn known(session: &Session, target: &Target) -> Result<Known, Diagnostic> {
    // The inventory first: a run that ends meanwhile makes the state newer than it, which is fine, never older.
    let inventory = inventory::read(&session.cluster, session.identity(), session.root_namespace()).await?;
    let inventory = inventory.map(|stored| stored.inventory);
    let (head, snapshot) = (session.store.head()?, session.store.load()?);
    if let Some(binding) = &snapshot.binding {
        same_place(binding, target)?;
    }
    state::agree(head.as_ref(), inventory.as_ref())?;
    Ok(Known { snapshot, inventory })
}

/// A state is pinned to one cluster and one root namespace.
fn same_place(binding: &Binding, target: &Target) -> Result<(), Diagnostic> {
    let identity = &binding.identity;
    if binding.cluster_uid != target.cluster_uid {
        return Err(Diagnostic::error(
            "state::another_cluster",
            format!("the state of {identity} is of another cluster ({}) than {} ({})", binding.cluster_uid, target.context, target.cluster_uid),
        )
        .help("choose the cluster it was applied to with `--context`, or another state with `--state`; where that cluster is gone for good, delete the state's folder"));
    }
    if binding.root_namespace != target.root_namespace {
        return Err(Diagnostic::error(
            "state::another_root",
            format!("{identity} was applied under the root namespace `{}`, not `{}`", binding.root_namespace, target.root_namespace),
        )
        .help(format!(
            "leave the root namespace as it was; to move the stack, destroy it under `{}` first, or give it another state with `--state`",
            binding.root_namespace
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::StackIdentity;

    #[test]
    fn a_state_is_of_one_cluster_and_one_root() {
        let target = Target {
            context: "prod-eu".into(),
            server_version: "v1.36.3".into(),
            cluster_uid: "one".into(),
            root_namespace: "hello".into(),
            chosen_by: Vec::new(),
        };
        let binding =
            Binding { identity: StackIdentity::new("hello", "production"), cluster_uid: "one".into(), root_namespace: "hello".into() };
        assert!(same_place(&binding, &target).is_ok());
        let code = |binding: Binding| same_place(&binding, &target).unwrap_err().code;
        assert_eq!(code(Binding { cluster_uid: "two".into(), ..binding.clone() }), "state::another_cluster");
        assert_eq!(code(Binding { root_namespace: "other".into(), ..binding }), "state::another_root");
    }
}
