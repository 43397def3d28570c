//! Where and how the server is asked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spai::cluster::{ApplyRequest, Cluster, ClusterError, Guard};
use spai::resource::{FieldManager, Object, ObjectKey};

use crate::support::{self, ControlPlane, Namespaces};

/// Dice that are thrown alike in every run of a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What the server said.
#[derive(Debug)]
pub enum Said {
    Yes {
        object: Object,
        warnings: Vec<String>,
    },
    /// Refused by admission: its words without `pods "x" is forbidden: `.
    No(String),
    /// Refused by validation: it never came to admission.
    Invalid(String),
}

/// A connection, and namespaces that go with it.
pub struct Ground {
    pub cluster: Cluster,
    root: String,
    _namespaces: Namespaces,
}

impl Ground {
    pub async fn new(plane: &ControlPlane, prefix: &str) -> Self {
        let root = support::unique(prefix);
        Self { cluster: plane.cluster().await, _namespaces: plane.namespaces_of(&root), root }
    }

    /// A namespace with these labels, from its first moment.
    pub async fn namespace(&self, name: &str, labels: Value) -> Object {
        let name = format!("{}-{name}", self.root);
        let namespace = object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
        self.make(&namespace).await;
        let account = ObjectKey::new("", "ServiceAccount", Some(&name), "default");
        until("its service account is there", async || self.cluster.get(&account).await.unwrap().is_some()).await;
        namespace
    }

    pub async fn make(&self, object: &Object) -> Object {
        match self.send(object, false, None).await {
            Ok(applied) => applied.object,
            Err(error) => panic!("{}: {error}", object.key()),
        }
    }

    /// What the server would say to a new object.
    pub async fn ask(&self, object: &Object) -> Said {
        self.ask_to_change(object, None).await
    }

    /// What it would say to this in place of what is there.
    pub async fn ask_to_change(&self, object: &Object, live: Option<&Object>) -> Said {
        match self.send(object, true, live).await {
            Ok(applied) => Said::Yes { object: applied.object, warnings: applied.warnings },
            Err(ClusterError::Forbidden { message }) => {
                Said::No(message.split_once("is forbidden: ").map_or(message.clone(), |(_, words)| words.to_owned()))
            }
            Err(ClusterError::Invalid { message, .. }) => Said::Invalid(message),
            Err(error) => panic!("{}: {error:?}\n{}", object.key(), object.value()),
        }
    }

    async fn send(&self, object: &Object, dry_run: bool, live: Option<&Object>) -> Result<spai::cluster::Applied, ClusterError> {
        let manager = FieldManager("spai:test:admission".to_owned());
        let request = ApplyRequest { manager: &manager, force: true, dry_run, guard: live.and_then(Guard::of), strict: true };
        self.cluster.apply(object, &request).await
    }
}

pub fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
