//! How two values differ, place by place.

use serde_json::Value;

use super::{list_keys, typed};
use crate::resource::{FieldPath, PathElement};
use crate::schema::{ListKind, Shape, TypeRef};

/// A place that differs: what is there before (None: nothing), and after.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDiff {
    /// Where.
    pub path: FieldPath,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

/// All places at which the two differ, in the order of their paths. What comes or goes as a whole is one place; items of
/// keyed lists are matched by their keys, wherever they stand; a list whose items are no longer in the same order, and a
/// list without keys whose length changes, differ as a whole.
pub fn diff(before: &Value, after: &Value) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    compare(&FieldPath::root(), None, before, after, &mut found);
    found
}

/// The same of a known type: its schema says which lists are keyed, and by what.
pub fn diff_of(of: TypeRef<'_>, before: &Value, after: &Value) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    compare(&FieldPath::root(), Some(of), before, after, &mut found);
    found
}

/// The value's leaves: scalars, empty containers and lists without keys.
pub fn leaves(path: &FieldPath, value: &Value) -> Vec<(FieldPath, Value)> {
    let mut found = Vec::new();
    collect(path, None, value, &mut found);
    found
}

/// The same of a known type.
pub fn leaves_of(of: TypeRef<'_>, path: &FieldPath, value: &Value) -> Vec<(FieldPath, Value)> {
    let mut found = Vec::new();
    collect(path, Some(of), value, &mut found);
    found
}

/// How the items of two forms of one list are told apart, all being different; None: only by their places.
fn elements(path: &FieldPath, of: Option<TypeRef<'_>>, before: &[Value], after: &[Value]) -> Option<(Vec<PathElement>, Vec<PathElement>)> {
    let Some(of) = of else { return list_keys::elements(&path.0, before, after) };
    let Shape::List { kind, .. } = of.shape() else { return None };
    if *kind == ListKind::Atomic {
        return None;
    }
    let of_all = |items: &[Value]| {
        let found: Vec<PathElement> = items.iter().map(|item| typed::element(kind, item).ok()).collect::<Option<_>>()?;
        let different: std::collections::BTreeSet<&PathElement> = found.iter().collect();
        (different.len() == found.len()).then_some(found)
    };
    Some((of_all(before)?, of_all(after)?))
}

fn compare(path: &FieldPath, of: Option<TypeRef<'_>>, before: &Value, after: &Value, found: &mut Vec<FieldDiff>) {
    if before == after {
        return;
    }
    let whole = |found: &mut Vec<FieldDiff>| {
        found.push(FieldDiff { path: path.clone(), before: Some(before.clone()), after: Some(after.clone()) });
    };
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))).collect();
            names.sort();
            for name in names {
                one(&path.field(name), of.and_then(|of| of.field(name)), a.get(name), b.get(name), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => match elements(path, of, a, b) {
            Some((before_keys, after_keys)) if same_order(&before_keys, &after_keys) => {
                for (element, item) in before_keys.iter().zip(a) {
                    let other = after_keys.iter().position(|key| key == element).and_then(|index| b.get(index));
                    one(&path.join(element.clone()), of.and_then(TypeRef::item), Some(item), other, found);
                }
                for (element, item) in after_keys.iter().zip(b).filter(|(element, _)| !before_keys.contains(element)) {
                    one(&path.join(element.clone()), None, None, Some(item), found);
                }
            }
            None if a.len() == b.len() && a.iter().chain(b).all(Value::is_object) => {
                for (index, (x, y)) in a.iter().zip(b).enumerate() {
                    compare(&path.join(PathElement::Index(index)), of.and_then(TypeRef::item), x, y, found);
                }
            }
            _ => whole(found),
        },
        _ => whole(found),
    }
}

fn one(path: &FieldPath, of: Option<TypeRef<'_>>, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldDiff>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(path, of, before, after, found),
        (before, after) => found.push(FieldDiff { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}

/// Whether what stands in both stands in the same order.
fn same_order(before: &[PathElement], after: &[PathElement]) -> bool {
    let kept = before.iter().filter(|element| after.contains(element));
    kept.eq(after.iter().filter(|element| before.contains(element)))
}

fn collect(path: &FieldPath, of: Option<TypeRef<'_>>, value: &Value, found: &mut Vec<(FieldPath, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                collect(&path.field(name), of.and_then(|of| of.field(name)), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => match elements(path, of, items, items) {
            Some((elements, _)) => {
                for (element, item) in elements.into_iter().zip(items) {
                    collect(&path.join(element), of.and_then(TypeRef::item), item, found);
                }
            }
            None => found.push((path.clone(), value.clone())),
        },
        _ => found.push((path.clone(), value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(before: &Value, after: &Value) -> Vec<String> {
        let text = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
        diff(before, after).iter().map(|d| format!("{}: {} → {}", d.path, text(d.before.as_ref()), text(d.after.as_ref()))).collect()
    }

    #[test]
    fn items_of_keyed_lists_are_matched_by_their_keys() {
        let before = json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]});
        let after =
            json!({"containers": [{"name": "new"}, {"name": "a", "env": [{"name": "W", "value": "0"}, {"name": "X", "value": "2"}]}]});
        assert_eq!(
            shown(&before, &after),
            [
                r#"containers[a].env[X].value: "1" → "2""#,
                r#"containers[a].env[W]: - → {"name":"W","value":"0"}"#,
                r#"containers[b]: {"name":"b"} → -"#,
                r#"containers[new]: - → {"name":"new"}"#,
            ]
        );
    }

    #[test]
    fn ports_are_keyed_in_services_and_containers_and_atomic_in_policies() {
        let service = |port: u16| json!({"spec": {"ports": [{"port": 80, "targetPort": port}]}});
        assert_eq!(shown(&service(1), &service(2)), ["spec.ports[80].targetPort: 1 → 2"]);
        let policy = |port: u16| json!({"spec": {"ingress": [{"ports": [{"port": port}]}]}});
        assert_eq!(shown(&policy(1), &policy(2)), ["spec.ingress[0].ports[0].port: 1 → 2"]);
    }

    #[test]
    fn another_order_and_another_length_are_changes_of_the_whole_list() {
        let env = |names: &[&str]| json!({"env": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()});
        assert_eq!(diff(&env(&["a", "b"]), &env(&["b", "a"])).len(), 1);
        assert_eq!(shown(&json!({"args": ["a"]}), &json!({"args": ["a", "b"]})), [r#"args: ["a"] → ["a","b"]"#]);
        assert_eq!(shown(&json!({"finalizers": ["a", "b"]}), &json!({"finalizers": ["b"]})), [r#"finalizers[="a"]: "a" → -"#]);
    }

    #[test]
    fn leaves_go_down_to_scalars_and_lists_without_keys() {
        let value = json!({"a": {"b": 1, "c": {}}, "env": [{"name": "X"}], "args": ["x", "y"]});
        let paths: Vec<String> = leaves(&FieldPath::root(), &value).into_iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(paths, ["a.b", "a.c", "args", "env[X].name"]);
    }
}
