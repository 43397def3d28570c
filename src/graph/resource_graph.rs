//! The graph itself: objects, what each comes after, and the waves that follow from it.

use std::collections::HashMap;

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
    /// The positions of the keys, sorted by key.
    sorted: Vec<usize>,
    scopes: Vec<Scope>,
    /// By the object that comes later: what it comes after. Sorted, each pair once.
    after: Vec<Vec<(usize, Link)>>,
    /// What stands at each gate.
    guards: Vec<Vec<usize>>,
    /// Which gates an object passes.
    passes: Vec<Vec<usize>>,
    wave: Vec<usize>,
}

/// What an object comes after, and why.
#[derive(Clone, Copy, Debug)]
pub struct Dependency<'g> {
    /// What comes first.
    pub to: &'g ObjectKey,
    /// Why.
    pub reason: EdgeReason,
    /// The line that made it, if a line did.
    pub origin: Option<&'g Origin>,
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
        Ok(Self::finish(&nodes, links, scopes, levels))
    }

    fn finish(nodes: &Nodes<'_>, links: Links<'_>, scopes: Vec<Scope>, wave: Vec<usize>) -> Self {
        let keys: Vec<ObjectKey> = (0..nodes.len()).map(|index| nodes.key(index)).collect();
        let mut sorted: Vec<usize> = (0..keys.len()).collect();
        sorted.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
        Self { keys, sorted, scopes, after: links.after, guards: links.guards, passes: links.passes, wave }
    }

    /// Waves in order; within one, objects by identity. What is in a wave comes after something of the wave before.
    pub fn waves(&self) -> Vec<Vec<&ObjectKey>> {
        let mut waves = vec![Vec::new(); self.wave.iter().max().map_or(0, |last| last + 1)];
        for index in &self.sorted {
            waves[self.wave[*index]].push(&self.keys[*index]);
        }
        waves
    }

    /// The wave of an object, from 0.
    pub fn wave_of(&self, key: &ObjectKey) -> Option<usize> {
        self.wave.get(self.position(key)?).copied()
    }

    /// All edges: each with the object that comes later.
    pub fn edges(&self) -> impl Iterator<Item = (&ObjectKey, Dependency<'_>)> {
        (0..self.keys.len()).flat_map(move |index| self.after(index).map(move |edge| (&self.keys[index], edge)))
    }

    /// What an object comes after.
    pub fn dependencies(&self, key: &ObjectKey) -> Vec<Dependency<'_>> {
        self.position(key).map(|index| self.after(index).collect()).unwrap_or_default()
    }

    /// By which wave each of these, which change in these waves, has to be ready: the first one with a change that needs it so, by an
    /// edge or by way of objects that don't change. None: no change needs it.
    pub fn needed_ready(&self, changes: &[(&ObjectKey, usize)]) -> Vec<Option<usize>> {
        let places: Vec<Option<usize>> = changes.iter().map(|(key, _)| self.position(key)).collect();
        let mut wave_now: Vec<Option<usize>> = vec![None; self.keys.len()];
        for (place, (_, wave)) in places.iter().zip(changes) {
            if let Some(place) = place {
                wave_now[*place] = Some(*wave);
            }
        }
        let mut stands_at: Vec<Vec<usize>> = vec![Vec::new(); self.keys.len()];
        for (gate, guards) in self.guards.iter().enumerate() {
            for guard in guards {
                stands_at[*guard].push(gate);
            }
        }
        let mut needed: Vec<Option<usize>> = vec![None; self.keys.len()];
        let mut behind: Vec<Option<usize>> = vec![None; self.guards.len()];
        let mut later_first: Vec<usize> = (0..self.keys.len()).collect();
        later_first.sort_by_key(|index| std::cmp::Reverse(self.wave[*index]));
        for index in later_first {
            for gate in &stands_at[index] {
                needed[index] = earlier(needed[index], behind[*gate]);
            }
            // Whoever needs it ready needs so, too, what it comes after. An object that changes is its own wave's matter.
            let through = needed[index];
            let own = wave_now[index].or(through);
            for (to, link) in &self.after[index] {
                needed[*to] = earlier(needed[*to], if link.reason.needs_readiness() { own } else { through });
            }
            for gate in &self.passes[index] {
                behind[*gate] = earlier(behind[*gate], own);
            }
        }
        places.into_iter().map(|place| needed[place?]).collect()
    }

    /// The objects, each with the part of the stack that it belongs to.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &Scope)> {
        self.keys.iter().zip(&self.scopes)
    }

    fn position(&self, key: &ObjectKey) -> Option<usize> {
        let found = self.sorted.partition_point(|index| self.keys[*index] < *key);
        self.sorted.get(found).copied().filter(|index| self.keys[*index] == *key)
    }

    fn after(&self, index: usize) -> impl Iterator<Item = Dependency<'_>> {
        let own = self.after[index].iter();
        let own = own.map(|(to, link)| Dependency { to: &self.keys[*to], reason: link.reason, origin: link.origin.as_ref() });
        let guards = self.passes[index].iter().flat_map(|gate| &self.guards[*gate]);
        own.chain(guards.map(|to| Dependency { to: &self.keys[*to], reason: EdgeReason::Constraint, origin: None }))
    }
}

