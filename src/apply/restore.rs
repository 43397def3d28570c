//! Takes a change back out of an object that others may have changed since: a three-way merge, field by field.
//!
//! `before` and `after` are what a write did; `live` is what is there now. Where `live` is still as `after`, it becomes
//! as `before`; where we changed nothing it stays; where somebody else has written over our value, it stays too, and
//! the place is reported. What is merged and what is one value (an atomic list or map) the object's type says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::merge::elements;
use crate::resource::{FieldPath, Object, PathElement, SERVER_METADATA};
use crate::schema::{ListKind, Shape, TypeRef};

/// An object with a change taken back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What to write: identity, uid, resourceVersion, status and managedFields are the live object's.
    pub object: Object,
    /// Places that somebody else has written over since; they are as they are now.
    pub kept: Vec<FieldPath>,
}

/// Takes the changes that led from each `before` to its `after` (in the order in which they were made) back out of `live`, an
/// object of this type.
pub fn restore(steps: &[(&Object, &Object)], live: &Object, of: TypeRef<'_>) -> Restored {
    let mut kept = Vec::new();
    let mut content = live.without_server_fields();
    for (before, after) in steps.iter().rev() {
        let (before, after) = (before.without_server_fields(), after.without_server_fields());
        let three = [Some(before.value()), Some(after.value()), Some(content.value())];
        let value = merge(three, of, &FieldPath::root(), &mut kept);
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

/// One value before our write, after it, and now; None where there is nothing.
type Three<'v> = [Option<&'v Value>; 3];

fn merge(three: Three<'_>, of: TypeRef<'_>, path: &FieldPath, kept: &mut Vec<FieldPath>) -> Option<Value> {
    let [before, after, live] = three;
    if live == after {
        return before.cloned();
    }
    if before == after || live == before {
        return live.cloned();
    }
    let merged = match of.shape() {
        Shape::Map { atomic: true, .. } => None,
        Shape::List { kind: ListKind::Set, .. } => lists(three).and_then(|lists| merge_sets(lists, of)),
        Shape::List { .. } => lists(three).and_then(|lists| merge_keyed(lists, of, path, kept)),
        _ => maps(three).map(|maps| Value::Object(merge_maps(maps, of, path, kept))),
    };
    match merged {
        // What held our values alone goes with them.
        Some(Value::Object(map)) if map.is_empty() && before.is_none() => None,
        Some(Value::Array(items)) if items.is_empty() && before.is_none() => None,
        Some(merged) => Some(merged),
        None => {
            kept.push(path.clone());
            live.cloned()
        }
    }
}

/// All three as maps, what is missing being an empty one; None if one is something else.
fn maps(three: Three<'_>) -> Option<[&Map<String, Value>; 3]> {
    static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let [before, after, live] = three.map(|value| value.map_or(Some(&*EMPTY), Value::as_object));
    Some([before?, after?, live?])
}

fn merge_maps(maps: [&Map<String, Value>; 3], of: TypeRef<'_>, path: &FieldPath, kept: &mut Vec<FieldPath>) -> Map<String, Value> {
    let names: BTreeSet<&String> = maps.iter().flat_map(|map| map.keys()).collect();
    let mut merged = Map::new();
    for name in names {
        let below = of.field(name).unwrap_or(TypeRef::any());
        if let Some(value) = merge(maps.map(|map| map.get(name)), below, &path.field(name), kept) {
            merged.insert(name.clone(), value);
        }
    }
    merged
}

/// All three as lists, what is missing being an empty one; None if one is something else.
fn lists(three: Three<'_>) -> Option<[&[Value]; 3]> {
    let [before, after, live] = three.map(|value| value.map_or(Some(&[][..]), |value| value.as_array().map(Vec::as_slice)));
    Some([before?, after?, live?])
}

/// What is there now, less what we brought, and with what we took. None: the items can't be told apart.
fn merge_sets(lists: [&[Value]; 3], of: TypeRef<'_>) -> Option<Value> {
    elements(of, lists)?;
    let [before, after, live] = lists;
    let stays = live.iter().filter(|item| before.contains(item) || !after.contains(item));
    let comes_back = before.iter().filter(|item| !after.contains(item) && !live.contains(item));
    Some(Value::Array(stays.chain(comes_back).cloned().collect()))
}

/// The items of `live` in their order, those that come back after the item that they followed in `before`. None: the items
/// can't be told apart.
fn merge_keyed(lists: [&[Value]; 3], of: TypeRef<'_>, path: &FieldPath, kept: &mut Vec<FieldPath>) -> Option<Value> {
    let keys = elements(of, lists)?;
    let find = |element: &PathElement| {
        let mut found = [None; 3];
        for ((found, keys), list) in found.iter_mut().zip(&keys).zip(lists) {
            *found = keys.iter().position(|key| key == element).and_then(|index| list.get(index));
        }
        found
    };
    let item = of.item().unwrap_or(TypeRef::any());
    let [before, _, live] = &keys;
    let mut merged: Vec<(&PathElement, Value)> = Vec::new();
    for element in live {
        if let Some(value) = merge(find(element), item, &path.join(element.clone()), kept) {
            merged.push((element, value));
        }
    }
    for (position, element) in before.iter().enumerate().filter(|(_, element)| !live.contains(element)) {
        if let Some(value) = merge(find(element), item, &path.join(element.clone()), kept) {
            let follows = before[..position].iter().rev().find_map(|previous| merged.iter().position(|(present, _)| *present == previous));
            merged.insert(follows.map_or(0, |index| index + 1), (element, value));
        }
    }
    Some(Value::Array(merged.into_iter().map(|(_, value)| value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Deduced;
    use crate::merge::widget::{widget, widget_type};
    use crate::resource::GroupVersionKind;
    use crate::schema::{MINORS, built_in};
    use serde_json::json;

    fn object(content: Value) -> Object {
        let mut value = json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}});
        for (name, field) in content.as_object().unwrap() {
            value[name] = field.clone();
        }
        Object::try_from(value).unwrap()
    }

    fn pod() -> TypeRef<'static> {
        built_in(MINORS[1]).kind(&GroupVersionKind::from_api_version("v1", "Pod")).unwrap()
    }

    /// What an undo makes of a value of this type, and where others have written over.
    fn undo_of(of: TypeRef<'_>, before: Value, after: Value, live: Value) -> (Value, Vec<String>) {
        let mut kept = Vec::new();
        let value = merge([Some(&before), Some(&after), Some(&live)], of, &FieldPath::root(), &mut kept).unwrap();
        (value, kept.iter().map(ToString::to_string).collect())
    }

    fn undo(before: Value, after: Value, live: Value) -> (Value, Vec<String>) {
        let restored = restore(&[(&object(before), &object(after))], &object(live), TypeRef::any());
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
        let pod_of = |env: Value| json!({"spec": {"containers": [{"name": "app", "env": env}]}});
        let (value, kept) = undo_of(
            pod(),
            pod_of(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}])),
            pod_of(json!([{"name": "A", "value": "1"}, {"name": "C", "value": "4"}, {"name": "D", "value": "5"}])),
            pod_of(
                json!([{"name": "A", "value": "1"}, {"name": "C", "value": "4"}, {"name": "D", "value": "5"}, {"name": "E", "value": "6"}]),
            ),
        );
        assert_eq!(
            value,
            pod_of(
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}, {"name": "E", "value": "6"}])
            )
        );
        assert_eq!(kept, Vec::<String>::new());
    }

    fn spec_of(object: &Object) -> Value {
        object.value()["spec"].clone()
    }

    #[test]
    fn a_list_is_keyed_if_its_type_says_so_whatever_its_name_and_a_default_is_a_key() {
        let before = widget(json!({"lanes": [{"route": "a", "limit": 1}, {"route": "b", "mode": "slow"}]}));
        let after = widget(json!({"lanes": [{"route": "a", "limit": 2}]}));
        // The server has filled the key in, and somebody has added a lane.
        let live = widget(json!({"lanes": [{"route": "a", "mode": "fast", "limit": 2}, {"route": "c", "mode": "fast"}]}));
        let restored = restore(&[(&before, &after)], &live, widget_type());
        assert_eq!(restored.kept, []);
        let lanes = json!([{"route": "a", "mode": "fast", "limit": 1}, {"route": "b", "mode": "slow"}, {"route": "c", "mode": "fast"}]);
        assert_eq!(spec_of(&restored.object), json!({"lanes": lanes}));
        // Where somebody has written over, the place is called as its owners call it.
        let live = widget(json!({"lanes": [{"route": "a", "mode": "fast", "limit": 7}]}));
        let kept = restore(&[(&before, &after)], &live, widget_type()).kept;
        assert_eq!(kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["spec.lanes[mode=fast,route=a].limit"]);
    }

    #[test]
    fn an_atomic_value_is_one_whatever_names_its_parts_have() {
        let env = |values: [&str; 2]| json!([{"name": "a", "value": values[0]}, {"name": "b", "value": values[1]}]);
        let choice = |b: &str| json!({"a": "1", "b": b});
        let [before, after, live] = [("1", "1"), ("2", "1"), ("2", "3")]
            .map(|(a, b)| widget(json!({"env": env([a, b]), "choice": if a == "1" { json!({"b": "0"}) } else { choice(b) }})));
        let restored = restore(&[(&before, &after)], &live, widget_type());
        assert_eq!(spec_of(&restored.object), spec_of(&live), "neither ours nor theirs, if it were put together");
        assert_eq!(restored.kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["spec.choice", "spec.env"]);
    }

    #[test]
    fn sets_are_merged_whatever_their_name() {
        let [before, after, live] = [["gone", "stays"], ["new", "stays"], ["new", "theirs"]].map(|tags| widget(json!({"tags": tags})));
        let restored = restore(&[(&before, &after)], &live, widget_type());
        assert_eq!((spec_of(&restored.object), restored.kept), (json!({"tags": ["theirs", "gone"]}), vec![]));
    }

    #[test]
    fn where_the_type_cannot_be_had_the_owners_tell_which_lists_are_keyed() {
        let owned = |spec: Value| {
            let lane = json!({".": {}, "f:route": {}, "f:limit": {}});
            let fields =
                json!({"f:spec": {"f:lanes": {"k:{\"mode\":\"fast\",\"route\":\"a\"}": lane}, "f:tags": {"v:\"stays\"": {}}, "f:env": {}}});
            let mut object = widget(spec);
            object.value_mut()["metadata"]["managedFields"] = json!([{"manager": "spai:s:e", "operation": "Apply", "apiVersion": "example.dev/v1", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
            object
        };
        let lane = |limit: u8| json!({"route": "a", "mode": "fast", "limit": limit});
        let before = owned(json!({"lanes": [lane(1)], "tags": ["stays"], "env": [{"name": "a"}]}));
        let after = owned(json!({"lanes": [lane(2)], "tags": ["stays", "new"], "env": [{"name": "b"}]}));
        let theirs = json!({"route": "b", "mode": "fast"});
        let live = owned(json!({"lanes": [theirs, lane(2)], "tags": ["stays", "new", "theirs"], "env": [{"name": "b"}, {"name": "c"}]}));
        let told = Deduced::of([&before, &after, &live]);
        let restored = restore(&[(&before, &after)], &live, told.as_type());
        let spec = json!({"lanes": [theirs, lane(1)], "tags": ["stays", "theirs"], "env": [{"name": "b"}, {"name": "c"}]});
        assert_eq!(spec_of(&restored.object), spec);
        assert_eq!(restored.kept.iter().map(ToString::to_string).collect::<Vec<_>>(), ["spec.env"]);
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
        let restored = restore(&[(&a, &b), (&b, &c)], &c, TypeRef::any());
        assert!(same_content(&restored.object, &a) && restored.kept.is_empty());
        assert_eq!(restore(&[(&a, &b), (&b, &c)], &d, TypeRef::any()).kept.len(), 1);
    }
}
