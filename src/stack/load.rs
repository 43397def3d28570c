//! A stack as its files say it, before an environment is chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::model::Strategy;
use super::node::Node;
use super::shape::{FileKind, ShapeRef};
use super::{Resolved, Sources, checks, known, manifest, naming, resolve, shape, version};

/// A stack: all its files, parsed and checked as far as that needs no environment.
#[derive(Clone, Debug)]
pub struct Stack {
    sources: Sources,
    name: String,
    root: File,
    environments: BTreeMap<String, File>,
    tenants: BTreeMap<String, File>,
    services: BTreeMap<String, File>,
    manifests: Vec<manifest::Found>,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct File {
    /// What it says; nothing where it couldn't be parsed.
    pub node: Node,
    /// It couldn't be parsed: what it says is unknown, that it is there is not.
    pub broken: bool,
    /// Where (byte offsets) it hasn't the shape that it should have: enough has been said about those places.
    pub misshapen: BTreeSet<usize>,
}

/// The folders' names, and the kinds of files in them.
const KINDS: [(&str, FileKind); 3] =
    [("environments", FileKind::Environment), ("tenants", FileKind::Tenant), ("services", FileKind::Service)];

/// What a run chooses: the environment, and what it says on the command line.
#[derive(Clone, Default)]
pub struct ResolveOptions {
    /// The environment's name.
    pub environment: String,
    /// `--namespace`: the root of namespaces, in place of the environment's.
    pub root_namespace: Option<String>,
    /// `--strategy`: for all services.
    pub strategy: Option<Strategy>,
    /// `--input NAME=VALUE`.
    pub inputs: BTreeMap<String, String>,
    /// The process's environment; only declared inputs are looked up in it.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for ResolveOptions {
    /// Without values of inputs and variables: they may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResolveOptions")
            .field("environment", &self.environment)
            .field("root_namespace", &self.root_namespace)
            .field("strategy", &self.strategy)
            .field("inputs", &self.inputs.keys())
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Parses and checks all files: everything that is wrong whatever the environment. There is a stack, to go on looking for errors
    /// with, unless `stack.toml` is missing or isn't TOML.
    pub fn load(sources: Sources) -> (Option<Self>, Diagnostics) {
        let mut diagnostics = sources.warnings().clone();
        let mut parsed: BTreeMap<&str, BTreeMap<String, File>> = BTreeMap::new();
        for (folder, what) in KINDS {
            parsed.insert(folder, parse_folder(&sources, folder, what, &mut diagnostics));
        }
        let root = sources.get("stack.toml").map(|text| parse_file(&Arc::from("stack.toml"), &text, FileKind::Stack, &mut diagnostics));
        if root.is_none() {
            diagnostics
                .push(Diagnostic::error("stack::not_found", "there is no stack.toml").help("`spai init` makes a small stack that works"));
        }
        let Some(root) = root.filter(|root| !root.broken) else {
            diagnostics.sort();
            return (None, diagnostics);
        };
        let mut take = |folder| parsed.remove(folder).unwrap_or_default();
        let (environments, tenants, services) = (take("environments"), take("tenants"), take("services"));
        let names: Vec<String> = environments.keys().cloned().collect();
        let mut manifests = Vec::new();
        for (path, text) in sources.iter().filter(|(path, _)| path.starts_with("manifests/")) {
            manifests.extend(manifest::read(path, text, &names, &mut diagnostics));
        }
        let name = root.node.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        let stack = Self { sources, name, root, environments, tenants, services, manifests };
        stack.check_names(&mut diagnostics);
        version::check(stack.root(), env!("CARGO_PKG_VERSION"), &mut diagnostics);
        known::check(&stack, &mut diagnostics);
        checks::root(stack.root(), &mut diagnostics);
        diagnostics.sort();
        (Some(stack), diagnostics)
    }

    /// Its files.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environments' names.
    pub fn environments(&self) -> Vec<String> {
        self.environments.keys().cloned().collect()
    }

