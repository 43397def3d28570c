//! From flags to the engine's request.

use std::path::Path;

use crate::engine::{Filter, Process, Request};
use crate::resource::Diagnostic;

use super::args::{Only, Place, Reading};

/// What stays the same for every verb of one run.
#[derive(Clone)]
pub(super) struct Context {
    /// The surroundings.
    pub(super) process: Process,
    /// What variables chose.
    pub(super) used: Vec<String>,
}

impl Context {
    /// A request that needs no cluster.
    pub(super) fn offline(&self, stack: &Path, reading: &Reading) -> Result<Request, Diagnostic> {
        let mut inputs = std::collections::BTreeMap::new();
        for input in &reading.input {
            match input.split_once('=') {
                Some((name, value)) if !name.is_empty() => inputs.insert(name.to_owned(), value.to_owned()),
                // The text may be a secret that lost its name: it isn't repeated.
                _ => return Err(Diagnostic::error("cli::input", "an --input has no name").help("write --input NAME=VALUE")),
            };
        }
        let key_file = self.process.variables.get("SPAI_STATE_KEY_FILE").filter(|file| !file.is_empty());
        Ok(Request {
            environment: reading.environment.clone(),
            root_namespace: reading.namespace.clone(),
            inputs,
            strategy: reading.deployment_strategy,
            state_key_file: key_file.map(std::path::PathBuf::from),
            used: self.used.clone(),
            ..Request::new(stack, self.process.clone())
        })
    }

    /// A request that goes to the cluster.
    pub(super) fn online(&self, stack: &Path, reading: &Reading, place: &Place) -> Result<Request, Diagnostic> {
        Ok(Request {
            state_dir: place.state.clone(),
            kubeconfig: place.kubeconfig.clone(),
            context: place.context.clone(),
            parallel: place.parallel.into(),
            server_timeout: place.server_timeout,
            ..self.offline(stack, reading)?
        })
    }
}

/// `--target`, `--service`, `--tenant`.
pub(super) fn filter(only: &Only) -> Filter {
    Filter { targets: only.target.clone(), services: only.service.clone(), tenants: only.tenant.clone() }
}
