//! The graph as a drawing: Graphviz, Mermaid, JSON.

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
    let _ = (graph, grouping);
    String::new()
}

/// For Mermaid.
pub fn mermaid(graph: &ResourceGraph, grouping: Grouping) -> String {
    let _ = (graph, grouping);
    String::new()
}

/// For programs.
pub fn json(graph: &ResourceGraph, grouping: Grouping) -> serde_json::Value {
    let _ = (graph, grouping);
    serde_json::Value::Null
}
