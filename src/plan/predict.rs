//! What the server would answer, worked out here: what it would store, and what it refuses.

use serde_json::Value;

use crate::merge::{self, Converted, Refused, Writer, reset_fields};
use crate::resource::{FieldManager, Object};
use crate::schema::TypeRef;

use super::{Answer, Conflict, refusal};

/// A time that no entry has: when something is written is not the plan's to know.
const SOMETIME: &str = "1970-01-01T00:00:00Z";

/// A kind as far as predictions depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind<'t> {
    /// Its type.
    pub of: TypeRef<'t>,
    /// Of a custom kind: its status is written apart.
    pub status_apart: bool,
    /// It is as a definition of the stack's own will have it; the server doesn't know it yet.
    pub is_new: bool,
}

/// The server's answer to an apply as this manager. None: only the server can tell, for somebody owns fields in a version that
/// it alone can convert to.
pub(super) fn answer(live: Option<&Object>, configuration: &Object, force: bool, manager: &FieldManager, kind: Kind<'_>) -> Option<Answer> {
    let reset = reset_fields(&configuration.gvk().group_kind(), None, kind.status_apart);
    let by = Writer {
        of: kind.of,
        manager: manager.as_str(),
        subresource: None,
        reset: &reset,
        time: SOMETIME,
        // A custom kind may have a webhook for it, a built-in one code: neither is known here.
        convert: &|_, _| Converted::Unknown,
    };
    let whole = live.map(|live| Value::from(live.clone()));
    let merged = match merge::predict(whole.as_ref(), configuration.value(), &by, force) {
        Ok(merged) => merged,
        Err(Refused::Conflicts(conflicts)) => return Some(Answer::Conflict(conflicts.0.into_iter().map(conflict).collect())),
        Err(Refused::Unknown(_)) => return None,
        Err(Refused::Malformed(found)) => {
            return Some(invalid(found.into_iter().map(|found| (found.path.to_string(), found.error.to_string())).collect()));
        }
        Err(refused) => return Some(Answer::Refused { message: refused.to_string() }),
    };
    let after = match live {
        Some(live) if merged.is_unchanged() => live.clone(),
        _ => match Object::try_from(merged.object) {
            Ok(after) => after,
            Err(error) => return Some(Answer::Refused { message: error.to_string() }),
        },
    };
    let causes = live.map(|live| refusal::foreseen(live, &after)).unwrap_or_default();
    if causes.is_empty() {
        return Some(Answer::Applied { object: after, warnings: Vec::new() });
    }
    Some(invalid(causes))
}

fn invalid(causes: Vec<(String, String)>) -> Answer {
    let message = causes.iter().map(|(field, words)| format!("{field}: {words}")).collect::<Vec<_>>().join(", ");
    Answer::Invalid { causes, message }
}

fn conflict(found: merge::Conflict) -> Conflict {
    Conflict { manager: found.manager, since: found.time, path: found.path, ours_before: false }
}
