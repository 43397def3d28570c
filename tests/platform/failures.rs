//! Whatever fails: the plan applied, or the cluster as it was, and words that name the cause.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{ControlPlane, Started, World, wait_for};

fn applied() -> Option<(World, BTreeMap<String, Value>)> {
    let world = World::new("hello", "development")?;
    world.spai(&["apply", "--yes"]).expect(0);
    let before = world.objects();
    Some((world, before))
}

#[track_caller]
fn as_before(world: &World, before: &BTreeMap<String, Value>) {
    let after = world.objects();
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (key, object) in before {
        assert_eq!(serde_json::to_string_pretty(object).unwrap(), serde_json::to_string_pretty(&after[key]).unwrap(), "{key}");
    }
}

#[test]
fn an_impossible_image_rolls_back_and_is_named() {
    let Some((world, before)) = applied() else { return };
    world.replace("services/web.toml", "hello/web\", tag = \"1.0.0\"", "hello/does-not-exist\", tag = \"2.0.0\"");
    world.edit("services/queue.toml", |_| {
        "tiers = \"all\"\nimage = { repository = \"registry.example/hello/queue\", tag = \"1\" }\n[ports.http]\nport = 5000\n".to_owned()
    });
    world.spai(&["apply", "--yes", "--timeout", "60s"]).expect(3).says("does-not-exist:2.0.0\" can't be pulled");
    as_before(&world, &before);
    // Nothing is unfinished, and the next plan wants the same again.
    world.spai(&["apply", "--resume"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(2);
}

#[test]
fn a_run_that_stops_where_it_failed_can_be_undone() {
    let Some((world, before)) = applied() else { return };
    world.replace("services/web.toml", "hello/web\"", "hello/does-not-exist\"");
    world.spai(&["apply", "--yes", "--timeout", "60s", "--on-failure", "stop"]).expect(4).says("can't be pulled").says("--rollback");
    world.spai(&["status"]).expect(1).says("can't be pulled");
    world.spai(&["plan"]).expect(0).says("left unfinished");
    world.spai(&["apply", "--rollback"]).expect(0);
    as_before(&world, &before);
}

#[test]
fn a_failed_first_apply_leaves_nothing() {
    let Some(world) = World::new("hello", "development") else { return };
    world.replace("services/web.toml", "hello/web\"", "hello/does-not-exist\"");
    world.spai(&["apply", "--yes", "--timeout", "60s"]).expect(3).says("can't be pulled");
    wait_for("the namespaces are gone", || world.objects().is_empty());
}

#[test]
fn an_autoscaler_comes_before_its_workload_is_ready_and_goes_with_it_if_that_never_is() {
    let Some(world) = World::new("hello", "development") else { return };
    world.edit("services/web.toml", |text| text.replace("hello/web\"", "hello/does-not-exist\"") + "\n[scaling]\ncpu = 70\n");
    let stopped = world.spai(&["apply", "--yes", "--timeout", "60s", "--on-failure", "stop"]).expect(4).says("can't be pulled");
    let objects = world.objects();
    let autoscaled = |key: &&String| key.starts_with("HorizontalPodAutoscaler");
    assert_eq!(objects.keys().filter(autoscaled).count(), 2, "{}", stopped.stderr);
    // What is taken up again waits for what was sent and isn't ready.
    world.spai(&["apply", "--resume", "--yes", "--timeout", "60s"]).expect(3).says("can't be pulled");
    wait_for("the namespaces are gone", || world.objects().is_empty());
}

#[test]
fn a_tenant_beyond_its_quota_is_known_at_the_plan() {
    let Some((world, before)) = applied() else { return };
    let namespace = format!("{}-earth", world.root);
    world.kubectl(&["create", "quota", "frozen", "--hard=pods=2", "-n", &namespace]);
    let quota = || world.kubectl(&["get", "quota", "frozen", "-n", &namespace, "-o", "jsonpath={.status.used.pods}"]);
    wait_for("the quota counts the pods", || quota() == "2");
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    world.spai(&["apply", "--yes", "--timeout", "30s"]).expect(1).says("plan::roll_out_stuck").says("frozen");
    world.kubectl(&["delete", "quota", "frozen", "-n", &namespace]);
    as_before(&world, &before);
}

#[test]
fn an_object_that_an_admission_policy_refuses_is_known_at_the_plan() {
    let Some((world, before)) = applied() else { return };
    let policy = format!("{}-deployments", world.name);
    world.kubectl_apply(&admission_policy(
        &policy,
        "apps",
        "deployments",
        "!object.spec.template.spec.containers.exists(c, c.image.endsWith(':1.1.0'))",
        &world.name,
    ));
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    wait_for("the policy is enforced", || world.spai(&["plan"]).code == 1);
    world.spai(&["plan"]).expect(1).says("not on a Tuesday").says(&policy);
    world.spai(&["apply", "--yes"]).expect(1).says("not on a Tuesday");
    as_before(&world, &before);
    world.kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", &policy]);
}

#[test]
fn pods_that_an_admission_policy_refuses_roll_back_and_are_named() {
    let Some((world, before)) = applied() else { return };
    let policy = format!("{}-pods", world.name);
    world.kubectl_apply(&admission_policy(
        &policy,
        "",
        "pods",
        "!object.spec.containers.exists(c, c.image.endsWith(':1.1.0'))",
        &world.name,
    ));
    // A pod that Pod Security `restricted` lets through.
    let probe = |tag: &str| {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: probe, namespace: {}-earth}}\nspec:\n  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}\n  \
             containers: [{{name: probe, image: 'registry.example/x:{tag}', resources: {{limits: {{cpu: 1m, memory: 1Mi}}}}, securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}}}]\n",
            world.root
        );
        world.kubectl_any(&["create", "--dry-run=server", "-f", "-"], Some(&pod)).stderr
    };
    wait_for("the policy is enforced", || probe("1.1.0").contains("Tuesday"));
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    world.spai(&["apply", "--yes", "--timeout", "30s"]).expect(3).says("not on a Tuesday");
    as_before(&world, &before);
    world.kubectl(&["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", &policy]);
}

