//! State is kept, locked, encrypted, and can be lost.

use std::fs;
use std::path::Path;

use crate::world::{World, wait_for};

#[test]
fn lost_state_is_rebuilt_from_the_cluster_and_the_next_plan_is_empty() {
    let Some(world) = World::new("hello", "development") else { return };
    world.spai(&["apply", "--yes"]).expect(0);
    let before = world.objects();
    fs::remove_dir_all(world.state()).unwrap();
    world.spai(&["state", "recover"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(before, world.objects(), "recovery writes no object");
    // What the stack no longer has is still known to be ours.
    fs::remove_file(world.stack.join("tenants/mars.toml")).unwrap();
    let plan = world.spai(&["plan"]).expect(0);
    assert!(plan.stdout.contains("mars"), "{}", plan.stdout);
}

#[test]
fn corrupt_state_is_an_error_that_names_the_way_out() {
    let Some(world) = World::new("hello", "development") else { return };
    world.spai(&["apply", "--yes"]).expect(0);
    let mut damaged = 0;
    for file in files(&world.state()) {
        let mut bytes = fs::read(&file).unwrap();
        if bytes.len() > 64 && !file.ends_with("lock") {
            bytes.truncate(bytes.len() / 2);
            fs::write(&file, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let plan = world.spai(&["plan"]).expect(1).says("state recover");
    assert!(!plan.stderr.contains("panicked"), "{}", plan.stderr);
    world.spai(&["state", "recover"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_second_run_exits_5_at_once_and_a_plan_works_meanwhile() {
    let Some(world) = World::new("hello", "development") else { return };
    world.edit("services/web.toml", |text| {
        format!("{text}\n[[patch]]\nkind = \"Deployment\"\nspec.template.metadata.annotations.\"spai.dev/test\" = \"never-ready\"\n")
    });
    let run = world.start(&["apply", "--yes"]);
    wait_for("it has begun", || world.kubectl_any(&["get", "namespace", &format!("{}-earth", world.root)], None).code == 0);
    world.spai(&["apply", "--yes"]).expect(5);
    world.spai(&["lock", "show"]).says("apply");
    world.spai(&["plan"]).expect(0);
    run.signal("INT");
    let ran = run.wait();
    assert_eq!(ran.code, 3, "{}", ran.stdout);
}

#[test]
fn no_secret_is_seen_anywhere() {
    let Some(world) = World::new("hello", "development") else { return };
    let canary = "canary-5ecret-v4lue";
    let encoded = "Y2FuYXJ5LTVlY3JldC12NGx1ZQ";
    world.edit("stack.toml", |text| {
        format!("{text}\n[inputs.token]\nsensitive = true\n\n[secrets.api]\nvalues = {{ token = \"${{input.token}}\" }}\n")
    });
    world.edit("services/web.toml", |text| format!("{text}TOKEN = {{ secret = \"api\", key = \"token\" }}\n"));
    let input = format!("token={canary}");
    let mut printed = String::new();
    let mut run = |arguments: &[&str]| {
        let ran = world.spai(&[arguments, &["--input", &input]].concat());
        printed.push_str(&ran.stdout);
        printed.push_str(&ran.stderr);
        ran
    };
    run(&["plan", "-v"]).expect(0);
    run(&["plan", "--output", "json"]).expect(0);
    run(&["render"]).expect(0);
    run(&["apply", "--yes", "-v"]).expect(0);
    run(&["apply", "--yes", "--output", "json"]).expect(0);
    run(&["state", "show"]);
    run(&["status"]).expect(0);
    let second = format!("token={canary}2");
    let ran = world.spai(&["plan", "--input", &second]).expect(0).says("token");
    printed.push_str(&ran.stdout);
    let value = world.kubectl(&["get", "secret", "api", "-n", &format!("{}-earth", world.root), "-o", "jsonpath={.data.token}"]);
    assert!(value.starts_with(encoded), "it did get there: {value}");
    for hidden in [canary, encoded] {
        assert!(!printed.contains(hidden), "{printed}");
        for file in files(&world.state()) {
            let bytes = fs::read(&file).unwrap();
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes()), "{}", file.display());
        }
    }
    assert!(world.spai(&["render", "--reveal-secrets", "--input", &input]).expect(0).stdout.contains(encoded));
}

#[test]
fn an_unlike_root_of_namespaces_is_refused() {
    let Some(mut world) = World::new("hello", "development") else { return };
    world.spai(&["apply", "--yes"]).expect(0);
    let other = format!("{}-other", world.root);
    world.set("SPAI_NAMESPACE", &other);
    world.spai(&["plan"]).expect(1).says(&other).says(&world.root);
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
