//! What a kind of file may say, as text for people at a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::{FileKind, definition, follow};
use super::words::{enum_words, expected};

/// How deep tables are unfolded. Deeper ones are few, and named by those above them.
const DEPTH: usize = 4;

/// The widest that the column of keys gets.
const KEYS: usize = 38;

/// All keys of a kind of file by their TOML paths, what each is and what it means. `NAME` stands where the user chooses.
pub fn describe(file: FileKind) -> String {
    let schema = definition(file.definition());
    let mut text = String::new();
    let about = schema["description"].as_str().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}\n\n{about}\n", file.place());
    keys(schema, &mut Vec::new(), &mut text);
    text
}

fn keys(schema: &'static Value, path: &mut Vec<String>, text: &mut String) {
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(key.clone());
        let inner = follow(property);
        let of = inner.get("additionalProperties").filter(|of| of.is_object());
        let items = inner.get("items").map(follow).filter(|items| items.get("properties").is_some());
        let meaning = property["description"].as_str().unwrap_or_default();
        match (of, items) {
            (Some(of), _) => {
                path.push("NAME".to_owned());
                line(path, &kind(of), meaning, text);
                below(of, path, text);
                path.pop();
            }
            (None, Some(items)) => {
                line(path, "list of tables", meaning, text);
                if let Some(last) = path.last_mut() {
                    last.push_str("[]");
                }
                below(items, path, text);
            }
            (None, None) => {
                line(path, &kind(property), meaning, text);
                below(property, path, text);
            }
        }
        path.pop();
    }
}

/// The keys of a table, unless it is the same shape again (`when`, a service in an environment's file).
fn below(schema: &'static Value, path: &mut Vec<String>, text: &mut String) {
    let inner = follow(schema);
    let again = inner.get("properties").is_some_and(|properties| properties.get("needs").is_some() || properties.get("tenancy").is_some());
    if path.len() <= DEPTH && !again {
        keys(inner, path, text);
    }
}

fn kind(schema: &'static Value) -> String {
    let inner = follow(schema);
    if let Some(words) = enum_words(inner) {
        return words.join(" | ");
    }
    let words = expected(schema);
    words.strip_prefix("a ").map_or_else(|| words.clone(), str::to_owned)
}

fn line(path: &[String], kind: &str, meaning: &str, text: &mut String) {
    let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(text, "{:<KEYS$}  {kind}\n{:KEYS$}  {meaning}", path.join("."), "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_kinds_and_meanings_are_there() {
        let text = describe(FileKind::Service);
        assert!(text.starts_with("services/NAME.toml\n"), "{text}");
        assert!(text.contains("replicas.min "), "{text}");
        assert!(text.contains("ports.NAME.probe.path "), "{text}");
        assert!(text.contains("rolling | blue-green | canary | ab"), "{text}");
        assert!(text.contains("config.NAME                             text, a number, true or false, a table { secret, key }"), "{text}");
    }

    #[test]
    fn the_same_shape_again_is_not_unfolded() {
        for file in FileKind::ALL {
            let lines = describe(file).lines().count();
            assert!(lines < 520, "{}: {lines}", file.name());
        }
        assert!(!describe(FileKind::Environment).contains("service.NAME.needs"));
    }
}
