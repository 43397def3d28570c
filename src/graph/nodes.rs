//! The objects of a graph, to be found by identity and by what they define.

use std::collections::HashMap;

use serde_json::Value;

use crate::resource::{KeyRef, Object, ObjectKey};

/// A place where constraints and what they constrain meet, so that not each pair needs an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gate<'o> {
    /// Workloads of a namespace.
    Namespace(&'o str),
    /// What a namespace's quotas count besides.
    Counted(&'o str),
    /// All workloads.
    Cluster,
}

/// The objects, by position.
pub(super) struct Nodes<'o> {
    objects: Vec<&'o Object>,
    keys: Vec<KeyRef<'o>>,
    positions: HashMap<KeyRef<'o>, usize>,
    /// CRDs, by the kind that they define.
    definitions: HashMap<(&'o str, &'o str), Vec<usize>>,
    /// APIServices, by the group and version that they serve.
    api_services: HashMap<(&'o str, &'o str), Vec<usize>>,
}

impl<'o> Nodes<'o> {
    /// Objects in their order; of several with one identity the first counts.
    pub fn of(objects: impl Iterator<Item = &'o Object>) -> Self {
        let objects: Vec<&Object> = objects.collect();
        let keys: Vec<KeyRef<'_>> = objects.iter().map(|object| object.key_ref()).collect();
        let mut positions = HashMap::with_capacity(keys.len());
        let mut definitions: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        let mut api_services: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (index, (object, key)) in objects.iter().zip(&keys).enumerate() {
            positions.entry(*key).or_insert(index);
            let spec = |path: &str| object.value().pointer(path).and_then(Value::as_str).unwrap_or_default();
            match key.kind {
                "CustomResourceDefinition" => {
                    definitions.entry((spec("/spec/group"), spec("/spec/names/kind"))).or_default().push(index);
                }
                "APIService" => api_services.entry((spec("/spec/group"), spec("/spec/version"))).or_default().push(index),
                _ => {}
            }
        }
        Self { objects, keys, positions, definitions, api_services }
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn object(&self, index: usize) -> &'o Object {
        self.objects[index]
    }

    pub fn key(&self, index: usize) -> ObjectKey {
        self.keys[index].to_key()
    }

    /// The same, borrowed: looked up once, for all who ask what an object is.
    pub fn key_ref(&self, index: usize) -> KeyRef<'o> {
        self.keys[index]
    }

    pub fn position(&self, key: &ObjectKey) -> Option<usize> {
        self.positions.get(&key.as_ref()).copied()
    }

    pub fn find(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<usize> {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        self.positions.get(&KeyRef { group, kind, namespace, name }).copied()
    }

    pub fn definitions<'n>(&'n self, group: &'n str, kind: &'n str) -> &'n [usize] {
        if group.is_empty() {
            return &[];
        }
        self.definitions.get(&(group, kind)).map_or(&[], Vec::as_slice)
    }

    /// The APIServices that serve an object's group and version.
    pub fn api_services<'n>(&'n self, object: &'n Object) -> &'n [usize] {
        if self.api_services.is_empty() {
            return &[];
        }
        let (group, version) = object.api_version().rsplit_once('/').unwrap_or(("", object.api_version()));
        self.api_services.get(&(group, version)).map_or(&[], Vec::as_slice)
    }
}
