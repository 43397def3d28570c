//! What differs between two forms of an object, field by field, as people would say it: items of keyed lists by their
//! keys, whole subtrees where one side has nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::merge_keys;
use crate::resource::{FieldPath, PathElement};

/// A place where two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where.
    pub path: FieldPath,
    /// What the first has there.
    pub before: Option<Value>,
    /// What the second has there.
    pub after: Option<Value>,
}

/// All places where they differ, in the order of their paths. Empty exactly if the two are equal.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&FieldPath::root(), "", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &FieldPath, name: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                compare(&path.field(key), key, old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => lists(path, name, old, new, found),
        _ => found.push(Difference { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}

fn lists(path: &FieldPath, name: &str, old: &[Value], new: &[Value], found: &mut Vec<Difference>) {
    let whole = |found: &mut Vec<Difference>| {
        found.push(Difference { path: path.clone(), before: Some(old.to_vec().into()), after: Some(new.to_vec().into()) });
    };
    if let Some(keys) = merge_keys(name, old, new) {
        let by_key = |items: &[Value]| -> Vec<(PathElement, Value)> {
            items.iter().map(|item| (PathElement::Key(key_of(item, keys)), item.clone())).collect()
        };
        let (old_items, new_items) = (by_key(old), by_key(new));
        let old_map: BTreeMap<&PathElement, &Value> = old_items.iter().map(|(key, item)| (key, item)).collect();
        let new_map: BTreeMap<&PathElement, &Value> = new_items.iter().map(|(key, item)| (key, item)).collect();
        let before_len = found.len();
        let all: std::collections::BTreeSet<&&PathElement> = old_map.keys().chain(new_map.keys()).collect();
        for key in all {
            compare(&path.join((**key).clone()), "", old_map.get(*key).copied(), new_map.get(*key).copied(), found);
        }
        // The same items in another order: only the order differs, and it matters (init containers, env).
        if found.len() == before_len {
            whole(found);
        }
    } else if old.len() == new.len() && !old.is_empty() && old.iter().chain(new).all(Value::is_object) {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            compare(&path.join(PathElement::Index(index)), "", Some(old), Some(new), found);
        }
    } else {
        whole(found);
    }
}

fn key_of(item: &Value, keys: &[&str]) -> BTreeMap<String, Value> {
    let value = |key: &str| match item.get(key) {
        Some(value) => value.clone(),
        // The one key with a default.
        None => Value::from("TCP"),
    };
    keys.iter().map(|key| ((*key).to_owned(), value(key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn shown(before: Value, after: Value) -> Vec<String> {
        let text = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
        differences(&before, &after).iter().map(|d| format!("{}: {} -> {}", d.path, text(&d.before), text(&d.after))).collect()
    }

    #[test]
    fn keyed_items_are_compared_by_their_keys() {
        let before = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]});
        let after = json!({"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "1"}, {"name": "c"}]});
        assert_eq!(shown(before, after), ["containers[b].image: \"1\" -> \"2\"", "containers[c]: - -> {\"name\":\"c\"}"]);
    }

    #[test]
    fn an_order_that_changes_is_a_difference() {
        let before = json!({"env": [{"name": "a"}, {"name": "b"}]});
        let after = json!({"env": [{"name": "b"}, {"name": "a"}]});
        assert_eq!(shown(before, after).len(), 1);
    }

    #[test]
    fn lists_without_keys_are_wholes_unless_their_items_pair_up() {
        assert_eq!(shown(json!({"args": ["a"]}), json!({"args": ["a", "b"]})), ["args: [\"a\"] -> [\"a\",\"b\"]"]);
        assert_eq!(shown(json!({"rules": [{"host": "a"}]}), json!({"rules": [{"host": "b"}]})), ["rules[0].host: \"a\" -> \"b\""]);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(1)), Just(json!(2)), Just(json!("x")), Just(Value::Null)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]|env|ports", inner.clone(), 0..4).prop_map(|map| json!(map)),
                proptest::collection::vec(("[a-c]", inner), 0..3).prop_map(
                    |items| json!({"env": items.into_iter().map(|(name, v)| json!({"name": name, "value": v})).collect::<Vec<_>>()})
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_differs_exactly_if_equal(a in value(), b in value()) {
            prop_assert_eq!(differences(&a, &b).is_empty(), a == b);
            prop_assert!(differences(&a, &a).is_empty());
        }

        #[test]
        fn each_difference_is_where_it_says(a in value(), b in value()) {
            for difference in differences(&a, &b) {
                prop_assert_eq!(difference.path.get(&a), difference.before.as_ref());
                prop_assert_eq!(difference.path.get(&b), difference.after.as_ref());
            }
        }
    }
}
