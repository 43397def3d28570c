//! What a state holds, for people to look at: `spai state list`, `show` and `verify`.

use serde::Serialize;
use serde_json::Value;

use crate::resource::{Diagnostic, ObjectKey, Origin, Prior, PriorSet, Scope};
use crate::state::{Binding, Head, Holder, Journal, LocalStore, Lock, StateStore as _, Verified};

/// What stands in place of a secret's value.
const MASK: &str = "(secret)";

/// A state in overview.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Whose it is, and where; None before the first apply.
    pub binding: Option<Binding>,
    /// What it stands at.
    pub head: Option<Head>,
    /// All objects, by identity.
    pub objects: Vec<Listed>,
}

/// An object in a listing.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Which.
    pub key: ObjectKey,
    /// Which part of the stack it belongs to.
    pub scope: Scope,
    /// The line that made it.
    pub origin: Option<Origin>,
    /// Its uid in the cluster.
    pub uid: String,
}

/// An object as the state holds it, without the values of secrets.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Which, and whence.
    #[serde(flatten)]
    pub listed: Listed,
    /// The revision that it is of.
    pub revision: u64,
    /// What was applied, secrets masked.
    pub applied: Value,
    /// What it came after.
    pub after: Vec<ObjectKey>,
    /// Whether deleting it is refused.
    pub prevent_destroy: bool,
}

/// What a look at all of a state found.
#[derive(Clone, Debug)]
pub struct Health {
    /// The store: read, checked and decrypted from end to end.
    pub store: Verified,
    /// How many records the journal of an unfinished run has, if there is one.
    pub unfinished: Option<usize>,
    /// Who holds the lock.
    pub lock: Option<Holder>,
}

/// All that the state holds.
///
/// # Errors
/// `state::…`: it can't be read.
pub fn list(store: &LocalStore) -> Result<Listing, Diagnostic> {
    let head = store.head()?;
    let snapshot = store.load()?;
    let objects = snapshot.prior.objects.iter().map(|(key, prior)| listed(key, prior)).collect();
    Ok(Listing { binding: snapshot.binding, head, objects })
}

/// One object (or, without its API group or namespace, all that `wanted` may mean), as the newest or an older revision has it.
///
/// # Errors
/// `state::no_object` if the state has none, `state::…` if it can't be read.
pub fn show(store: &LocalStore, wanted: &ObjectKey, revision: Option<u64>) -> Result<Vec<Shown>, Diagnostic> {
    let set = match revision {
        Some(number) => store.revision(number)?,
        None => store.load()?.prior,
    };
    let shown: Vec<Shown> = set.objects.iter().filter(|(key, _)| may_mean(wanted, key)).map(|(k, p)| shown(&set, k, p)).collect();
    if shown.is_empty() {
        let of = revision.map_or_else(String::new, |number| format!(" of revision {number}"));
        return Err(Diagnostic::error("state::no_object", format!("the state{of} has no {wanted}"))
            .help("`spai state list` lists what it has; write KIND/NAMESPACE/NAME"));
    }
    Ok(shown)
}

/// Reads everything: every revision, the journal, the lock.
///
/// # Errors
/// The first thing that isn't as it was written.
pub fn verify(store: &LocalStore) -> Result<Health, Diagnostic> {
    let verified = store.verify()?;
    let unfinished = Journal::unfinished(store.dir(), store.key())?.map(|unfinished| unfinished.records.len());
    Ok(Health { store: verified, unfinished, lock: Lock::holder(store.dir())? })
}

fn may_mean(wanted: &ObjectKey, key: &ObjectKey) -> bool {
    wanted.kind == key.kind
        && wanted.name == key.name
        && (wanted.group.is_empty() || wanted.group == key.group)
        && (wanted.namespace.is_none() || wanted.namespace == key.namespace)
}

fn listed(key: &ObjectKey, prior: &Prior) -> Listed {
    Listed { key: key.clone(), scope: prior.scope.clone(), origin: prior.origin.clone(), uid: prior.uid.clone() }
}

fn shown(set: &PriorSet, key: &ObjectKey, prior: &Prior) -> Shown {
    let mut applied = prior.applied.value().clone();
    if key.group.is_empty() && key.kind == "Secret" {
        for table in ["data", "stringData"] {
            for value in applied.get_mut(table).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()) {
                *value = MASK.into();
            }
        }
    }
    Shown {
        listed: listed(key, prior),
        revision: set.revision,
        applied,
        after: prior.edges.iter().map(|edge| edge.to.clone()).collect(),
        prevent_destroy: prior.prevent_destroy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Object, StackIdentity};
    use crate::state::{RevisionInfo, StateKey};
    use serde_json::json;

    fn store(dir: &std::path::Path) -> LocalStore {
        let store = LocalStore::open(dir.join("state"), StateKey::load_or_create(&dir.join("config"), None).unwrap());
        let object = |kind: &str, group: &str, namespace: &str| {
            let applied = Object::try_from(json!({
                "apiVersion": format!("{group}v1"), "kind": kind, "metadata": {"name": "web", "namespace": namespace}, "data": {"password": "c4n4ry"},
            }))
            .unwrap();
            let digest = applied.digest();
            let prior = Prior {
                applied: applied.into(),
                desired: digest,
                uid: "u".into(),
                scope: Scope::default(),
                edges: Vec::new(),
                origin: None,
                prevent_destroy: false,
            };
            (prior.applied.key(), prior)
        };
        let objects = [object("Secret", "", "acme"), object("Deployment", "apps/", "acme"), object("Deployment", "apps/", "zeta")].into();
        let binding =
            Binding { identity: StackIdentity::new("hello", "development"), cluster_uid: "c".into(), root_namespace: "hello-dev".into() };
        let info = RevisionInfo {
            number: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            operation: "apply".into(),
            by: "ana@laptop".into(),
            summary: String::new(),
            objects: 3,
        };
        store.commit(&binding, 0, info, &PriorSet { revision: 1, objects }).unwrap();
        store
    }

    #[test]
    fn objects_are_found_by_as_much_as_is_said_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        assert_eq!(list(&store).unwrap().objects.len(), 3);
        let count = |text: &str| show(&store, &text.parse().unwrap(), None).map(|found| found.len()).map_err(|e| e.code);
        assert_eq!(count("Deployment/web"), Ok(2));
        assert_eq!(count("Deployment/acme/web"), Ok(1));
        assert_eq!(count("Deployment.apps/acme/web"), Ok(1));
        assert_eq!(count("Deployment.other/acme/web"), Err("state::no_object".to_owned()));
        assert_eq!(show(&store, &"Deployment/web".parse().unwrap(), Some(7)).unwrap_err().code, "state::no_revision");
    }

    #[test]
    fn no_secret_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let shown = show(&store(dir.path()), &"Secret/web".parse().unwrap(), None).unwrap();
        assert_eq!(shown[0].applied["data"], json!({"password": "(secret)"}));
        assert!(!serde_json::to_string(&shown).unwrap().contains("c4n4ry"));
    }

    #[test]
    fn a_sound_state_is_said_to_be_one_with_what_is_unfinished() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let mut journal = Journal::create(store.dir(), store.key(), &json!({})).unwrap();
        journal.append(&json!(1)).unwrap();
        let health = verify(&store).unwrap();
        assert_eq!((health.store.revisions, health.unfinished, health.lock), (1, Some(1), None));
    }
}
