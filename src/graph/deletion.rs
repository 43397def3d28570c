//! The order in which objects go: dependents first, and last what takes data or other objects along.

use std::collections::BTreeMap;

use petgraph::algo::kosaraju_scc;

use crate::resource::{Edge, Object, ObjectKey};

use super::implied;
use super::nodes::Nodes;
use super::resource_graph::{Links, Wired};

/// Waves of deletions. The edges are those recorded when the objects were applied; what objects imply is found again.
///
/// Custom resources go before everything that doesn't depend on them: their operators may have to clear up after them.
/// Volumes, then CRDs, then namespaces go at the very end. Recorded edges may be of different revisions and form a circle:
/// its objects go together.
pub fn deletion_order(objects: &[(&Object, &[Edge])]) -> Vec<Vec<ObjectKey>> {
    let nodes = Nodes::of(objects.iter().map(|(object, _)| *object));
    let mut links = Links::new(nodes.len());
    for (index, (_, edges)) in objects.iter().enumerate() {
        for edge in *edges {
            if let Some(to) = nodes.position(&edge.to).filter(|to| *to != index) {
                links.declared(index, to, edge);
            }
        }
    }
    implied::find(&nodes, &mut links);
    let ranks = ranks(&Wired::of(&links), &nodes);
    let mut waves: BTreeMap<(Stage, usize), Vec<ObjectKey>> = BTreeMap::new();
    for (index, rank) in ranks.into_iter().enumerate() {
        waves.entry(rank).or_default().push(nodes.key(index));
    }
    waves
        .into_values()
        .map(|mut wave| {
            wave.sort();
            wave.dedup();
            wave
        })
        .collect()
}

/// Parts of a deletion, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    CustomResources,
    Ordinary,
    Volumes,
    Definitions,
    Namespaces,
}

impl Stage {
    fn of(object: &Object) -> Self {
        match (object.group(), object.kind()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definitions,
            ("", "PersistentVolumeClaim" | "PersistentVolume") => Self::Volumes,
            (group, _) if group.contains('.') && !group.ends_with(".k8s.io") && object.pod_template().is_none() => Self::CustomResources,
            _ => Self::Ordinary,
        }
    }
}

/// Stage and level of each object: never before those that depend on it.
fn ranks(wired: &Wired, nodes: &Nodes<'_>) -> Vec<(Stage, usize)> {
    let count = wired.graph.node_count();
    let stage = |index: usize| if index < nodes.len() { Stage::of(nodes.object(index)) } else { Stage::CustomResources };
    let mut ranks: Vec<(Stage, usize)> = vec![(Stage::CustomResources, 0); count];
    // Components come dependents last in one direction of the arrows; each is taken when all that depend on it are.
    for component in dependents_first(wired) {
        let own = component.iter().map(|node| stage(node.index())).max().unwrap_or(Stage::Ordinary);
        let mut rank = (own, 0);
        for node in &component {
            for dependent in wired.graph.neighbors_directed(*node, petgraph::Direction::Outgoing) {
                if component.contains(&dependent) {
                    continue;
                }
                let (stage, level) = ranks[dependent.index()];
                let is_object = usize::from(dependent.index() < nodes.len());
                if stage >= rank.0 {
                    rank = if stage > rank.0 { (stage, level + is_object) } else { (stage, rank.1.max(level + is_object)) };
                }
            }
        }
        for node in component {
            ranks[node.index()] = rank;
        }
    }
    ranks.truncate(nodes.len());
    ranks
}

/// Strongly connected components, those that nothing else waits for first. Arrows lead from what comes first to what comes later.
fn dependents_first(wired: &Wired) -> Vec<Vec<petgraph::graph::NodeIndex>> {
    // Kosaraju gives components in reverse topological order: the ends of the arrows first.
    kosaraju_scc(&wired.graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::EdgeReason;
    use serde_json::{Value, json};

    fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Object {
        let mut value: Value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        if let Some(namespace) = namespace {
            value["metadata"]["namespace"] = json!(namespace);
        }
        Object::try_from(value).unwrap()
    }

    fn order(objects: &[(Object, Vec<Edge>)]) -> Vec<String> {
        let borrowed: Vec<(&Object, &[Edge])> = objects.iter().map(|(object, edges)| (object, edges.as_slice())).collect();
        deletion_order(&borrowed).iter().map(|wave| wave.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")).collect()
    }

    fn after(to: &Object) -> Edge {
        Edge { to: to.key(), reason: EdgeReason::Needs, origin: None }
    }

    #[test]
    fn dependents_go_first_and_what_cannot_come_back_goes_last() {
        let namespace = object("v1", "Namespace", None, "n");
        let claim = object("v1", "PersistentVolumeClaim", Some("n"), "data");
        let crd = Object::try_from(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.dev"},
            "spec": {"group": "example.dev", "names": {"kind": "Thing"}}}),
        )
        .unwrap();
        let thing = object("example.dev/v1", "Thing", Some("n"), "t");
        let operator = object("apps/v1", "Deployment", Some("n"), "operator");
        let user = object("apps/v1", "Deployment", Some("n"), "user");
        let edges = vec![after(&operator)];
        let objects = vec![(namespace, vec![]), (claim, vec![]), (crd, vec![]), (thing, vec![]), (operator, vec![]), (user, edges)];
        assert_eq!(
            order(&objects),
            [
                "Thing n/t",
                "Deployment n/user",
                "Deployment n/operator",
                "PersistentVolumeClaim n/data",
                "CustomResourceDefinition things.example.dev",
                "Namespace n"
            ]
        );
    }

    #[test]
    fn a_circle_of_old_edges_goes_together() {
        let (a, b) = (object("v1", "ConfigMap", Some("n"), "a"), object("v1", "ConfigMap", Some("n"), "b"));
        let objects = vec![(a.clone(), vec![after(&b)]), (b, vec![after(&a)])];
        assert_eq!(order(&objects), ["ConfigMap n/a, ConfigMap n/b"]);
    }
}
