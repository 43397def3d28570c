//! Takes a change back out of an object that others may have changed since: a three-way merge, field by field.
//!
//! `before` and `after` are what a write did; `live` is what is there now. Where `live` is still as `after`, it becomes
//! as `before`; where we changed nothing it stays; where somebody else has written over our value, it stays too, and
//! the place is reported.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::resource::{FieldPath, Object, PathElement, SERVER_METADATA};

/// An object with a change taken back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What to write: identity, uid, resourceVersion, status and managedFields are the live object's.
    pub object: Object,
    /// Places that somebody else has written over since; they are as they are now.
    pub kept: Vec<FieldPath>,
}

/// Takes the changes that led from each `before` to its `after` (in the order in which they were made) back out of `live`.
pub fn restore(steps: &[(&Object, &Object)], live: &Object) -> Restored {
    let mut kept = Vec::new();
    let mut content = live.without_server_fields();
    for (before, after) in steps.iter().rev() {
        let (before, after) = (before.without_server_fields(), after.without_server_fields());
        let value = merge(Some(before.value()), Some(after.value()), Some(content.value()), &FieldPath::root(), &mut kept);
        // Identity is equal in all three, so the result has one.
        if let Some(object) = value.and_then(|value| Object::try_from(value).ok()) {
            content = object;
        }
    }
    kept.sort();
    kept.dedup();
    Restored { object: with_server_fields(content, live), kept }
}

/// Whether two objects say the same, apart from what the server and controllers fill in.
pub fn same_content(a: &Object, b: &Object) -> bool {
    a.without_server_fields().value() == b.without_server_fields().value()
}

/// `content` with the metadata that the server keeps, and the status, of `live`.
fn with_server_fields(content: Object, live: &Object) -> Object {
    let mut object = content;
    let live = Value::from(live.clone());
    let (Some(root), Some(source)) = (object.value_mut().as_object_mut(), live.as_object()) else { return object };
    if let Some(status) = source.get("status") {
        root.insert("status".to_owned(), status.clone());
    }
    let (Some(metadata), Some(source)) = (root.get_mut("metadata").and_then(Value::as_object_mut), source["metadata"].as_object()) else {
        return object;
    };
    for field in SERVER_METADATA {
        if let Some(value) = source.get(*field) {
            metadata.insert((*field).to_owned(), value.clone());
        }
    }
    object
}

fn merge(
    before: Option<&Value>,
    after: Option<&Value>,
    live: Option<&Value>,
    path: &FieldPath,
    kept: &mut Vec<FieldPath>,
) -> Option<Value> {
    if live == after {
        return before.cloned();
    }
    if before == after || live == before {
        return live.cloned();
    }
    if let Some((before_map, after_map, live_map)) = maps(before, after, live) {
        let merged = merge_maps(before_map, after_map, live_map, path, kept);
        return (!merged.is_empty() || before.is_some()).then_some(Value::Object(merged));
    }
    if let Some(lists) = lists(before, after, live) {
        if let Some(keys) = merge_keys(&lists) {
            let merged = merge_keyed(&lists, keys, path, kept);
            return if merged.is_empty() && before.is_none() { None } else { Some(Value::Array(merged)) };
        }
        if lists.iter().all(|list| list.iter().all(Value::is_string)) && path.to_string().ends_with("finalizers") {
            let [before, after, live] = lists;
            let mut merged: Vec<Value> = live.iter().filter(|item| before.contains(item) || !after.contains(item)).cloned().collect();
            merged.extend(before.iter().filter(|item| !after.contains(item) && !live.contains(item)).cloned());
            return Some(Value::Array(merged));
        }
    }
    kept.push(path.clone());
    live.cloned()
}

type Maps<'v> = (&'v Map<String, Value>, &'v Map<String, Value>, &'v Map<String, Value>);

