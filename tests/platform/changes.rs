//! One line of TOML changes exactly what it says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

/// `kind namespace/name: action` of each change of a plan's JSON.
fn changes(plan: &Value) -> BTreeSet<String> {
    let of = |change: &Value| {
        let key = &change["key"];
        let name = key["name"].as_str().unwrap();
        let place = key["namespace"].as_str().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        format!("{} {place}: {}", key["kind"].as_str().unwrap(), change["action"].as_str().unwrap())
    };
    plan["changes"].as_array().unwrap().iter().map(of).collect()
}

fn applied() -> Option<World> {
    let world = World::new("hello", "development")?;
    world.edit("services/worker.toml", |_| {
        "tiers = \"all\"\nneeds = [\"web\"]\nimage = { repository = \"registry.example/hello/worker\", tag = \"1.0.0\" }\n\n\
         [ports.http]\nport = 9090\n\n[config]\nWEB_URL = \"${service.web.url}\"\nMODE = \"calm\"\n"
            .to_owned()
    });
    world.spai(&["apply", "--yes"]).expect(0);
    Some(world)
}

#[test]
fn a_changed_tag_changes_exactly_its_deployments() {
    let Some(world) = applied() else { return };
    let before = world.objects();
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    let plan = world.spai(&["plan", "--output", "json"]).expect(0).json();
    let wanted = ["earth", "mars"].map(|tenant| format!("Deployment {}-{tenant}/web: update", world.root));
    assert_eq!(changes(&plan), wanted.iter().cloned().collect());
    for change in plan["changes"].as_array().unwrap() {
        assert_eq!(change["fields"].as_array().unwrap().len(), 1, "one field each: {change}");
    }
    world.spai(&["plan", "--detailed-exitcode"]).expect(2).says("1.0.0").says("1.1.0").says("services/web.toml");
    world.spai(&["apply", "--yes"]).expect(0);
    let after = world.objects();
    for (key, object) in &after {
        assert_eq!(before[key] != *object, wanted.iter().any(|w| w.starts_with(key.as_str())), "{key}");
    }
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_removed_service_takes_exactly_its_objects_with_it() {
    let Some(world) = applied() else { return };
    let before = world.objects();
    std::fs::remove_file(world.stack.join("services/worker.toml")).unwrap();
    let plan = world.spai(&["plan", "--output", "json"]).expect(0).json();
    let deletes: BTreeSet<String> = changes(&plan).into_iter().filter(|change| change.ends_with(": delete")).collect();
    assert!(deletes.contains(&format!("Deployment {}-earth/worker: delete", world.root)), "{deletes:?}");
    world.spai(&["apply", "--yes"]).expect(1).says("--allow-deletes");
    world.spai(&["apply", "--yes", "--allow-deletes"]).expect(0);
    let after = world.objects();
    let gone: BTreeSet<String> = before.keys().filter(|key| !after.contains_key(*key)).map(|key| format!("{key}: delete")).collect();
    assert_eq!(gone, deletes);
    for key in &gone {
        assert!(
            before[key.trim_end_matches(": delete")]["metadata"]["labels"]["spai.dev/service"] == "worker" || key.contains("worker"),
            "{key}"
        );
    }
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_changed_config_value_restarts_exactly_its_readers() {
    let Some(world) = applied() else { return };
    world.replace("services/worker.toml", "calm", "busy");
    let plan = world.spai(&["plan", "--output", "json"]).expect(0).json();
    let kinds: BTreeSet<String> = changes(&plan);
    assert!(kinds.iter().all(|change| change.contains("/worker") && change.ends_with(": update")), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|change| change.starts_with("Deployment ")).count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|change| change.starts_with("ConfigMap ")).count(), 2, "{kinds:?}");
    world.spai(&["plan"]).expect(0).says("restarts");
    world.spai(&["apply", "--yes"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn filters_change_only_what_they_name() {
    let Some(world) = applied() else { return };
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.2.0\"");
    let plan = world.spai(&["plan", "--tenant", "mars", "--output", "json"]).expect(0).json();
    assert_eq!(changes(&plan), BTreeSet::from([format!("Deployment {}-mars/web: update", world.root)]));
    let target = format!("Deployment/{}-earth/*", world.root);
    let plan = world.spai(&["plan", "--target", &target, "--output", "json"]).expect(0).json();
    assert_eq!(changes(&plan), BTreeSet::from([format!("Deployment {}-earth/web: update", world.root)]));
    let plan = world.spai(&["plan", "--service", "worker", "--output", "json"]).expect(0).json();
    assert_eq!(changes(&plan), BTreeSet::new());
}

#[test]
fn an_immutable_field_is_a_replace_in_the_plan_and_asks() {
    let Some(world) = World::new("hello", "development") else { return };
    world.edit("manifests/role.yaml", |_| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: readers, namespace: {}-earth}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             subjects: [{{kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}}]\n",
            world.root
        )
    });
    world.spai(&["apply", "--yes"]).expect(0);
    world.replace("manifests/role.yaml", "name: view", "name: edit");
    let plan = world.spai(&["plan", "--output", "json"]).expect(0).json();
    assert_eq!(changes(&plan), BTreeSet::from([format!("RoleBinding {}-earth/readers: replace", world.root)]));
    world.spai(&["plan"]).expect(0).says("roleRef");
    world.spai(&["apply", "--yes"]).expect(1).says("--allow-replace");
    world.spai(&["apply", "--yes", "--allow-replace"]).expect(0);
    let role = world.kubectl(&["get", "rolebinding", "readers", "-n", &format!("{}-earth", world.root), "-o", "jsonpath={.roleRef.name}"]);
    assert_eq!(role, "edit");
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn rollback_goes_to_the_revision_before() {
    let Some(world) = applied() else { return };
    let before = world.objects();
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"9.9.9\"");
    world.spai(&["apply", "--yes"]).expect(0);
    assert_ne!(before, world.objects());
    world.spai(&["rollback", "--yes"]).expect(0);
    assert_eq!(before, world.objects());
    world.spai(&["plan", "--detailed-exitcode"]).expect(2).says("9.9.9");
}
