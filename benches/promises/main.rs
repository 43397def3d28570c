//! spai's promises of speed, measured on a real control plane: every row is a ratio within one run, taken in turns, of medians; or a
//! time or an amount of memory of a whole process. `benches/run` starts the control plane, and this.
//!
//! Environment variables: `SPAI_BENCH_TENANTS` (the sizes, `20,95,377`), `SPAI_BENCH_ROUNDS` (9), `SPAI_BENCH_ONLY` (some of `start`,
//! `embedded`, `doubts`, `apply`, `plan`, `changed`, `kubectl`), `SPAI_BENCH_JSON` (a file for programs).

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a measurement that cannot be made ends at once"
)]

mod apply;
mod floor;
mod meter;
mod plan;
mod shipped;
mod stack;
mod start;
mod world;

use std::ffi::OsString;
use std::{env, fs};

use stack::Stack;
use world::{Table, World};

fn main() {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.first().and_then(|word| word.to_str()) {
        Some("--meter") => return meter::main(&arguments[1..]),
        Some("--floor") => return floor::main(&arguments[1..]),
        // `cargo test --benches` and `cargo bench -- --list` ask for nothing to be measured.
        _ if !arguments.iter().any(|word| word == "--bench") => return,
        _ => {}
    }
    let Some(kubeconfig) = env::var_os("SPAI_TEST_KUBECONFIG") else {
        eprintln!("no control plane: run benches/run");
        std::process::exit(1);
    };
    let only = env::var("SPAI_BENCH_ONLY").unwrap_or_else(|_| "start,embedded,doubts,apply,plan,changed,kubectl".to_owned());
    let asked = |name: &str| only.split(',').any(|one| one == name);
    let sizes = env::var("SPAI_BENCH_TENANTS").unwrap_or_else(|_| "20,95,377".to_owned());
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().expect("numbers of tenants")).collect();
    let middle = sizes[sizes.len() / 2];

    let world = World::new(kubeconfig.into());
    let mut table = Table::default();
    // A control plane that has just come up is still busy with itself.
    World::calm();
    if asked("start") {
        start::all(&world, &Stack::write(world.folder.path(), "rendered", middle), &mut table);
    }
    if asked("embedded") {
        shipped::embedded(&world, &mut table);
    }
    if asked("doubts") {
        shipped::doubts(&world, &mut table);
    }
    let mut stacks = Vec::new();
    if asked("apply") {
        stacks.push(apply::created(&world, sizes[0], &mut table));
    }
    if ["plan", "changed", "kubectl"].into_iter().any(asked) {
        for size in sizes.iter().skip(stacks.len()) {
            let stack = Stack::write(world.folder.path(), &format!("bench{size}"), *size);
            let cost = world.apply(&stack);
            eprintln!("{} objects applied and ready after {:.1} s", stack.objects(), cost.wall / 1e3);
            stacks.push(stack);
        }
        world.quiet();
    }
    for stack in &stacks {
        if asked("plan") {
            plan::unchanged(&world, stack, &mut table);
        }
        if stack.tenants == middle && asked("kubectl") {
            plan::kubectl_diff(&world, stack, &mut table);
        }
        if stack.tenants == middle && asked("changed") {
            plan::changed(&world, stack, &mut table);
        }
    }
    println!("{}", table.text());
    if let Some(path) = env::var_os("SPAI_BENCH_JSON") {
        fs::write(path, format!("{:#}\n", table.json())).expect("the JSON is written");
    }
}