/// All three as maps, what is missing being an empty one; None if one is something else, or only one is there.
fn maps<'v>(before: Option<&'v Value>, after: Option<&'v Value>, live: Option<&'v Value>) -> Option<Maps<'v>> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let as_map = |value: Option<&'v Value>| match value {
        None => Some(&*EMPTY),
        Some(value) => value.as_object(),
    };
    Some((as_map(before)?, as_map(after)?, as_map(live)?))
}

fn merge_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    live: &Map<String, Value>,
    path: &FieldPath,
    kept: &mut Vec<FieldPath>,
) -> Map<String, Value> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).chain(live.keys()).collect();
    let mut merged = Map::new();
    for name in names {
        if let Some(value) = merge(before.get(name), after.get(name), live.get(name), &path.field(name), kept) {
            merged.insert(name.clone(), value);
        }
    }
    merged
}

fn lists<'v>(before: Option<&'v Value>, after: Option<&'v Value>, live: Option<&'v Value>) -> Option<[&'v [Value]; 3]> {
    let as_list = |value: Option<&'v Value>| match value {
        None => Some(&[][..]),
        Some(value) => value.as_array().map(Vec::as_slice),
    };
    Some([as_list(before)?, as_list(after)?, as_list(live)?])
}

/// The fields that tell the items of these lists apart: the first of the API's usual merge keys that all items have,
/// and no two items of one list in common.
pub(super) fn merge_keys(lists: &[&[Value]]) -> Option<&'static [&'static str]> {
    const CANDIDATES: &[&[&str]] = &[
        &["mountPath"],
        &["devicePath"],
        &["containerPort", "protocol"],
        &["port", "protocol"],
        &["uid"],
        &["name"],
        &["topologyKey", "whenUnsatisfiable"],
        &["type"],
        &["ip"],
        &["key"],
    ];
    if lists.iter().all(|list| list.is_empty()) {
        return None;
    }
    CANDIDATES.iter().copied().find(|keys| {
        lists.iter().all(|list| {
            let identities: Option<BTreeSet<String>> = list.iter().map(|item| identity(item, keys)).collect();
            identities.is_some_and(|identities| identities.len() == list.len())
        })
    })
}

/// The item of `list` that has the same keys as `item`.
pub(super) fn item_with<'l>(list: &'l [Value], item: &Value, keys: &[&str]) -> Option<&'l Value> {
    let wanted = identity(item, keys)?;
    list.iter().find(|candidate| identity(candidate, keys).as_deref() == Some(&*wanted))
}

fn identity(item: &Value, keys: &[&str]) -> Option<String> {
    let map = item.as_object()?;
    let values: Vec<String> = keys
        .iter()
        .map(|key| match map.get(*key) {
            Some(value) => Some(value.to_string()),
            None if *key == "protocol" => Some("\"TCP\"".to_owned()),
            None => None,
        })
        .collect::<Option<_>>()?;
    Some(values.join(","))
}

