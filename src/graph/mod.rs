//! What comes after what: edges that the stack declares and edges that objects imply, waves, cycles explained.

pub mod draw;
mod resource_graph;

pub use resource_graph::{ResourceGraph, deletion_order};
