//! What a stack has in the cluster, in the cluster: the kinds in use, and the state's head.
//!
//! The labels on objects tell whose they are, but one must know which kinds to list: a kind that the stack no longer names
//! is found through this ConfigMap (KEP-3659's ApplySet is the precedent). The head tells that a local state is lost,
//! older than the cluster, or another one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::root::{own_labels, own_manager, own_object};
use super::{Cluster, ClusterError};
use crate::resource::{Diagnostic, Digest, GroupKind, Object, StackIdentity};

/// The newest format that this version writes, and reads.
const FORMAT: u32 = 1;

/// What a stack in an environment has in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Whose.
    pub identity: StackIdentity,
    /// All kinds that it may have objects of: written before the first object of a kind is.
    pub kinds: BTreeSet<GroupKind>,
    /// The state's newest revision; 0 before the first one is over.
    pub revision: u64,
    /// The digest of the state at that revision; None at 0.
    pub digest: Option<Digest>,
    /// Who made that revision, user@host; may be empty.
    pub by: String,
}

impl Inventory {
    /// Before the first apply.
    pub fn new(identity: StackIdentity) -> Self {
        Self { identity, kinds: BTreeSet::new(), revision: 0, digest: None, by: String::new() }
    }
}

/// An inventory as it was read: what a later write expects to find unchanged.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it says.
    pub inventory: Inventory,
    live: Object,
}

/// Why there is no inventory to go by.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It couldn't be read or written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It doesn't say what an inventory says.
    #[error("the inventory {0} is damaged: {1}")]
    Damaged(String, &'static str),
    /// A newer version wrote it.
    #[error("the inventory {0} is of format {1}, newer than this spai knows")]
    Newer(String, u32),
    /// It is that of another environment of the stack: both have the same root namespace.
    #[error("the inventory {0} is that of {1}")]
    Foreign(String, StackIdentity),
}

impl From<InventoryError> for Diagnostic {
    fn from(error: InventoryError) -> Self {
        let text = error.to_string();
        match error {
            InventoryError::Cluster(error) => error.into(),
            InventoryError::Damaged(..) => {
                Self::error("cluster::inventory_damaged", text).help("`spai state recover` writes it anew from what the cluster holds")
            }
            InventoryError::Newer(..) => {
                Self::error("cluster::inventory_newer", text).help("use the version of spai that wrote it, or a newer one")
            }
            InventoryError::Foreign(..) => Self::error("cluster::inventory_of_another", text)
                .help("give each environment a root namespace of its own: `namespace` in the environment's file, or NAMESPACE"),
        }
    }
}

/// The inventory of a stack; None if there is none (or no root namespace).
///
/// # Errors
/// It can't be read, or it isn't one that this version may go by: never None then.
pub async fn read(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<Option<Stored>, InventoryError> {
    let Some(live) = cluster.get(&identity.inventory_key(root)).await? else { return Ok(None) };
    let inventory = parse(&live)?;
    if inventory.identity != *identity {
        return Err(InventoryError::Foreign(live.key().to_string(), inventory.identity));
    }
    Ok(Some(Stored { inventory, live }))
}

/// Writes the inventory: over the one that was read before, if nobody wrote it since; as a new one, if there was none.
/// The root namespace must be there ([`super::ensure_root`]).
///
/// # Errors
/// [`ClusterError::Stale`] or [`ClusterError::AlreadyExists`] if somebody else wrote it meanwhile.
pub async fn write(cluster: &Cluster, root: &str, inventory: &Inventory, over: Option<&Stored>) -> Result<Stored, InventoryError> {
    if let Some(stored) = over.filter(|stored| stored.inventory == *inventory) {
        return Ok(stored.clone());
    }
    put(cluster, root, inventory, over.map(|stored| &stored.live)).await
}

/// Writes the inventory over whatever is there, sound or not: for a recovery.
///
/// # Errors
/// It is another environment's, or can't be written.
pub async fn overwrite(cluster: &Cluster, root: &str, inventory: &Inventory) -> Result<Stored, InventoryError> {
    let live = cluster.get(&inventory.identity.inventory_key(root)).await?;
    match live.as_ref().map(parse) {
        Some(Ok(other)) if other.identity != inventory.identity => {
            Err(InventoryError::Foreign(inventory.identity.inventory_key(root).to_string(), other.identity))
        }
        Some(Err(error @ InventoryError::Newer(..))) => Err(error),
        _ => put(cluster, root, inventory, live.as_ref()).await,
    }
}

async fn put(cluster: &Cluster, root: &str, inventory: &Inventory, over: Option<&Object>) -> Result<Stored, InventoryError> {
    let mut object = own_object(print(inventory, root))?;
    let manager = own_manager(&inventory.identity);
    let written = match over {
        None => cluster.create(&object, &manager).await,
        Some(live) => {
            for field in ["uid", "resourceVersion"] {
                object.value_mut()["metadata"][field] = live.value()["metadata"][field].clone();
            }
            cluster.replace(&object, &manager).await
        }
    };
    let live = match written {
        // The answer was lost: what is there says whether it was done.
        Err(error) if error.may_have_been_done() => match cluster.get(&object.key()).await? {
            Some(live) if parse(&live).is_ok_and(|found| found == *inventory) => live,
            _ => return Err(error.into()),
        },
        other => other?,
    };
    Ok(Stored { inventory: inventory.clone(), live })
}

fn print(inventory: &Inventory, root: &str) -> Value {
    let key = inventory.identity.inventory_key(root);
    let kinds: Vec<String> = inventory.kinds.iter().map(ToString::to_string).collect();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": key.name, "namespace": root, "labels": own_labels(&inventory.identity)},
        "data": {
            "format": FORMAT.to_string(),
            "stack": inventory.identity.stack,
            "environment": inventory.identity.environment,
            "kinds": kinds.join("\n"),
            "revision": inventory.revision.to_string(),
            "digest": inventory.digest.as_ref().map_or("", |digest| &digest.0),
            "by": inventory.by,
        },
    })
}

