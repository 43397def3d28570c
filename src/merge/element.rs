//! A step of a path as `fieldsV1` writes it: `f:name`, `k:{…}`, `v:…`, `i:3`.

use serde_json::Value;

use crate::resource::PathElement;

/// Reads a key of a `fieldsV1` trie; None for `.` and whatever isn't one.
pub fn parse_element(key: &str) -> Option<PathElement> {
    let (tag, rest) = key.split_once(':')?;
    match tag {
        "f" => Some(PathElement::Field(rest.to_owned())),
        "k" => serde_json::from_str(rest).ok().map(PathElement::Key),
        "v" => serde_json::from_str(rest).ok().map(PathElement::Value),
        "i" => rest.parse().ok().map(PathElement::Index),
        _ => None,
    }
}

/// Writes it as the API server does: keys sorted, no spaces.
pub fn print_element(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(keys) => format!("k:{}", Value::from(keys.clone().into_iter().collect::<serde_json::Map<_, _>>())),
        PathElement::Value(value) => format!("v:{value}"),
        PathElement::Index(index) => format!("i:{index}"),
    }
}