/// The items of `live` in their order, those that come back after the item that they followed in `before`.
fn merge_keyed(lists: &[&[Value]; 3], keys: &[&str], path: &FieldPath, kept: &mut Vec<FieldPath>) -> Vec<Value> {
    let find = |list: &'_ [Value], id: &str| list.iter().find(|item| identity(item, keys).as_deref() == Some(id)).cloned();
    let [before, after, live] = *lists;
    let mut merged: Vec<(String, Value)> = Vec::new();
    let element =
        |item: &Value| PathElement::Key(keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect());
    for item in live {
        let Some(id) = identity(item, keys) else { continue };
        let (was, became) = (find(before, &id), find(after, &id));
        if let Some(value) = merge(was.as_ref(), became.as_ref(), Some(item), &path.join(element(item)), kept) {
            merged.push((id, value));
        }
    }
    for (position, item) in before.iter().enumerate() {
        let Some(id) = identity(item, keys) else { continue };
        if merged.iter().any(|(present, _)| *present == id) || find(live, &id).is_some() {
            continue;
        }
        if let Some(value) = merge(Some(item), find(after, &id).as_ref(), None, &path.join(element(item)), kept) {
            let follows = before[..position].iter().rev().find_map(|previous| {
                let previous = identity(previous, keys)?;
                merged.iter().position(|(present, _)| *present == previous)
            });
            merged.insert(follows.map_or(0, |index| index + 1), (id, value));
        }
    }
    merged.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(content: Value) -> Object {
        let mut value = json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}});
        for (name, field) in content.as_object().unwrap() {
            value[name] = field.clone();
        }
        Object::try_from(value).unwrap()
    }

    fn undo(before: Value, after: Value, live: Value) -> (Value, Vec<String>) {
        let restored = restore(&[(&object(before), &object(after))], &object(live));
        let mut value = Value::from(restored.object);
        for field in ["apiVersion", "kind", "metadata"] {
            value.as_object_mut().unwrap().remove(field);
        }
        (value, restored.kept.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_we_changed_goes_back_and_what_others_changed_stays() {
        let (value, kept) = undo(
            json!({"spec": {"image": "a", "gone": 1, "replicas": 1}}),
            json!({"spec": {"image": "b", "new": true, "replicas": 1}}),
            json!({"spec": {"image": "b", "new": true, "replicas": 7, "theirs": "x"}, "status": {"ready": 3}}),
        );
        assert_eq!(value, json!({"spec": {"image": "a", "gone": 1, "replicas": 7, "theirs": "x"}, "status": {"ready": 3}}));
        assert_eq!(kept, Vec::<String>::new());
    }

    #[test]
    fn what_others_wrote_over_is_reported_and_stays() {
        let (value, kept) = undo(json!({"spec": {"image": "a"}}), json!({"spec": {"image": "b"}}), json!({"spec": {"image": "c"}}));
        assert_eq!(value, json!({"spec": {"image": "c"}}));
        assert_eq!(kept, ["spec.image"]);
    }

    #[test]
    fn keyed_lists_are_restored_item_by_item_in_their_order() {
        let (value, kept) = undo(
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]}),
            json!({"env": [{"name": "A", "value": "1"}, {"name": "C", "value": "4"}, {"name": "D", "value": "5"}]}),
            json!({"env": [{"name": "A", "value": "1"}, {"name": "C", "value": "4"}, {"name": "D", "value": "5"}, {"name": "E", "value": "6"}]}),
        );
        assert_eq!(
            value,
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}, {"name": "E", "value": "6"}]})
        );
        assert_eq!(kept, Vec::<String>::new());
    }

    #[test]
    fn undoing_twice_changes_nothing_more() {
        let (before, after) = (json!({"data": {"a": "1"}}), json!({"data": {"b": "2"}}));
        let (once, _) = undo(before.clone(), after.clone(), after.clone());
        assert_eq!(once, before);
        let (twice, kept) = undo(before.clone(), after, once);
        assert_eq!((twice, kept), (before, vec![]));
    }

    #[test]
    fn containers_that_we_brought_go_with_their_content() {
        let (value, _) = undo(json!({}), json!({"data": {"a": "1"}}), json!({"data": {"a": "1", "b": "2"}}));
        assert_eq!(value, json!({"data": {"b": "2"}}));
        let (value, _) = undo(json!({"data": {"a": "1"}}), json!({}), json!({"data": {"b": "2"}}));
        assert_eq!(value, json!({"data": {"a": "1", "b": "2"}}));
    }

    #[test]
    fn several_writes_are_taken_back_the_last_first() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|v| object(json!({"spec": {"image": v}})));
        let restored = restore(&[(&a, &b), (&b, &c)], &c);
        assert!(same_content(&restored.object, &a) && restored.kept.is_empty());
        assert_eq!(restore(&[(&a, &b), (&b, &c)], &d).kept.len(), 1);
    }
}
