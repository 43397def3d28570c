//! Whether a write was done, is still to be done, or must not be done any more: decided by reading the object again, after
//! a lost answer, a stale guard or a crash.
//!
//! Only what the plan was about counts: a controller's status, another manager's label or an autoscaler's replicas are
//! no reason to stop.

use serde_json::Value;

use super::ownership::{self, Fields};
use super::record::Effect;
use super::restore::{item_with, merge_keys};
use crate::plan::Write;
use crate::resource::{FieldManager, FieldPath, Object, PathElement};

/// What reading an object again tells of a write to it.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It was done.
    Done(Effect),
    /// It wasn't, and can be sent for the object as it is now.
    Send,
    /// What it was planned upon is no longer so, and this is why.
    Moved(String),
}

/// Judges a write that was planned for `base`, now that the object is `live`.
pub fn judge(write: &Write, manager: &FieldManager, base: Option<&Object>, live: Option<&Object>) -> Verdict {
    match write {
        Write::Delete { .. } => judge_delete(manager, base, live),
        Write::Apply { object, force, creates } => match (live, *creates) {
            (None, true) => Verdict::Send,
            (Some(live), true) => judge_create(manager, live),
            (_, false) => match same_object(base, live) {
                Err(why) => Verdict::Moved(why),
                Ok((base, live)) => judge_update(object, *force, manager, base, live),
            },
        },
        Write::Release { paths } => judge_ownership(base, live, |live| ownership::released(live, manager, paths).is_none()),
        Write::TakeOver { managers } => judge_ownership(base, live, |live| ownership::taken_over(live, manager, managers).is_none()),
    }
}

/// The object that was planned upon, and what it is now; an error if it is another one, or gone.
fn same_object<'o>(base: Option<&'o Object>, live: Option<&'o Object>) -> Result<(&'o Object, &'o Object), String> {
    let live = live.ok_or("it was deleted by somebody else meanwhile")?;
    let base = base.ok_or("it was made by somebody else meanwhile")?;
    if base.uid() != live.uid() {
        return Err("it was deleted and made again by somebody else meanwhile".to_owned());
    }
    if live.is_being_deleted() && !base.is_being_deleted() {
        return Err("somebody else is deleting it".to_owned());
    }
    Ok((base, live))
}

fn judge_create(manager: &FieldManager, live: &Object) -> Verdict {
    if live.is_being_deleted() {
        return Verdict::Moved("an object of the same name is still being deleted".to_owned());
    }
    if ownership::made_by(live, manager) {
        return Verdict::Done(Effect { before: None, after: Some(live.clone()), hit_existing: false });
    }
    Verdict::Moved("somebody else made it meanwhile".to_owned())
}

fn judge_delete(manager: &FieldManager, base: Option<&Object>, live: Option<&Object>) -> Verdict {
    let Some(base) = base else { return Verdict::Moved("it was made by somebody else meanwhile".to_owned()) };
    match live {
        Some(live) if live.uid() == base.uid() && live.is_being_deleted() => {
            Verdict::Done(Effect { before: Some(base.clone()), after: Some(live.clone()), hit_existing: false })
        }
        Some(live) if live.uid() == base.uid() => {
            let ours = ownership::applied_fields(base, manager);
            match ours.iter().find(|path| path.get(base.value()) != path.get(live.value()) && is_leaf(path.get(base.value()))) {
                Some(path) => Verdict::Moved(format!("somebody else changed its {path} meanwhile")),
                None => Verdict::Send,
            }
        }
        // Gone, or another object has its name: the one that was to go has gone.
        _ => Verdict::Done(Effect { before: Some(base.clone()), after: None, hit_existing: false }),
    }
}

fn judge_ownership(base: Option<&Object>, live: Option<&Object>, is_done: impl Fn(&Object) -> bool) -> Verdict {
    match same_object(base, live) {
        Err(why) => Verdict::Moved(why),
        Ok((base, live)) if is_done(live) => {
            Verdict::Done(Effect { before: Some(base.clone()), after: Some(live.clone()), hit_existing: false })
        }
        Ok(_) => Verdict::Send,
    }
}

fn judge_update(configuration: &Object, force: bool, manager: &FieldManager, base: &Object, live: &Object) -> Verdict {
    let (had, have) = (ownership::applied_fields(base, manager), ownership::applied_fields(live, manager));
    if base.resource_version() != live.resource_version() && is_applied(configuration, &had, &have, live) {
        return Verdict::Done(Effect { before: Some(base.clone()), after: Some(live.clone()), hit_existing: false });
    }
    if let Some(path) = moved_value(configuration, &had, base, live) {
        return Verdict::Moved(format!("somebody else changed its {path} meanwhile"));
    }
    if force && let Some((owner, path)) = new_owner(configuration, manager, base, live) {
        return Verdict::Moved(format!("{owner} took its {path} meanwhile"));
    }
    Verdict::Send
}

