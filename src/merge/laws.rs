//! What holds for server-side apply whatever is applied to what.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Converted, FieldSet, ManagedFields, Merged, Precedents, Refused, Verdict, Writer, apply, compare, fields_of, predict, unchanged,
    unchanged_by, update, without_items,
};
use crate::resource::{FieldPath, GroupVersionKind, Object, Tape};
use crate::schema::{Definition, TypeRef};

/// A custom kind with every kind of list and map.
static KIND: LazyLock<Definition> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let port = json!({"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
        "name": text, "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text}}});
    let spec = json!({"type": "object", "properties": {
        "kept": text, "count": {"type": "integer"}, "note": text, "map": {"type": "object", "additionalProperties": text},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": text},
        "list": {"type": "array", "items": text}, "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
        "wholes": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"], "items": {"type": "object", "required": ["uid"],
            "x-kubernetes-map-type": "atomic", "properties": {"uid": text, "name": text}}},
        "any": {"x-kubernetes-preserve-unknown-fields": true}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]);
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "spec": {"group": "example.dev", "scope": "Namespaced", "names": {"kind": "Law", "plural": "laws"}, "versions": versions}});
    Definition::read(&crd).unwrap()
});

fn of() -> TypeRef<'static> {
    KIND.schema.kind(&GroupVersionKind::from_api_version("example.dev/v1", "Law")).unwrap()
}

static NONE: LazyLock<FieldSet> = LazyLock::new(FieldSet::default);

fn writer<'a>(manager: &'a str, time: &'a str) -> Writer<'a> {
    Writer { of: of(), manager, subresource: None, reset: &NONE, time, convert: &|_, _| Converted::Unknown }
}

fn applied(live: Option<&Value>, content: &Value, manager: &str, force: bool) -> Result<Merged, Refused> {
    apply(live, content, &writer(manager, "2026-01-01T00:00:00Z"), force)
}

/// A configuration; one field is always there, so that a spec never loses all that it held.
fn configuration(mut spec: Map<String, Value>) -> Value {
    spec.insert("kept".to_owned(), json!("x"));
    json!({"apiVersion": "example.dev/v1", "kind": "Law", "metadata": {"name": "x"}, "spec": spec})
}

fn text() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec!["x", "y", "<z>"]).prop_map(Value::from)
}

