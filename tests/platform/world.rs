//! A user's surroundings for one test: a copy of a stack under a name of its own, a root of namespaces, a configuration
//! folder, and the real control plane. Everything goes when it is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Demands an exit code; shows everything otherwise.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands that a text was printed, wherever.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no `{text}` in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The JSON on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A control plane: the run's shared one, or one of this test's own.
pub struct ControlPlane {
    pub kubeconfig: PathBuf,
    own: bool,
}

impl ControlPlane {
    /// The shared one, or None where there is none and nobody demands it.
    pub fn shared() -> Option<Self> {
        if let Some(kubeconfig) = std::env::var_os("SPAI_TEST_KUBECONFIG") {
            return Some(Self { kubeconfig: kubeconfig.into(), own: false });
        }
        let demanded = std::env::var("SPAI_REQUIRE_CONTROL_PLANE").as_deref() == Ok("1");
        assert!(!demanded, "SPAI_REQUIRE_CONTROL_PLANE=1, and no SPAI_TEST_KUBECONFIG: run tests/run");
        eprintln!("left out: no control plane (tests/run starts one)");
        None
    }

    /// One that the test may break.
    pub fn own() -> Option<Self> {
        Self::shared()?;
        let up = script(&["up", "--quiet"]);
        Some(Self { kubeconfig: up.trim().into(), own: true })
    }

    /// Kills its API server, or starts it again, on the same port and data.
    pub fn apiserver(&self, verb: &str) {
        assert!(self.own, "the shared one must not be broken");
        script(&[verb, &self.kubeconfig.to_string_lossy(), "apiserver"]);
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.own {
            script(&["down", &self.kubeconfig.to_string_lossy()]);
        }
    }
}

/// Runs `tests/control-plane/control-plane`; what it printed.
fn script(arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/control-plane");
    let output = Command::new(path).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One test's surroundings.
pub struct World {
    pub stack: PathBuf,
    pub name: String,
    pub root: String,
    pub environment: String,
    pub control_plane: ControlPlane,
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl World {
    /// A copy of `stacks/<stack>`, under a name that no other test has.
    pub fn new(stack: &str, environment: &str) -> Option<Self> {
        Some(Self::on(ControlPlane::shared()?, stack, environment))
    }

    /// The same on a given control plane.
    pub fn on(control_plane: ControlPlane, stack: &str, environment: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let name = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let copy = folder.path().join("stacks").join(&name);
        copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks").join(stack), &copy);
        let world = Self {
            root: format!("{name}-{environment}"),
            stack: copy,
            name,
            environment: environment.to_owned(),
            control_plane,
            folder,
            variables: BTreeMap::new(),
        };
        let name = world.name.clone();
        world.edit("stack.toml", |text| {
            text.lines().map(|line| if line.starts_with("name ") { format!("name = \"{name}\"\n") } else { format!("{line}\n") }).collect()
        });
        world
    }

    /// Sets an environment variable for spai.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Rewrites a file of the stack.
    #[track_caller]
    pub fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.stack.join(file);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let after = change(before.clone());
        assert_ne!(before, after, "{file}: the edit changed nothing");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, after).unwrap();
    }

    /// Replaces a text in a file of the stack.
    #[track_caller]
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        self.edit(file, |text| text.replace(from, to));
    }

    /// Where the state is.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state").join(&self.name).join(&self.environment)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
        command
            .args(arguments)
            .current_dir(&self.stack)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("KUBECONFIG", &self.control_plane.kubeconfig)
            // The shipped development environment is the embedded cluster; these tests are about a real one.
            .env("SPAI_CONTEXT", "spai-test")
            .env("SPAI_ENVIRONMENT", &self.environment)
            .env("SPAI_NAMESPACE", &self.root)
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Runs spai in the stack's folder.
    pub fn spai(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts spai; its output goes to a file.
    pub fn start(&self, arguments: &[&str]) -> Started {
        let log = self.folder.path().join(format!("log-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let file = fs::File::create(&log).unwrap();
        let child = self.command(arguments).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Started { child, log }
    }

    /// Runs kubectl as the cluster's admin; demands success.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let ran = self.kubectl_any(arguments, None);
        assert_eq!(ran.code, 0, "kubectl {}\n{}{}", arguments.join(" "), ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs kubectl with something on its standard input.
    pub fn kubectl_any(&self, arguments: &[&str], input: Option<&str>) -> Ran {
        use std::io::Write as _;
        let kubectl =
            std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(|| PathBuf::from("kubectl"), |assets| Path::new(&assets).join("kubectl"));
        let mut child = Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(&self.control_plane.kubeconfig)
            .args(arguments)
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u -N")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.unwrap_or_default().to_owned();
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Applies YAML with kubectl.
    #[track_caller]
    pub fn kubectl_apply(&self, yaml: &str) {
        let ran = self.kubectl_any(&["apply", "-f", "-"], Some(yaml));
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }

    /// Every object of the stack as it is, less what controllers and the server write: by `Kind namespace/name`.
    /// managedFields are those of the main resource, without times.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        let kinds = "namespaces,deployments,statefulsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,\
                     resourcequotas,limitranges,poddisruptionbudgets,horizontalpodautoscalers,ingresses,jobs,cronjobs";
        let selector = format!("spai.dev/stack={}", self.name);
        let list = self.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", "json", "--show-managed-fields"]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items.filter(|item| item["metadata"]["ownerReferences"].is_null()).map(|item| (identity(item), declared(item))).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let selector = format!("spai.dev/stack={}", self.name);
        let _ = self.kubectl_any(&["delete", "namespace", "-l", &selector, "--wait=false", "--ignore-not-found"], None);
        let _ = self.kubectl_any(&["delete", "namespace", &self.root, "--wait=false", "--ignore-not-found"], None);
    }
}

/// Waits until something holds, or fails with what it was.
#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A spai that runs.
pub struct Started {
    child: Child,
    log: PathBuf,
}

impl Started {
    /// What it has printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// kill -9.
    pub fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.output()
    }

    /// A signal by its name: `INT`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, stdout: self.output(), stderr: String::new() }
    }
}

/// `Deployment acme/backend`.
pub fn identity(object: &Value) -> String {
    let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
    object["metadata"]["namespace"].as_str().map_or_else(|| format!("{kind} {name}"), |namespace| format!("{kind} {namespace}/{name}"))
}

fn declared(object: &Value) -> Value {
    let mut object = object.clone();
    let root = object.as_object_mut().unwrap();
    root.remove("status");
    let metadata = root["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        entries.retain(|entry| {
            entry["subresource"].is_null() && !entry["manager"].as_str().is_some_and(|manager| manager.starts_with("kube-"))
        });
        for entry in entries.iter_mut() {
            entry.as_object_mut().unwrap().remove("time");
        }
        entries.sort_by_key(ToString::to_string);
    }
    object
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
