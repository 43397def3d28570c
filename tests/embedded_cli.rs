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
        for said in [&applied, &planned, &status] {
            assert_eq!(told(said).matches("nothing runs in its pods").count(), 1, "{}", told(said));
        }
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

fn serve(folder: &Path, faults: &[&str]) -> Served {
    let mut command = spai(folder, &["cluster", "serve"], "hello");
    for fault in faults {
        command.args(["--fault", fault]);
    }
    let mut child = command.arg("--kubeconfig-out").arg(folder.join("kubeconfig")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("Nothing runs in its pods"), "{line}");
    Served(child)
}

#[test]
fn a_second_process_exits_5_and_a_served_cluster_takes_many() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), &[]);
    let held = spai(folder.path(), &["plan"], "hello").output().unwrap();
    assert_eq!(held.status.code(), Some(5), "{}", told(&held));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(folder.path().join("kubeconfig")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let applied =
        spai(folder.path(), &["apply"], "hello").arg("--yes").arg("--kubeconfig").arg(folder.path().join("kubeconfig")).output().unwrap();
    assert!(applied.status.success(), "{}", told(&applied));
    // What is beside the state can be looked at meanwhile.
    for verb in [["state", "list"], ["state", "verify"], ["lock", "show"]] {
        let looked = spai(folder.path(), &verb, "hello").output().unwrap();
        assert!(looked.status.success(), "{verb:?}: {}", told(&looked));
    }
    let listed = spai(folder.path(), &["state", "list"], "hello").output().unwrap();
    assert!(told(&listed).contains("ConfigMap hello-development-earth/web"), "{}", told(&listed));
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

/// A client of a served cluster, which tries nothing twice.
async fn client(folder: &Path) -> kube::Client {
    let config = kube::config::Kubeconfig::read_from(folder.join("kubeconfig")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// The code that a request is answered with; None: the connection broke.
async fn code(client: &kube::Client, method: &str, path: &str, body: serde_json::Value) -> Option<u16> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", content);
    let answer = client.send(request.body(kube::client::Body::from(body)).unwrap()).await.ok()?;
    Some(answer.status().as_u16())
}

#[tokio::test]
async fn what_is_to_go_wrong_goes_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let configs = "/api/v1/namespaces/default/configmaps";
    let one = format!("{configs}/x");
    let config = serde_json::json!({"metadata": {"name": "x"}});
    let nothing = serde_json::Value::Null;
    {
        let _served =
            serve(folder.path(), &["lost-answer=1:create", "409=0.5:update", "500=1:delete", "reset=1:patch", "latency=300ms:get"]);
        let client = client(folder.path()).await;
        assert_eq!(code(&client, "POST", configs, config.clone()).await, None);
        let before = std::time::Instant::now();
        assert_eq!(code(&client, "GET", &one, nothing.clone()).await, Some(200), "it was carried out");
        assert!(before.elapsed() >= std::time::Duration::from_millis(300));
        let mut codes = Vec::new();
        for _ in 0..4 {
            codes.push(code(&client, "PUT", &one, config.clone()).await);
        }
        assert_eq!(codes, [Some(200), Some(409), Some(200), Some(409)]);
        assert_eq!(code(&client, "DELETE", &one, nothing.clone()).await, Some(500));
        assert_eq!(code(&client, "PATCH", &one, config.clone()).await, None);
    }
    let _served = serve(folder.path(), &["webhook=w.example:update", "never-ready=web"]);
    let client = client(folder.path()).await;
    assert_eq!(code(&client, "PUT", &one, config).await, Some(403));
    let deployment: serde_json::Value = serde_saphyr::from_str(WEB).unwrap();
    assert_eq!(code(&client, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment).await, Some(201));
    loop {
        let events = http::Request::get("/api/v1/namespaces/default/events").body(kube::client::Body::empty()).unwrap();
        let events = client.send(events).await.unwrap().into_body().collect_bytes().await.unwrap();
        if String::from_utf8_lossy(&events).contains("Readiness probe failed") {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_fault_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let refused = spai(folder.path(), &["cluster", "serve", "--fault", "429=2"], "hello").output().unwrap();
    assert!(refused.status.code() == Some(1) && told(&refused).contains("is no share of requests"), "{}", told(&refused));
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
    let _served = serve(folder.path(), &[]);
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
    let pod = run(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"]);
    for arguments in [&["logs", &pod][..], &["exec", &pod, "--", "ls"]] {
        let refused = kubectl(arguments);
        assert!(!refused.status.success() && told(&refused).contains("nothing runs in the pods"), "{arguments:?}: {}", told(&refused));
    }
    run(&["delete", "-f", file, "--timeout=60s"]);
    assert_eq!(run(&["get", "pods", "-o", "name"]), "");
}
