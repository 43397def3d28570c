//! Whose field is it: drift goes back, what others own stays, what others made is taken over only when asked.

use crate::world::World;

fn applied() -> Option<World> {
    let world = World::new("hello", "development")?;
    world.spai(&["apply", "--yes"]).expect(0);
    Some(world)
}

#[test]
fn drift_is_told_apart_and_goes_back() {
    let Some(world) = applied() else { return };
    let before = world.objects();
    let namespace = format!("{}-mars", world.root);
    world.kubectl(&["set", "image", "deployment/web", "-n", &namespace, "*=registry.example/hello/web:debug"]);
    let plan = world.spai(&["plan", "--detailed-exitcode"]).expect(2).says("rift").says("kubectl-set").says("debug");
    assert!(plan.stdout.contains("1.0.0"), "{}", plan.stdout);
    world.spai(&["apply", "--yes"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    let image = world.kubectl(&["get", "deployment", "web", "-n", &namespace, "-o", "jsonpath={.spec.template.spec.containers[0].image}"]);
    assert_eq!(image, "registry.example/hello/web:1.0.0");
    assert_eq!(before.keys().collect::<Vec<_>>(), world.objects().keys().collect::<Vec<_>>());
}

#[test]
fn a_deleted_object_comes_back() {
    let Some(world) = applied() else { return };
    let namespace = format!("{}-mars", world.root);
    world.kubectl(&["delete", "service", "web", "-n", &namespace]);
    world.spai(&["plan", "--detailed-exitcode"]).expect(2).says("Service");
    world.spai(&["apply", "--yes"]).expect(0);
    world.kubectl(&["get", "service", "web", "-n", &namespace]);
}

#[test]
fn fields_of_others_survive_every_apply() {
    let Some(world) = applied() else { return };
    let namespace = format!("{}-earth", world.root);
    world.kubectl(&["annotate", "deployment", "web", "-n", &namespace, "mesh.example/injected=yes"]);
    let autoscaled = world.kubectl(&["get", "hpa", "-n", &namespace, "-o", "name"]);
    if !autoscaled.is_empty() {
        // What an autoscaler does: it writes through /scale, and owns the replicas then.
        world.kubectl(&["scale", "deployment/web", "-n", &namespace, "--replicas=4"]);
    }
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    world.spai(&["apply", "--yes"]).expect(0);
    let deployment = world.kubectl(&[
        "get",
        "deployment",
        "web",
        "-n",
        &namespace,
        "-o",
        "jsonpath={.metadata.annotations.mesh\\.example/injected} {.spec.replicas}",
    ]);
    assert_eq!(deployment, if autoscaled.is_empty() { "yes 2" } else { "yes 4" });
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn replicas_under_an_autoscaler_are_nobodys_whatever_they_begin_with() {
    let Some(world) = World::new("hello", "development") else { return };
    world.edit("stack.toml", |text| text.replace("replicas = 2", "replicas = 1"));
    world.edit("tenants/earth.toml", |text| text + "\n[service.web.replicas]\nmin = 2\n");
    world.edit("services/web.toml", |text| text + "\n[scaling]\ncpu = 70\n");
    // What it begins with: what the server sets of itself; what the autoscaler has as its minimum; what a patch says.
    let patch = "\n[[patch]]\nkind = \"Deployment\"\nspec.replicas = 0\n";
    world.edit("tenants/moon.toml", |_| format!("tier = \"standard\"\n{patch}"));
    world.spai(&["apply", "--yes"]).expect(0);
    for (tenant, replicas) in [("mars", 1), ("earth", 2), ("moon", 0)] {
        let deployment = &world.objects()[&format!("Deployment {}-{tenant}/web", world.root)];
        assert_eq!(deployment["spec"]["replicas"], replicas, "{tenant}");
        let owners = deployment["metadata"]["managedFields"].to_string();
        assert!(!owners.contains("f:replicas"), "{tenant}: {owners}");
    }
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_others_own_is_a_conflict_until_somebody_says_so() {
    let Some(world) = applied() else { return };
    let namespace = format!("{}-earth", world.root);
    world.kubectl(&["annotate", "service", "web", "-n", &namespace, "team.example/owner=ann"]);
    world.edit("services/web.toml", |text| {
        format!("{text}\n[[patch]]\nkind = \"Service\"\nmetadata.annotations.\"team.example/owner\" = \"bob\"\n")
    });
    world.spai(&["plan"]).says("kubectl-annotate").says("--take-ownership");
    world.spai(&["apply", "--yes"]).expect(1).says("kubectl-annotate");
    world.spai(&["apply", "--yes", "--take-ownership"]).expect(0);
    let owner = world.kubectl(&["get", "service", "web", "-n", &namespace, "-o", "jsonpath={.metadata.annotations.team\\.example/owner}"]);
    assert_eq!(owner, "bob");
}

#[test]
fn objects_of_kubectl_apply_are_adopted_whole() {
    let Some(world) = applied() else { return };
    let namespace = format!("{}-earth", world.root);
    world.kubectl_apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: legacy, namespace: {namespace}}}\ndata: {{keep: same, old: gone}}\n"
    ));
    world.edit("manifests/legacy.yaml", |_| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: legacy, namespace: {namespace}}}\ndata: {{keep: same}}\n")
    });
    world.spai(&["apply", "--yes"]).expect(1).says("--adopt");
    world.spai(&["apply", "--yes", "--adopt"]).expect(0);
    let data = world.kubectl(&["get", "configmap", "legacy", "-n", &namespace, "-o", "jsonpath={.data}"]);
    assert_eq!(data, "{\"keep\":\"same\"}", "what the stack no longer says is gone, though kubectl had set it");
    let annotations = world.kubectl(&["get", "configmap", "legacy", "-n", &namespace, "-o", "jsonpath={.metadata.annotations}"]);
    assert!(!annotations.contains("last-applied"), "{annotations}");
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn another_stacks_objects_are_never_touched() {
    let Some(first) = applied() else { return };
    let Some(second) = World::new("hello", "development") else { return };
    let namespace = format!("{}-earth", first.root);
    second.edit("manifests/theirs.yaml", |_| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {{ports: [{{port: 1}}]}}\n")
    });
    second.spai(&["apply", "--yes", "--adopt", "--take-ownership"]).expect(1).says(&first.name);
    first.spai(&["plan", "--detailed-exitcode"]).expect(0);
}
