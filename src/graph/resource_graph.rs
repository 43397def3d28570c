//! The graph itself.

use std::collections::BTreeMap;

use crate::resource::{Desired, Diagnostics, Edge, Object, ObjectKey};

/// Objects, and what each comes after.
#[derive(Debug, Default)]
pub struct ResourceGraph {
    waves: Vec<Vec<ObjectKey>>,
    wave_of: BTreeMap<ObjectKey, usize>,
    edges: Vec<(ObjectKey, Edge)>,
}

impl ResourceGraph {
    /// The graph of a stack's objects: their declared edges and those that they imply.
    ///
    /// # Errors
    /// Objects that wait for each other in a circle, each circle with the origin of all its edges.
    pub fn build(desired: &[Desired]) -> Result<Self, Diagnostics> {
        let keys: Vec<ObjectKey> = desired.iter().map(Desired::key).collect();
        let wave_of = keys.iter().map(|key| (key.clone(), 0)).collect();
        Ok(Self { waves: vec![keys], wave_of, edges: Vec::new() })
    }

    /// Waves in order; within one, objects by identity. What is in a wave comes after something of the wave before.
    pub fn waves(&self) -> &[Vec<ObjectKey>] {
        &self.waves
    }

    /// The wave of an object, from 0.
    pub fn wave_of(&self, key: &ObjectKey) -> Option<usize> {
        self.wave_of.get(key).copied()
    }

    /// All edges: each with the object that comes later.
    pub fn edges(&self) -> impl Iterator<Item = (&ObjectKey, &Edge)> {
        self.edges.iter().map(|(from, edge)| (from, edge))
    }

    /// What an object comes after.
    pub fn dependencies(&self, key: &ObjectKey) -> Vec<&Edge> {
        self.edges.iter().filter(|(from, _)| from == key).map(|(_, edge)| edge).collect()
    }
}

/// Waves of deletions: dependents first; volumes, CRDs and namespaces last.
pub fn deletion_order(objects: &[(&Object, &[Edge])]) -> Vec<Vec<ObjectKey>> {
    vec![objects.iter().map(|(object, _)| object.key()).collect()]
}
