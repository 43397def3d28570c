//! How two values differ, place by place.

use serde_json::Value;

use super::{below, elements};
use crate::resource::{FieldPath, PathElement};
use crate::schema::TypeRef;

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

/// All places at which two values of a type differ, in the order of their paths. What comes or goes as a whole is one place;
/// items of keyed lists and sets are matched by what tells them apart, wherever they stand; a list whose items are no longer in
/// the same order, and an atomic list whose length changes, differ as a whole.
pub fn diff(of: TypeRef<'_>, before: &Value, after: &Value) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    compare(&FieldPath::root(), of, before, after, &mut found);
    found
}

/// The leaves of a value of a type, which stands at `path`: scalars, empty containers and atomic lists.
pub fn leaves(of: TypeRef<'_>, path: &FieldPath, value: &Value) -> Vec<(FieldPath, Value)> {
    let mut found = Vec::new();
    collect(path, of, value, &mut found);
    found
}

fn compare(path: &FieldPath, of: TypeRef<'_>, before: &Value, after: &Value, found: &mut Vec<FieldDiff>) {
    if before == after {
        return;
    }
    let whole = |found: &mut Vec<FieldDiff>| {
        found.push(FieldDiff { path: path.clone(), before: Some(before.clone()), after: Some(after.clone()) });
    };
    let one = |element: PathElement, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldDiff>| {
        let (path, of) = (path.join(element.clone()), below(of, &element));
        match (before, after) {
            (Some(before), Some(after)) => compare(&path, of, before, after, found),
            (before, after) => found.push(FieldDiff { path, before: before.cloned(), after: after.cloned() }),
        }
    };
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))).collect();
            names.sort();
            for name in names {
                one(PathElement::Field(name.clone()), a.get(name), b.get(name), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => match elements(of, [a, b]) {
            Some([before_keys, after_keys]) if same_order(&before_keys, &after_keys) => {
                for (element, item) in before_keys.iter().zip(a) {
                    let other = after_keys.iter().position(|key| key == element).and_then(|index| b.get(index));
                    one(element.clone(), Some(item), other, found);
                }
                for (element, item) in after_keys.iter().zip(b).filter(|(element, _)| !before_keys.contains(element)) {
                    one(element.clone(), None, Some(item), found);
                }
            }
            None if a.len() == b.len() && a.iter().chain(b).all(Value::is_object) => {
                for (index, (x, y)) in a.iter().zip(b).enumerate() {
                    one(PathElement::Index(index), Some(x), Some(y), found);
                }
            }
            _ => whole(found),
        },
        _ => whole(found),
    }
}

/// Whether what stands in both stands in the same order.
fn same_order(before: &[PathElement], after: &[PathElement]) -> bool {
    let kept = before.iter().filter(|element| after.contains(element));
    kept.eq(after.iter().filter(|element| before.contains(element)))
}

