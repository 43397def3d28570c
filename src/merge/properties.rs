//! What holds for any input.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{FieldSet, diff, patch};
use crate::resource::{FieldPath, GroupVersionKind};
use crate::schema::{Field, ListKey, ListKind, Schema, Shape, Type, TypeRef};

/// A type that is its own everywhere: with keyed lists, a set, and anything else.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    let of = |shape| Type { shape, nullable: true };
    let root = schema.add(of(Shape::Any));
    let mut list = |kind| schema.add(of(Shape::List { item: root, kind }));
    let keyed = |name: &str| ListKind::Map(vec![ListKey { name: name.to_owned(), default: None }]);
    let lists = [("containers", list(keyed("name"))), ("finalizers", list(ListKind::Set)), ("ports", list(keyed("port"))), ("spec", root)];
    let field = |(name, of): (&str, _)| Field { name: name.to_owned(), of, default: None, required: false, omits_zero: false };
    let fields = lists.into_iter().map(field).collect();
    schema.set(root, of(Shape::Map { fields, values: Some(root), atomic: false, open: true, embedded: false }));
    schema.name(kind(), root);
    schema
});

fn kind() -> GroupVersionKind {
    GroupVersionKind::from_api_version("example.dev/v1", "Chain")
}

fn chain() -> TypeRef<'static> {
    SCHEMA.kind(&kind()).expect("it has been named")
}

/// Objects with keyed lists, sets and atomic lists in them.
fn value() -> impl Strategy<Value = Value> {
    let scalar =
        prop_oneof![Just(json!(null)), any::<bool>().prop_map(Value::from), (0..4).prop_map(Value::from), "[ab]?".prop_map(Value::from)];
    scalar.prop_recursive(4, 48, 4, |inner| {
        let fields = vec!["containers", "env", "ports", "finalizers", "args", "name", "port", "spec", "x.y/z", ""];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(fields), inner.clone()), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
            proptest::collection::vec((0..4u8, inner), 0..4).prop_map(|items| {
                let item = |(key, value): (u8, Value)| json!({"name": key.to_string(), "port": key, "v": value});
                json!({"containers": items.clone().into_iter().map(item).collect::<Vec<_>>(),
                       "spec": {"ports": items.into_iter().map(item).collect::<Vec<_>>()}})
            }),
        ]
    })
}

/// The same with the items of lists in an order of their own: what a patch adds to a keyed list comes last.
fn unordered(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), unordered(v))).collect::<Map<_, _>>()),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_key(Value::to_string);
            Value::from(items)
        }
        scalar => scalar.clone(),
    }
}

fn fields() -> impl Strategy<Value = Value> {
    let leaf = Just(json!({}));
    leaf.prop_recursive(4, 48, 5, |inner| {
        let keys =
            vec!["f:a", "f:", "f:b:c", "k:{\"name\":\"x\"}", "k:{\"port\":80,\"protocol\":\"TCP\"}", "v:\"x\"", "v:1", "i:0", "i:7", "."];
        proptest::collection::vec((proptest::sample::select(keys), inner), 1..5).prop_map(|pairs| {
            let pair = |(key, below): (&str, Value)| (key.to_owned(), if key == "." { json!({}) } else { below });
            let map: Map<String, Value> = pairs.into_iter().map(pair).collect();
            // The server never writes a lone `.`: that is `{}`.
            Value::Object(if map.keys().all(|key| key == ".") { Map::new() } else { map })
        })
    })
}

proptest! {
    #[test]
    fn a_diff_applied_gives_what_was_compared_with(before in value(), after in value()) {
        let patched = patch(before.clone(), &diff(chain(), &before, &after));
        prop_assert_eq!(unordered(&patched), unordered(&after));
    }

    #[test]
    fn equal_values_do_not_differ(value in value()) {
        prop_assert!(diff(chain(), &value, &value).is_empty());
    }

    #[test]
    fn fields_v1_prints_as_it_was_read(fields in fields()) {
        let mut expected = fields.clone();
        // The root is never a member.
        expected.as_object_mut().unwrap().remove(".");
        prop_assert_eq!(FieldSet::parse(&fields).unwrap().print(), expected);
    }

    #[test]
    fn members_make_the_set_again(fields in fields()) {
        let set = FieldSet::parse(&fields).unwrap();
        let again: FieldSet = set.paths().into_iter().collect();
        prop_assert_eq!(again.paths(), set.paths());
        prop_assert!(set.difference(&set).is_empty());
        for path in set.leaves() {
            prop_assert!(set.owns(&path) && set.contains(&path) && set.touches(&path));
        }
    }

    #[test]
    fn nothing_panics_on_any_text(text in ".{0,200}") {
        if let Ok(json) = serde_json::from_str::<Value>(&text) {
            let _ = FieldSet::parse(&json);
        }
        let _ = FieldSet::parse(&json!({ text.clone(): {} }));
        let _ = text.parse::<FieldPath>();
    }

    #[test]
    fn nothing_panics_on_any_pair(fields in fields(), value in value()) {
        let _ = FieldSet::parse(&fields).unwrap().extract(&value);
    }
}