fn admission_policy(name: &str, group: &str, resource: &str, expression: &str, stack: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  failurePolicy: Fail\n  \
         matchConstraints:\n    resourceRules: [{{apiGroups: ['{group}'], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [{resource}]}}]\n  \
         validations: [{{expression: \"{expression}\", message: not on a Tuesday}}]\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\nspec:\n  policyName: {name}\n  \
         validationActions: [Deny]\n  matchResources: {{namespaceSelector: {{matchLabels: {{spai.dev/stack: {stack}}}}}}}\n"
    )
}

#[test]
fn a_probe_that_never_passes_rolls_back_and_is_named() {
    let Some((world, before)) = applied() else { return };
    world.edit("services/web.toml", |text| {
        format!("{text}\n[[patch]]\nkind = \"Deployment\"\nspec.template.metadata.annotations.\"spai.dev/test\" = \"never-ready\"\n")
    });
    let run = world.spai(&["apply", "--yes", "--timeout", "20s"]).expect(3);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("probe") || said.contains("not ready"), "{said}");
    as_before(&world, &before);
}

#[test]
fn an_api_server_that_comes_back_is_waited_for() {
    let Some(control_plane) = ControlPlane::own() else { return };
    let world = World::on(control_plane, "hello", "development");
    let run = world.start(&["apply", "--yes", "--server-timeout", "2m", "--parallel", "1"]);
    wait_for("it has begun", || world.kubectl_any(&["get", "namespace", &format!("{}-earth", world.root)], None).code == 0);
    world.control_plane.apiserver("kill");
    wait_for("it notices", || run.output().contains("API server"));
    world.control_plane.apiserver("start");
    let ran = run.wait();
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_killed_run_is_resumed() {
    let Some(world) = World::new("hello", "development") else { return };
    killed_in_the_middle(&world);
    world.spai(&["plan"]).expect(0).says("left unfinished").says("--resume");
    world.spai(&["apply", "--yes"]).expect(4).says("--resume").says("--rollback");
    world.spai(&["apply", "--resume", "--yes"]).expect(0);
    world.spai(&["plan", "--detailed-exitcode"]).expect(0);
    world.spai(&["apply", "--resume"]).expect(0);
}

#[test]
fn a_killed_run_is_rolled_back() {
    let Some((world, before)) = applied() else { return };
    let run = in_the_middle_of_a_change(&world);
    run.kill();
    // Even with a stack that nobody could compile: all that the way back needs is in the journal.
    let broken = "\n]] this is no TOML\n";
    world.edit("stack.toml", |text| text + broken);
    world.spai(&["plan"]).expect(1);
    world.spai(&["apply", "--rollback", "--yes"]).expect(0);
    world.replace("stack.toml", broken, "");
    as_before(&world, &before);
}

/// An apply that has written a Deployment whose pods never get ready, and waits for them.
fn in_the_middle_of_a_change(world: &World) -> Started {
    world.replace("services/web.toml", "tag = \"1.0.0\"", "tag = \"1.1.0\"");
    world.edit("services/web.toml", |text| {
        format!("{text}\n[[patch]]\nkind = \"Deployment\"\nspec.template.metadata.annotations.\"spai.dev/test\" = \"never-ready\"\n")
    });
    let run = world.start(&["apply", "--yes", "--timeout", "2m"]);
    let image = || {
        world.kubectl(&[
            "get",
            "deployments",
            "-A",
            "-l",
            &format!("spai.dev/stack={}", world.name),
            "-o",
            "jsonpath={.items[*].spec.template.spec.containers[*].image}",
        ])
    };
    wait_for("something was written", || image().contains("1.1.0"));
    run
}

fn killed_in_the_middle(world: &World) {
    let run = world.start(&["apply", "--yes", "--parallel", "1"]);
    wait_for("it has begun", || world.kubectl_any(&["get", "namespace", &format!("{}-earth", world.root)], None).code == 0);
    run.kill();
}

#[test]
fn the_first_interrupt_rolls_back() {
    let Some((world, before)) = applied() else { return };
    let run = in_the_middle_of_a_change(&world);
    run.signal("INT");
    let ran = run.wait();
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    as_before(&world, &before);
}

#[test]
fn the_second_interrupt_stops_at_once_and_says_how_to_go_on() {
    let Some(control_plane) = ControlPlane::own() else { return };
    let world = World::on(control_plane, "hello", "development");
    world.spai(&["apply", "--yes"]).expect(0);
    let before = world.objects();
    let run = in_the_middle_of_a_change(&world);
    // Without a server the rollback that the first one begins has to wait.
    world.control_plane.apiserver("kill");
    run.signal("INT");
    wait_for("the first is told", || run.output().contains("once more stops at once"));
    run.signal("INT");
    let ran = run.wait();
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert!(ran.stdout.contains("`spai apply --rollback` goes on undoing"), "{}", ran.stdout);
    world.control_plane.apiserver("start");
    world.spai(&["apply", "--rollback", "--yes"]).expect(0);
    as_before(&world, &before);
}

#[test]
fn a_run_that_lost_its_lease_writes_nothing_more() {
    let Some((world, before)) = applied() else { return };
    let run = in_the_middle_of_a_change(&world);
    let lease = format!("spai-{}", world.name);
    world.kubectl(&["patch", "lease", &lease, "-n", &world.root, "--type=merge", "-p", r#"{"spec": {"holderIdentity": "somebody else"}}"#]);
    let ran = run.wait();
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert!(ran.stdout.contains("lease in the cluster is lost") && ran.stdout.contains("apply --rollback"), "{}", ran.stdout);
    assert_ne!(world.objects(), before, "nothing was undone");
    world.kubectl(&["delete", "lease", &lease, "-n", &world.root]);
    world.spai(&["apply", "--rollback", "--yes"]).expect(0);
    as_before(&world, &before);
}
