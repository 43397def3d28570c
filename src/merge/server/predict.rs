//! What the server will store: the merge, and what comes after it.

use serde_json::Value;

use super::empty::{with_always_written, with_structs};
use super::update::finish;
use super::{Merged, Refused, Writer, apply};
use crate::merge::typed::refused_null;
use crate::merge::{remove, set};

/// What stands there after the writer has applied `configuration`, but for what admission changes: merged, and then put into
/// the server's form by `complete` (unknown fields pruned, defaults set, values canonical). What the write can't change is as it was.
///
/// # Errors
/// The server refuses.
pub fn predict(
    live: Option<&Value>,
    configuration: &Value,
    by: &Writer<'_>,
    force: bool,
    complete: &dyn Fn(&mut Value),
) -> Result<Merged, Refused> {
    let mut object = apply(live, configuration, by, force)?.object;
    // Of built-in kinds null is as good as nothing.
    if by.of.name().is_none()
        && let Some(path) = refused_null(by.of, &object)
    {
        return Err(Refused::Null(path));
    }
    with_structs(by.of, &mut object);
    complete(&mut object);
    with_always_written(by.of, &mut object);
    for path in by.reset.paths() {
        match live.and_then(|live| path.get(live)) {
            Some(standing) => {
                set(&mut object, &path, standing.clone());
            }
            None => {
                remove(&mut object, &path);
            }
        }
    }
    Ok(finish(live, object))
}
