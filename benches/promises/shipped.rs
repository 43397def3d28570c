//! The shipped platform: in the embedded cluster from nothing to ready and planned again; and, on the real control plane, how many
//! of the objects that a plan predicts the server's dry-run sees otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::meter::{self, Cost};
use super::world::{Table, World, number};

const STACK: &str = "stacks/spotify-ai-agent";
const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// Development, applied into an embedded cluster that wasn't there, and planned again empty: two whole processes.
pub fn embedded(world: &World, table: &mut Table) {
    let round = |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let stack = copied(folder.path());
        let run = |words: &[&str]| spai(world, &stack, words, None);
        let (apply, _) = run(&["apply", "-e", "development", "--yes", "--quiet"]);
        let (plan, planned) = run(&["plan", "-e", "development", "--output", "json"]);
        let planned: Value = serde_json::from_slice(&planned).expect("JSON");
        assert_eq!(planned["empty"], true, "development isn't planned empty after its apply");
        (apply, plan)
    };
    let (applies, plans): (Vec<Cost>, Vec<Cost>) = (0..number("SPAI_BENCH_ROUNDS", 9)).map(round).unzip();
    let (apply, plan) = (meter::median(&applies), meter::median(&plans));
    let figures = [("apply ms", apply.wall), ("plan ms", plan.wall), ("cpu ms", apply.cpu + plan.cpu)];
    table.at_most("embedded: development applied, ready, planned empty", (apply.wall + plan.wall) / 1e3, 3.0, "s", &figures);
}

/// All three environments from nothing, in namespaces that are there, so that everything else can be tried.
pub fn doubts(world: &World, table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = copied(folder.path());
    let (mut asked, mut doubts) = (0, 0);
    for environment in ENVIRONMENTS {
        let (_, rendered) = spai(world, &stack, &["render", "-e", environment, "--output", "json"], None);
        let mut namespaces: Value = serde_json::from_slice(&rendered).expect("JSON");
        namespaces["items"].as_array_mut().expect("a list").retain(|object| object["kind"] == "Namespace");
        let file = folder.path().join("namespaces.json");
        fs::write(&file, namespaces.to_string()).expect("a file");
        kubectl(world, &["create", "-f"], &file);
        let words = ["plan", "-e", environment, "--output", "json", "--context", "spai-test"];
        let (_, planned) = spai(world, &stack, &words, Some(&world.kubeconfig));
        let planned: Value = serde_json::from_slice(&planned).expect("JSON");
        asked += planned["asked"].as_u64().expect("a number");
        doubts += planned["in_doubt"].as_u64().expect("a number");
        kubectl(world, &["delete", "--wait=false", "-f"], &file);
    }
    let figures = [("in doubt", doubts as f64), ("checked by dry-run", asked as f64)];
    table.at_most("predictions of the shipped stack that the server contradicts", doubts as f64 / asked as f64 * 100.0, 0.0, "%", &figures);
}

/// A stack of its own, so that its state is.
fn copied(to: &Path) -> PathBuf {
    let stack = to.join(STACK);
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(STACK), &stack);
    stack
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).expect("a file");
        }
    }
}

fn spai(world: &World, stack: &Path, words: &[&str], kubeconfig: Option<&Path>) -> (Cost, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
    command.args(words).current_dir(stack).env("XDG_CONFIG_HOME", world.folder.path().join("config")).env_remove("KUBECONFIG");
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let (cost, printed) = meter::run(&command);
    // A plan that finds something the server refuses says so, and is a plan all the same.
    assert!(matches!(cost.code, 0 | 2), "spai {words:?}\n{}", String::from_utf8_lossy(&printed));
    (cost, printed)
}

fn kubectl(world: &World, words: &[&str], file: &Path) {
    let mut command = world.kubectl();
    let output = command.args(words).arg(file).output().expect("kubectl runs");
    assert!(output.status.success(), "kubectl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
