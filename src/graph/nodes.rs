//! The objects of a graph, to be found by identity and by what they define.

use std::collections::HashMap;

use crate::resource::{Object, ObjectKey};

/// A place where constraints and what they constrain meet, so that not each pair needs an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gate {
    /// Workloads of a namespace.
    Namespace(String),
    /// What a namespace's quotas count besides.
    Counted(String),
    /// All workloads.
    Cluster,
}

/// The objects, by position.
pub(super) struct Nodes<'o> {
    objects: Vec<&'o Object>,
    keys: Vec<ObjectKey>,
    positions: HashMap<ObjectKey, usize>,
    /// CRDs, by the kind that they define.
    definitions: HashMap<(String, String), Vec<usize>>,
    /// APIServices, by the group and version that they serve.
    api_services: HashMap<(String, String), Vec<usize>>,
}

impl<'o> Nodes<'o> {
    /// Objects in their order; of several with one identity the first counts.
    pub fn of(objects: impl Iterator<Item = &'o Object>) -> Self {
        let objects: Vec<&Object> = objects.collect();
        let keys: Vec<ObjectKey> = objects.iter().map(|object| object.key()).collect();
        let mut positions = HashMap::with_capacity(keys.len());
        let mut definitions: HashMap<(String, String), Vec<usize>> = HashMap::new();
        let mut api_services: HashMap<(String, String), Vec<usize>> = HashMap::new();
        for (index, (object, key)) in objects.iter().zip(&keys).enumerate() {
            positions.entry(key.clone()).or_insert(index);
            let spec = &object.value()["spec"];
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            if key.kind == "CustomResourceDefinition" {
                definitions.entry((text(&spec["group"]), text(&spec["names"]["kind"]))).or_default().push(index);
            }
            if key.kind == "APIService" {
                api_services.entry((text(&spec["group"]), text(&spec["version"]))).or_default().push(index);
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

    pub fn key(&self, index: usize) -> &ObjectKey {
        &self.keys[index]
    }

    pub fn into_keys(self) -> (Vec<ObjectKey>, HashMap<ObjectKey, usize>) {
        (self.keys, self.positions)
    }

    pub fn position(&self, key: &ObjectKey) -> Option<usize> {
        self.positions.get(key).copied()
    }

    pub fn find(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<usize> {
        self.position(&ObjectKey::new(group, kind, namespace, name))
    }

    pub fn definitions(&self, group: &str, kind: &str) -> &[usize] {
        if group.is_empty() {
            return &[];
        }
        self.definitions.get(&(group.to_owned(), kind.to_owned())).map_or(&[], Vec::as_slice)
    }

    pub fn api_services(&self, group: &str, version: &str) -> &[usize] {
        if self.api_services.is_empty() {
            return &[];
        }
        self.api_services.get(&(group.to_owned(), version.to_owned())).map_or(&[], Vec::as_slice)
    }
}