fn texts() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(proptest::sample::select(vec!["a", "b", "c.d/e"]), text(), 1..4)
        .prop_map(|map| Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

fn set() -> impl Strategy<Value = Value> {
    Just(vec!["p", "q", "r", "<"]).prop_shuffle().prop_flat_map(|all| (1..all.len()).prop_map(move |count| json!(all[..count])))
}

fn ports() -> impl Strategy<Value = Value> {
    let keys = Just(vec![(80, None), (80, Some("UDP")), (81, None), (82, Some("TCP"))]).prop_shuffle();
    (keys, 1..4usize, proptest::collection::vec((proptest::option::of(text()), proptest::option::of(set())), 4)).prop_map(
        |(keys, count, values)| {
            let mut items = Vec::new();
            for ((port, protocol), (name, tags)) in keys[..count].iter().zip(&values) {
                let mut item = json!({"port": port});
                for (field, value) in [("protocol", protocol.map(Value::from)), ("name", name.clone()), ("tags", tags.clone())] {
                    if let Some(value) = value {
                        item[field] = value;
                    }
                }
                items.push(item);
            }
            Value::Array(items)
        },
    )
}

/// A part of a spec, from these fields.
fn spec(fields: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let all = (0..3i64, text(), texts(), texts(), proptest::collection::vec(text(), 1..3), set(), ports());
    (all, proptest::sample::subsequence(fields, 0..=fields.len())).prop_map(|((count, note, map, whole, list, set, ports), chosen)| {
        let value = |name: &str| match name {
            "count" => json!(count),
            "note" => note.clone(),
            "map" | "any" => map.clone(),
            "whole" => whole.clone(),
            "list" => json!(list),
            "set" => set.clone(),
            "wholes" => json!([{"uid": "1", "name": note}, {"uid": "2"}]),
            _ => ports.clone(),
        };
        chosen.into_iter().map(|name| ((*name).to_owned(), value(name))).collect()
    })
}

const ALL: &[&str] = &["count", "note", "map", "whole", "list", "set", "ports", "wholes", "any"];

/// Who owns what, times apart.
fn owners(object: &Value) -> Vec<(String, FieldSet)> {
    let object = Object::try_from(object.clone()).unwrap();
    let mut owners: Vec<(String, FieldSet)> = ManagedFields::of(&object).0.into_iter().map(|entry| (entry.manager, entry.fields)).collect();
    owners.sort_by(|a, b| a.0.cmp(&b.0));
    owners
}

fn values(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    object
}

/// A live object, as several managers have made it.
fn live() -> impl Strategy<Value = Value> {
    proptest::collection::vec((proptest::sample::select(vec!["alice", "bob", "carol"]), spec(ALL)), 1..4).prop_map(|writes| {
        let mut live = None;
        for (manager, spec) in writes {
            live = Some(applied(live.as_ref(), &configuration(spec), manager, true).unwrap().object);
        }
        live.unwrap()
    })
}

fn anything() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        ".{0,4}".prop_map(Value::from)
    ];
    scalar.prop_recursive(5, 64, 5, |inner| {
        let names = vec![
            "apiVersion",
            "kind",
            "metadata",
            "spec",
            "managedFields",
            "manager",
            "operation",
            "fieldsType",
            "fieldsV1",
            "ports",
            "port",
            "set",
            "map",
            "any",
            "f:spec",
            "k:{\"port\":80}",
            "v:1",
            "i:0",
            ".",
            "labels",
            "uid",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(names), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

fn told(live: &Value, wanted: &Value, without: &[&FieldPath], manager: &str, of: TypeRef<'_>) -> Verdict {
    unchanged(Tape::from(live).tree(), Tape::from(wanted).tree(), without, manager, of)
}

/// What becomes of the texts that values have here.
type Renaming = Vec<&'static str>;

fn renaming() -> impl Strategy<Value = Renaming> {
    proptest::collection::vec(proptest::sample::select(vec!["x", "y", "w"]), 3)
}

/// A value with other texts. Who owns what stays.
fn renamed(value: &Value, to: &Renaming) -> Value {
    match value {
        Value::String(text) => {
            let place = ["x", "y", "<z>"].iter().position(|other| other == text);
            place.and_then(|place| to.get(place)).map_or_else(|| value.clone(), |text| json!(text))
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, to)).collect(),
        Value::Object(map) => {
            let field =
                |(name, value): (&String, &Value)| (name.clone(), if name == "managedFields" { value.clone() } else { renamed(value, to) });
            Value::Object(map.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn what_would_stay_is_told_as_it_stands() {
    let spec = |count: Value| configuration(Map::from_iter([("count".to_owned(), count)]));
    let live = applied(None, &spec(json!(1)), "alice", false).unwrap().object;
    let again = predict(Some(&live), &spec(json!(1.0)), &writer("alice", "2026-01-02T00:00:00Z"), false).unwrap();
    assert_eq!((again.is_unchanged(), again.object.to_string()), (true, live.to_string()));
}

#[test]
fn what_is_empty_and_holds_something_is_not_told_to_be_unchanged() {
    let spec = |spec: Value| json!({"apiVersion": "example.dev/v1", "kind": "Law", "metadata": {"name": "x"}, "spec": spec});
    let by = |live: Option<&Value>, manager: &str, wanted: Value| applied(live, &spec(wanted), manager, false).unwrap();
    for (empty, other) in
        [(json!({}), json!({"set": []})), (json!({"map": {}}), json!({"map": {"a": "x"}})), (json!({"set": []}), json!({"set": ["x"]}))]
    {
        let first = by(None, "carol", empty.clone()).object;
        let live = by(Some(&first), "bob", other).object;
        let verdict = told(&live, &spec(empty.clone()), &[], "carol", of());
        assert_ne!(verdict, Verdict::Unchanged, "{empty}");
    }
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(live in live(), spec in spec(ALL)) {
        let wanted = configuration(spec);
        let once = applied(Some(&live), &wanted, "alice", true).unwrap().object;
        let twice = applied(Some(&once), &wanted, "alice", false).unwrap();
        prop_assert!(twice.is_unchanged(), "{} {}", once, twice.object);
        prop_assert_eq!(&twice.object, &once);
        let verdict = told(&once, &wanted, &[], "alice", of());
        prop_assert_eq!(verdict, Verdict::Unchanged);
    }

    #[test]
    fn what_is_told_to_be_unchanged_is(live in live(), spec in spec(ALL), whose in proptest::sample::select(vec!["alice", "bob"])) {
        let wanted = configuration(spec);
        let merged = applied(Some(&live), &wanted, whose, false);
        match told(&live, &wanted, &[], whose, of()) {
            Verdict::Unchanged => prop_assert!(merged.unwrap().is_unchanged()),
            // Nothing here is null, empty, or outside the schema.
            Verdict::Differs(reason) => prop_assert!(!merged.is_ok_and(|merged| merged.is_unchanged()), "{:?}", reason),
            Verdict::Unknown(reason) => prop_assert!(false, "{:?}", reason),
        }
    }

    #[test]
    fn what_was_found_of_one_holds_for_those_that_are_like_it(
        live in live(),
        spec in spec(ALL),
        others in proptest::collection::vec((renaming(), proptest::option::weighted(0.3, renaming()), proptest::option::weighted(0.3, renaming()), any::<bool>(), "[xy]"), 1..5),
    ) {
        let wanted = configuration(spec);
        let live = applied(Some(&live), &wanted, "alice", true).unwrap().object;
        let other = |(both, in_live, in_wanted, is_applied, text): (Renaming, Option<Renaming>, Option<Renaming>, bool, String)| {
            let (mut wanted, mut live) = (renamed(&wanted, &both), renamed(&live, &both));
            if is_applied && let Ok(merged) = applied(Some(&live), &wanted, "alice", true) {
                live = merged.object;
            }
            live["metadata"]["uid"] = json!(text);
            live["status"] = json!({ "at": text });
            if text == "x" {
                wanted["metadata"]["name"] = json!("y");
                live["metadata"]["name"] = json!("y");
            }
            (renamed(&live, &in_live.unwrap_or_default()), renamed(&wanted, &in_wanted.unwrap_or_default()))
        };
        let pairs: Vec<(Value, Value)> = std::iter::once((live.clone(), wanted.clone())).chain(others.into_iter().map(other)).collect();
        let tapes: Vec<(Tape, Tape)> = pairs.iter().map(|(live, wanted)| (Tape::from(live), Tape::from(wanted))).collect();
        let mut precedents = Precedents::default();
        for (live, wanted) in &tapes {
            let verdict = unchanged_by(&mut precedents, live.tree(), wanted.tree(), &[], "alice", of());
            prop_assert_eq!(verdict, unchanged(live.tree(), wanted.tree(), &[], "alice", of()));
        }
    }

    #[test]
    fn without_a_field_is_as_if_the_configuration_had_never_had_it(
        live in live(), spec in spec(ALL), path in proptest::sample::select(vec!["spec.count", "spec.map.a", "spec.map", "spec.whole.a", "spec.any.b", "spec"]), applied_whole in any::<bool>(),
    ) {
        let (wanted, path): (Value, FieldPath) = (configuration(spec), path.parse().unwrap());
        let mut rest = wanted.clone();
        super::remove(&mut rest, &path);
        let live = applied(Some(&live), if applied_whole { &wanted } else { &rest }, "alice", true).unwrap().object;
        let known = |verdict: Verdict| match verdict { Verdict::Unknown(_) => None, verdict => Some(verdict == Verdict::Unchanged) };
        prop_assert_eq!(known(told(&live, &wanted, &[&path], "alice", of())), known(told(&live, &rest, &[], "alice", of())));
    }

    #[test]
    fn what_is_no_longer_applied_leaves(spec in spec(ALL)) {
        let live = applied(None, &configuration(spec), "alice", false).unwrap().object;
        let gone = applied(Some(&live), &configuration(Map::new()), "alice", false).unwrap().object;
        let left = fields_of(of(), &values(&gone));
        let values_left: Vec<FieldPath> = left.leaves().into_iter().filter(|path| path.get(&gone).is_some_and(|value| !value.is_null() && !value.is_object())).collect();
        prop_assert!(values_left.iter().all(|path| path.0.len() < 2 || path.to_string().starts_with("metadata") || path.to_string() == "spec.kept"), "{:?}", gone);
    }

    #[test]
    fn what_another_owns_stays(spec in spec(ALL)) {
        let wanted = configuration(spec);
        let live = applied(None, &wanted, "alice", false).unwrap().object;
        let shared = applied(Some(&live), &wanted, "bob", false).unwrap().object;
        let left = applied(Some(&shared), &configuration(Map::new()), "alice", false).unwrap().object;
        prop_assert_eq!(values(&left), values(&live));
    }

    #[test]
    fn managers_of_different_fields_commute(a in spec(&["count", "map", "set"]), b in spec(&["note", "whole", "list", "ports"])) {
        let both = |first: (&str, &Map<String, Value>), second: (&str, &Map<String, Value>)| {
            let live = applied(None, &configuration(first.1.clone()), first.0, false).unwrap().object;
            applied(Some(&live), &configuration(second.1.clone()), second.0, false).unwrap().object
        };
        let (one, other) = (both(("alice", &a), ("bob", &b)), both(("bob", &b), ("alice", &a)));
        prop_assert_eq!(values(&one), values(&other));
        prop_assert_eq!(owners(&one), owners(&other));
    }

    #[test]
    fn force_takes_what_conflicts(live in live(), spec in spec(ALL)) {
        let wanted = configuration(spec);
        if let Err(Refused::Conflicts(conflicts)) = applied(Some(&live), &wanted, "dave", false) {
            let forced = applied(Some(&live), &wanted, "dave", true).unwrap().object;
            let owners = owners(&forced);
            for conflict in &conflicts.0 {
                let theirs = owners.iter().find(|(name, _)| *name == conflict.manager);
                prop_assert!(!theirs.is_some_and(|(_, fields)| fields.contains(&conflict.path)));
            }
            prop_assert_eq!(conflicts.causes().len(), conflicts.0.len());
        } else {
            let quiet = applied(Some(&live), &wanted, "dave", false).unwrap();
            prop_assert_eq!(quiet, applied(Some(&live), &wanted, "dave", true).unwrap());
        }
    }

    #[test]
    fn an_update_of_nothing_changes_nothing(live in live()) {
        let mut same = live.clone();
        same["metadata"]["uid"] = json!("u");
        let merged = update(Some(&same), &same, &writer("eve", "2027-01-01T00:00:00Z")).unwrap();
        prop_assert!(merged.is_unchanged());
        prop_assert_eq!(merged.object, same);
    }

    #[test]
    fn a_value_without_its_differences_does_not_differ(a in live(), b in live()) {
        let changes = compare(of(), &a, &b);
        prop_assert_eq!(changes.is_same(), values(&a) == values(&b) && a == b);
        let fields = fields_of(of(), &b);
        prop_assert!(changes.added.difference(&fields.with_named_fields(Some(of()))).is_empty());
        let _ = without_items(of(), &b, &changes.added);
    }

    #[test]
    fn nothing_panics_on_any_values(live in anything(), wanted in anything(), force in any::<bool>()) {
        let by = writer("kubectl", "2026-01-01T00:00:00Z");
        for of in [of(), TypeRef::any()] {
            let by = Writer { of, ..by };
            let _ = apply(Some(&live), &wanted, &by, force);
            let _ = apply(None, &wanted, &by, force);
            let _ = update(Some(&live), &wanted, &by);
            let _ = update(None, &wanted, &by);
            let _ = told(&live, &wanted, &[], "kubectl", of);
            let _ = compare(of, &live, &wanted);
            let _ = without_items(of, &live, &fields_of(of, &wanted));
            let _ = super::scaled(&live, &FieldPath::fields(&["spec", "count"]), 3, Some(force), &by);
        }
    }

    #[test]
    fn nothing_panics_on_hostile_records(live in live(), fields in anything(), spec in spec(ALL)) {
        let mut hostile = live;
        hostile["metadata"]["managedFields"][0]["fieldsV1"] = fields;
        let _ = applied(Some(&hostile), &configuration(spec.clone()), "alice", true);
        let _ = told(&hostile, &configuration(spec), &[], "alice", of());
    }
}

#[test]
fn depth_without_end_is_refused() {
    let mut deep = json!({"x": 1});
    for _ in 0..400 {
        deep = json!({"any": deep});
    }
    let wanted = json!({"apiVersion": "example.dev/v1", "kind": "Law", "metadata": {"name": "x"}, "spec": {"any": deep}});
    assert!(matches!(applied(None, &wanted, "alice", false), Err(Refused::Configuration { .. })));
    let mut live = configuration(Map::new());
    live["metadata"]["managedFields"] = json!([{"manager": "alice", "operation": "Apply", "apiVersion": "example.dev/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:any": {}}}}]);
    live["spec"]["any"] = wanted["spec"]["any"].clone();
    assert!(matches!(told(&live, &wanted, &[], "alice", of()), Verdict::Differs(_) | Verdict::Unknown(_)));
    assert!(!update(Some(&live), &wanted, &writer("bob", "2026-01-01T00:00:00Z")).unwrap().object.is_null());
}

#[test]
fn entries_that_the_next_write_makes_one_are_no_unchanged_object() {
    let wanted = configuration(Map::new());
    let live = applied(None, &wanted, "alice", false).unwrap().object;
    assert_eq!(told(&live, &wanted, &[], "alice", of()), Verdict::Unchanged);
    let entry = |time: &str| {
        json!({"manager": "carol", "operation": "Update", "apiVersion": "example.dev/v1", "time": time, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {}}})
    };
    for (second, verdict) in [(entry("2026-01-02T00:00:00Z"), true), (json!({"manager": "dave", "operation": "Update"}), false)] {
        let mut twice = live.clone();
        let entries = twice["metadata"]["managedFields"].as_array_mut().unwrap();
        entries.extend([entry("2026-01-01T00:00:00Z"), second]);
        assert_eq!(matches!(told(&twice, &wanted, &[], "alice", of()), Verdict::Unknown(_)), verdict);
    }
}
