//! Server-side apply as a function, held against the real kube-apiserver: random sequences of writes by up to four managers, on
//! kinds of every shape, and compared after every step; and each known trap by name.
//!
//! `SPAI_ORACLE_SEQUENCES=50000` runs more of them, `SPAI_ORACLE_SEED=7` begins elsewhere, and
//! `SPAI_ORACLE_REPLAY=1234` runs the one sequence of which a failure said so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking; lints know only test functions as tests")]
#![allow(clippy::large_futures, reason = "tests have room")]

mod cases;
mod compare;
mod custom;
mod generate;
mod model;
mod sequences;
mod server;
mod shrink;
mod speed;
mod step;
#[path = "../support/mod.rs"]
mod support;
mod traps;
mod unseen;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use server::Server;
use tokio::runtime::Runtime;

/// One server for all: it is started by the first that needs it, and ends with the last.
struct World {
    runtime: Runtime,
    server: OnceLock<Option<Server>>,
}

impl World {
    /// None: the test is left out.
    fn server(&self) -> Option<&Server> {
        self.server.get_or_init(|| self.runtime.block_on(Server::start())).as_ref()
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = Arc::new(World { runtime, server: OnceLock::new() });
    let mut trials: Vec<Trial> = traps::ALL
        .iter()
        .map(|trap| {
            let world = Arc::clone(&world);
            Trial::test(format!("traps::{trap}"), move || {
                let Some(server) = world.server() else { return Ok(()) };
                world.runtime.block_on(traps::run(server, trap)).map_err(Failed::from)
            })
        })
        .collect();
    let of_all = Arc::clone(&world);
    trials.push(Trial::test("sequences::end_as_the_function_says", move || {
        let Some(server) = of_all.server() else { return Ok(()) };
        of_all.runtime.block_on(sequences::all(server)).map_err(Failed::from)
    }));
    let of_all = Arc::clone(&world);
    let speed = Trial::test("speed::of_unchanged_and_apply", move || {
        let Some(server) = of_all.server() else { return Ok(()) };
        of_all.runtime.block_on(speed::of_unchanged_and_apply(server)).map_err(Failed::from)
    });
    trials.push(speed.with_ignored_flag(true));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(world);
    conclusion.exit();
}
