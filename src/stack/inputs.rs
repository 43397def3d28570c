//! Declared inputs: the only values that come from outside of a stack's files.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::layer::Layered;
use super::names;
use super::node::{Node, NodeValue};
use super::{ResolveOptions, Sources};

/// An input and its value.
pub struct InputValue {
    /// The value, of the declared type.
    pub node: Node,
    /// It must not be seen.
    pub sensitive: bool,
}

/// Finds each declared input's value: `--input`, its environment variable, the environment's file, its `file`, its default.
pub fn values(
    declared: &Layered,
    environment: &Node,
    options: &ResolveOptions,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, InputValue> {
    let known = || declared.node.as_table().into_iter().flat_map(BTreeMap::keys).map(String::as_str);
    for name in options.inputs.keys().filter(|name| declared.node.get(name).is_none()) {
        diagnostics.push(names::unknown("input", name, &outside("command line"), known()));
    }
    for (name, entry) in environment.entries(&["inputs"]).filter(|(name, _)| declared.node.get(name).is_none()) {
        diagnostics.push(names::unknown("input", name, &entry.key_origin, known()));
    }
    let mut values = BTreeMap::new();
    for (name, entry) in declared.node.as_table().into_iter().flatten() {
        let input = Input { name, declaration: &entry.node, declared_at: &entry.key_origin };
        if let Some(node) = input.value(environment, options, sources, diagnostics) {
            values.insert(name.clone(), InputValue { node, sensitive: input.is_sensitive() });
        }
    }
    values
}

/// The environment variable that gives an input unless it names another.
pub fn variable(input: &str) -> String {
    format!("SPAI_INPUT_{}", input.to_uppercase().replace('-', "_"))
}

struct Input<'n> {
    name: &'n str,
    declaration: &'n Node,
    declared_at: &'n Origin,
}

impl Input<'_> {
    fn is_sensitive(&self) -> bool {
        self.declaration.get("sensitive").and_then(Node::as_bool).unwrap_or_default()
    }

    fn kind(&self) -> &str {
        self.declaration.get("type").and_then(Node::as_str).unwrap_or("string")
    }

    fn value(&self, environment: &Node, options: &ResolveOptions, sources: &Sources, diagnostics: &mut Diagnostics) -> Option<Node> {
        if let Some(given) = options.inputs.get(self.name) {
            return self.parse(given, &outside("command line"), diagnostics);
        }
        let own = self.declaration.get("env").and_then(Node::as_str);
        let variable = own.map_or_else(|| variable(self.name), str::to_owned);
        if let Some(given) = options.variables.get(&variable) {
            return self.parse(given, &outside(&format!("environment {variable}")), diagnostics);
        }
        if let Some(node) = environment.at(&["inputs", self.name]) {
            return self.typed(node, diagnostics);
        }
        if let Some(file) = self.declaration.get("file") {
            return match sources.open(file.as_str().unwrap_or_default(), &file.origin) {
                Ok(text) => self.parse(text.trim_end_matches('\n'), &file.origin, diagnostics),
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
                    None
                }
            };
        }
        if let Some(node) = self.declaration.get("default") {
            return self.typed(node, diagnostics);
        }
        diagnostics.push(
            Diagnostic::error("stack::missing_input", format!("input `{}` has no value", self.name))
                .at(self.declared_at, "declared here, without a default")
                .help(format!(
                    "give it with `--input {}=…`, the environment variable {variable}, or `[inputs]` of the environment's file",
                    self.name
                )),
        );
        None
    }

    /// A value from a text: a flag's, a variable's, a file's.
    fn parse(&self, text: &str, origin: &Origin, diagnostics: &mut Diagnostics) -> Option<Node> {
        let value = match self.kind() {
            "integer" => text.trim().parse().ok().map(NodeValue::Integer),
            "boolean" => text.trim().parse().ok().map(NodeValue::Bool),
            _ => Some(NodeValue::String(text.to_owned())),
        };
        if value.is_none() {
            diagnostics.push(self.wrong_type(origin));
        }
        value.map(|value| Node::new(value, origin))
    }

    /// A value that a file gives.
    fn typed(&self, node: &Node, diagnostics: &mut Diagnostics) -> Option<Node> {
        let fits = matches!(
            (self.kind(), &node.value),
            ("integer", NodeValue::Integer(_)) | ("boolean", NodeValue::Bool(_)) | ("string", NodeValue::String(_))
        );
        if !fits {
            diagnostics.push(self.wrong_type(&node.origin));
            return None;
        }
        Some(node.clone())
    }

    /// The value itself is not shown: it may be secret.
    fn wrong_type(&self, origin: &Origin) -> Diagnostic {
        let wanted = match self.kind() {
            "integer" => "a whole number",
            "boolean" => "`true` or `false`",
            _ => "a text",
        };
        Diagnostic::error("stack::input_type", format!("input `{}` must be {wanted}", self.name))
            .at(origin, format!("this isn't {wanted}"))
            .at(self.declared_at, "declared here")
    }
}

/// A place outside of the stack's files.
pub fn outside(what: &str) -> Origin {
    Origin { file: Arc::from(what), line: 0, column: 0, start: 0, end: 0 }
}
