//! Strategic merge patch: a merge patch that knows which lists are merged by keys, and its directives (`$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList/…`, `$setElementOrder/…`).

use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// How a list is merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// As a whole.
    Replace,
    /// Items by a key.
    Key(&'static str),
    /// Scalars, each once.
    Set,
}

/// The built-in kinds' `x-kubernetes-patch-merge-key`, by the list's name and where it stands. A name means the same
/// wherever it is merged, but for `ports`.
fn strategy(above: &[&str], name: &str, kind: &str) -> Strategy {
    match name {
        // What is decided about a request for a certificate is one thing.
        "conditions" if kind == "CertificateSigningRequest" => Strategy::Replace,
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "resourceClaimStatuses"
        | "schedulingGates"
        | "volumes"
        | "drivers"
        | "matchConditions"
        | "secrets"
        | "variables"
        | "webhooks"
        | "allocatedResourcesStatus" => Strategy::Key("name"),
        "addresses" | "conditions" if above.contains(&"status") => Strategy::Key("type"),
        "hostAliases" | "hostIPs" | "podIPs" => Strategy::Key("ip"),
        "ownerReferences" | "reservedFor" => Strategy::Key("uid"),
        "topologySpreadConstraints" => Strategy::Key("topologyKey"),
        "volumeDevices" => Strategy::Key("devicePath"),
        "volumeMounts" => Strategy::Key("mountPath"),
        "finalizers" | "podCIDRs" => Strategy::Set,
        "ports" => match above.last() {
            Some(&("containers" | "initContainers" | "ephemeralContainers")) => Strategy::Key("containerPort"),
            Some(&"spec") if above.len() == 1 => Strategy::Key("port"),
            _ => Strategy::Replace,
        },
        _ => Strategy::Replace,
    }
}

/// Applies a patch to an object.
///
/// # Errors
/// What is wrong with it.
pub fn strategic_merge(target: &Value, patch: &Value, kind: &str) -> Result<Value, String> {
    let (Some(target), Some(patch)) = (target.as_object(), patch.as_object()) else {
        return Err("expected a JSON object".to_owned());
    };
    Ok(merge_map(target.clone(), patch, &mut Vec::new(), kind)?.map_or(Value::Null, Value::Object))
}

/// None: the patch says that it goes.
fn merge_map<'p>(
    mut target: Map<String, Value>,
    patch: &'p Map<String, Value>,
    above: &mut Vec<&'p str>,
    kind: &str,
) -> Result<Option<Map<String, Value>>, String> {
    match patch.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => return Ok(Some(without_directives(patch))),
        Some("delete") => return Ok(None),
        Some(other) => return Err(format!("unknown patch type: {other}")),
    }
    if let Some(retained) = patch.get(RETAIN) {
        let retained = retained.as_array().ok_or("$retainKeys is no list")?;
        target.retain(|key, _| retained.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if key == DIRECTIVE || key == RETAIN || key.starts_with(ORDER) {
            continue;
        }
        if let Some(list) = key.strip_prefix(DELETE) {
            let gone = value.as_array().ok_or("$deleteFromPrimitiveList is no list")?;
            if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        match value {
            Value::Null => {
                target.remove(key);
            }
            // A budget's selector is one thing.
            Value::Object(_) if key == "selector" && kind == "PodDisruptionBudget" && above == &["spec"] => {
                target.insert(key.clone(), value.clone());
            }
            Value::Object(more) => {
                let at = match target.remove(key) {
                    Some(Value::Object(map)) => map,
                    _ => Map::new(),
                };
                above.push(key);
                let merged = merge_map(at, more, above, kind)?;
                above.pop();
                if let Some(merged) = merged {
                    target.insert(key.clone(), Value::Object(merged));
                }
            }
            Value::Array(more) => {
                let order = patch.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
                let at = match target.remove(key) {
                    Some(Value::Array(items)) => items,
                    _ => Vec::new(),
                };
                let merged = merge_list(at, more, order, above, key, kind)?;
                target.insert(key.clone(), Value::Array(merged));
            }
            scalar => {
                target.insert(key.clone(), scalar.clone());
            }
        }
    }
    // An order without any change to the list itself.
    for (key, order) in patch {
        let (Some(list), Some(order)) = (key.strip_prefix(ORDER), order.as_array()) else { continue };
        if !patch.contains_key(list)
            && let Some(items) = target.get_mut(list).and_then(Value::as_array_mut)
        {
            let before = std::mem::take(items);
            *items = ordered(before.clone(), &before, order, strategy(above, list, kind));
        }
    }
    Ok(Some(target))
}

fn merge_list<'p>(
    mut target: Vec<Value>,
    patch: &'p [Value],
    order: Option<&Vec<Value>>,
    above: &mut Vec<&'p str>,
    name: &'p str,
    kind: &str,
) -> Result<Vec<Value>, String> {
    let strategy = strategy(above, name, kind);
    let before = target.clone();
    match strategy {
        Strategy::Replace => return Ok(patch.iter().filter(|item| item.get(DIRECTIVE).is_none()).map(clean).collect()),
        Strategy::Set => {
            for item in patch {
                if !target.contains(item) {
                    target.push(item.clone());
                }
            }
        }
        Strategy::Key(key) => {
            if patch.iter().any(|item| item[DIRECTIVE] == "replace") {
                return Ok(patch.iter().filter(|item| item.get(DIRECTIVE).is_none()).map(clean).collect());
            }
            for item in patch {
                let map = item.as_object().ok_or_else(|| format!("an item of {name} is no mapping"))?;
                let id = map.get(key).ok_or_else(|| format!("map: {item} does not contain declared merge key: {key}"))?;
                let found = target.iter().position(|known| known.get(key) == Some(id));
                if map.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
                    target.retain(|known| known.get(key) != Some(id));
                    continue;
                }
                above.push(name);
                let at = found.and_then(|index| target[index].as_object().cloned()).unwrap_or_default();
                let merged = merge_map(at, map, above, kind)?;
                above.pop();
                match (merged, found) {
                    (Some(merged), Some(index)) => target[index] = Value::Object(merged),
                    (Some(merged), None) => target.push(Value::Object(merged)),
                    (None, Some(index)) => drop(target.remove(index)),
                    (None, None) => {}
                }
            }
        }
    }
    let named: Vec<Value> = match order {
        Some(order) => order.clone(),
        None => patch.iter().filter(|item| item.get(DIRECTIVE).is_none()).cloned().collect(),
    };
    Ok(ordered(target, &before, &named, strategy))
}

