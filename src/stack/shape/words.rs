//! Schemas in words: what a value is to be, said as one would say it.

use serde_json::Value;

use super::schema::follow;

/// What a value of this schema is: `a whole number`, `a list of texts`, `"all", or a list of texts`.
pub(super) fn expected(schema: &'static Value) -> String {
    let schema = follow(schema);
    if let Some(choices) = choices(schema) {
        let mut said: Vec<String> = Vec::new();
        for choice in choices {
            let words = expected(choice);
            // Every whole number is a number: said once is enough.
            if words == "a number" {
                said.retain(|word| word != "a whole number");
            }
            if !said.contains(&words) {
                said.push(words);
            }
        }
        return either(&said);
    }
    if let Some(words) = enum_words(schema) {
        return either(&words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>());
    }
    match schema.get("type") {
        Some(Value::String(kind)) => one(kind, schema),
        Some(Value::Array(kinds)) => either(&kinds.iter().filter_map(Value::as_str).map(|kind| one(kind, schema)).collect::<Vec<_>>()),
        _ => "a value".to_owned(),
    }
}

fn one(kind: &str, schema: &'static Value) -> String {
    match kind {
        "boolean" => "true or false".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "string" => "a text".to_owned(),
        "array" => match schema.get("items").map(|items| plural(follow(items))) {
            Some(items) => format!("a list of {items}"),
            None => "a list".to_owned(),
        },
        "object" => match schema.get("required").and_then(Value::as_array) {
            Some(keys) if !keys.is_empty() => {
                let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
                format!("a table {{ {} }}", keys.join(", "))
            }
            _ => "a table".to_owned(),
        },
        other => other.to_owned(),
    }
}

fn plural(schema: &'static Value) -> &'static str {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "texts",
        Some("integer") => "whole numbers",
        Some("number") => "numbers",
        Some("object") => "tables",
        _ => "values",
    }
}

/// `a, b or c`.
pub(super) fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The schemas of which a value is to match one, where the schema is such a choice and not a list of words.
pub(super) fn choices(schema: &'static Value) -> Option<&'static Vec<Value>> {
    schema.get("anyOf").and_then(Value::as_array)
}

/// The words of which one is to be said, with what they mean.
pub(super) fn enum_words(schema: &'static Value) -> Option<Vec<&'static str>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let words: Vec<&str> = schema
        .get("oneOf")?
        .as_array()?
        .iter()
        .flat_map(|one| enum_words(one).unwrap_or_else(|| constant(one).into_iter().collect()))
        .collect();
    (!words.is_empty()).then_some(words)
}

fn constant(schema: &'static Value) -> Option<&'static str> {
    schema.get("const")?.as_str()
}
