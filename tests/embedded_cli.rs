//! The shipped development environment on the embedded cluster, and the real kubectl on it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking; lints know only test functions as tests")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::told;

fn stacks() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks")
}

/// spai on a shipped stack's development, with its state in the folder.
fn spai(folder: &Path, verb: &[&str], stack: &str) -> Command {
    let mut command = support::spai(folder);
    command.args(verb).arg(stacks().join(stack)).args(["-e", "development", "--state"]).arg(folder.join("state"));
    command
}

#[test]
fn the_shipped_development_is_applied_from_nothing_ready_and_planned_empty() {
    for stack in ["hello", "spotify-ai-agent"] {
        let folder = tempfile::tempdir().unwrap();
        let applied = spai(folder.path(), &["apply"], stack).args(["--yes", "--parallel", "8"]).output().unwrap();
        assert!(applied.status.success(), "{}", told(&applied));
        let planned = spai(folder.path(), &["plan"], stack).arg("--detailed-exitcode").output().unwrap();
        assert_eq!(planned.status.code(), Some(0), "{}", told(&planned));
        assert!(told(&planned).contains("cluster embedded"), "{}", told(&planned));
        let status = spai(folder.path(), &["status"], stack).output().unwrap();
        assert!(status.status.success(), "{}", told(&status));
        let destroyed =
            spai(folder.path(), &["destroy"], stack).args(["--yes", "--allow-deletes", "--allow-irreversible"]).output().unwrap();
        assert!(destroyed.status.success(), "{}", told(&destroyed));
    }
}

/// A served cluster; ends with the value.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path) -> Served {
    let mut command = spai(folder, &["cluster", "serve"], "hello");
    let mut child = command.arg("--kubeconfig-out").arg(folder.join("kubeconfig")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("Nothing runs in its pods"), "{line}");
    Served(child)
}

#[test]
fn a_second_process_exits_5_and_a_served_cluster_takes_many() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path());
    let held = spai(folder.path(), &["plan"], "hello").output().unwrap();
    assert_eq!(held.status.code(), Some(5), "{}", told(&held));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder.path().join("kubeconfig")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let applied =
        spai(folder.path(), &["apply"], "hello").arg("--yes").arg("--kubeconfig").arg(folder.path().join("kubeconfig")).output().unwrap();
    assert!(applied.status.success(), "{}", told(&applied));
    drop(served);
    // The same cluster, in this process again.
    let planned = spai(folder.path(), &["plan"], "hello").arg("--detailed-exitcode").output().unwrap();
    assert_eq!(planned.status.code(), Some(0), "{}", told(&planned));
    let reset = spai(folder.path(), &["cluster", "reset"], "hello").arg("--yes").output().unwrap();
    assert!(reset.status.success(), "{}", told(&reset));
    // It is another cluster than the state is of: that, and the way on, is told.
    let refused = spai(folder.path(), &["plan"], "hello").output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
    assert!(told(&refused).contains("`spai state recover` makes the state say so"), "{}", told(&refused));
    let recovered = spai(folder.path(), &["state", "recover", "--stack"], "hello").output().unwrap();
    assert!(recovered.status.success(), "{}", told(&recovered));
    let again = spai(folder.path(), &["apply"], "hello").arg("--yes").output().unwrap();
    assert!(again.status.success() && told(&again).contains("Applied: "), "{}", told(&again));
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'registry.example/web:1'}]}
";

#[test]
fn kubectl_works_on_it() {
    // kubectl is built with the control plane.
    if support::control_plane().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let _served = serve(folder.path());
    let file = folder.path().join("web.yaml");
    std::fs::write(&file, WEB).unwrap();
    let file = file.to_str().unwrap();
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new(support::binaries().join("kubectl"));
        command.arg("--kubeconfig").arg(folder.path().join("kubeconfig")).arg("--cache-dir").arg(folder.path().join("cache"));
        command.args(arguments).output().unwrap()
    };
    let run = |arguments: &[&str]| {
        let output = kubectl(arguments);
        assert!(output.status.success(), "kubectl {}: {}", arguments.join(" "), told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["apply", "-f", file]);
    run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert!(run(&["get", "deployment", "web"]).contains("2/2"));
    std::fs::write(file, WEB.replace("web:1", "web:2")).unwrap();
    let diff = kubectl(&["diff", "-f", file]);
    assert!(diff.status.code() == Some(1) && String::from_utf8_lossy(&diff.stdout).contains("web:2"), "{}", told(&diff));
    run(&["apply", "-f", file]);
    run(&["apply", "--server-side", "--force-conflicts", "-f", file]);
    run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    run(&["rollout", "undo", "deployment/web"]);
    run(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(run(&["get", "deployment", "web", "-o", "jsonpath={..image}"]), "registry.example/web:1");
    run(&["scale", "deployment/web", "--replicas=3"]);
    run(&["wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=60s"]);
    run(&["wait", "--for=condition=Available", "deployment/web", "--timeout=60s"]);
    assert!(run(&["explain", "deployment.spec.strategy"]).contains("DeploymentStrategy"));
    assert_eq!(run(&["auth", "can-i", "create", "deployments"]).trim(), "yes");
    assert_eq!(String::from_utf8_lossy(&kubectl(&["auth", "can-i", "list", "pods", "--as", "nobody"]).stdout).trim(), "no");
    run(&["delete", "-f", file, "--timeout=60s"]);
    assert_eq!(run(&["get", "pods", "-o", "name"]), "");
}
