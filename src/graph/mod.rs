//! What comes after what: edges that the stack declares and edges that objects imply, waves, circles explained.

mod cycles;
mod deletion;
pub mod draw;
mod implied;
mod nodes;
mod resource_graph;
#[cfg(test)]
mod tests;

pub use deletion::deletion_order;
pub use resource_graph::{Dependency, ResourceGraph};