/// Whether our configuration is what we own on the object, and what it holds: nothing to add and nothing left to remove.
fn is_applied(configuration: &Object, had: &Fields, have: &Fields, live: &Object) -> bool {
    let said = |path: &FieldPath| path.get(configuration.value()).is_some();
    !have.is_empty() && have.iter().all(said) && had.difference(have).all(|lost| !said(lost)) && holds(configuration, live)
}

/// Whether every value that the configuration gives stands in the live object.
pub fn holds(configuration: &Object, live: &Object) -> bool {
    first_difference(configuration.value(), configuration.value(), live.value(), &FieldPath::root()).is_none()
}

/// A place that the plan was about and whose value is neither as it was nor as it is to be.
fn moved_value(configuration: &Object, had: &Fields, base: &Object, live: &Object) -> Option<FieldPath> {
    let said = |path: &FieldPath| path.get(configuration.value()).is_some();
    first_difference(configuration.value(), base.value(), live.value(), &FieldPath::root()).or_else(|| {
        let to_remove = had.iter().filter(|path| !said(path));
        to_remove
            .filter_map(|path| Some((path, path.get(base.value())?, path.get(live.value())?)))
            .find(|(_, was, is)| is_leaf(Some(was)) && was != is)
            .map(|(path, _, _)| path.clone())
    })
}

/// Another manager that has come to own a field of the configuration since.
fn new_owner(configuration: &Object, manager: &FieldManager, base: &Object, live: &Object) -> Option<(String, FieldPath)> {
    for entry in live.managed_fields().iter().filter(|entry| entry["manager"] != manager.as_str()) {
        let identity = |e: &&Value| ["manager", "operation", "subresource"].iter().all(|field| e[*field] == entry[*field]);
        let known = base.managed_fields().iter().find(identity).map(|e| ownership::fields(&e["fieldsV1"])).unwrap_or_default();
        let new = ownership::fields(&entry["fieldsV1"]);
        let taken = new.difference(&known).find(|path| path.get(configuration.value()).is_some_and(|v| is_leaf(Some(v))));
        if let Some(path) = taken {
            return Some((entry["manager"].as_str().unwrap_or("somebody else").to_owned(), path.clone()));
        }
    }
    None
}

fn is_leaf(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_object() && !value.is_array())
}

/// The first place of `wanted` at which `live` has neither `base`'s value nor `wanted`'s.
fn first_difference(wanted: &Value, base: &Value, live: &Value, path: &FieldPath) -> Option<FieldPath> {
    match wanted {
        Value::Object(map) => map.iter().find_map(|(name, value)| {
            if is_identity(path, name) {
                return None;
            }
            below(value, base.get(name), live.get(name), &path.field(name))
        }),
        Value::Array(items) if wanted != live && base != live => {
            let (Some(before), Some(now)) = (base.as_array(), live.as_array()) else { return Some(path.clone()) };
            let Some(keys) = merge_keys(&[items.as_slice(), before.as_slice(), now.as_slice()]) else { return Some(path.clone()) };
            items.iter().find_map(|item| {
                let element = PathElement::Key(keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect());
                below(item, item_with(before, item, keys), item_with(now, item, keys), &path.join(element))
            })
        }
        Value::Null | Value::Array(_) => None,
        scalar => (scalar != live && base != live).then(|| path.clone()),
    }
}

fn below(wanted: &Value, base: Option<&Value>, live: Option<&Value>, path: &FieldPath) -> Option<FieldPath> {
    // Empty containers needn't be stored.
    let empty = match wanted {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match (base, live) {
        _ if empty => None,
        (None, None) => None,
        (Some(base), Some(live)) => first_difference(wanted, base, live, path),
        // It came or went meanwhile: right only if it came as it is to be.
        (None, Some(live)) => first_difference(wanted, wanted, live, path),
        (Some(_), None) => Some(path.clone()),
    }
}

/// What stands in every object and is no field of its own.
fn is_identity(path: &FieldPath, name: &str) -> bool {
    match path.0.as_slice() {
        [] => matches!(name, "apiVersion" | "kind"),
        [PathElement::Field(parent)] if parent == "metadata" => matches!(name, "name" | "namespace" | "uid" | "resourceVersion"),
        _ => false,
    }
}
