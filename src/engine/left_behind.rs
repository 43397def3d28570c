//! An unfinished run, found by its journal alone: whoever is on call can finish or undo it with a stack that no longer
//! compiles, for the journal holds all that the run was about.

use std::path::{Path, PathBuf};

use super::Request;
use super::embedded::{EMBEDDED, below};
use super::ground::Ground;
use super::session::usual_state_dir;
use crate::apply::Header;
use crate::cluster::{Cluster, ConnectOptions};
use crate::resource::Diagnostic;
use crate::stack::model::ClusterRef;
use crate::stack::{Sources, Stack};
use crate::state::{Journal, LocalStore, StateKey};

/// The ground of the one unfinished run that the request can mean. None: there is none, or more than one.
///
/// # Errors
/// The journal or the cluster that it names can't be read.
pub(super) async fn ground(request: &Request) -> Result<Option<Ground>, Diagnostic> {
    let key = StateKey::load_or_create(&request.process.config_dir, request.state_key_file.as_deref())?;
    let mut found = Vec::new();
    for dir in candidates(request) {
        if let Some(unfinished) = Journal::unfinished(&dir, &key)? {
            found.push((dir, super::ground::read(&unfinished)?.header));
        }
    }
    let Some((dir, header)) = found.pop().filter(|_| found.is_empty()) else { return Ok(None) };
    let elsewhere = request.context.is_some() || request.kubeconfig.is_some();
    let cluster = if header.context == EMBEDDED && !elsewhere {
        Cluster::over(super::embedded::open(&below(&dir))?.client(), EMBEDDED, request.server_timeout)
    } else {
        Cluster::connect(&options(request, &header)).await?
    };
    Ok(Some(Ground::of_run(&header, cluster, LocalStore::open(&dir, key), request).await?))
}

/// The folders `<stack>/<environment>` in which its state may be.
fn candidates(request: &Request) -> Vec<PathBuf> {
    let stack = Sources::read(&request.stack_dir).ok().and_then(|sources| Stack::load(sources).0);
    let said = stack.as_ref().and_then(|stack| stack.root().get("state")?.get("dir")?.as_str());
    let base = match (&request.state_dir, said) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => request.stack_dir.join(dir),
        (None, None) => usual_state_dir(&request.stack_dir),
    };
    let stacks = match &stack {
        Some(stack) if !stack.name().is_empty() => vec![base.join(stack.name())],
        // A stack.toml that is no TOML doesn't say what it is called.
        _ => folders(&base),
    };
    let environments = stacks.iter().flat_map(|stack| match &request.environment {
        Some(environment) => vec![stack.join(environment)],
        None => folders(stack),
    });
    environments.collect()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Where the run was, unless the request says otherwise; that it is the same cluster is checked by its uid.
fn options(request: &Request, header: &Header) -> ConnectOptions {
    let in_cluster = header.context == "in-cluster";
    let context = request.context.clone().or_else(|| (!in_cluster).then(|| header.context.clone()));
    ConnectOptions {
        kubeconfig: request.kubeconfig.clone(),
        context,
        reference: ClusterRef { in_cluster, ..ClusterRef::default() },
        server_timeout: request.server_timeout,
    }
}
