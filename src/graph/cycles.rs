//! Circles: which objects wait for each other, and by which lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::resource::{Diagnostic, Diagnostics, EdgeReason, Label, Origin};

use super::nodes::Nodes;
use super::resource_graph::Links;

/// One diagnostic for each circle; circles of the same lines (one in each tenant) are told once.
pub(super) fn explain(graph: &DiGraph<(), ()>, nodes: &Nodes<'_>, links: &Links<'_>, origins: &[Option<&Origin>]) -> Diagnostics {
    let mut circles: BTreeSet<Vec<usize>> = BTreeSet::new();
    for component in kosaraju_scc(graph) {
        let alone = component.len() == 1 && component.iter().all(|node| graph.find_edge(*node, *node).is_none());
        if !alone && let Some(circle) = shortest(graph, &component, nodes) {
            circles.insert(circle);
        }
    }
    let mut told: BTreeMap<Vec<Origin>, (Vec<usize>, usize)> = BTreeMap::new();
    for circle in circles {
        let labels = labels(&circle, nodes, links, origins);
        let places = labels.into_iter().map(|label| label.origin).collect();
        told.entry(places).and_modify(|(_, again)| *again += 1).or_insert((circle, 0));
    }
    let mut diagnostics = Diagnostics::default();
    for (circle, again) in told.into_values() {
        let mut names: Vec<String> = circle.iter().map(|index| nodes.key(*index).to_string()).collect();
        names.extend(names.first().cloned());
        let repeated = if again > 0 { format!(" ({again} more of the same lines)") } else { String::new() };
        let message = match circle.as_slice() {
            [one] => format!("{} comes after itself{repeated}", nodes.key(*one)),
            many => format!("{} objects wait for each other in a circle{repeated}", many.len()),
        };
        let mut diagnostic = Diagnostic::error("graph::cycle", message);
        diagnostic.labels = labels(&circle, nodes, links, origins);
        diagnostics.push(diagnostic.help(format!("take out one of these edges: {}", names.join(" → "))));
    }
    diagnostics.sort();
    diagnostics
}

/// The shortest way from the first object of a component back to itself, each step to something it comes after. Gates are left out.
fn shortest(graph: &DiGraph<(), ()>, component: &[NodeIndex], nodes: &Nodes<'_>) -> Option<Vec<usize>> {
    let inside: std::collections::HashSet<NodeIndex> = component.iter().copied().collect();
    let start = component.iter().copied().filter(|node| node.index() < nodes.len()).min_by_key(|node| nodes.key(node.index()))?;
    let mut reached: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors_directed(node, Direction::Incoming).filter(|next| inside.contains(next)).collect();
        next.sort();
        for next in next {
            if next == start {
                let mut way = vec![node];
                while let Some(before) = way.last().and_then(|last| reached.get(last)) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way.into_iter().map(NodeIndex::index).filter(|index| *index < nodes.len()).collect());
            }
            if next != start && !reached.contains_key(&next) {
                reached.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

/// One label for each edge of the circle: its own line, else that of the object which waits.
fn labels(circle: &[usize], nodes: &Nodes<'_>, links: &Links<'_>, origins: &[Option<&Origin>]) -> Vec<Label> {
    let next = circle.iter().skip(1).chain(circle.first());
    let mut labels = Vec::new();
    for (from, to) in circle.iter().zip(next) {
        let link = links.between(*from, *to);
        let reason = words(link.map_or(EdgeReason::Constraint, |link| link.reason));
        let own = link.and_then(|link| link.origin.as_ref());
        if let Some(origin) = own.or(origins.get(*from).copied().flatten()) {
            labels.push(Label { origin: origin.clone(), text: format!("{} comes after {}: {reason}", nodes.key(*from), nodes.key(*to)) });
        }
    }
    labels
}

/// Why, as people say it.
pub(super) fn words(reason: EdgeReason) -> &'static str {
    match reason {
        EdgeReason::Needs => "it needs it",
        EdgeReason::Reference => "it refers to it",
        EdgeReason::After => "the stack says so",
        EdgeReason::Containment => "it lives in it",
        EdgeReason::Definition => "it is of a kind that it defines",
        EdgeReason::Use => "it uses it",
        EdgeReason::Target => "it acts upon it",
        EdgeReason::Scaling => "it scales it",
        EdgeReason::Constraint => "it is constrained by it",
    }
}
