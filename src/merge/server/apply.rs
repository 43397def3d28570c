//! Server-side apply.

use serde_json::Value;

use super::empty::empty_object;
use super::last_applied::{allowed_conflicts, recorded};
use super::managers::{Managers, identity, without_identity};
use super::prune::pruned;
use super::update::{by_todays_type, finish, remove_managers, settle, written};
use super::writer::{kind_of, named};
use super::{Conflicts, Merged, Refused, Writer};
use crate::merge::typed::{Duplicates, fields_of, merged, validate};
use crate::merge::{ManagerEntry, Operation};
use crate::resource::same_value;

/// Who is taken to have written what stands there, where nothing is recorded.
const BEFORE: &str = "before-first-apply";
/// The only manager whose conflicts with its own former client-side apply don't count.
pub(in crate::merge) const KUBECTL: &str = "kubectl";

/// What the server makes of `live` (none: it is created) when the writer applies `configuration`.
///
/// # Errors
/// It refuses: conflicts, or one of the two isn't of its type.
pub fn apply(live: Option<&Value>, configuration: &Value, by: &Writer<'_>, force: bool) -> Result<Merged, Refused> {
    if let Some(live) = live
        && (live["apiVersion"] != configuration["apiVersion"] || live["kind"] != configuration["kind"])
    {
        return Err(Refused::BadRequest(format!("invalid object type: {}", kind_of(configuration))));
    }
    if configuration["metadata"].get("managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(Refused::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let empty = live.is_none().then(|| empty_object(by.of, configuration));
    let standing = live.or(empty.as_ref()).unwrap_or(&Value::Null);
    let mut managers = Managers::read(standing)?;
    validate(by.of, configuration, Duplicates::Refused)
        .map_err(|errors| Refused::Configuration { object: named(configuration), errors })?;
    validate(by.of, standing, Duplicates::Allowed).map_err(|errors| Refused::Live { object: named(standing), errors })?;
    if managers.is_empty() && live.is_some() {
        let mut bare = standing.clone();
        remove_managers(&mut bare);
        managers = written(&empty_object(by.of, configuration), &bare, managers, by, BEFORE)?.unwrap_or_default();
    }

    let attempt = |force: bool| attempt(standing, configuration, managers.clone(), by, force);
    let (mut object, managers) = match attempt(force) {
        Err(Refused::Conflicts(conflicts)) if by.manager == KUBECTL => {
            let allowed = allowed_conflicts(standing, by.of);
            let refused: Vec<_> = conflicts.0.iter().filter(|conflict| !allowed.contains(&conflict.path)).cloned().collect();
            if !allowed.is_empty() && refused.is_empty() {
                attempt(true)?
            } else if allowed.is_empty() {
                return Err(conflicts.into());
            } else {
                return Err(Conflicts(refused).into());
            }
        }
        other => other?,
    };
    if by.manager == KUBECTL {
        recorded(&mut object, configuration);
    }
    managers.write(&mut object);
    Ok(finish(live, object))
}

fn attempt(
    standing: &Value,
    configuration: &Value,
    managers: Managers,
    by: &Writer<'_>,
    force: bool,
) -> Result<(Value, Managers), Refused> {
    let version = configuration["apiVersion"].as_str().unwrap_or_default();
    let mut managers = by_todays_type(standing, managers, by)?;
    let mut entry = ManagerEntry {
        manager: if by.manager.is_empty() { "unknown" } else { by.manager }.to_owned(),
        operation: Operation::Apply,
        api_version: version.to_owned(),
        time: None,
        subresource: by.subresource.map(str::to_owned),
        fields: fields_of(by.of, configuration).without(by.reset),
    };
    let me = identity(&entry);
    let last = managers.0.get(&me).cloned();
    entry.time = last.as_ref().and_then(|last| last.time.clone());
    managers.put(entry);

    let mut object = merged(by.of, standing, configuration);
    if let Some(last) = &last {
        if keeps_all(&me, last, version, &managers) && !holds_nothing_somewhere(configuration) {
            let same = |pruned: &Value| same_value(pruned, &object);
            debug_assert!(pruned(object.clone(), version, last, &managers, by).is_ok_and(|pruned| same(&pruned)), "{object}");
        } else {
            object = pruned(object, version, last, &managers, by).map_err(|why| why.at("failed to prune fields"))?;
        }
    }
    settle(standing, &object, &mut managers, Some(&me), by, force)?;

    // What wrote nothing keeps its time.
    let wrote = !same_value(standing, &object);
    if let Some(entry) = managers.0.get_mut(&me) {
        entry.fields = without_identity(&entry.fields);
        if wrote {
            entry.time = Some(by.time.to_owned());
        }
    }
    managers.drop_empty();
    remove_managers(&mut object);
    Ok((object, managers))
}

/// Whether something in it is null, or an empty map or list: who owns that takes what nobody owns below.
fn holds_nothing_somewhere(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty() || items.iter().any(holds_nothing_somewhere),
        Value::Object(map) => map.is_empty() || map.values().any(holds_nothing_somewhere),
        _ => false,
    }
}

/// Whether the manager applies everything that it applied last: then nothing of it is to be taken out. Only where all fields are told
/// in one version; what has to be converted to another may not be there at all.
fn keeps_all(me: &str, last: &ManagerEntry, version: &str, managers: &Managers) -> bool {
    last.api_version == version
        && managers.0.values().all(|entry| entry.api_version == version)
        && managers.0.get(me).is_some_and(|now| last.fields.difference(&now.fields).is_empty())
}
