//! A plan costs a LIST: time, processor and memory of a plan of an unchanged platform; of one with one object in a hundred changed;
//! and what `kubectl diff --server-side` takes for the same answer.

use super::floor::{self, Patch};
use super::meter::{self, Cost};
use super::stack::Stack;
use super::world::{Table, World, identity, identity_of_change, manager, number};

/// What every process may cost before it reads the first byte, in milliseconds.
const FIXED: f64 = 30.0;

/// An unchanged platform, in turns with a raw LIST of the same.
pub fn unchanged(world: &World, stack: &Stack, table: &mut Table) {
    let plan = world.plan(stack);
    assert_eq!(plan["changes"].as_array().map(Vec::len), Some(0), "the plan of {} isn't empty", stack.name);
    assert_eq!(plan["summary"]["unchanged"].as_u64(), Some(stack.objects() as u64), "objects of {}", stack.name);
    let rounds = number("SPAI_BENCH_ROUNDS", 9);
    let (mut planned, mut listed, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let (cost, length) = floor::list(&world.kubeconfig, &stack.selector());
        listed.push(cost);
        bytes = length;
        planned.push(world.spai(stack, &["plan"]).0);
    }
    let (plan, list) = (meter::median(&planned), meter::median(&listed));
    let (objects, mb) = (stack.objects(), bytes as f64 / 1e6);
    let figures = [("plan ms", plan.wall), ("LIST ms", list.wall), ("MB", mb)];
    table.at_most(format!("plan of {objects} unchanged objects / raw LIST"), plan.wall / list.wall, 1.3, "×", &figures);
    let per_byte = (plan.cpu - FIXED) * 1e6 / bytes as f64;
    let figures = [("plan cpu ms", plan.cpu), ("LIST cpu ms", list.cpu), ("MB", mb)];
    table.at_most(format!("its processor per byte beyond {FIXED} ms, {objects} objects"), per_byte, 12.0, "ns", &figures);
    let most = if objects <= 5_100 { 120.0 } else { 400.0 };
    table.at_most(format!("its peak memory, {objects} objects"), plan.peak, most, "MB", &[("LIST MB", list.peak)]);
}

/// One in a hundred changed: the floor is the LIST and a dry-run of each changed object, all at once.
pub fn changed(world: &World, stack: &Stack, table: &mut Table) {
    // Two objects for each of a tenant's services.
    let tenants = (stack.objects() / 100).div_ceil(14);
    stack.change(tenants, "debug");
    let plan = world.plan(stack);
    let changes: Vec<_> = plan["changes"].as_array().into_iter().flatten().map(identity_of_change).collect();
    let objects = world.objects(stack, |object| changes.contains(&identity(object)));
    let parallel = world.parallel;
    let (mut planned, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..number("SPAI_BENCH_ROUNDS", 9) {
        let (list, _) = floor::list(&world.kubeconfig, &stack.selector());
        let asked = floor::patch(&world.kubeconfig, &objects, &manager(stack), parallel * 4, Patch::DryRun);
        floors.push(Cost { wall: list.wall + asked.wall, ..list });
        planned.push(world.spai(stack, &["plan", "--parallel", &parallel.to_string()]).0);
    }
    stack.change(tenants, "info");
    let (plan, floor) = (meter::median(&planned), meter::median(&floors));
    let figures = [("plan ms", plan.wall), ("floor ms", floor.wall), ("changed", changes.len() as f64)];
    let what = format!("plan, {} of {} objects changed / LIST and their dry-runs", changes.len(), stack.objects());
    table.at_most(what, plan.wall / floor.wall, 1.3, "×", &figures);
}

/// kubectl's answer to the same question, once: it takes long.
pub fn kubectl_diff(world: &World, stack: &Stack, table: &mut Table) {
    let objects = world.objects(stack, |_| true);
    let mut command = world.kubectl();
    command.args(["diff", "--server-side", "--force-conflicts", "--field-manager", &manager(stack), "-f"]).arg(objects);
    let (diff, found) = meter::run(&command);
    // It doesn't know that the replicas were handed over to the autoscalers, and finds a difference (1) in these.
    assert!(matches!(diff.code, 0 | 1), "kubectl diff failed");
    let found = String::from_utf8_lossy(&found);
    let lines = found.lines().filter(|line| line.starts_with("+  ") && !line.starts_with("+  generation:"));
    let others: Vec<&str> = lines.filter(|line| !line.starts_with("+  replicas:")).collect();
    assert!(others.is_empty(), "kubectl diff finds more than replicas: {others:?}");
    let (plan, _) = world.spai(stack, &["plan"]);
    let figures = [("kubectl ms", diff.wall), ("plan ms", plan.wall)];
    table.at_least(format!("kubectl diff --server-side of {} objects / plan", stack.objects()), diff.wall / plan.wall, 60.0, "×", &figures);
}