/// The earlier of two waves, where there are any.
fn earlier(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a.into_iter().chain(b).min()
}

/// Why one object comes after another, and the line that says so.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub reason: EdgeReason,
    pub origin: Option<Origin>,
}

/// All links that were found, by position.
#[derive(Debug)]
pub(super) struct Links<'o> {
    /// What each object comes after: sorted, each once.
    pub after: Vec<Vec<(usize, Link)>>,
    /// What stands at each gate.
    pub guards: Vec<Vec<usize>>,
    /// Which gates each object passes.
    pub passes: Vec<Vec<usize>>,
    gates: HashMap<Gate<'o>, usize>,
}

impl<'o> Links<'o> {
    pub fn new(count: usize) -> Self {
        Self { after: vec![Vec::new(); count], guards: Vec::new(), passes: vec![Vec::new(); count], gates: HashMap::new() }
    }

    /// An edge with a line. Of several between two objects the first stays: the stack's own words before what is implied.
    pub fn declared(&mut self, from: usize, to: usize, edge: &Edge) {
        self.link(from, to, || Link { reason: edge.reason, origin: edge.origin.clone() });
    }

    /// The link between two objects.
    pub fn between(&self, from: usize, to: usize) -> Option<&Link> {
        let after = &self.after[from];
        after.binary_search_by_key(&to, |(to, _)| *to).ok().map(|place| &after[place].1)
    }

    fn link(&mut self, from: usize, to: usize, link: impl FnOnce() -> Link) {
        let after = &mut self.after[from];
        if let Err(place) = after.binary_search_by_key(&to, |(to, _)| *to) {
            after.insert(place, (to, link()));
        }
    }

    fn gate(&mut self, gate: Gate<'o>) -> usize {
        let next = self.guards.len();
        let number = *self.gates.entry(gate).or_insert(next);
        if number == next {
            self.guards.push(Vec::new());
        }
        number
    }
}

impl<'o> Sink<'o> for Links<'o> {
    fn edge(&mut self, from: usize, to: usize, reason: EdgeReason) {
        self.link(from, to, || Link { reason, origin: None });
    }

    fn guard(&mut self, object: usize, gate: Gate<'o>) {
        let gate = self.gate(gate);
        self.guards[gate].push(object);
    }

    fn pass(&mut self, object: usize, gate: Gate<'o>) {
        let gate = self.gate(gate);
        self.passes[object].push(gate);
    }
}

/// The links as a petgraph: an arrow from what comes first to what comes later. Objects by position, then gates.
pub(super) struct Wired {
    pub graph: DiGraph<(), ()>,
    objects: usize,
}

impl Wired {
    pub fn of(links: &Links<'_>) -> Self {
        let objects = links.after.len();
        let mut graph = DiGraph::with_capacity(objects + links.guards.len(), objects * 8);
        for _ in 0..objects + links.guards.len() {
            graph.add_node(());
        }
        for (from, after) in links.after.iter().enumerate() {
            for (to, _) in after {
                graph.add_edge(NodeIndex::new(*to), NodeIndex::new(from), ());
            }
        }
        // In the gates' own order, so that the same circle is found whatever was seen first.
        let mut gates: Vec<(&Gate<'_>, &usize)> = links.gates.iter().collect();
        gates.sort();
        let mut nodes = vec![NodeIndex::end(); gates.len()];
        for (place, (_, number)) in gates.into_iter().enumerate() {
            nodes[*number] = NodeIndex::new(objects + place);
            for guard in &links.guards[*number] {
                graph.add_edge(NodeIndex::new(*guard), nodes[*number], ());
            }
        }
        for (index, passes) in links.passes.iter().enumerate() {
            for gate in passes {
                graph.add_edge(nodes[*gate], NodeIndex::new(index), ());
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
