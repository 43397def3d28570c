//! Validation by a structural schema, in the server's words.

use serde_json::Value;

use crate::embedded::api::FieldError;

/// What is wrong with an object. What is as it was before may stay, however wrong it is now.
pub(super) fn validate(schema: &Value, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(schema, object, old, "", &mut errors, true);
    errors
}

fn walk(schema: &Value, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>, is_object: bool) {
    if old == Some(value) {
        return;
    }
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !is_type(schema, value) {
        let wanted = schema["type"].as_str().unwrap_or("integer,string");
        let found = type_name(value);
        errors.push(FieldError::type_invalid(
            at(path),
            &Value::from(found),
            &format!("{} in body must be of type {wanted}: \"{found}\"", at(path)),
        ));
        return;
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        let supported: Vec<String> = known.iter().map(ToString::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        errors.push(FieldError { reason: "FieldValueNotSupported", field: at(path).to_owned(), message });
    }
    match value {
        Value::String(text) => string(schema, text, path, errors),
        Value::Number(number) => self::number(schema, number.as_f64().unwrap_or_default(), value, path, errors),
        Value::Array(items) => {
            let count = items.len() as u64;
            if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
                let message = format!("Too many: {count}: must have at most {most} items");
                errors.push(FieldError { reason: "FieldValueTooMany", field: at(path).to_owned(), message });
            }
            if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
                errors.push(FieldError::invalid(
                    at(path),
                    &count.into(),
                    &format!("{} in body should have at least {least} items", at(path)),
                ));
            }
            doubles(schema, items, path, errors);
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, counterpart(schema, item, old), &format!("{path}[{index}]"), errors, false);
            }
        }
        Value::Object(map) => {
            let count = map.len() as u64;
            if let Some(most) = schema["maxProperties"].as_u64().filter(|most| count > *most) {
                let message = format!("Too many: {count}: must have at most {most} items");
                errors.push(FieldError { reason: "FieldValueTooMany", field: at(path).to_owned(), message });
            }
            if let Some(least) = schema["minProperties"].as_u64().filter(|least| count < *least) {
                errors.push(FieldError::invalid(
                    at(path),
                    &count.into(),
                    &format!("{} in body should have at least {least} properties", at(path)),
                ));
            }
            for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(required) {
                    errors.push(FieldError::required(below(path, required), ""));
                }
            }
            for (name, one) in map {
                let old = old.and_then(|old| old.get(name));
                if is_object && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let of = &schema["properties"][name];
                if !of.is_null() {
                    walk(of, one, old, &below(path, name), errors, false);
                } else if schema["additionalProperties"].is_object() {
                    walk(&schema["additionalProperties"], one, old, &below(path, name), errors, false);
                }
            }
        }
        _ => {}
    }
}

/// What an item of a keyed list was before.
fn counterpart<'o>(schema: &Value, item: &Value, old: Option<&'o Value>) -> Option<&'o Value> {
    if schema["x-kubernetes-list-type"] != "map" {
        return None;
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"].as_array()?.iter().filter_map(Value::as_str).collect();
    old?.as_array()?.iter().find(|before| keys.iter().all(|key| before[key] == item[key]))
}

fn string(schema: &Value, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        let message = format!("Too long: may not be more than {most} bytes");
        errors.push(FieldError { reason: "FieldValueTooLong", field: at(path).to_owned(), message });
    }
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        errors.push(FieldError::invalid(at(path), &text.into(), &format!("{} in body should be at least {least} chars long", at(path))));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && regex::Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        errors.push(FieldError::invalid(at(path), &text.into(), &format!("{} in body should match '{pattern}'", at(path))));
    }
}

fn number(schema: &Value, number: f64, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut bound = |name: &str, exclusive: &str, beyond: fn(f64, f64) -> bool, words: &str| {
        let Some(limit) = schema[name].as_f64() else { return };
        let strict = schema[exclusive] == true;
        if beyond(number, limit) || (strict && (number - limit).abs() < f64::EPSILON) {
            let words = if strict { words.to_owned() } else { format!("{words} or equal to") };
            errors.push(FieldError::invalid(at(path), value, &format!("{} in body should be {words} {}", at(path), schema[name])));
        }
    };
    bound("minimum", "exclusiveMinimum", |number, limit| number < limit, "greater than");
    bound("maximum", "exclusiveMaximum", |number, limit| number > limit, "less than");
    if let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0)
        && (number / step).fract().abs() > f64::EPSILON
    {
        errors.push(FieldError::invalid(
            at(path),
            value,
            &format!("{} in body should be a multiple of {}", at(path), schema["multipleOf"]),
        ));
    }
}

/// Items of sets and keyed lists are there once.
fn doubles(schema: &Value, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or("atomic");
    for (index, item) in items.iter().enumerate() {
        let key = |one: &Value| keys.iter().map(|key| one[*key].clone()).collect::<Vec<_>>();
        let same = |other: &Value| match kind {
            "set" => other == item,
            "map" => key(other) == key(item),
            _ => false,
        };
        if items[..index].iter().any(same) {
            let shown = match kind {
                "map" => keys.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect::<serde_json::Map<_, _>>().into(),
                _ => item.clone(),
            };
            errors.push(FieldError::duplicate(format!("{path}[{index}]"), &shown));
        }
    }
}

fn is_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn at(path: &str) -> &str {
    path
}
