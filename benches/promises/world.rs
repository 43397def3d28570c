//! What all measurements stand in: the control plane, spai, and where stacks are written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use serde_json::Value;

use super::meter::{self, Cost};
use super::stack::Stack;

pub struct World {
    /// The control plane's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where stacks, their states and spai's key are.
    pub folder: tempfile::TempDir,
    /// So many writes at once, of spai and of the floors.
    pub parallel: usize,
}

impl World {
    pub fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, folder: tempfile::tempdir().expect("a temporary folder"), parallel: 16 }
    }

    /// spai on a stack.
    pub fn spai(&self, stack: &Stack, arguments: &[&str]) -> (Cost, Vec<u8>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spai"));
        command.args(arguments).args(["-e", "development"]).current_dir(&stack.folder);
        command.env("KUBECONFIG", &self.kubeconfig).env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        let (cost, printed) = meter::run(&command);
        assert_eq!(cost.code, 0, "spai {arguments:?} on {}\n{}", stack.name, String::from_utf8_lossy(&printed));
        (cost, printed)
    }

    /// Makes a stack's objects; what that cost.
    pub fn apply(&self, stack: &Stack) -> Cost {
        let parallel = self.parallel.to_string();
        self.spai(stack, &["apply", "--yes", "--quiet", "--parallel", &parallel, "--timeout", "30m"]).0
    }

    /// A stack's plan as data.
    pub fn plan(&self, stack: &Stack) -> Value {
        serde_json::from_slice(&self.spai(stack, &["plan", "--output", "json"]).1).expect("JSON")
    }

    /// A stack's objects in a file, as a JSON list; only those that `wanted` says, and as it leaves them.
    pub fn objects(&self, stack: &Stack, wanted: impl FnMut(&mut Value) -> bool) -> PathBuf {
        self.objects_by(stack, wanted, |_| 0)
    }

    /// The same, in this order.
    pub fn objects_by(&self, stack: &Stack, wanted: impl FnMut(&mut Value) -> bool, order: impl Fn(&Value) -> u64) -> PathBuf {
        let mut list: Value = serde_json::from_slice(&self.spai(stack, &["render", "--output", "json"]).1).expect("JSON");
        let objects = list["items"].as_array_mut().expect("a list");
        objects.retain_mut(wanted);
        objects.sort_by_key(order);
        let path = self.folder.path().join(format!("{}.json", stack.name));
        fs::write(&path, list.to_string()).expect("a file");
        path
    }

    /// Lets the controllers come to an end with what was written, so that their work is no part of what is measured next.
    pub fn calm() {
        std::thread::sleep(Duration::from_secs(5));
    }

    /// Ends what writes by itself, so that nothing else happens while reads are measured.
    pub fn quiet(&self) {
        let run = self.kubeconfig.parent().expect("the control plane's folder");
        for component in ["kwok", "scheduler", "controller-manager"] {
            let _ = control_plane(&[OsString::from("kill"), run.into(), component.into()]);
        }
    }

    /// kubectl of the control plane's version.
    pub fn kubectl(&self) -> Command {
        let folder = String::from_utf8(control_plane(&["build".into()]).stdout).expect("a path");
        let mut command = Command::new(Path::new(folder.trim()).join("kubectl"));
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }
}

fn control_plane(words: &[OsString]) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/control-plane");
    Command::new(script).args(words).output().expect("the control plane's script runs")
}

/// What spai writes in a stack's name.
pub fn manager(stack: &Stack) -> String {
    format!("spai:{}:development", stack.name)
}

/// A number that an environment variable gives.
pub fn number(name: &str, otherwise: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Which object a plan's change is of, as an object says it itself.
pub fn identity(object: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

/// The same of a plan's change.
pub fn identity_of_change(change: &Value) -> (String, String, String) {
    let text = |name: &str| change["key"][name].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("namespace"), text("name"))
}

/// The table: a row for each promise.
#[derive(Default)]
pub struct Table(Vec<Row>);

struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    /// The promise: `≤ 1.3`; and whether it is kept.
    goal: String,
    kept: bool,
    figures: BTreeMap<&'static str, f64>,
}

impl Table {
    /// At most so much.
    pub fn at_most(&mut self, what: impl Into<String>, value: f64, most: f64, unit: &'static str, figures: &[(&'static str, f64)]) {
        self.add(what.into(), value, unit, format!("≤ {most}"), value <= most, figures);
    }

    /// At least so much.
    pub fn at_least(&mut self, what: impl Into<String>, value: f64, least: f64, unit: &'static str, figures: &[(&'static str, f64)]) {
        self.add(what.into(), value, unit, format!("≥ {least}"), value >= least, figures);
    }

    fn add(&mut self, what: String, value: f64, unit: &'static str, goal: String, kept: bool, figures: &[(&'static str, f64)]) {
        let row = Row { what, value, unit, goal, kept, figures: figures.iter().copied().collect() };
        eprintln!("{}", row.text());
        self.0.push(row);
    }

    /// For people.
    pub fn text(&self) -> String {
        self.0.iter().map(|row| row.text() + "\n").collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let row = |row: &Row| serde_json::json!({"what": row.what, "value": row.value, "unit": row.unit, "goal": row.goal, "kept": row.kept, "figures": row.figures});
        serde_json::json!({"format": "spai.benchmarks/1", "rows": self.0.iter().map(row).collect::<Vec<_>>()})
    }
}

impl Row {
    fn text(&self) -> String {
        let figures: Vec<String> = self.figures.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
        let kept = if self.kept { "kept" } else { "MISSED" };
        format!("{:<62} {:>9.2} {:<7} {:<8} {:<6}  {}", self.what, self.value, self.unit, self.goal, kept, figures.join(", "))
    }
}
