//! An apply costs its PATCHes: everything of a platform made, journal and readiness included, in turns with as many raw
//! PATCHes of the same objects under other names; and with such PATCHes in the order that the objects need each other in, that wait, as
//! an apply does, until the controllers have seen what was made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::floor::{self, Patch};
use super::meter;
use super::stack::Stack;
use super::world::{Table, World, identity, identity_of_change, manager};

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
    let (mut applied, mut patched, mut seen, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for round in 0..ROUNDS {
        let stack = |kind: &str| Stack::of_replicas(world.folder.path(), &format!("{kind}{replicas}-{round}"), tenants, replicas);
        let raw = stack("raw");
        let objects = world.objects(&raw, |object| begins_with(object, replicas));
        World::calm();
        patched.push(floor::patch(&world.kubeconfig, &objects, &manager(&raw), world.parallel, Patch::Apply));
        let ordered = stack("seen");
        let waves = waves(&world.plan(&ordered));
        let objects = world.objects_by(&ordered, |object| begins_with(object, replicas), |object| waves[&identity(object)]);
        World::calm();
        seen.push(floor::patch(&world.kubeconfig, &objects, &manager(&ordered), world.parallel, Patch::UntilSeen));
        let stack = stack("apply");
        World::calm();
        applied.push(world.apply(&stack));
        last = Some(stack);
    }
    let (apply, patch, seen) = (meter::median(&applied), meter::median(&patched), meter::median(&seen));
    let stack = last.expect("a round");
    let objects = stack.objects();
    let figures = [("apply ms", apply.wall), ("PATCHes ms", patch.wall), ("apply cpu ms", apply.cpu)];
    table.at_most(format!("apply of {objects} new objects{what} / raw PATCHes"), apply.wall / patch.wall, 1.3, "×", &figures);
    let figures = [("apply ms", apply.wall), ("PATCHes ms", seen.wall)];
    let words = format!("apply of {objects} new objects{what} / raw PATCHes in its order, until controllers have seen them");
    table.at_most(words, apply.wall / seen.wall, 1.3, "×", &figures);
    stack
}

/// In which wave each object is.
fn waves(plan: &Value) -> BTreeMap<(String, String, String), u64> {
    let changes = plan["changes"].as_array().into_iter().flatten();
    changes.map(|change| (identity_of_change(change), change["wave"].as_u64().expect("a wave"))).collect()
}

/// What a stack says of a deployment leaves out what it begins with, and what is then its autoscaler's.
fn begins_with(object: &mut Value, replicas: u32) -> bool {
    if object["kind"] == "Deployment" && replicas != 1 {
        object["spec"]["replicas"] = replicas.into();
    }
    true
}
