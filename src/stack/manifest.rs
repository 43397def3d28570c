//! Manifests: Kubernetes objects in YAML or JSON that are taken as they are.
//!
//! Files directly in `manifests/`, or in folders there that aren't called like an environment, are of every environment; those in
//! `manifests/ENVIRONMENT/` of that one alone, where the same object lies over the common one: tables merge, everything
//! else replaces, `null` removes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::resource::{Diagnostic, Diagnostics, Object, ObjectKey, Origin};

use super::Manifest;
use super::node::Lines;

/// Documents nest at most this deep.
const MAX_DEPTH: usize = 128;

/// An object of a manifest file.
#[derive(Clone, Debug)]
pub struct Found {
    /// The environment that it is of; none for all.
    pub environment: Option<String>,
    /// The object and its place.
    pub manifest: Manifest,
}

/// Reads the objects of one file.
pub fn read(path: &Arc<str>, text: &str, environments: &[String], diagnostics: &mut Diagnostics) -> Vec<Found> {
    let folder = path.strip_prefix("manifests/").and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
    let environment = folder.filter(|folder| environments.iter().any(|name| name == folder)).map(str::to_owned);
    let lines = Lines::new(path, text);
    let mut found = Vec::new();
    for (start, end) in documents(text, path.ends_with(".json")) {
        let (from, to) = first_line(text, start, end);
        let origin = lines.origin(from, to);
        match parse(&text[start..end], path.ends_with(".json")) {
            Ok(values) => {
                for value in values {
                    take(value, &origin, environment.as_deref(), &mut found, diagnostics);
                }
            }
            Err((at, message)) => {
                let at = at.map_or_else(|| origin.clone(), |at| lines.origin(start + at, start + at));
                diagnostics.push(Diagnostic::error("stack::manifest_syntax", message).at(&at, "here"));
            }
        }
    }
    found
}

/// The manifests of one environment: its own laid over the common ones. The same object twice in one layer is an error.
pub fn layered(all: &[Found], environment: &str, diagnostics: &mut Diagnostics) -> Vec<Manifest> {
    let mut common: BTreeMap<ObjectKey, Manifest> = BTreeMap::new();
    let mut own: BTreeMap<ObjectKey, Manifest> = BTreeMap::new();
    for found in all {
        let layer = match &found.environment {
            None => &mut common,
            Some(name) if name == environment => &mut own,
            Some(_) => continue,
        };
        let key = found.manifest.object.key();
        if let Some(first) = layer.get(&key) {
            diagnostics.push(
                Diagnostic::error("stack::duplicate_object", format!("{key} is declared twice"))
                    .at(&found.manifest.origin, "and again here")
                    .at(&first.origin, "once here")
                    .help("remove one; what differs in one environment goes into manifests/ENVIRONMENT/"),
            );
            continue;
        }
        layer.insert(key, found.manifest.clone());
    }
    for (key, over) in own {
        match common.get_mut(&key) {
            None => {
                common.insert(key, over);
            }
            Some(under) => {
                overlay(under.object.value_mut(), over.object.value());
                under.origin = over.origin;
            }
        }
    }
    common.into_values().collect()
}

/// Tables merge, everything else replaces, null removes.
fn overlay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.remove(key);
                } else {
                    overlay(under.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// One value of a document: an object, or a `List` of them.
fn take(value: Value, origin: &Origin, environment: Option<&str>, found: &mut Vec<Found>, diagnostics: &mut Diagnostics) {
    if value.is_null() {
        return;
    }
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    if is_list && value.get("items").is_some_and(Value::is_array) {
        let Value::Object(mut list) = value else { return };
        if let Some(Value::Array(items)) = list.remove("items") {
            for item in items {
                take(item, origin, environment, found, diagnostics);
            }
        }
        return;
    }
    let generated = value.get("metadata").is_some_and(|metadata| metadata.get("generateName").is_some() && metadata.get("name").is_none());
    match Object::try_from(value) {
        Ok(object) => {
            found.push(Found { environment: environment.map(str::to_owned), manifest: Manifest { object, origin: origin.clone() } });
        }
        Err(error) => {
            let diagnostic = Diagnostic::error("stack::no_object", error.to_string()).at(origin, "this document isn't one");
            diagnostics.push(if generated {
                diagnostic.help("`generateName` makes another object each time: give it a `name`")
            } else {
                diagnostic.help("a manifest begins with `apiVersion`, `kind` and `metadata: { name: … }`")
            });
        }
    }
}

/// Where each document of a file is. In YAML, a line that begins with `---` can be nothing else than a document's beginning.
fn documents(text: &str, json: bool) -> Vec<(usize, usize)> {
    if json {
        return vec![(0, text.len())];
    }
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
        if marker && at > start {
            documents.push((start, at));
            start = at;
        }
        at += line.len();
    }
    documents.push((start, text.len()));
    documents
}

/// The first line of a document that says something.
fn first_line(text: &str, start: usize, end: usize) -> (usize, usize) {
    let mut at = start;
    for line in text[start..end].split_inclusive('\n') {
        let said = line.trim();
        if !said.is_empty() && said != "---" && !said.starts_with('#') {
            return (at, at + line.trim_end().len());
        }
        at += line.len();
    }
    (start, start)
}

/// A document's values: one in YAML; one after the other in JSON.
fn parse(text: &str, json: bool) -> Result<Vec<Value>, (Option<usize>, String)> {
    if json {
        let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let mut values = Vec::new();
        for value in stream {
            match value {
                Ok(value) => values.push(value),
                Err(error) => {
                    return Err((
                        Some(offset(text, error.line(), error.column())),
                        format!("this is no JSON: {}", words(&error.to_string())),
                    ));
                }
            }
        }
        return Ok(values);
    }
    // Aliases may repeat what the document says, but not blow it up; everything else is bounded by the file's size.
    let mut budget = serde_saphyr::Budget::default();
    budget.max_events = usize::MAX;
    budget.max_nodes = usize::MAX;
    budget.max_total_scalar_bytes = usize::MAX;
    budget.max_depth = MAX_DEPTH;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = 200_000;
    options.with_snippet = false;
    // As kubectl reads it: `defaultMode: 0644` is octal.
    options.legacy_octal_numbers = true;
    match serde_saphyr::from_str_with_options::<Value>(text, options) {
        Ok(value) => Ok(vec![value]),
        Err(error) => {
            let at = error.location().map(|location| {
                let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                offset(text, number(location.line()), number(location.column()))
            });
            Err((at, format!("this is no YAML: {}", words(&error.without_snippet().to_string()))))
        }
    }
}

/// The byte offset of a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

/// The parser's first line, without the place that it adds.
fn words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).trim_end_matches(['.', ':']).to_owned()
}
