//! managedFields as a run writes them: giving fields away, taking another manager's over, and putting ownership back as
//! it was. Values never change with it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::merge::FieldSet;
use crate::resource::{FieldManager, FieldPath, Object};

/// kubectl's record of what it last applied from the client; it has no meaning once the server keeps the fields.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that an entry of managedFields lists.
pub type Fields = BTreeSet<FieldPath>;

/// An entry of managedFields that was written through the object itself, not through a subresource.
pub fn on_main(entry: &Value) -> bool {
    entry["subresource"].as_str().unwrap_or_default().is_empty()
}

/// Whether it is this manager's entry of what it applied.
fn is_ours(entry: &Value, manager: &FieldManager) -> bool {
    entry["manager"] == manager.as_str() && entry["operation"] == "Apply" && on_main(entry)
}

/// This manager's entry of what it applied.
pub fn applied_entry<'o>(object: &'o Object, manager: &FieldManager) -> Option<&'o Value> {
    object.managed_fields().iter().find(|entry| is_ours(entry, manager))
}

/// What this manager has applied; empty if nothing.
pub fn applied_fields(object: &Object, manager: &FieldManager) -> Fields {
    applied_entry(object, manager).map(|entry| fields(&entry["fieldsV1"])).unwrap_or_default()
}

/// The fields of a `fieldsV1` trie; none where it isn't one.
pub fn fields(trie: &Value) -> Fields {
    FieldSet::parse(trie).map(|set| set.paths().into_iter().filter(|path| !path.0.is_empty()).collect()).unwrap_or_default()
}

/// The `fieldsV1` trie of these fields.
pub fn trie(fields: &Fields) -> Value {
    let mut set = FieldSet::default();
    for path in fields {
        set.insert(path);
    }
    set.print()
}

/// managedFields with these fields, and all that is below them, no longer ours. None: they aren't.
pub fn released(object: &Object, manager: &FieldManager, paths: &[FieldPath]) -> Option<Vec<Value>> {
    let ours = applied_fields(object, manager);
    let kept: Fields = ours.iter().filter(|field| !paths.iter().any(|path| path.covers(field))).cloned().collect();
    if kept.len() == ours.len() {
        return None;
    }
    let mut entries = object.managed_fields().to_vec();
    for entry in entries.iter_mut().filter(|entry| is_ours(entry, manager)) {
        entry["fieldsV1"] = trie(&kept);
    }
    Some(entries)
}

/// managedFields with what these managers wrote as ours, as if we had applied it. None: they wrote nothing.
///
/// kubectl's annotation becomes ours with the rest, so that the next apply, which hasn't got it, removes it.
pub fn taken_over(object: &Object, manager: &FieldManager, managers: &[String]) -> Option<Vec<Value>> {
    let is_theirs = |entry: &&Value| {
        entry["operation"] == "Update" && on_main(entry) && entry["manager"].as_str().is_some_and(|m| managers.iter().any(|name| name == m))
    };
    let theirs: Vec<&Value> = object.managed_fields().iter().filter(is_theirs).collect();
    let first = *theirs.first()?;
    let mut union = applied_fields(object, manager);
    for entry in &theirs {
        union.extend(fields(&entry["fieldsV1"]));
    }
    if object.annotation(LAST_APPLIED).is_some() {
        union.insert(FieldPath::fields(&["metadata", "annotations", LAST_APPLIED]));
    }
    let mut ours = applied_entry(object, manager).cloned().unwrap_or_else(|| {
        let mut entry = first.clone();
        entry["manager"] = manager.as_str().into();
        entry["operation"] = "Apply".into();
        entry
    });
    ours["fieldsV1"] = trie(&union);
    let rest = object.managed_fields().iter().filter(|entry| !is_theirs(entry) && !is_ours(entry, manager)).cloned();
    Some(std::iter::once(ours).chain(rest).collect())
}

/// The patch that puts these entries in the place of the object's own.
pub fn patch(entries: Vec<Value>) -> Value {
    json!([{"op": "replace", "path": "/metadata/managedFields", "value": entries}])
}