fn parse(live: &Object) -> Result<Inventory, InventoryError> {
    let name = || live.key().to_string();
    let damaged = |what| InventoryError::Damaged(name(), what);
    let text = |field: &'static str| live.value()["data"][field].as_str();
    let format: u32 = text("format").and_then(|t| t.parse().ok()).ok_or_else(|| damaged("it has no format"))?;
    if format > FORMAT {
        return Err(InventoryError::Newer(name(), format));
    }
    let kind = |line: &str| {
        let (kind, group) = line.split_once('.').unwrap_or((line, ""));
        GroupKind::new(group, kind)
    };
    let revision = text("revision").and_then(|t| t.parse().ok()).ok_or_else(|| damaged("it has no revision"))?;
    let digest = text("digest").filter(|t| !t.is_empty()).map(|t| Digest(t.to_owned()));
    if (revision == 0) != digest.is_none() {
        return Err(damaged("its revision has no digest"));
    }
    Ok(Inventory {
        identity: StackIdentity::new(
            text("stack").ok_or_else(|| damaged("it names no stack"))?,
            text("environment").ok_or_else(|| damaged("it names no environment"))?,
        ),
        kinds: text("kinds").ok_or_else(|| damaged("it names no kinds"))?.lines().filter(|l| !l.is_empty()).map(kind).collect(),
        revision,
        digest,
        by: text("by").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        Inventory {
            kinds: [GroupKind::new("", "ConfigMap"), GroupKind::new("networking.k8s.io", "NetworkPolicy")].into(),
            revision: 41,
            digest: Some(Digest("ab".into())),
            by: "ana@laptop".into(),
            ..Inventory::new(StackIdentity::new("hello", "development"))
        }
    }

    fn live(change: impl FnOnce(&mut Value)) -> Object {
        let mut value = print(&inventory(), "hello-dev");
        change(&mut value);
        own_object(value).unwrap()
    }

    #[test]
    fn what_is_printed_is_parsed() {
        assert_eq!(parse(&live(|_| ())).unwrap(), inventory());
        let fresh = Inventory::new(StackIdentity::new("hello", "development"));
        assert_eq!(parse(&own_object(print(&fresh, "hello-dev")).unwrap()).unwrap(), fresh);
    }

    #[test]
    fn it_is_no_object_of_the_stack() {
        assert_eq!(StackIdentity::of(&live(|_| ())), None);
    }

    #[test]
    fn a_newer_or_damaged_one_is_an_error() {
        assert!(matches!(parse(&live(|v| v["data"]["format"] = "2".into())), Err(InventoryError::Newer(_, 2))));
        for field in ["format", "stack", "environment", "kinds", "revision", "digest"] {
            let broken = live(|v| {
                v["data"].as_object_mut().unwrap().remove(field);
            });
            assert!(matches!(parse(&broken), Err(InventoryError::Damaged(..))), "{field}");
        }
    }
}
