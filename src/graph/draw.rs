//! The graph as a drawing: Graphviz, Mermaid, JSON.
//!
//! Arrows lead from what comes first to what waits for it. Boxes around objects are namespaces, so their arrows to their
//! content are left out of the drawings (JSON has them). Large stacks stay readable by services or tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::resource::{EdgeReason, ObjectKey, Scope};

use super::ResourceGraph;

/// What a drawing's nodes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Every object.
    #[default]
    Objects,
    /// A node for each service of a tenant.
    Services,
    /// A node for each tenant.
    Tenants,
}

/// For Graphviz.
pub fn dot(graph: &ResourceGraph, grouping: Grouping) -> String {
    let drawing = Drawing::of(graph, grouping);
    let mut text = String::from("digraph stack {\n  rankdir=LR;\n  node [shape=box];\n");
    for (number, (group, names)) in drawing.boxes().into_iter().enumerate() {
        let indent = if group.is_empty() { "  " } else { "    " };
        if !group.is_empty() {
            let _ = writeln!(text, "  subgraph cluster_{number} {{\n    label={};", quoted(group));
        }
        for (id, label) in names {
            let _ = writeln!(text, "{indent}n{id} [label={}];", quoted(&label));
        }
        if !group.is_empty() {
            text.push_str("  }\n");
        }
    }
    for ((from, to), reasons) in &drawing.arrows {
        let _ = writeln!(text, "  n{from} -> n{to} [label={}];", quoted(&list(reasons)));
    }
    text.push_str("}\n");
    text
}

/// For Mermaid.
pub fn mermaid(graph: &ResourceGraph, grouping: Grouping) -> String {
    let drawing = Drawing::of(graph, grouping);
    let mut text = String::from("flowchart LR\n");
    for (number, (group, names)) in drawing.boxes().into_iter().enumerate() {
        let indent = if group.is_empty() { "  " } else { "    " };
        if !group.is_empty() {
            let _ = writeln!(text, "  subgraph g{number}[\"{}\"]", escaped(group));
        }
        for (id, label) in names {
            let _ = writeln!(text, "{indent}n{id}[\"{}\"]", escaped(&label));
        }
        if !group.is_empty() {
            text.push_str("  end\n");
        }
    }
    for ((from, to), reasons) in &drawing.arrows {
        let _ = writeln!(text, "  n{from} -->|{}| n{to}", escaped(&list(reasons)));
    }
    text
}

/// For programs: `nodes` with their waves and `edges`; for objects, whole keys and the lines of declared edges.
pub fn json(graph: &ResourceGraph, grouping: Grouping) -> Value {
    if grouping != Grouping::Objects {
        let drawing = Drawing::of(graph, grouping);
        let nodes: Vec<Value> =
            drawing.nodes.iter().map(|node| json!({"name": node.label, "objects": node.objects, "wave": node.wave})).collect();
        let edges: Vec<Value> = drawing
            .arrows
            .iter()
            .map(|((from, to), reasons)| json!({"first": drawing.nodes[*from].label, "then": drawing.nodes[*to].label, "reasons": reasons.iter().map(|reason| name(*reason)).collect::<Vec<_>>()}))
            .collect();
        return json!({"version": 1, "nodes": nodes, "edges": edges});
    }
    let nodes: Vec<Value> =
        graph.objects().map(|(key, scope)| json!({"object": key, "scope": scope, "wave": graph.wave_of(key)})).collect();
    let edges: Vec<Value> = graph
        .edges()
        .map(|(from, edge)| json!({"first": edge.to, "then": from, "reason": name(edge.reason), "origin": edge.origin.map(ToString::to_string)}))
        .collect();
    json!({"version": 1, "nodes": nodes, "edges": edges})
}

/// What is drawn.
struct Drawing {
    nodes: Vec<Node>,
    arrows: BTreeMap<(usize, usize), BTreeSet<EdgeReason>>,
}

struct Node {
    label: String,
    /// The box around it; empty for none.
    group: String,
    objects: usize,
    /// The first wave that something of it is in.
    wave: usize,
}

impl Drawing {
    fn of(graph: &ResourceGraph, grouping: Grouping) -> Self {
        let mut ids: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut nodes: Vec<Node> = Vec::new();
        let mut id_of: BTreeMap<&ObjectKey, usize> = BTreeMap::new();
        let mut sorted: Vec<(&ObjectKey, &Scope)> = graph.objects().collect();
        sorted.sort_by_key(|(key, _)| *key);
        for (key, scope) in sorted {
            let (group, label) = place(key, scope, grouping);
            let id = *ids.entry((group.clone(), label.clone())).or_insert_with(|| {
                nodes.push(Node { label, group, objects: 0, wave: usize::MAX });
                nodes.len() - 1
            });
            nodes[id].objects += 1;
            nodes[id].wave = nodes[id].wave.min(graph.wave_of(key).unwrap_or_default());
            id_of.insert(key, id);
        }
        let mut arrows: BTreeMap<(usize, usize), BTreeSet<EdgeReason>> = BTreeMap::new();
        for (from, edge) in graph.edges() {
            let (Some(later), Some(first)) = (id_of.get(from), id_of.get(edge.to)) else { continue };
            if later != first && edge.reason != EdgeReason::Containment {
                arrows.entry((*first, *later)).or_default().insert(edge.reason);
            }
        }
        Self { nodes, arrows }
    }

    /// Nodes by box.
    fn boxes(&self) -> BTreeMap<&str, Vec<(usize, String)>> {
        let mut boxes: BTreeMap<&str, Vec<(usize, String)>> = BTreeMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let label = if node.objects > 1 { format!("{} ({} objects)", node.label, node.objects) } else { node.label.clone() };
            boxes.entry(&node.group).or_default().push((id, label));
        }
        boxes
    }
}

/// The box and the name of the node that an object belongs to.
fn place(key: &ObjectKey, scope: &Scope, grouping: Grouping) -> (String, String) {
    let space = key.namespace.clone().or_else(|| (key.kind == "Namespace").then(|| key.name.clone()));
    let owner = scope.tenant.clone().or_else(|| scope.tier.as_ref().map(|tier| format!("tier {tier}")));
    match grouping {
        Grouping::Objects => (space.unwrap_or_default(), format!("{} {}", key.kind, key.name)),
        Grouping::Services => match (&scope.service, owner, space) {
            (Some(service), owner, space) => (owner.or(space).unwrap_or_default(), service.clone()),
            (None, Some(owner), _) => (owner, "namespace".to_owned()),
            (None, None, Some(space)) => (space, "namespace".to_owned()),
            (None, None, None) => (String::new(), "cluster".to_owned()),
        },
        Grouping::Tenants => (String::new(), owner.or(space).unwrap_or_else(|| "cluster".to_owned())),
    }
}

fn name(reason: EdgeReason) -> &'static str {
    match reason {
        EdgeReason::Needs => "needs",
        EdgeReason::Reference => "reference",
        EdgeReason::After => "after",
        EdgeReason::Containment => "containment",
        EdgeReason::Definition => "definition",
        EdgeReason::Use => "use",
        EdgeReason::Target => "target",
        EdgeReason::Scaling => "scaling",
        EdgeReason::Constraint => "constraint",
    }
}

fn list(reasons: &BTreeSet<EdgeReason>) -> String {
    reasons.iter().map(|reason| name(*reason)).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn escaped(text: &str) -> String {
    text.replace('"', "#quot;").replace('|', "#124;")
}
