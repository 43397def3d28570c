//! The embedded cluster's data: where it is, opened, and begun anew.

use std::path::{Path, PathBuf};

use super::{Compiled, Request, session};
use crate::embedded::{EmbeddedCluster, Folder, OpenError, Options};
use crate::resource::{Diagnostic, Diagnostics};

/// The embedded cluster's name, where others have that of their context.
pub const EMBEDDED: &str = "embedded";

/// The code of what is said when another process has the embedded cluster.
pub const HELD: &str = "embedded::held";

/// The folder with the data of a stack's embedded cluster in an environment.
///
/// # Errors
/// Everything that is wrong with the stack; or the environment has another cluster.
pub fn folder(request: &Request) -> Result<PathBuf, Diagnostics> {
    let compiled = Compiled::read(request)?;
    if !compiled.resolved.cluster.embedded {
        let name = &compiled.identity().environment;
        return Err(Diagnostic::error("embedded::none", format!("the environment `{name}` has no embedded cluster"))
            .help("write `cluster = { embedded = true }` in the environment's file")
            .into());
    }
    Ok(below(&session::state_dir(request, &compiled.resolved)))
}

/// The folder with an embedded cluster's data, below that of the state.
pub(super) fn below(state_dir: &Path) -> PathBuf {
    state_dir.join(EMBEDDED)
}

/// Opens the embedded cluster in a folder.
///
/// # Errors
/// With the code [`HELD`]: another process has it. Else its data can't be read.
pub fn open(folder: &Path) -> Result<EmbeddedCluster, Diagnostic> {
    let options = Options { folder: Some(folder.to_owned()), ..Options::default() };
    EmbeddedCluster::open(&options).map_err(told)
}

/// Empties the embedded cluster in a folder: the next time it is opened it is a new one.
///
/// # Errors
/// As [`open`].
pub fn reset(folder: &Path) -> Result<(), Diagnostic> {
    Folder::open(folder).and_then(Folder::empty).map_err(told)
}

fn told(error: OpenError) -> Diagnostic {
    match error {
        OpenError::Held { .. } => Diagnostic::error(HELD, error.to_string())
            .help("wait until it is done; to work on it with several at once, run `spai cluster serve` and use its kubeconfig"),
        other => Diagnostic::error("embedded::open", other.to_string())
            .help("`spai cluster reset` begins the embedded cluster anew, and empties it"),
    }
}
