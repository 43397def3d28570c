//! What the server would answer, worked out here: server-side apply, then its canonical form and defaults, then what it refuses.

use serde_json::Value;

use crate::merge::{self, Converted, Merged, Refused, Writer, reset_fields};
use crate::resource::{FieldManager, FieldPath, Object};
use crate::schema::{self, TypeRef};

use super::{Answer, Conflict, refusal, service};

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
    let merged = match merge::apply(whole.as_ref(), configuration.value(), &by, force) {
        Ok(merged) => merged,
        Err(Refused::Conflicts(conflicts)) => return Some(Answer::Conflict(conflicts.0.into_iter().map(conflict).collect())),
        Err(Refused::Unknown(_)) => return None,
        Err(refused) => return Some(Answer::Refused { message: refused.to_string() }),
    };
    let after = match live {
        Some(live) if merged.is_unchanged() => live.clone(),
        _ => match stored(live, merged, kind) {
            Ok(after) => after,
            Err(refused) => return Some(refused),
        },
    };
    let causes = live.map(|live| refusal::foreseen(live, &after)).unwrap_or_default();
    if causes.is_empty() {
        return Some(Answer::Applied { object: after, warnings: Vec::new() });
    }
    let message = causes.iter().map(|(field, words)| format!("{field}: {words}")).collect::<Vec<_>>().join(", ");
    Some(Answer::Invalid { causes, message })
}

/// What the server makes of what was merged.
fn stored(live: Option<&Object>, merged: Merged, kind: Kind<'_>) -> Result<Object, Answer> {
    let mut value = merged.object;
    status_stays(&mut value, live, kind);
    let malformed: Vec<(String, String)> =
        schema::canonical(&mut value, kind.of).into_iter().map(|found| (found.path.to_string(), found.error.to_string())).collect();
    if !malformed.is_empty() {
        let message = malformed.iter().map(|(field, words)| format!("{field}: {words}")).collect::<Vec<_>>().join(", ");
        return Err(Answer::Invalid { causes: malformed, message });
    }
    schema::complete(&mut value, kind.of);
    if let Some(live) = live {
        service::drop_what_its_type_had(&mut value, live.value());
    }
    Object::try_from(value).map_err(|error| Answer::Refused { message: error.to_string() })
}

/// A write to the object itself doesn't touch a status that is written apart.
fn status_stays(value: &mut Value, live: Option<&Object>, kind: Kind<'_>) {
    let apart = |value: &Value| {
        let object = Object::try_from(value.clone());
        object.is_ok_and(|object| {
            let status = FieldPath::fields(&["status"]);
            reset_fields(&object.gvk().group_kind(), None, kind.status_apart).owns(&status)
        })
    };
    let before = live.and_then(|live| live.value().get("status"));
    if value.get("status") == before || !apart(value) {
        return;
    }
    let Some(map) = value.as_object_mut() else { return };
    match before {
        Some(status) => map.insert("status".to_owned(), status.clone()),
        None => map.remove("status"),
    };
}

fn conflict(found: merge::Conflict) -> Conflict {
    Conflict { manager: found.manager, since: found.time, path: found.path, ours_before: false }
}
