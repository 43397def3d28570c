//! Whether a write was done, is still to be done, or must not be done any more: decided by reading the object again, after
//! a lost answer, a stale guard or a crash.
//!
//! Only what the plan was about counts: a controller's status, another manager's label or an autoscaler's replicas are
//! no reason to stop.

use serde_json::Value;

use super::ownership::{self, Fields};
use super::record::Effect;
use crate::merge::{elements, value_at};
use crate::plan::Write;
use crate::resource::{FieldManager, FieldPath, Object, PathElement};
use crate::schema::TypeRef;

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

/// Judges a write that was planned for `base`, now that the object, which is of this type, is `live`.
pub fn judge(write: &Write, manager: &FieldManager, base: Option<&Object>, live: Option<&Object>, of: TypeRef<'_>) -> Verdict {
    match write {
        Write::Delete { .. } => judge_delete(manager, base, live),
        Write::Apply { object, force, creates } => match (live, *creates) {
            (None, true) => Verdict::Send,
            (Some(live), true) => judge_create(manager, live),
            (_, false) => match same_object(base, live) {
                Err(why) => Verdict::Moved(why),
                Ok((base, live)) => judge_update(&Wanted { object, of }, *force, manager, base, live),
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

/// What is to be applied, and its type.
struct Wanted<'w> {
    object: &'w Object,
    of: TypeRef<'w>,
}

impl Wanted<'_> {
    fn value(&self, path: &FieldPath) -> Option<&Value> {
        value_at(self.of, path, self.object.value())
    }

    fn says(&self, path: &FieldPath) -> bool {
        self.value(path).is_some()
    }
}

fn judge_update(wanted: &Wanted<'_>, force: bool, manager: &FieldManager, base: &Object, live: &Object) -> Verdict {
    let (had, have) = (ownership::applied_fields(base, manager), ownership::applied_fields(live, manager));
    if base.resource_version() != live.resource_version() && is_applied(wanted, &had, &have, live) {
        return Verdict::Done(Effect { before: Some(base.clone()), after: Some(live.clone()), hit_existing: false });
    }
    if let Some(path) = moved_value(wanted, &had, base, live) {
        return Verdict::Moved(format!("somebody else changed its {path} meanwhile"));
    }
    if force && let Some((owner, path)) = new_owner(wanted, manager, base, live) {
        return Verdict::Moved(format!("{owner} took its {path} meanwhile"));
    }
    Verdict::Send
}

/// Whether our configuration is what we own on the object, and what it holds: nothing to add and nothing left to remove.
fn is_applied(wanted: &Wanted<'_>, had: &Fields, have: &Fields, live: &Object) -> bool {
    !have.is_empty()
        && have.iter().all(|path| wanted.says(path))
        && had.difference(have).all(|lost| !wanted.says(lost))
        && holds(wanted.object, live, wanted.of)
}

/// Whether every value that the configuration gives stands in the live object.
pub fn holds(configuration: &Object, live: &Object, of: TypeRef<'_>) -> bool {
    first_difference(configuration.value(), configuration.value(), live.value(), of, &FieldPath::root()).is_none()
}

/// A place that the plan was about and whose value is neither as it was nor as it is to be.
fn moved_value(wanted: &Wanted<'_>, had: &Fields, base: &Object, live: &Object) -> Option<FieldPath> {
    first_difference(wanted.object.value(), base.value(), live.value(), wanted.of, &FieldPath::root()).or_else(|| {
        let to_remove = had.iter().filter(|path| !wanted.says(path));
        to_remove
            .filter_map(|path| Some((path, path.get(base.value())?, path.get(live.value())?)))
            .find(|(_, was, is)| is_leaf(Some(was)) && was != is)
            .map(|(path, _, _)| path.clone())
    })
}

/// Another manager that has come to own a field of the configuration since.
fn new_owner(wanted: &Wanted<'_>, manager: &FieldManager, base: &Object, live: &Object) -> Option<(String, FieldPath)> {
    for entry in live.managed_fields().iter().filter(|entry| entry["manager"] != manager.as_str()) {
        let identity = |e: &&Value| ["manager", "operation", "subresource"].iter().all(|field| e[*field] == entry[*field]);
        let known = base.managed_fields().iter().find(identity).map(|e| ownership::fields(&e["fieldsV1"])).unwrap_or_default();
        let new = ownership::fields(&entry["fieldsV1"]);
        if let Some(path) = new.difference(&known).find(|path| is_leaf(wanted.value(path))) {
            return Some((entry["manager"].as_str().unwrap_or("somebody else").to_owned(), path.clone()));
        }
    }
    None
}

fn is_leaf(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_object() && !value.is_array())
}

/// The first place of `wanted` at which `live` has neither `base`'s value nor `wanted`'s.
fn first_difference(wanted: &Value, base: &Value, live: &Value, of: TypeRef<'_>, path: &FieldPath) -> Option<FieldPath> {
    match wanted {
        Value::Object(map) => map.iter().find_map(|(name, value)| {
            if is_identity(path, name) {
                return None;
            }
            let below_it = of.field(name).unwrap_or(TypeRef::any());
            below(value, base.get(name), live.get(name), below_it, &path.field(name))
        }),
        Value::Array(items) if wanted != live && base != live => {
            let (Some(before), Some(now)) = (base.as_array(), live.as_array()) else { return Some(path.clone()) };
            let item_of = of.item().unwrap_or(TypeRef::any());
            let Some([keys, keys_before, keys_now]) = elements(of, [items, before, now]) else {
                // One value: it is as it is to be if it is so but for what the server fills in.
                let is_wanted = |(item, now)| first_difference(item, item, now, item_of, path).is_none();
                return (items.len() != now.len() || !items.iter().zip(now).all(is_wanted)).then(|| path.clone());
            };
            items.iter().zip(&keys).find_map(|(item, element)| {
                let (base, live) = (item_at(element, &keys_before, before), item_at(element, &keys_now, now));
                below(item, base, live, item_of, &path.join(element.clone()))
            })
        }
        Value::Null | Value::Array(_) => None,
        scalar => (scalar != live && base != live).then(|| path.clone()),
    }
}

/// The item of a list that an element leads to.
fn item_at<'l>(element: &PathElement, elements: &[PathElement], items: &'l [Value]) -> Option<&'l Value> {
    elements.iter().position(|key| key == element).and_then(|index| items.get(index))
}

