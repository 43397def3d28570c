//! `spai import`: objects that somebody else made become the stack's, without a change beyond what the stack says.

use super::apply::{Pending, begin_as};
use super::{Refusal, Request, Session};
use crate::resource::{Diagnostic, Diagnostics, ObjectKey};

/// Makes the plan that takes these objects over and does nothing else (`spai apply --adopt` does it for all). To
/// adopt them is what was asked for: whoever carries it out consents to that.
///
/// # Errors
/// The stack has no such object; else as [`super::apply::begin`].
pub async fn begin(request: &Request, keys: &[ObjectKey]) -> Result<Pending, Refusal> {
    let mut narrowed = request.clone();
    narrowed.filter.targets = keys.iter().map(target).collect();
    narrowed.adopt = true;
    let session = Session::open(&narrowed).await?;
    let missing = keys.iter().filter(|key| !session.compiled.desired.iter().any(|desired| is_meant(key, &desired.key())));
    let unknown: Vec<Diagnostic> = missing
        .map(|key| {
            Diagnostic::error("import::not_in_stack", format!("the stack has no {key}"))
                .help("put it into the stack first (a file under manifests/ will do), then import it")
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Diagnostics(unknown).into());
    }
    Box::pin(begin_as(session, &narrowed, "import", None)).await
}

/// Whether what somebody wrote, perhaps without the group, means this object.
fn is_meant(written: &ObjectKey, key: &ObjectKey) -> bool {
    let group = written.group.is_empty() || written.group == key.group;
    group && written.kind.eq_ignore_ascii_case(&key.kind) && written.namespace == key.namespace && written.name == key.name
}

/// As `--target` has it.
fn target(key: &ObjectKey) -> String {
    let kind = key.group_kind();
    match &key.namespace {
        Some(namespace) => format!("{kind}/{namespace}/{}", key.name),
        None => format!("{kind}/{}", key.name),
    }
}
