//! Pruning and defaults by a structural schema.

use serde_json::{Map, Value};

/// Fields that every object has, whatever its schema says.
const OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Leaves out what the schema doesn't have, and names it.
pub(super) fn prune(schema: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>, is_object: bool) {
    match value {
        Value::Object(map) => {
            if schema["x-kubernetes-preserve-unknown-fields"] == true
                && schema["properties"].is_null()
                && schema["additionalProperties"].is_null()
            {
                return;
            }
            let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if is_object && OBJECT.contains(&name.as_str()) {
                    continue;
                }
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let of = &schema["properties"][&name];
                let embedded = of["x-kubernetes-embedded-resource"] == true;
                if !of.is_null() {
                    if let Some(one) = map.get_mut(&name) {
                        prune(of, one, &below, unknown, embedded);
                    }
                } else if schema["additionalProperties"].is_object() {
                    if let Some(one) = map.get_mut(&name) {
                        prune(&schema["additionalProperties"], one, &below, unknown, false);
                    }
                } else if !keeps && schema["additionalProperties"] != true {
                    unknown.push(below);
                    map.remove(&name);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let embedded = schema["items"]["x-kubernetes-embedded-resource"] == true;
                prune(&schema["items"], item, &format!("{path}[{index}]"), unknown, embedded);
            }
        }
        _ => {}
    }
}

/// Puts defaults where nothing is, or a null that may not be.
pub(super) fn complete(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                let nulled = map.get(name) == Some(&Value::Null) && of["nullable"] != true;
                if let Some(default) = of.get("default").filter(|_| nulled || !map.contains_key(name)) {
                    map.insert(name.clone(), default.clone());
                } else if nulled {
                    map.remove(name);
                }
                if let Some(one) = map.get_mut(name) {
                    complete(of, one);
                }
            }
            if schema["additionalProperties"].is_object() {
                let known = schema["properties"].as_object();
                complete_others(&schema["additionalProperties"], map, known);
            }
        }
        Value::Array(items) => {
            for item in items {
                complete(&schema["items"], item);
            }
        }
        _ => {}
    }
}

fn complete_others(of: &Value, map: &mut Map<String, Value>, known: Option<&Map<String, Value>>) {
    for (_, one) in map.iter_mut().filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name))) {
        if one.is_null()
            && of["nullable"] != true
            && let Some(default) = of.get("default")
        {
            *one = default.clone();
        }
        complete(of, one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_schema_does_not_have_goes_and_its_defaults_come() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 3},
            "tags": {"type": "object", "additionalProperties": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}}},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}}}}});
        let mut value = json!({"metadata": {"name": "x"}, "other": 1, "spec": {"tags": {"a": {"x": 1}}, "open": {"y": 2}, "list": [{"a": "1", "b": 2}], "size": null}});
        let mut unknown = Vec::new();
        prune(&schema, &mut value, "", &mut unknown, true);
        complete(&schema, &mut value);
        assert_eq!(
            value,
            json!({"metadata": {"name": "x"}, "spec": {"size": 3, "tags": {"a": {"on": true}}, "open": {"y": 2}, "list": [{"a": "1"}]}})
        );
        unknown.sort();
        assert_eq!(unknown, ["other", "spec.list[0].b", "spec.tags.a.x"]);
    }
}
