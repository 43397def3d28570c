//! What tests on a real API server share: the control plane that `tests/run` started, one of their own where they
//! break it, names that nobody else has, and kubectl.
//!
//! ```ignore
//! mod support;
//!
//! #[test]
//! fn something_holds_on_a_real_server() {
//!     let Some(plane) = support::control_plane() else { return };
//!     let namespace = plane.namespace("something");
//!     …
//! }
//! ```
//!
//! `SPAI_TEST_KUBECONFIG` names the shared one. Without it these tests are left out, and say so; with
//! `SPAI_REQUIRE_CONTROL_PLANE=1` they fail instead.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking; lints know only test functions as tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use spai::cluster::{Cluster, ConnectOptions};
use spai::stack::model::ClusterRef;

/// A real control plane: the shared one, or one of this test's own, which ends with it.
pub struct ControlPlane {
    kubeconfig: PathBuf,
    /// Its run folder, if it is ours to end.
    own: Option<PathBuf>,
}

/// The control plane that all tests share. None: there is none, and the test is left out.
pub fn control_plane() -> Option<ControlPlane> {
    match std::env::var_os("SPAI_TEST_KUBECONFIG") {
        Some(path) if !path.is_empty() => Some(ControlPlane { kubeconfig: path.into(), own: None }),
        _ => left_out("SPAI_TEST_KUBECONFIG names no control plane"),
    }
}

/// A control plane of the test's own, to break; `flags` as `tests/control-plane/up` has them. It ends with the value.
/// None where [`control_plane`] is None: what builds one takes minutes, and `tests/run` has done it.
pub fn own_control_plane(flags: &[&str]) -> Option<ControlPlane> {
    control_plane()?;
    let up = script("up").arg("--quiet").args(flags).stderr(Stdio::inherit()).output().expect("tests/control-plane/up can be run");
    assert!(up.status.success(), "no control plane of this test's own");
    let kubeconfig = PathBuf::from(String::from_utf8(up.stdout).unwrap().trim());
    let run = kubeconfig.parent().expect("the kubeconfig is in the run folder").to_owned();
    Some(ControlPlane { kubeconfig, own: Some(run) })
}

fn left_out<T>(reason: &str) -> Option<T> {
    assert!(
        std::env::var("SPAI_REQUIRE_CONTROL_PLANE").as_deref() != Ok("1"),
        "SPAI_REQUIRE_CONTROL_PLANE=1 demands a real control plane, and {reason}: start the tests with tests/run"
    );
    eprintln!("left out: {reason} (tests/run starts one)");
    None
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane").join(name))
}

impl ControlPlane {
    /// Its kubeconfig, of an administrator; the context is `spai-test`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Its run folder: `log/audit.log` and the like.
    pub fn run_folder(&self) -> &Path {
        self.kubeconfig.parent().unwrap_or(Path::new("."))
    }

    /// A connection.
    pub async fn cluster(&self) -> Cluster {
        self.cluster_waiting(Duration::from_secs(30)).await
    }

    /// A connection that waits so long for a server that is away.
    pub async fn cluster_waiting(&self, server_timeout: Duration) -> Cluster {
        let reference = ClusterRef { context: Some("spai-test".to_owned()), ..ClusterRef::default() };
        let options = ConnectOptions { kubeconfig: Some(self.kubeconfig.clone()), context: None, reference, server_timeout };
        Cluster::connect(&options).await.expect("the test's kubeconfig is good")
    }

