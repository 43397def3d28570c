//! Values put in and taken out at places.

use serde_json::{Map, Value};

use super::FieldDiff;
use crate::resource::{FieldPath, PathElement};

/// Puts a value at a place, and makes what must hold it: mappings, lists, items with their keys. False if something of
/// another shape stands in the way.
pub fn set(root: &mut Value, path: &FieldPath, value: Value) -> bool {
    let mut at = root;
    for element in &path.0 {
        let Some(next) = enter(at, element) else { return false };
        at = next;
    }
    *at = value;
    true
}

/// Takes the value at a place out. What held it stays, even empty. None if nothing was there.
pub fn remove(root: &mut Value, path: &FieldPath) -> Option<Value> {
    let (last, above) = path.0.split_last()?;
    let mut holder = root;
    for element in above {
        holder = element.get_mut(holder)?;
    }
    match last {
        PathElement::Field(name) => holder.as_object_mut()?.remove(name),
        element => {
            let items = holder.as_array_mut()?;
            let index = match element {
                PathElement::Index(index) => (*index < items.len()).then_some(*index)?,
                element => items.iter().position(|item| element.get_in(std::slice::from_ref(item)).is_some())?,
            };
            Some(items.remove(index))
        }
    }
}

/// Applies differences: `patch(before, diff(before, after))` is `after`, but for the place of new items in keyed lists,
/// which come last.
pub fn patch(mut value: Value, differences: &[FieldDiff]) -> Value {
    for difference in differences {
        match &difference.after {
            Some(after) => {
                set(&mut value, &difference.path, after.clone());
            }
            None => {
                remove(&mut value, &difference.path);
            }
        }
    }
    value
}

/// What is at the element, made if it isn't there.
fn enter<'v>(at: &'v mut Value, element: &PathElement) -> Option<&'v mut Value> {
    if at.is_null() {
        *at = match element {
            PathElement::Field(_) => Value::Object(Map::new()),
            _ => Value::Array(Vec::new()),
        };
    }
    match element {
        PathElement::Field(name) => Some(at.as_object_mut()?.entry(name.clone()).or_insert(Value::Null)),
        PathElement::Index(index) => {
            let items = at.as_array_mut()?;
            if *index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(*index)
        }
        element => {
            let items = at.as_array_mut()?;
            let found = items.iter().position(|item| element.get_in(std::slice::from_ref(item)).is_some());
            let index = found.unwrap_or_else(|| {
                items.push(match element {
                    PathElement::Key(keys) => Value::Object(keys.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
                    PathElement::Value(value) => value.clone(),
                    _ => Value::Null,
                });
                items.len() - 1
            });
            items.get_mut(index)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn set_makes_what_holds_the_value() {
        let mut value = json!({"kind": "X"});
        assert!(set(&mut value, &"spec.template.containers[app].image".parse().unwrap(), json!("i")));
        assert_eq!(value, json!({"kind": "X", "spec": {"template": {"containers": [{"name": "app", "image": "i"}]}}}));
        assert!(!set(&mut value, &"kind.x".parse().unwrap(), json!(1)));
    }

    #[test]
    fn remove_takes_fields_and_items() {
        let mut value = json!({"a": {"b": 1}, "list": [{"name": "x"}, {"name": "y"}]});
        assert_eq!(remove(&mut value, &"a.b".parse().unwrap()), Some(json!(1)));
        assert_eq!(remove(&mut value, &"list[x]".parse().unwrap()), Some(json!({"name": "x"})));
        assert_eq!(remove(&mut value, &"list[7]".parse().unwrap()), None);
        assert_eq!(value, json!({"a": {}, "list": [{"name": "y"}]}));
    }
}
