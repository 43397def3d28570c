//! What was meant by what isn't right: of several shapes the nearest, and where else a key stands that isn't known here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stack::names::nearest;
use crate::stack::node::{Node, NodeValue, Table};
use crate::stack::shape::schema::follow;
use crate::stack::shape::words::{choices, enum_words};

/// Whether a value is of a schema's type, whatever is inside it.
pub(super) fn fits(node: &Node, schema: &'static Value) -> bool {
    if let Some(choices) = choices(schema) {
        return choices.iter().any(|choice| fits(node, follow(choice)));
    }
    match &node.value {
        NodeValue::Null | NodeValue::Datetime(_) => false,
        NodeValue::Bool(_) => is_type(schema, "boolean"),
        NodeValue::Integer(_) => is_type(schema, "integer") || is_type(schema, "number"),
        NodeValue::Float(_) => is_type(schema, "number"),
        NodeValue::String(_) => is_type(schema, "string") || enum_words(schema).is_some(),
        NodeValue::Array(_) => is_type(schema, "array"),
        NodeValue::Table(_) => is_type(schema, "object"),
    }
}

/// Whether a schema names a type, or none at all.
pub(super) fn is_type(schema: &'static Value, wanted: &str) -> bool {
    match schema.get("type") {
        None => schema.get("oneOf").is_none() && schema.get("enum").is_none() && schema.get("anyOf").is_none(),
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        Some(kind) => kind == wanted,
    }
}

pub(super) fn plain_items(schema: &'static Value) -> bool {
    schema.get("items").is_some_and(|items| is_type(follow(items), "string"))
}

/// Of several kinds of tables the one whose keys are most like those of `table`; none if no key is like any.
pub(super) fn best(table: &Table, choices: &[&'static Value]) -> Option<&'static Value> {
    let score = |choice: &'static Value| -> usize {
        let known: Vec<&str> =
            follow(choice).get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let like =
            |key: &String| if known.contains(&key.as_str()) { 2 } else { usize::from(nearest(key, known.iter().copied()).is_some()) };
        table.keys().map(like).sum()
    };
    choices
        .iter()
        .map(|choice| (score(choice), *choice))
        .rev()
        .max_by_key(|(score, _)| *score)
        .filter(|(score, _)| *score > 0)
        .map(|(_, choice)| choice)
}

/// Where below a table, a few levels deep, there is such a key; and what goes by another name here.
pub(super) fn elsewhere(key: &str, schema: &'static Value) -> Vec<String> {
    const ALSO_CALLED: [(&str, &str); 22] = [
        ("env", "config"),
        ("environment", "config"),
        ("environment_variables", "config"),
        ("variables", "config"),
        ("vars", "config"),
        ("depends_on", "needs"),
        ("dependencies", "needs"),
        ("requires", "needs"),
        ("autoscaling", "scaling"),
        ("autoscaler", "scaling"),
        ("hpa", "scaling"),
        ("ingress", "routes"),
        ("route", "routes"),
        ("port", "ports"),
        ("limits", "resources.limits"),
        ("requests", "resources.requests"),
        ("rbac", "rights"),
        ("permissions", "rights"),
        ("cron", "job.schedule"),
        ("pdb", "disruption"),
        ("init_containers", "init"),
        ("service_level_objective", "slo"),
    ];
    let has = |path: &str| schema["properties"].get(path.split('.').next().unwrap_or(path)).is_some();
    let lower = key.to_lowercase().replace('-', "_");
    let mut found: Vec<String> =
        ALSO_CALLED.iter().filter(|(other, path)| *other == lower && has(path)).map(|(_, path)| (*path).to_owned()).collect();
    search(&lower, schema, &mut Vec::new(), &mut BTreeSet::new(), &mut found);
    found.dedup();
    found
}

fn search(key: &str, schema: &'static Value, path: &mut Vec<&'static str>, seen: &mut BTreeSet<*const Value>, found: &mut Vec<String>) {
    if path.len() > 2 || !seen.insert(std::ptr::from_ref(schema)) {
        return;
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(name);
        if name == key && path.len() > 1 {
            found.push(path.join("."));
        }
        let inner = follow(property);
        // What stands under a condition is the same again: no place to send people to.
        if name != "when" && inner.get("properties").is_some() {
            search(key, inner, path, seen, found);
        }
        path.pop();
    }
}