    /// kubectl on this control plane; add arguments and run it.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(binaries().join("kubectl"));
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    /// kubectl's stdout; fails the test when kubectl fails.
    pub fn kubectl_out(&self, arguments: &[&str]) -> String {
        let output = self.kubectl().args(arguments).output().expect("kubectl can be run");
        assert!(output.status.success(), "kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `kubectl apply --server-side` of YAML, as the given manager.
    pub fn kubectl_apply(&self, manager: &str, yaml: &str) {
        use std::io::Write as _;
        let mut child = self
            .kubectl()
            .args(["apply", "--server-side", "--force-conflicts", "--field-manager", manager, "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl can be run");
        child.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl apply");
    }

    /// A namespace that nobody else has; it is deleted with the value.
    pub fn namespace(&self, prefix: &str) -> Namespace {
        let name = unique(prefix);
        self.kubectl_out(&["create", "namespace", &name]);
        let ready = || self.kubectl().args(["-n", &name, "get", "serviceaccount", "default"]).output().is_ok_and(|o| o.status.success());
        eventually(&format!("namespace {name} has its service account"), ready);
        Namespace { name, kubeconfig: self.kubeconfig.clone() }
    }

    /// Deletes, after the test, every namespace whose name begins so: for tests whose stacks make namespaces.
    pub fn namespaces_of(&self, root: &str) -> Namespaces {
        Namespaces { root: root.to_owned(), kubeconfig: self.kubeconfig.clone() }
    }

    /// A kubeconfig for the same server that acts as `user`, which has the rights that the test gives it.
    pub fn kubeconfig_as(&self, user: &str, folder: &Path) -> PathBuf {
        let text = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let path = folder.join(format!("kubeconfig-{user}"));
        std::fs::write(&path, text.replace("user: {client-certificate-data", &format!("user: {{as: \"{user}\", client-certificate-data")))
            .unwrap();
        path
    }

    /// kill -9 of one of its parts: `apiserver`, `etcd`, `controller-manager`, `scheduler`, `kwok`. Only of one's own.
    pub fn kill(&self, component: &str) {
        self.control("kill", component);
    }

    /// Starts it again, with the same port and data, and waits until it is ready.
    pub fn start(&self, component: &str) {
        self.control("start", component);
    }

    fn control(&self, verb: &str, component: &str) {
        let run = self.own.as_ref().expect("a shared control plane is not to be broken: take own_control_plane");
        let status = script("control-plane").arg(verb).arg(run).arg(component).status().unwrap();
        assert!(status.success(), "{verb} {component}");
    }

    /// What was asked of the API server, oldest first: the audit log's events.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.run_folder().join("log/audit.log")).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(run) = &self.own {
            let _ = script("down").arg(run).status();
        }
    }
}

/// A namespace of one test.
pub struct Namespace {
    /// Its name.
    pub name: String,
    kubeconfig: PathBuf,
}

impl std::ops::Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete_namespaces(&self.kubeconfig, &[&self.name]);
    }
}

/// All namespaces whose names begin alike.
pub struct Namespaces {
    root: String,
    kubeconfig: PathBuf,
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let list = Command::new(binaries().join("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}"])
            .output();
        let names = list.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let ours: Vec<&str> = names.split_whitespace().filter(|name| name.starts_with(&self.root)).collect();
        if !ours.is_empty() {
            delete_namespaces(&self.kubeconfig, &ours);
        }
    }
}

fn delete_namespaces(kubeconfig: &Path, names: &[&str]) {
    let mut command = Command::new(binaries().join("kubectl"));
    command.arg("--kubeconfig").arg(kubeconfig).args(["delete", "namespace", "--wait=false", "--ignore-not-found"]).args(names);
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// The folder with kubectl and the others.
pub fn binaries() -> PathBuf {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty()) {
        return assets.into();
    }
    let output = script("build").stderr(Stdio::inherit()).output().expect("tests/control-plane/build can be run");
    assert!(output.status.success(), "the control plane's binaries can't be built");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A name that no other test has, now or on a control plane that outlives this run.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run = (time.as_secs() ^ (u64::from(std::process::id()) << 20) ^ u64::from(time.subsec_micros())) & 0xff_ffff;
    format!("{prefix}-{run:06x}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until something holds, for a minute at the most.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The `spai` command, in a folder, with nothing of this environment's variables that would change what it does.
pub fn spai(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        let chooses = ["ENVIRONMENT", "NAMESPACE", "DEPLOYMENT_STRATEGY", "DRY_RUN", "PARALLEL_JOBS", "KUBECONFIG"];
        if name_text.starts_with("SPAI_") || chooses.contains(&name_text.as_ref()) {
            command.env_remove(&name);
        }
    }
    // The key that state is encrypted with is made there, not in the configuration of whoever runs the tests.
    command.current_dir(folder).env("NO_COLOR", "1").env("XDG_CONFIG_HOME", folder.join(".test-config"));
    command
}

/// Both outputs and the exit code of a finished command, for a failing assertion's message.
pub fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