/// managedFields as they were before our writes, but for what others did since: who owned a field then owns it again,
/// unless its value couldn't go back (`kept`). None: they are so already.
pub fn restored(before: &Object, after: &Object, live: &Object, manager: &FieldManager, kept: &[FieldPath]) -> Option<Vec<Value>> {
    type Identity<'v> = (&'v Value, &'v Value, &'v Value, &'v Value);
    fn identity(entry: &Value) -> Identity<'_> {
        (&entry["manager"], &entry["operation"], &entry["apiVersion"], &entry["subresource"])
    }
    fn of<'o>(object: &'o Object, wanted: Identity<'_>) -> Option<&'o Value> {
        object.managed_fields().iter().find(|entry| identity(entry) == wanted)
    }
    let set = |entry: Option<&Value>| entry.map(|entry| fields(&entry["fieldsV1"])).unwrap_or_default();

    let mut identities: Vec<Identity<'_>> = before.managed_fields().iter().map(identity).collect();
    for entry in live.managed_fields() {
        if !identities.contains(&identity(entry)) {
            identities.push(identity(entry));
        }
    }
    let mut entries = Vec::new();
    for wanted in identities {
        let (was, became, is) = (of(before, wanted), of(after, wanted), of(live, wanted));
        // What an undo wrote is nobody's doing: such an entry stays only if there was one before.
        let by_undo = *wanted.0 == manager.as_str() && *wanted.1 == "Update";
        let (was_set, became_set, is_set) = (set(was), set(became), if by_undo { Fields::new() } else { set(is) });
        let mut goal: Fields = is_set.iter().filter(|field| !became_set.contains(*field) || was_set.contains(*field)).cloned().collect();
        // Entries of subresources are the controllers' own: they stay as they are.
        if on_subresource(wanted.3) {
            goal.clone_from(&is_set);
        } else {
            goal.extend(was_set.iter().filter(|field| !kept.iter().any(|path| path.covers(field) || field.covers(path))).cloned());
        }
        if goal.is_empty() {
            continue;
        }
        let Some(template) = (if goal == was_set { was } else { is.or(was) }) else { continue };
        let mut entry = template.clone();
        if set(Some(&entry)) != goal {
            entry["fieldsV1"] = trie(&goal);
        }
        entries.push(entry);
    }
    let unchanged = entries.len() == live.managed_fields().len()
        && entries.iter().all(|entry| of(live, identity(entry)).is_some_and(|now| set(Some(now)) == set(Some(entry))));
    // An empty list would make the server begin its records anew.
    if unchanged || entries.is_empty() { None } else { Some(entries) }
}

fn on_subresource(subresource: &Value) -> bool {
    subresource.as_str().is_some_and(|name| !name.is_empty())
}

/// Whether the object was made by this manager's apply, and nobody else has written to it since: its entry is as old as
/// the object, and the only one (a controller's status apart).
pub fn made_by(object: &Object, manager: &FieldManager) -> bool {
    let Some(ours) = applied_entry(object, manager) else { return false };
    ours["time"].is_string()
        && ours["time"] == object.value()["metadata"]["creationTimestamp"]
        && object.managed_fields().iter().all(|entry| is_ours(entry, manager) || !on_main(entry))
}

/// An object without any of our fields, to be applied: what we had set goes, where nobody else has.
pub fn empty_configuration(object: &Object) -> Object {
    let mut metadata = Map::new();
    for field in ["name", "namespace"] {
        if let Some(value) = object.value()["metadata"].get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let value = json!({"apiVersion": object.api_version(), "kind": object.kind(), "metadata": metadata});
    // It has the same identity as an object that is one.
    Object::try_from(value).unwrap_or_else(|_| object.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager() -> FieldManager {
        FieldManager("spai:s:e".to_owned())
    }

    fn object(entries: Value) -> Object {
        Object::try_from(json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "managedFields": entries}})).unwrap()
    }

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields, "time": "2026-11-20T14:02:00Z"})
    }

    #[test]
    fn tries_and_sets_are_the_same_thing() {
        for text in [
            json!({"f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}}, "f:spec": {"f:replicas": {}, "f:selector": {}}}),
            json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}, "f:x": {"v:\"a\"": {}, "i:3": {}}}),
        ] {
            assert_eq!(trie(&fields(&text)), text);
        }
    }

    #[test]
    fn released_fields_leave_our_entry_and_no_other() {
        let live = object(json!([
            entry("spai:s:e", "Apply", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})),
            entry("other", "Apply", json!({"f:spec": {"f:replicas": {}}})),
        ]));
        let path = FieldPath::fields(&["spec", "replicas"]);
        let entries = released(&live, &manager(), std::slice::from_ref(&path)).unwrap();
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
        assert_eq!(entries[1], live.managed_fields()[1]);
        assert_eq!(released(&object(json!(entries)), &manager(), &[path]), None);
    }

    #[test]
    fn a_take_over_leaves_nothing_to_the_former_manager() {
        let live = object(json!([
            entry("kubectl-client-side-apply", "Update", json!({"f:spec": {"f:a": {}}})),
            entry("kube-controller-manager", "Update", json!({"f:status": {}})),
        ]));
        let entries = taken_over(&live, &manager(), &["kubectl-client-side-apply".to_owned()]).unwrap();
        assert_eq!((entries.len(), &entries[0]["manager"], &entries[0]["operation"]), (2, &json!("spai:s:e"), &json!("Apply")));
        assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:a": {}}}));
    }

    #[test]
    fn ownership_goes_back_and_what_others_took_since_stays() {
        let before =
            object(json!([entry("human", "Update", json!({"f:a": {}, "f:b": {}})), entry("spai:s:e", "Apply", json!({"f:c": {}}))]));
        let after =
            object(json!([entry("human", "Update", json!({"f:b": {}})), entry("spai:s:e", "Apply", json!({"f:a": {}, "f:c": {}}))]));
        // An undo has put the value of `a` back, and a controller has come.
        let live = object(json!([
            entry("human", "Update", json!({"f:b": {}})),
            entry("spai:s:e", "Apply", json!({"f:c": {}})),
            entry("spai:s:e", "Update", json!({"f:a": {}})),
            entry("controller", "Update", json!({"f:d": {}})),
        ]));
        let entries = restored(&before, &after, &live, &manager(), &[]).unwrap();
        assert_eq!(entries[..2], *before.managed_fields());
        assert_eq!((entries.len(), &entries[2]["manager"]), (3, &json!("controller")));
        assert_eq!(restored(&before, &after, &object(json!(entries)), &manager(), &[]), None);
    }
}
