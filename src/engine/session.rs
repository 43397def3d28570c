//! What all use cases begin with: the stack in its environment, compiled, its state and its cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::compile::compile;
use crate::graph::ResourceGraph;
use crate::resource::{Desired, Diagnostic, Diagnostics, StackIdentity};
use crate::stack::{ResolveOptions, Resolved, Sources, Stack};
use crate::state::{Binding, LocalStore, StateKey};

use super::embedded::EMBEDDED;
use super::{Request, place};

/// A stack in one environment, as objects: what needs no cluster and no state.
#[derive(Debug)]
pub struct Compiled {
    /// As it was read, for texts and places of errors.
    pub stack: Stack,
    /// As it is in the environment.
    pub resolved: Resolved,
    /// Its objects, by identity.
    pub desired: Arc<Vec<Desired>>,
    /// Their order.
    pub graph: ResourceGraph,
    /// What to know; no errors.
    pub warnings: Diagnostics,
}

/// All that a use case works with.
#[derive(Debug)]
pub struct Session {
    /// The stack and its objects.
    pub compiled: Compiled,
    /// The connection. Nothing was asked yet.
    pub cluster: Cluster,
    /// The state.
    pub store: LocalStore,
    /// The state's folder, that of `<stack>/<environment>`: lock and journal are in it too.
    pub state_dir: PathBuf,
    /// The state's key.
    pub key: StateKey,
}

/// A state without its cluster.
pub struct Stored {
    /// What is in it.
    pub store: LocalStore,
    /// Its folder, where the lock is too.
    pub dir: PathBuf,
}

/// A stack in one environment, before its objects are made: which cluster it is for is known.
struct Prepared {
    stack: Stack,
    resolved: Resolved,
    diagnostics: Diagnostics,
}

impl Prepared {
    fn read(request: &Request) -> Result<Self, Diagnostics> {
        let sources = Sources::read(&request.stack_dir)?;
        let (stack, mut diagnostics) = Stack::load(sources);
        let Some(stack) = stack else { return Err(diagnostics) };
        let environment = match environment(&stack, request.environment.as_deref()) {
            Ok(environment) => environment,
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                return Err(diagnostics);
            }
        };
        let (resolved, more) = stack.resolve(&options(request, environment));
        diagnostics.extend(more);
        let Some(resolved) = resolved.filter(|_| !diagnostics.has_errors()) else { return Err(sorted(diagnostics)) };
        Ok(Self { stack, resolved, diagnostics })
    }

    fn compile(self) -> Result<Compiled, Diagnostics> {
        let Self { stack, resolved, mut diagnostics } = self;
        let (desired, graph, more) = objects(&resolved);
        diagnostics.extend(more);
        let Some(graph) = graph else { return Err(sorted(diagnostics)) };
        let warnings = sorted(diagnostics).into_result(()).err().unwrap_or_default();
        if warnings.has_errors() {
            return Err(warnings);
        }
        Ok(Compiled { stack, resolved, desired: Arc::new(desired), graph, warnings })
    }
}

/// Everything that is wrong with a stack in one environment, besides what is wrong in all.
pub(super) fn check(stack: &Stack, request: &Request, environment: String, go_on: bool) -> Diagnostics {
    let (resolved, mut diagnostics) = stack.resolve(&options(request, environment));
    if let Some(resolved) = resolved.filter(|_| go_on && !diagnostics.has_errors()) {
        diagnostics.extend(objects(&resolved).2);
    }
    diagnostics
}

fn options(request: &Request, environment: String) -> ResolveOptions {
    ResolveOptions {
        environment,
        root_namespace: request.root_namespace.clone(),
        strategy: request.strategy,
        inputs: request.inputs.clone(),
        variables: request.process.variables.clone(),
    }
}

/// The objects and their order; none if there is a circle.
fn objects(resolved: &Resolved) -> (Vec<Desired>, Option<ResourceGraph>, Diagnostics) {
    let (desired, mut diagnostics) = compile(resolved);
    let graph = ResourceGraph::build(&desired).map_err(|circles| diagnostics.extend(circles)).ok();
    (desired, graph, diagnostics)
}

impl Compiled {
    /// Reads, resolves and compiles.
    ///
    /// # Errors
    /// Everything that is wrong with the stack, warnings among it.
    pub fn read(request: &Request) -> Result<Self, Diagnostics> {
        Prepared::read(request)?.compile()
    }

    /// Stack and environment.
    pub fn identity(&self) -> &StackIdentity {
        &self.resolved.identity
    }
}

/// The state of a stack in an environment: who only reads it needs no cluster, and doesn't wait for one.
///
/// # Errors
/// Everything that is wrong with the stack; or the state's key can't be had.
pub fn stored(request: &Request) -> Result<Stored, Diagnostics> {
    let prepared = Prepared::read(request)?;
    let dir = state_dir(request, &prepared.resolved);
    let key = StateKey::load_or_create(&request.process.config_dir, request.state_key_file.as_deref())?;
    Ok(Stored { store: LocalStore::open(&dir, key), dir })
}

