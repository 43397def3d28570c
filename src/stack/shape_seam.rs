//! Where shapes are checked.

use crate::resource::Diagnostics;

use super::node::Node;

/// Checks a file of a kind: `stack`, `environment`, `tenant`, `service`.
pub fn check_file(_node: &Node, _what: &str, _diagnostics: &mut Diagnostics) {}

/// Checks a layered, resolved value.
pub fn check_value(_node: &Node, _what: &str, _diagnostics: &mut Diagnostics) {}