    /// The stack in one environment: layered, references resolved, decoded. `None` if anything is wrong.
    pub fn resolve(&self, options: &ResolveOptions) -> (Option<Resolved>, Diagnostics) {
        resolve::resolve(self, options)
    }

    /// `stack.toml`.
    pub fn root(&self) -> &Node {
        &self.root.node
    }

    /// The environments' files, by name.
    pub fn environment_files(&self) -> &BTreeMap<String, File> {
        &self.environments
    }

    /// The tenants' files, by name.
    pub fn tenants(&self) -> &BTreeMap<String, File> {
        &self.tenants
    }

    /// The services' files, by name.
    pub fn services(&self) -> &BTreeMap<String, File> {
        &self.services
    }

    /// Whether the shape of what stands at a place has been complained about already.
    pub fn is_misshapen(&self, origin: &Origin) -> bool {
        let file = match FileKind::of_path(&origin.file) {
            Some(FileKind::Stack) => Some(&self.root),
            Some(FileKind::Environment) => self.environments.get(stem(&origin.file)),
            Some(FileKind::Tenant) => self.tenants.get(stem(&origin.file)),
            Some(FileKind::Service) => self.services.get(stem(&origin.file)),
            None => None,
        };
        file.is_some_and(|file| file.misshapen.contains(&origin.start))
    }

    /// The objects of all manifests.
    pub fn manifests(&self) -> &[manifest::Found] {
        &self.manifests
    }

    fn check_names(&self, diagnostics: &mut Diagnostics) {
        match self.root().get("name") {
            None => diagnostics.push(
                Diagnostic::error("stack::no_name", "the stack has no name")
                    .at(&self.root().origin, "`name = \"…\"` is missing")
                    .help("begin stack.toml with `name = \"…\"`: lower-case letters, digits and dashes"),
            ),
            Some(name) if name.as_str().is_some() => naming::check_stack_name(&self.name, &name.origin, diagnostics),
            // Its shape has been complained about.
            Some(_) => {}
        }
        if self.environments.is_empty() {
            diagnostics.push(
                Diagnostic::error("stack::no_environment", "the stack has no environment")
                    .at(&self.root().origin, "a stack runs in environments")
                    .help("write environments/NAME.toml, with `cluster = { context = \"…\" }`"),
            );
        }
        for (what, files) in [("environment", &self.environments), ("tenant", &self.tenants), ("service", &self.services)] {
            naming::check_names(what, files.iter().map(|(name, file)| (name.as_str(), &file.node.origin)), diagnostics);
        }
        let tiers = self.root().entries(&["tiers"]).map(|(name, entry)| (name.as_str(), &entry.key_origin));
        naming::check_names("tier", tiers, diagnostics);
    }
}

/// `services/backend.toml` → `backend`.
fn stem(path: &str) -> &str {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.strip_suffix(".toml").unwrap_or(file)
}

/// The files of a folder, by the names that they give.
fn parse_folder(sources: &Sources, folder: &str, what: FileKind, diagnostics: &mut Diagnostics) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for (path, text) in sources.iter() {
        let name = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.strip_suffix(".toml"));
        if let Some(name) = name.filter(|name| !name.contains('/')) {
            files.insert(name.to_owned(), parse_file(path, text, what, diagnostics));
        }
    }
    files
}

fn parse_file(path: &Arc<str>, text: &str, what: FileKind, diagnostics: &mut Diagnostics) -> File {
    match Node::parse(path, text, diagnostics) {
        Some(node) => {
            let before = diagnostics.0.len();
            shape::check(&node, &ShapeRef::file(what), diagnostics);
            let misshapen = diagnostics.0[before..].iter().flat_map(|d| &d.labels).map(|label| label.origin.start).collect();
            File { node, broken: false, misshapen }
        }
        None => File { node: Node::empty(&super::node::Lines::new(path, text).origin(0, 0)), broken: true, misshapen: BTreeSet::new() },
    }
}
