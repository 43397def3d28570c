//! An apply costs its PATCHes: everything of a platform made, journal and readiness included, in turns with as many raw
//! PATCHes of the same objects under other names.

use serde_json::Value;

use super::floor;
use super::meter;
use super::stack::Stack;
use super::world::{Table, World, manager};

const ROUNDS: usize = 3;

/// Stacks of so many tenants; gives the last one of those whose deployments begin with one replica, applied.
///
/// One replica is what the server sets of itself. More are sent, and then handed over to the autoscaler by another PATCH for each
/// deployment, which the raw PATCHes don't have: that has a row of its own.
pub fn created(world: &World, tenants: usize, table: &mut Table) -> Stack {
    let stack = measured(world, tenants, 1, "", table);
    measured(world, tenants, 2, ", replicas handed over,", table);
    stack
}

fn measured(world: &World, tenants: usize, replicas: u32, what: &str, table: &mut Table) -> Stack {
    let (mut applied, mut patched, mut last) = (Vec::new(), Vec::new(), None);
    for round in 0..ROUNDS {
        let stack = |kind: &str| Stack::of_replicas(world.folder.path(), &format!("{kind}{replicas}-{round}"), tenants, replicas);
        let raw = stack("raw");
        let objects = world.objects(&raw, |object| begins_with(object, replicas));
        World::calm();
        patched.push(floor::patch(&world.kubeconfig, &objects, &manager(&raw), world.parallel, false));
        let stack = stack("apply");
        World::calm();
        applied.push(world.apply(&stack));
        last = Some(stack);
    }
    let (apply, patch) = (meter::median(&applied), meter::median(&patched));
    let stack = last.expect("a round");
    let figures = [("apply ms", apply.wall), ("PATCHes ms", patch.wall), ("apply cpu ms", apply.cpu)];
    table.at_most(format!("apply of {} new objects{what} / raw PATCHes", stack.objects()), apply.wall / patch.wall, 1.3, "×", &figures);
    stack
}

/// What a stack says of a deployment leaves out what it begins with, and what is then its autoscaler's.
fn begins_with(object: &mut Value, replicas: u32) -> bool {
    if object["kind"] == "Deployment" && replicas != 1 {
        object["spec"]["replicas"] = replicas.into();
    }
    true
}
