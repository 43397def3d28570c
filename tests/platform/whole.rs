//! The shipped platform, from nothing to everything and back.

use crate::world::{World, wait_for};

fn applies_from_nothing(environment: &str) {
    let Some(world) = World::new("spotify-ai-agent", environment) else { return };
    // Cluster-scoped manifests carry the stack's name: under another name, two runs don't meet.
    for file in ["manifests/production/priority.yaml", "manifests/production/images.yaml", "environments/production.toml"] {
        world.edit(file, |text| {
            text.replace("spotify-ai-agent-production", &world.root)
                .replace("spai.dev/stack: spotify-ai-agent", &format!("spai.dev/stack: {}", world.name))
        });
    }

    if environment == "production" {
        world.spai(&["apply"]).expect(1).says("--yes");
    }
    let applied = world.spai(&["apply", "--yes", "--parallel", "8", "--timeout", "5m"]).expect(0);
    let printed = format!("{}{}", applied.stdout, applied.stderr).to_lowercase();
    assert!(!printed.contains("warning"), "strict validation and Pod Security have nothing to say:\n{printed}");

    let second = world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    let third = world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(second.stdout, third.stdout, "the same inputs print the same bytes");
    let json = world.spai(&["plan", "--output", "json"]).expect(0).json();
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(0), "{json}");

    // kubectl agrees.
    let rendered = world.spai(&["render", "--reveal-secrets"]).expect(0).stdout;
    let manager = format!("spai:{}:{environment}", world.name);
    let diff = world.kubectl_any(&["diff", "--server-side", "--field-manager", &manager, "-f", "-"], Some(&rendered));
    assert_eq!((diff.code, diff.stdout.as_str()), (0, ""), "{}", diff.stderr);

    // Everything that was promised runs, and nothing was refused.
    let selector = format!("spai.dev/stack={}", world.name);
    let deployments = world.kubectl(&[
        "get",
        "deployments",
        "-A",
        "-l",
        &selector,
        "-o",
        "jsonpath={range .items[*]}{.status.replicas}/{.status.readyReplicas} {end}",
    ]);
    assert!(!deployments.trim().is_empty());
    for counts in deployments.split_whitespace() {
        let (wanted, ready) = counts.split_once('/').unwrap();
        assert_eq!(wanted, ready, "{deployments}");
    }
    let namespaces = world.kubectl(&["get", "namespaces", "-l", &selector, "-o", "jsonpath={.items[*].metadata.name}"]);
    for namespace in namespaces.split_whitespace() {
        let events = world.kubectl(&["get", "events", "-n", namespace, "--field-selector", "reason=FailedCreate", "-o", "name"]);
        assert_eq!(events, "", "something was refused in {namespace}");
    }
    world.spai(&["status"]).expect(0);

    // The audit of whoever pays: everything goes again.
    world.spai(&["destroy", "--yes", "--allow-irreversible", "--allow-deletes", "--timeout", "5m"]).expect(0);
    let left = world.kubectl(&["get", "namespaces", "-l", &selector, "-o", "name"]);
    assert_eq!(left, "");
    // It was spai's own; the server takes its time to empty it.
    wait_for("the root of namespaces is gone", || world.kubectl_any(&["get", "namespace", &world.root], None).code != 0);
}

#[test]
fn development_applies_from_nothing() {
    applies_from_nothing("development");
}

#[test]
fn production_applies_from_nothing() {
    applies_from_nothing("production");
}