impl Session {
    /// Reads the stack, opens the state, prepares the connection. Nothing is sent yet.
    ///
    /// # Errors
    /// Everything that is wrong with the stack; or the kubeconfig, or the state's key.
    pub async fn open(request: &Request) -> Result<Self, Diagnostics> {
        Self::open_and(request, |_, _| {}).await
    }

    /// The same for who plans at once and takes no lock: while the objects are made, the cluster's are on their way.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_to_plan(request: &Request) -> Result<Self, Diagnostics> {
        let look_ahead = |cluster: &Cluster, resolved: &Resolved| {
            cluster.look_ahead(resolved.identity.clone(), resolved.root_namespace.clone());
        };
        Self::open_and(request, look_ahead).await
    }

    /// The same, with something done as soon as there is a connection, before the objects are made.
    async fn open_and(request: &Request, connected: impl FnOnce(&Cluster, &Resolved)) -> Result<Self, Diagnostics> {
        let prepared = Prepared::read(request)?;
        let cluster = place::cluster(request, &prepared.resolved, &state_dir(request, &prepared.resolved)).await;
        if let Ok(cluster) = &cluster {
            connected(cluster, &prepared.resolved);
        }
        // What is wrong with the stack comes first.
        let compiled = prepared.compile()?;
        Ok(Self::over(compiled, cluster?, request)?)
    }

    /// The same with a connection that exists already.
    ///
    /// # Errors
    /// The state's key can't be had.
    pub fn over(compiled: Compiled, cluster: Cluster, request: &Request) -> Result<Self, Diagnostic> {
        let key = StateKey::load_or_create(&request.process.config_dir, request.state_key_file.as_deref())?;
        let state_dir = state_dir(request, &compiled.resolved);
        let store = LocalStore::open(&state_dir, key.clone());
        Ok(Self { compiled, cluster, store, state_dir, key })
    }

    /// Stack and environment.
    pub fn identity(&self) -> &StackIdentity {
        self.compiled.identity()
    }

    /// Whether the cluster is an embedded one, in this process or served by another.
    pub fn is_embedded(&self) -> bool {
        [EMBEDDED, crate::embedded::serve::CONTEXT].contains(&self.cluster.context())
    }

    /// The root of namespaces.
    pub fn root_namespace(&self) -> &str {
        &self.compiled.resolved.root_namespace
    }

    /// What the state is to be bound to, once the cluster has told its uid.
    pub fn binding(&self, cluster_uid: &str) -> Binding {
        Binding { identity: self.identity().clone(), cluster_uid: cluster_uid.to_owned(), root_namespace: self.root_namespace().to_owned() }
    }
}

fn sorted(mut diagnostics: Diagnostics) -> Diagnostics {
    diagnostics.sort();
    diagnostics
}

/// The environment that was asked for, or the only one.
fn environment(stack: &Stack, asked: Option<&str>) -> Result<String, Diagnostic> {
    if let Some(name) = asked {
        return Ok(name.to_owned());
    }
    let mut all = stack.environments();
    match all.len() {
        1 => Ok(all.swap_remove(0)),
        0 => Err(Diagnostic::error("stack::no_environment", format!("the stack `{}` has no environment", stack.name()))
            .help("write `environments/development.toml` with `cluster = { context = \"…\" }`")),
        _ => Err(Diagnostic::error("stack::which_environment", format!("the stack `{}` has several environments", stack.name()))
            .help(format!("choose one with `-e`: {}", all.join(", ")))),
    }
}

/// Where the state of this stack and environment is kept: `--state`; stack.toml's `state.dir`; beside the folder `stacks`
/// that holds the stack; else inside the stack.
pub(super) fn state_dir(request: &Request, resolved: &Resolved) -> PathBuf {
    let identity = &resolved.identity;
    let base = match (&request.state_dir, &resolved.stack.state.dir) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => request.stack_dir.join(dir),
        (None, None) => usual_state_dir(&request.stack_dir),
    };
    base.join(&identity.stack).join(&identity.environment)
}

pub(super) fn usual_state_dir(stack_dir: &Path) -> PathBuf {
    let full = std::path::absolute(stack_dir).unwrap_or_else(|_| stack_dir.to_owned());
    // `stacks/x/.` and `stacks/x/../y` are what they lead to.
    let full = full.canonicalize().unwrap_or(full);
    match full.parent() {
        Some(parent) if parent.file_name().is_some_and(|name| name == "stacks") => parent.with_file_name("state"),
        _ => stack_dir.join(".spai").join("state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_beside_stacks_or_inside_a_lone_stack() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("stacks/hello")).unwrap();
        std::fs::create_dir_all(root.join("lone")).unwrap();
        assert_eq!(usual_state_dir(&root.join("stacks/hello")), root.join("state"));
        assert_eq!(usual_state_dir(&root.join("stacks/hello/.")), root.join("state"));
        assert_eq!(usual_state_dir(&root.join("lone")), root.join("lone/.spai/state"));
    }
}