fn below(wanted: &Value, base: Option<&Value>, live: Option<&Value>, of: TypeRef<'_>, path: &FieldPath) -> Option<FieldPath> {
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
        (Some(base), Some(live)) => first_difference(wanted, base, live, of, path),
        // It came or went meanwhile: right only if it came as it is to be.
        (None, Some(live)) => first_difference(wanted, wanted, live, of, path),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::widget::{widget, widget_type};
    use crate::resource::GroupVersionKind;
    use crate::schema::{MINORS, built_in};
    use serde_json::json;

    fn manager() -> FieldManager {
        FieldManager("spai:s:e".to_owned())
    }

    /// A widget that our manager has applied with these fields.
    fn stored(version: &str, spec: Value, fields: Value) -> Object {
        let mut object = widget(spec);
        let entry = json!({"manager": "spai:s:e", "operation": "Apply", "apiVersion": "example.dev/v1", "fieldsV1": {"f:spec": fields}});
        object.value_mut()["metadata"]["uid"] = "u".into();
        object.value_mut()["metadata"]["resourceVersion"] = version.into();
        object.value_mut()["metadata"]["managedFields"] = json!([entry]);
        object
    }

    fn judged(wanted: Value, base: &Object, live: &Object) -> Verdict {
        let write = Write::Apply { object: widget(wanted), force: false, creates: false };
        judge(&write, &manager(), Some(base), Some(live), widget_type())
    }

    #[test]
    fn an_item_whose_key_is_left_out_is_the_one_with_the_default() {
        let lane = |limit: u8| json!({"lanes": [{"route": "a", "mode": "fast", "limit": limit}]});
        let owned = json!({"f:lanes": {"k:{\"mode\":\"fast\",\"route\":\"a\"}": {".": {}, "f:route": {}, "f:limit": {}}}});
        let wanted = json!({"lanes": [{"route": "a", "limit": 2}]});
        let base = stored("1", lane(1), owned.clone());
        let done = judged(wanted.clone(), &base, &stored("2", lane(2), owned.clone()));
        assert!(matches!(done, Verdict::Done(_)), "{done:?}");
        let Verdict::Moved(why) = judged(wanted.clone(), &base, &stored("2", lane(7), owned)) else { panic!() };
        assert_eq!(why, "somebody else changed its spec.lanes[mode=fast,route=a].limit meanwhile");
        assert!(matches!(judged(wanted, &base, &base), Verdict::Send));
    }

    #[test]
    fn an_atomic_list_whose_items_have_names_has_moved_as_a_whole() {
        let env = |names: &[&str]| json!({"env": names.iter().map(|name| json!({"name": name, "value": "1"})).collect::<Vec<_>>()});
        let base = stored("1", env(&["a"]), json!({"f:env": {}}));
        let Verdict::Moved(why) = judged(env(&["a", "b"]), &base, &stored("2", env(&["a", "c"]), json!({"f:env": {}}))) else { panic!() };
        assert_eq!(why, "somebody else changed its spec.env meanwhile");
    }

    #[test]
    fn what_the_server_fills_into_an_atomic_list_is_no_difference() {
        let policy = |port: Value| {
            let spec = json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
            let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x"}, "spec": spec});
            Object::try_from(object).unwrap()
        };
        let of = built_in(MINORS[1]).kind(&GroupVersionKind::from_api_version("networking.k8s.io/v1", "NetworkPolicy")).unwrap();
        let wanted = policy(json!({"port": 80}));
        assert!(holds(&wanted, &policy(json!({"port": 80, "protocol": "TCP"})), of));
        assert!(!holds(&wanted, &policy(json!({"port": 81, "protocol": "TCP"})), of));
    }
}