fn collect(path: &FieldPath, of: TypeRef<'_>, value: &Value, found: &mut Vec<(FieldPath, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                collect(&path.field(name), of.field(name).unwrap_or(TypeRef::any()), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => match elements(of, [items]) {
            Some([elements]) => {
                for (element, item) in elements.into_iter().zip(items) {
                    collect(&path.join(element), of.item().unwrap_or(TypeRef::any()), item, found);
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
    use crate::merge::widget::widget_type;
    use crate::resource::GroupVersionKind;
    use crate::schema::MINORS;
    use serde_json::json;

    fn built_in(api_version: &str, kind: &str) -> TypeRef<'static> {
        crate::schema::built_in(MINORS[1]).kind(&GroupVersionKind::from_api_version(api_version, kind)).unwrap()
    }

    fn shown(of: TypeRef<'_>, before: &Value, after: &Value) -> Vec<String> {
        let text = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
        diff(of, before, after).iter().map(|d| format!("{}: {} → {}", d.path, text(d.before.as_ref()), text(d.after.as_ref()))).collect()
    }

    #[test]
    fn items_of_keyed_lists_are_matched_by_their_keys() {
        let before = json!({"spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}});
        let env = json!([{"name": "W", "value": "0"}, {"name": "X", "value": "2"}]);
        let after = json!({"spec": {"containers": [{"name": "new"}, {"name": "a", "env": env}]}});
        assert_eq!(
            shown(built_in("v1", "Pod"), &before, &after),
            [
                r#"spec.containers[a].env[X].value: "1" → "2""#,
                r#"spec.containers[a].env[W]: - → {"name":"W","value":"0"}"#,
                r#"spec.containers[b]: {"name":"b"} → -"#,
                r#"spec.containers[new]: - → {"name":"new"}"#,
            ]
        );
    }

    #[test]
    fn ports_are_keyed_in_services_and_atomic_in_policies() {
        let service = |port: u16| json!({"spec": {"ports": [{"port": 80, "targetPort": port}]}});
        assert_eq!(shown(built_in("v1", "Service"), &service(1), &service(2)), ["spec.ports[80].targetPort: 1 → 2"]);
        let policy = |port: u16| json!({"spec": {"ingress": [{"ports": [{"port": port}]}]}});
        let of = built_in("networking.k8s.io/v1", "NetworkPolicy");
        assert_eq!(shown(of, &policy(1), &policy(2)), ["spec.ingress[0].ports[0].port: 1 → 2"]);
    }

    #[test]
    fn another_order_and_another_length_are_changes_of_the_whole_list() {
        let of = built_in("v1", "Pod");
        let container = |field: &str, value: Value| json!({"spec": {"containers": [{"name": "c", field: value}]}});
        let env = |names: [&str; 2]| container("env", json!(names.map(|name| json!({"name": name}))));
        assert_eq!(diff(of, &env(["a", "b"]), &env(["b", "a"])).len(), 1);
        let args = |args: &[&str]| container("args", json!(args));
        assert_eq!(shown(of, &args(&["a"]), &args(&["a", "b"])), [r#"spec.containers[c].args: ["a"] → ["a","b"]"#]);
        let finalizers = |names: &[&str]| json!({"metadata": {"finalizers": names}});
        assert_eq!(shown(of, &finalizers(&["a", "b"]), &finalizers(&["b"])), [r#"metadata.finalizers[="a"]: "a" → -"#]);
    }

    #[test]
    fn the_type_says_what_a_name_does_not() {
        let of = widget_type();
        let before = json!({"spec": {"lanes": [{"route": "a", "limit": 1}, {"route": "a", "mode": "slow"}], "tags": ["x", "y"]}});
        let after = json!({"spec": {"lanes": [{"route": "a", "mode": "fast", "limit": 2}], "tags": ["y", "z"]}});
        assert_eq!(
            shown(of, &before, &after),
            [
                "spec.lanes[mode=fast,route=a].limit: 1 → 2",
                r#"spec.lanes[mode=fast,route=a].mode: - → "fast""#,
                r#"spec.lanes[mode=slow,route=a]: {"mode":"slow","route":"a"} → -"#,
                r#"spec.tags[="x"]: "x" → -"#,
                r#"spec.tags[="z"]: - → "z""#,
            ]
        );
        let env = |names: &[&str]| json!({"spec": {"env": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
        let whole = r#"spec.env: [{"name":"a"},{"name":"b"}] → [{"name":"b"}]"#;
        assert_eq!(shown(of, &env(&["a", "b"]), &env(&["b"])), [whole]);
        assert_eq!(shown(TypeRef::any(), &env(&["a", "b"]), &env(&["b"])), [whole]);
    }

    #[test]
    fn leaves_go_down_to_scalars_and_atomic_lists() {
        let paths = |of: TypeRef<'_>, value: &Value| -> Vec<String> {
            leaves(of, &FieldPath::root(), value).into_iter().map(|(path, _)| path.to_string()).collect()
        };
        let value = json!({"metadata": {"a": {"b": 1, "c": {}}}, "spec": {"containers": [{"name": "c", "args": ["x", "y"]}]}});
        assert_eq!(
            paths(built_in("v1", "Pod"), &value),
            ["metadata.a.b", "metadata.a.c", "spec.containers[c].args", "spec.containers[c].name"]
        );
        assert_eq!(paths(TypeRef::any(), &value), ["metadata.a.b", "metadata.a.c", "spec.containers"]);
    }
}
