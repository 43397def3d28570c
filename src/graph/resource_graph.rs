//! The graph itself: objects, what each comes after, and the waves that follow from it.

use std::collections::{BTreeMap, HashMap};

use petgraph::Direction;
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::resource::{Desired, Diagnostics, Edge, EdgeReason, ObjectKey, Origin, Scope};

use super::cycles;
use super::implied::{self, Sink};
use super::nodes::{Gate, Nodes};

/// Objects, and what each comes after.
#[derive(Debug, Default)]
pub struct ResourceGraph {
    keys: Vec<ObjectKey>,
    positions: HashMap<ObjectKey, usize>,
    scopes: Vec<Scope>,
    /// By the object that comes later: what it comes after. Sorted, each pair once.
    edges: Vec<Vec<Edge>>,
    /// What stands at a gate, as the edges of those who pass it.
    guards: BTreeMap<Gate, Vec<Edge>>,
    /// Which gates an object passes.
    passes: Vec<Vec<Gate>>,
    waves: Vec<Vec<ObjectKey>>,
    wave: Vec<usize>,
}

impl ResourceGraph {
    /// The graph of a stack's objects: their declared edges and those that they imply. An edge to what isn't among the
    /// objects says nothing about their order, and is left out.
    ///
    /// # Errors
    /// Objects that wait for each other in a circle: each circle with the origin of all its edges.
    pub fn build(desired: &[Desired]) -> Result<Self, Diagnostics> {
        let nodes = Nodes::of(desired.iter().map(|desired| &desired.object));
        let mut links = Links::new(nodes.len());
        for (index, desired) in desired.iter().enumerate() {
            for edge in &desired.edges {
                if let Some(to) = nodes.position(&edge.to) {
                    links.declared(index, to, edge);
                }
            }
        }
        implied::find(&nodes, &mut links);
        let wired = Wired::of(&links);
        let Some(levels) = wired.levels() else {
            let origins: Vec<Option<&Origin>> = desired.iter().map(|desired| desired.declared.object.as_ref()).collect();
            return Err(cycles::explain(&wired.graph, &nodes, &links, &origins));
        };
        let scopes = desired.iter().map(|desired| desired.scope.clone()).collect();
        Ok(Self::finish(nodes, links, scopes, levels))
    }

    fn finish(nodes: Nodes<'_>, links: Links, scopes: Vec<Scope>, wave: Vec<usize>) -> Self {
        let (keys, positions) = nodes.into_keys();
        let edge = |to: usize, link: &Link| Edge { to: keys[to].clone(), reason: link.reason, origin: link.origin.clone() };
        let edges = links.after.iter().map(|after| after.iter().map(|(to, link)| edge(*to, link)).collect()).collect();
        let constraint = Link { reason: EdgeReason::Constraint, origin: None };
        let guards = links.guards.iter().map(|(gate, all)| (gate.clone(), all.iter().map(|to| edge(*to, &constraint)).collect())).collect();
        let mut waves = vec![Vec::new(); wave.iter().max().map_or(0, |last| last + 1)];
        for (key, wave) in keys.iter().zip(&wave) {
            waves[*wave].push(key.clone());
        }
        for wave in &mut waves {
            wave.sort();
        }
        Self { keys, positions, scopes, edges, guards, passes: links.passes, waves, wave }
    }

    /// Waves in order; within one, objects by identity. What is in a wave comes after something of the wave before.
    pub fn waves(&self) -> &[Vec<ObjectKey>] {
        &self.waves
    }

    /// The wave of an object, from 0.
    pub fn wave_of(&self, key: &ObjectKey) -> Option<usize> {
        self.positions.get(key).and_then(|index| self.wave.get(*index)).copied()
    }

    /// All edges: each with the object that comes later.
    pub fn edges(&self) -> impl Iterator<Item = (&ObjectKey, &Edge)> {
        (0..self.keys.len()).flat_map(move |index| self.after(index).map(move |edge| (&self.keys[index], edge)))
    }

    /// What an object comes after.
    pub fn dependencies(&self, key: &ObjectKey) -> Vec<&Edge> {
        self.positions.get(key).map(|index| self.after(*index).collect()).unwrap_or_default()
    }

    /// The objects, each with the part of the stack that it belongs to.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &Scope)> {
        self.keys.iter().zip(&self.scopes)
    }

    fn after(&self, index: usize) -> impl Iterator<Item = &Edge> {
        let gates = self.passes[index].iter().filter_map(|gate| self.guards.get(gate));
        self.edges[index].iter().chain(gates.flatten())
    }
}

/// Why one object comes after another, and the line that says so.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub reason: EdgeReason,
    pub origin: Option<Origin>,
}

/// All links that were found, by position.
#[derive(Debug)]
pub(super) struct Links {
    pub after: Vec<BTreeMap<usize, Link>>,
    pub guards: BTreeMap<Gate, Vec<usize>>,
    pub passes: Vec<Vec<Gate>>,
}

impl Links {
    pub fn new(count: usize) -> Self {
        Self { after: vec![BTreeMap::new(); count], guards: BTreeMap::new(), passes: vec![Vec::new(); count] }
    }

    /// An edge with a line. Of several between two objects the first stays: the stack's own words before what is implied.
    pub fn declared(&mut self, from: usize, to: usize, edge: &Edge) {
        self.after[from].entry(to).or_insert_with(|| Link { reason: edge.reason, origin: edge.origin.clone() });
    }
}

impl Sink for Links {
    fn edge(&mut self, from: usize, to: usize, reason: EdgeReason) {
        self.after[from].entry(to).or_insert(Link { reason, origin: None });
    }

    fn guard(&mut self, object: usize, gate: Gate) {
        self.guards.entry(gate).or_default().push(object);
    }

    fn pass(&mut self, object: usize, gate: Gate) {
        self.passes[object].push(gate);
    }
}

/// The links as a petgraph: an arrow from what comes first to what comes later. Objects by position, then gates.
pub(super) struct Wired {
    pub graph: DiGraph<(), ()>,
    objects: usize,
}

impl Wired {
    pub fn of(links: &Links) -> Self {
        let objects = links.after.len();
        let mut graph = DiGraph::with_capacity(objects + links.guards.len(), objects * 8);
        for _ in 0..objects + links.guards.len() {
            graph.add_node(());
        }
        for (from, after) in links.after.iter().enumerate() {
            for to in after.keys() {
                graph.add_edge(NodeIndex::new(*to), NodeIndex::new(from), ());
            }
        }
        let gates: BTreeMap<&Gate, NodeIndex> =
            links.guards.keys().enumerate().map(|(index, gate)| (gate, NodeIndex::new(objects + index))).collect();
        for (gate, guards) in &links.guards {
            for guard in guards {
                graph.add_edge(NodeIndex::new(*guard), gates[gate], ());
            }
        }
        for (index, passes) in links.passes.iter().enumerate() {
            for gate in passes.iter().filter_map(|gate| gates.get(gate)) {
                graph.add_edge(*gate, NodeIndex::new(index), ());
            }
        }
        Self { graph, objects }
    }

    /// The wave of each object: how many objects stand one after the other before it. None if there is a circle.
    pub fn levels(&self) -> Option<Vec<usize>> {
        let order = toposort(&self.graph, None).ok()?;
        let mut level = vec![0; self.graph.node_count()];
        for node in order {
            let next = level[node.index()] + usize::from(node.index() < self.objects);
            for edge in self.graph.edges_directed(node, Direction::Outgoing) {
                let later = &mut level[edge.target().index()];
                *later = (*later).max(next);
            }
        }
        level.truncate(self.objects);
        Some(level)
    }
}
