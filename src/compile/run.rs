//! The whole compilation, from places to sorted objects.

use crate::resource::{Desired, Diagnostics};
use crate::stack::Resolved;

/// Every object that the stack wants in this environment, sorted by identity, with everything that is wrong.
pub fn compile(resolved: &Resolved) -> (Vec<Desired>, Diagnostics) {
    let _ = resolved;
    (Vec::new(), Diagnostics::default())
}
