//! Which cluster it is: one that the kubeconfig knows, or the embedded one, whose data is with the state.

use std::path::Path;

use super::Request;
use super::embedded::{EMBEDDED, below, open};
use crate::cluster::{Cluster, ConnectOptions};
use crate::resource::Diagnostic;
use crate::stack::Resolved;

/// The connection: `--context` and `--kubeconfig` beat an embedded cluster as they beat any other.
pub(super) async fn cluster(request: &Request, resolved: &Resolved, state_dir: &Path) -> Result<Cluster, Diagnostic> {
    if resolved.cluster.embedded && request.context.is_none() && request.kubeconfig.is_none() {
        let embedded = open(&below(state_dir))?;
        return Ok(Cluster::over(embedded.client(), EMBEDDED, request.server_timeout));
    }
    let options = ConnectOptions {
        kubeconfig: request.kubeconfig.clone(),
        context: request.context.clone(),
        reference: resolved.cluster.clone(),
        server_timeout: request.server_timeout,
    };
    Cluster::connect(&options).await
}
