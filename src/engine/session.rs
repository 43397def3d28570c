//! A stack, compiled, with its cluster and its state: what every verb that looks at the cluster begins with.

use std::path::PathBuf;

use crate::cluster::inventory::{self, Stored};
use crate::cluster::{Cluster, ConnectOptions, Kinds};
use crate::plan::Target;
use crate::resource::{Diagnostic, FieldManager};
use crate::state::{Binding, LocalStore, Snapshot, StateKey, StateStore as _, agree};

use super::compiled::{Compiled, Stopped, compile};
use super::{Filter, Process, Request};

/// All that a verb works with.
#[derive(Debug)]
pub struct Session {
    /// The stack.
    pub compiled: Compiled,
    /// The cluster.
    pub cluster: Cluster,
    /// Which cluster it is.
    pub target: Target,
    /// What kinds it serves.
    pub kinds: Kinds,
    /// The state's store.
    pub store: LocalStore,
    /// What the store held when the session began.
    pub state: Snapshot,
    /// The inventory in the cluster, when the session began; None before the first apply.
    pub inventory: Option<Stored>,
    /// What the command is narrowed to.
    pub filter: Filter,
    /// How many requests are under way at once.
    pub parallel: usize,
    /// The surroundings.
    pub process: Process,
}

impl Session {
    /// Compiles the stack, connects, reads the state, and makes sure that the three belong together.
    pub async fn open(request: &Request) -> Result<Self, Stopped> {
        let compiled = compile(request)?;
        let sources = compiled.stack.sources().clone();
        Self::over(request, compiled).await.map_err(|diagnostic| Stopped::from(diagnostic).within(&sources))
    }

    async fn over(request: &Request, compiled: Compiled) -> Result<Self, Diagnostic> {
        let cluster = connect(request, &compiled).await?;
        let root = compiled.resolved.root_namespace.clone();
        let mut target = cluster.target(&root).await?;
        target.chosen_by.clone_from(&request.chosen_by);
        let kinds = cluster.kinds().await?;
        let store = store(request, &compiled)?;
        let state = store.load()?;
        if let Some(bound) = &state.binding {
            same_place(bound, &target, &compiled)?;
        }
        let inventory = inventory::read(&cluster, &compiled.resolved.identity, &root).await?;
        agree(store.head()?.as_ref(), inventory.as_ref().map(|stored| &stored.inventory))?;
        Ok(Self {
            compiled,
            cluster,
            target,
            kinds,
            store,
            state,
            inventory,
            filter: request.filter.clone(),
            parallel: request.parallel.max(1),
            process: request.process.clone(),
        })
    }

    /// As whom spai applies.
    pub fn manager(&self) -> FieldManager {
        self.compiled.resolved.identity.field_manager()
    }

    /// What this session's state is bound to.
    pub fn binding(&self) -> Binding {
        Binding {
            identity: self.compiled.resolved.identity.clone(),
            cluster_uid: self.target.cluster_uid.clone(),
            root_namespace: self.target.root_namespace.clone(),
        }
    }
}

/// Connects to the environment's cluster, or the one that the flags name.
pub async fn connect(request: &Request, compiled: &Compiled) -> Result<Cluster, Diagnostic> {
    let options = ConnectOptions {
        kubeconfig: request.kubeconfig.clone(),
        context: request.context.clone(),
        reference: compiled.resolved.cluster.clone(),
        server_timeout: request.server_timeout,
    };
    Cluster::connect(&options).await
}

/// The state's store; nothing is opened yet.
pub fn store(request: &Request, compiled: &Compiled) -> Result<LocalStore, Diagnostic> {
    let key_file = request.process.variables.get("SPAI_STATE_KEY_FILE").map(PathBuf::from);
    let key = StateKey::load_or_create(&request.process.config_dir, key_file.as_deref())?;
    Ok(LocalStore::open(state_folder(request, compiled), key))
}

/// `<state>/<stack>/<environment>`: `--state`, else `[state] dir` of stack.toml, else `state` beside the folder `stacks`
/// that the stack is in, else `.spai/state` inside the stack.
pub fn state_folder(request: &Request, compiled: &Compiled) -> PathBuf {
    let identity = &compiled.resolved.identity;
    let stack = request.stack_dir.canonicalize().unwrap_or_else(|_| request.stack_dir.clone());
    let root = match (&request.state_dir, &compiled.resolved.stack.state.dir) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => stack.join(dir),
        (None, None) => match stack.parent() {
            Some(stacks) if stacks.file_name().is_some_and(|name| name == "stacks") => stacks.with_file_name("state"),
            _ => stack.join(".spai/state"),
        },
    };
    root.join(&identity.stack).join(&identity.environment)
}

/// A state is of one cluster and one root of namespaces.
fn same_place(bound: &Binding, target: &Target, compiled: &Compiled) -> Result<(), Diagnostic> {
    let identity = &compiled.resolved.identity;
    if bound.cluster_uid != target.cluster_uid {
        return Err(Diagnostic::error(
            "state::another_cluster",
            format!(
                "{identity} was applied to another cluster than `{}` (its kube-system has uid {}, the state's {})",
                target.context, target.cluster_uid, bound.cluster_uid
            ),
        )
        .help("choose the cluster that it was applied to (`--context`), or a state of its own for this one (`--state DIR`)"));
    }
    if bound.root_namespace != target.root_namespace {
        return Err(Diagnostic::error(
            "state::another_root",
            format!(
                "{identity} has its namespaces under `{}`, and is now to have them under `{}`",
                bound.root_namespace, target.root_namespace
            ),
        )
        .help("moving a whole environment is no update: destroy it first, or give the new root a state of its own (`--state DIR`)"));
    }
    Ok(())
}