/// Puts items into their order: those that are named as they are named, the others before the first named one that they stood before.
fn ordered(items: Vec<Value>, before: &[Value], named: &[Value], strategy: Strategy) -> Vec<Value> {
    let same = |one: &Value, two: &Value| match strategy {
        Strategy::Key(key) => one.get(key).is_some() && one.get(key) == two.get(key),
        _ => one == two,
    };
    let stood = |item: &Value| before.iter().position(|old| same(old, item));
    let (mut listed, others): (Vec<Value>, Vec<Value>) = items.into_iter().partition(|item| named.iter().any(|one| same(one, item)));
    listed.sort_by_key(|item| named.iter().position(|one| same(one, item)));
    let mut out = Vec::with_capacity(listed.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in listed {
        let place = stood(&item);
        while let Some(other) = others.next_if(|other| place.is_some_and(|place| stood(other).is_some_and(|stood| stood < place))) {
            out.push(other);
        }
        out.push(item);
    }
    out.extend(others);
    out
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(key, _)| !key.starts_with('$')).map(|(key, value)| (key.clone(), clean(value))).collect()
}

/// A value of a patch as a value: no directives, no nulls.
fn clean(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => Value::Array(items.iter().map(clean).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(target: Value, patch: Value) -> Value {
        strategic_merge(&target, &patch, "Pod").unwrap()
    }

    #[test]
    fn keyed_lists_merge_by_their_keys_and_others_are_replaced() {
        let target = json!({"spec": {"containers": [{"name": "a", "image": "1", "args": ["x", "y"], "ports": [{"containerPort": 80}]}, {"name": "b"}]}});
        let patch = json!({"spec": {"containers": [{"name": "a", "image": "2", "args": ["z"], "ports": [{"containerPort": 81}]}, {"name": "b", "$patch": "delete"}, {"name": "c"}]}});
        assert_eq!(
            merged(target, patch),
            json!({"spec": {"containers": [{"name": "a", "image": "2", "args": ["z"], "ports": [{"containerPort": 81}, {"containerPort": 80}]}, {"name": "c"}]}})
        );
        let rules = json!({"spec": {"ingress": [{"ports": [{"port": 1}]}]}});
        assert_eq!(
            merged(rules, json!({"spec": {"ingress": [{"ports": [{"port": 2}]}]}})),
            json!({"spec": {"ingress": [{"ports": [{"port": 2}]}]}})
        );
    }

    #[test]
    fn directives_replace_retain_delete_and_order() {
        assert_eq!(merged(json!({"a": {"b": 1}}), json!({"a": {"$patch": "replace", "c": 2}})), json!({"a": {"c": 2}}));
        assert_eq!(merged(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"$retainKeys": ["c"], "c": 3}})), json!({"a": {"c": 3}}));
        let finalizers = json!({"metadata": {"finalizers": ["a", "b"]}});
        assert_eq!(
            merged(finalizers, json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}})),
            json!({"metadata": {"finalizers": ["c", "b"]}})
        );
        let containers = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let patch =
            json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "x"}]}});
        assert_eq!(merged(containers, patch), json!({"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "x"}]}}));
        assert_eq!(merged(json!({"a": 1}), json!({"a": null})), json!({}));
    }
}
