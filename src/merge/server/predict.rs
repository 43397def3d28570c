//! What the server will store: the merge, and what comes after it.

use serde_json::Value;

use super::empty::{with_always_written, with_structs};
use super::service::drop_what_its_type_had;
use super::update::finish;
use super::{Merged, Refused, Writer, apply};
use crate::merge::typed::refused_null;
use crate::merge::{remove, set};
use crate::schema;

/// What stands there after the writer has applied `configuration`, but for what admission changes: merged, and then in the server's
/// form, which is canonical, with defaults. What the write can't change is as it was.
///
/// # Errors
/// The server refuses.
pub fn predict(live: Option<&Value>, configuration: &Value, by: &Writer<'_>, force: bool) -> Result<Merged, Refused> {
    let merged = apply(live, configuration, by, force)?;
    if merged.is_unchanged() {
        // As it stands, however the same is written there: `1` for `1.0`.
        return Ok(Merged { object: live.cloned().unwrap_or(merged.object), ..merged });
    }
    let mut object = merged.object;
    // Of built-in kinds null is as good as nothing.
    if by.of.name().is_none()
        && let Some(path) = refused_null(by.of, &object)
    {
        return Err(Refused::Null(path));
    }
    with_structs(by.of, &mut object);
    let malformed = schema::canonical(&mut object, by.of);
    if !malformed.is_empty() {
        return Err(Refused::Malformed(malformed));
    }
    schema::complete(&mut object, by.of);
    with_always_written(by.of, &mut object);
    if let Some(live) = live {
        drop_what_its_type_had(&mut object, live);
    }
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
