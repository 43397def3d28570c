//! From a definition's schema to the types that its rules see.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::types::{ListKind, Type};

/// Words that are no names in expressions.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name that expressions have for a field. None: they can't name it.
pub fn escaped(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(ok) {
        return None;
    }
    if !name.contains("__") && !name.contains(['.', '-', '/']) {
        return Some(name.to_owned());
    }
    let name = name.replace("__", "\u{0}").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__");
    Some(name.replace('\u{0}', "__underscores__"))
}

/// The type of what a schema describes. None: rules can't see it.
pub fn declare(schema: &Json, is_resource: bool, name: &str) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    Some(match schema["type"].as_str()? {
        "array" => {
            let items = &schema["items"];
            let item = declare(items, items["x-kubernetes-embedded-resource"] == true, &format!("{name}.@idx"))?;
            Type::List(Arc::new(item), list_kind(schema))
        }
        "object" if schema["additionalProperties"].is_object() => {
            let values = &schema["additionalProperties"];
            Type::map(declare(values, values["x-kubernetes-embedded-resource"] == true, &format!("{name}.@elem"))?)
        }
        "object" => {
            let mut fields = BTreeMap::new();
            for (field, of) in schema["properties"].as_object().into_iter().flatten() {
                let below = declare(of, of["x-kubernetes-embedded-resource"] == true, &format!("{name}.{field}"));
                if let (Some(field), Some(below)) = (escaped(field), below) {
                    fields.insert(field, below);
                }
            }
            if is_resource {
                fields.insert("apiVersion".to_owned(), Type::String);
                fields.insert("kind".to_owned(), Type::String);
                let meta = ["name", "generateName"].map(|field| (field.to_owned(), Type::String));
                fields.insert("metadata".to_owned(), Type::object(format!("{name}.metadata"), meta));
            }
            Type::object(name, fields)
        }
        "string" => match schema["format"].as_str() {
            Some("byte") => Type::Bytes,
            Some("duration") => Type::Duration,
            Some("date" | "date-time") => Type::Timestamp,
            _ => Type::String,
        },
        "boolean" => Type::Bool,
        "number" => Type::Double,
        "integer" => Type::Int,
        _ => return None,
    })
}

fn list_kind(schema: &Json) -> ListKind {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            ListKind::Map(keys.into_iter().flatten().filter_map(|key| escaped(key.as_str()?)).collect())
        }
        _ => ListKind::Atomic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_identifiers_are_escaped() {
        let all = ["size", "in", "a-b", "a.b/c", "a__b", "1a", "a b"].map(|name| escaped(name).unwrap_or_default());
        assert_eq!(all, ["size", "__in__", "a__dash__b", "a__dot__b__slash__c", "a__underscores__b", "", ""]);
    }
}
