//! An apply costs its PATCHes: everything of a platform made, journal and readiness included, in turns with as many raw
//! PATCHes of the same objects under other names.

use super::floor;
use super::meter;
use super::stack::Stack;
use super::world::{Table, World, manager};

const ROUNDS: usize = 3;

/// Stacks of so many tenants; gives the last one, applied.
pub fn created(world: &World, tenants: usize, table: &mut Table) -> Stack {
    let (mut applied, mut patched, mut last) = (Vec::new(), Vec::new(), None);
    for round in 0..ROUNDS {
        let raw = Stack::write(world.folder.path(), &format!("raw{round}"), tenants);
        let objects = world.objects(&raw, |_| true);
        patched.push(floor::patch(&world.kubeconfig, &objects, &manager(&raw), world.parallel, false));
        let stack = Stack::write(world.folder.path(), &format!("apply{round}"), tenants);
        applied.push(world.apply(&stack));
        last = Some(stack);
    }
    let (apply, patch) = (meter::median(&applied), meter::median(&patched));
    let stack = last.expect("a round");
    let figures = [("apply ms", apply.wall), ("PATCHes ms", patch.wall), ("apply cpu ms", apply.cpu)];
    table.at_most(format!("apply of {} new objects / raw PATCHes", stack.objects()), apply.wall / patch.wall, 1.3, "×", &figures);
    stack
}
