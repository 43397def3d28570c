//! What takes no cluster is there at once: help, validation, rendering, each a cold process.

use std::path::Path;
use std::process::Command;

use super::meter::{self, Cost};
use super::stack::Stack;
use super::world::{Table, World, number};

pub fn all(world: &World, stack: &Stack, table: &mut Table) {
    let help = of(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
        command.arg("--help");
        meter::run(&command).0
    });
    table.at_most("spai --help", help.wall, 10.0, "ms", &[("cpu ms", help.cpu)]);
    let validate = of(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
        command.arg("validate").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks/spotify-ai-agent"));
        meter::run(&command).0
    });
    table.at_most("spai validate of the shipped stack", validate.wall, 50.0, "ms", &[("cpu ms", validate.cpu)]);
    let render = of(|| world.spai(stack, &["render"]).0);
    let figures = [("cpu ms", render.cpu), ("peak MB", render.peak)];
    table.at_most(format!("spai render of {} objects", stack.objects()), render.wall, 150.0, "ms", &figures);
}

fn of(run: impl Fn() -> Cost) -> Cost {
    let costs: Vec<Cost> = (0..number("SPAI_BENCH_ROUNDS", 9)).map(|_| run()).collect();
    meter::median(&costs)
}
