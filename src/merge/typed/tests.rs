//! The finer points of merging, each by an example.

use serde_json::{Value, json};

use super::*;
use crate::merge::FieldSet;
use crate::resource::GroupVersionKind;
use crate::schema::{Definition, TypeRef};

fn definition() -> Definition {
    let text = json!({"type": "string"});
    let item = json!({"type": "object", "required": ["k"], "properties": {"k": text, "v": {"type": "integer"}, "p": {"type": "string", "default": "TCP"}}});
    let properties = json!({
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": item},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": text},
        "free": {"type": "object", "additionalProperties": text},
        "any": {"x-kubernetes-preserve-unknown-fields": true}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]);
    Definition::read(&json!({"kind": "CustomResourceDefinition", "spec": {"group": "e", "scope": "Namespaced",
        "names": {"kind": "T", "plural": "ts"}, "versions": versions}}))
    .unwrap()
}

fn with<T>(run: impl FnOnce(TypeRef<'_>) -> T) -> T {
    let definition = definition();
    run(definition.schema.kind(&GroupVersionKind::from_api_version("e/v1", "T")).unwrap())
}

fn merge(live: Value, wanted: Value) -> Value {
    with(|of| merged(of, &live, &wanted))
}

fn fields(value: Value) -> Value {
    with(|of| fields_of(of, &value).print())
}

#[test]
fn items_of_both_are_in_the_order_of_the_configuration() {
    let set = |live: &[&str], wanted: &[&str]| merge(json!({"set": live}), json!({"set": wanted}))["set"].clone();
    assert_eq!(set(&["a", "b", "c"], &["c", "a"]), json!(["b", "c", "a"]));
    assert_eq!(set(&["a", "b", "c"], &["a", "c"]), json!(["a", "b", "c"]));
    assert_eq!(set(&["a", "b"], &["x", "a"]), json!(["x", "a", "b"]));
    assert_eq!(set(&["a"], &[]), json!(["a"]));
}

#[test]
fn an_item_that_is_there_twice_is_replaced_by_the_configurations() {
    let live = json!({"map": [{"k": "a", "v": 1}, {"k": "b"}, {"k": "a", "v": 2}]});
    assert_eq!(merge(live.clone(), json!({"map": [{"k": "a"}]})), json!({"map": [{"k": "a"}, {"k": "b"}]}));
    assert_eq!(merge(live.clone(), json!({"map": [{"k": "c"}]}))["map"].as_array().unwrap().len(), 4);
    assert_eq!(
        fields(live),
        json!({"f:map": {
        "k:{\"k\":\"a\",\"p\":\"TCP\"}": {}, "k:{\"k\":\"b\",\"p\":\"TCP\"}": {".": {}, "f:k": {}}}})
    );
}

#[test]
fn empty_and_null_are_owned_where_they_stand_for_something() {
    assert_eq!(fields(json!({"free": {}, "set": [], "any": null})), json!({"f:free": {}, "f:any": {}}));
    assert_eq!(
        merge(json!({"free": {"a": "1"}, "set": ["x"]}), json!({"free": {}, "set": null})),
        json!({"free": {"a": "1"}, "set": ["x"]})
    );
    assert_eq!(merge(json!({"free": {}}), json!({"free": null})), json!({"free": null}));
}

#[test]
fn what_is_replaced_as_a_whole_is_owned_as_a_whole() {
    let wanted = json!({"atomic": {"b": "2"}, "any": {"l": [{"x": 1}], "m": {"y": 1}}});
    assert_eq!(
        merge(json!({"atomic": {"a": "1"}, "any": {"l": [{"z": 1}], "n": 1}}), wanted.clone()),
        json!({"atomic": {"b": "2"}, "any": {"l": [{"x": 1}], "m": {"y": 1}, "n": 1}})
    );
    assert_eq!(fields(wanted), json!({"f:atomic": {}, "f:any": {"f:l": {}, "f:m": {".": {}, "f:y": {}}}}));
}

#[test]
fn what_became_one_value_is_owned_by_who_owned_a_part() {
    let before = FieldSet::parse(&json!({"f:atomic": {"f:a": {}}, "f:free": {"f:a": {}}})).unwrap();
    let now = FieldSet::parse(&json!({"f:atomic": {}, "f:free": {"f:a": {}}})).unwrap();
    assert_eq!(with(|of| reconciled(of, &before)), now);
    assert_eq!(with(|of| reconciled(of, &now)), now);
}

#[test]
fn configurations_are_checked_in_the_servers_words() {
    let check = |value: Value| with(|of| validate(of, &value, Duplicates::Refused)).map_err(|errors| errors.to_string());
    assert_eq!(check(json!({"map": [{"k": "a"}, {"k": "a", "p": "UDP"}]})), Ok(()));
    assert_eq!(
        check(json!({"map": [{"k": "a"}, {"k": "a", "p": "TCP"}]})),
        Err(".map: duplicate entries for key [k=\"a\",p=\"TCP\"]".to_owned())
    );
    assert_eq!(check(json!({"free": {"a": 1}})), Err(".free.a: expected string, got &value.valueUnstructured{Value:1}".to_owned()));
    assert_eq!(check(json!({"other": 1})), Err(".other: field not declared in schema".to_owned()));
    assert_eq!(with(|of| validate(of, &json!({"set": ["x", "x"]}), Duplicates::Allowed)), Ok(()));
}

#[test]
fn what_loses_all_that_it_held_is_null() {
    let gone = FieldSet::parse(&json!({"f:free": {"f:a": {}}, "f:set": {"v:\"x\"": {}}})).unwrap();
    let left = with(|of| without_items(of, &json!({"free": {"a": "1"}, "set": ["x", "y"]}), &gone));
    assert_eq!(left, json!({"free": null, "set": ["y"]}));
    assert_eq!(with(|of| refused_null(of, &left)).unwrap().to_string(), "free");
}
