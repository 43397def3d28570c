//! The check of a tree against the model's schema: all that is wrong at once, each at its place, each with the way out.

mod meant;

use serde_json::Value;

use crate::resource::{Diagnostic, Diagnostics};
use crate::stack::names::{listed, nearest};
use crate::stack::node::{Entry, Node, NodeValue, Table, join_path};

use self::meant::{best, elsewhere, fits, is_type, plain_items};
use super::schema::{FileKind, ShapeRef, definition, follow};
use super::words::{choices, either, enum_words, expected};

/// Notes all in which `node` differs from the shape: unknown keys, wrong types, numbers out of range, words that aren't
/// among those allowed, missing keys.
pub fn check(node: &Node, shape: &ShapeRef, diagnostics: &mut Diagnostics) {
    let path = shape.path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    let mut check = Check { shape: *shape, path, diagnostics };
    check.value(node, definition(shape.definition));
}

struct Check<'c> {
    shape: ShapeRef,
    path: Vec<String>,
    diagnostics: &'c mut Diagnostics,
}

impl Check<'_> {
    fn value(&mut self, node: &Node, schema: &'static Value) {
        let described = schema;
        let schema = follow(schema);
        // A schema that says nothing (`true`) is any value's.
        if !schema.is_object() || node.value == NodeValue::Null {
            return;
        }
        if let Some(choices) = choices(schema) {
            return self.choice(node, choices, schema);
        }
        if self.is_reference(node) && !is_type(schema, "object") {
            return;
        }
        if let Some(words) = enum_words(schema) {
            return self.word(node, &words, schema);
        }
        if !fits(node, schema) {
            return self.wrong_type(node, schema, described);
        }
        match &node.value {
            NodeValue::Table(table) => self.table(node, table, schema),
            NodeValue::Array(items) => {
                if let Some(shape) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.inside(&format!("[{index}]"), |check| check.value(item, shape));
                    }
                }
            }
            NodeValue::Integer(_) | NodeValue::Float(_) => self.range(node, schema, described),
            _ => {}
        }
    }

    fn table(&mut self, node: &Node, table: &Table, schema: &'static Value) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, entry) in table {
            match (properties.and_then(|known| known.get(key)), schema.get("additionalProperties")) {
                (Some(shape), _) => self.inside(key, |check| check.value(&entry.node, shape)),
                (None, Some(shape @ Value::Object(_))) => self.inside(key, |check| check.value(&entry.node, shape)),
                (None, Some(Value::Bool(false))) => self.unknown_key(key, entry, schema),
                (None, _) => {}
            }
        }
        let both =
            schema.get("not").and_then(|not| not.get("required")).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let both: Vec<(&str, Option<&Entry>)> = both.map(|key| (key, table.get(key))).collect();
        if let [(first, Some(one)), (second, Some(other))] = both[..] {
            let message = format!("{} says `{first}` and `{second}`, and only one of them can hold", self.shown());
            let diagnostic = Diagnostic::error("stack::two_at_once", message).at(&one.key_origin, "this").at(&other.key_origin, "and this");
            self.diagnostics.push(diagnostic.help("remove one of them"));
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(key) {
                self.missing(node, key, schema);
            }
        }
    }

    /// One of several shapes: the one that was probably meant is checked, so that the message is about what is wrong in it.
    fn choice(&mut self, node: &Node, choices: &'static [Value], schema: &'static Value) {
        let fitting: Vec<&'static Value> = choices.iter().filter(|choice| fits(node, follow(choice))).collect();
        match (&node.value, &fitting[..]) {
            (NodeValue::String(text), [only]) if enum_words(follow(only)).is_some_and(|words| !words.contains(&text.as_str())) => {
                self.word_or_list(node, text, only, choices);
            }
            (_, [only]) => self.value(node, only),
            (_, []) if self.is_reference(node) => {}
            (_, []) => self.wrong_type(node, schema, schema),
            (NodeValue::Table(table), several) => {
                if let Some(best) = best(table, several) {
                    return self.value(node, best);
                }
                let kinds: Vec<String> = several.iter().map(|choice| expected(choice)).collect();
                let found = listed(&table.keys().map(String::as_str).collect::<Vec<_>>());
                let label = if table.is_empty() { "it is empty".to_owned() } else { format!("this has {found}") };
                let message = format!("{} is {}", self.shown(), expected(schema));
                let diagnostic = Diagnostic::error("stack::wrong_type", message).at(&node.origin, label);
                self.diagnostics.push(diagnostic.help(format!("as a table, it is {}", either(&kinds))));
            }
            (_, [first, ..]) => self.value(node, first),
        }
    }

    /// A text that is no word of those allowed, where a list of texts is allowed too.
    fn word_or_list(&mut self, node: &Node, text: &str, words: &'static Value, choices: &'static [Value]) {
        let near = enum_words(follow(words)).and_then(|words| nearest(text, words));
        let list = choices.iter().find(|choice| is_type(follow(choice), "array"));
        let written = list.filter(|_| near.is_none() && !self.is_reference(node)).and_then(|list| self.rewrite(node, list));
        let Some(written) = written else { return self.value(node, words) };
        let message = format!("{} can't be `{text}`", self.shown());
        let diagnostic = Diagnostic::error("stack::unknown_word", message).at(&node.origin, "not one of its words");
        self.diagnostics.push(diagnostic.help(format!(
            "write `{written}`; it is {} or {}",
            expected(words),
            expected(list.unwrap_or(words))
        )));
    }

    fn word(&mut self, node: &Node, words: &[&'static str], schema: &'static Value) {
        let one_of = format!("it is one of {}", listed(words));
        let Some(text) = node.as_str() else {
            let message = format!("{} is one word of a few, this is {}", self.shown(), node.kind());
            self.diagnostics.push(Diagnostic::error("stack::wrong_type", message).at(&node.origin, node.kind()).help(one_of));
            return;
        };
        if words.contains(&text) {
            return;
        }
        let label = nearest(text, words.iter().copied())
            .map_or_else(|| "not one of its words".to_owned(), |near| format!("did you mean `{near}`?"));
        let diagnostic = Diagnostic::error("stack::unknown_word", format!("{} can't be `{text}`", self.shown())).at(&node.origin, label);
        let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let meanings: Vec<String> = described
            .filter_map(|word| Some(format!("`{}` ({})", word.get("const")?.as_str()?, sentence(word.get("description")?.as_str()?))))
            .collect();
        self.diagnostics.push(diagnostic.help(if meanings.is_empty() { one_of } else { format!("it is one of {}", meanings.join(", ")) }));
    }

    fn wrong_type(&mut self, node: &Node, schema: &'static Value, described: &'static Value) {
        let message = format!("{} is {}, this is {}", self.shown(), expected(schema), node.kind());
        let diagnostic = Diagnostic::error("stack::wrong_type", message).at(&node.origin, node.kind());
        let help = self.rewrite(node, schema).map(|written| format!("write `{written}`")).or_else(|| self.meaning(described));
        self.diagnostics.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    /// What the value is for.
    fn meaning(&self, described: &'static Value) -> Option<String> {
        described.get("description").and_then(Value::as_str).map(|text| format!("{}: {}", self.shown(), sentence(text)))
    }

    /// How the same would be written in the right type, where that is plain.
    fn rewrite(&self, node: &Node, schema: &'static Value) -> Option<String> {
        let schema = follow(schema);
        let key = self.path.last().filter(|key| !key.starts_with('['));
        let assigned = |value: String| key.map_or_else(|| value.clone(), |key| format!("{} = {value}", join_path(&[key])));
        match &node.value {
            NodeValue::String(text) if is_type(schema, "integer") && text.trim().parse::<i64>().is_ok() => {
                Some(assigned(text.trim().to_owned()))
            }
            NodeValue::String(text) if is_type(schema, "number") && text.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
                Some(assigned(text.trim().to_owned()))
            }
            NodeValue::String(text) if is_type(schema, "boolean") => match text.trim().to_lowercase().as_str() {
                "true" | "yes" | "on" => Some(assigned("true".to_owned())),
                "false" | "no" | "off" => Some(assigned("false".to_owned())),
                _ => None,
            },
            NodeValue::String(_) if is_type(schema, "array") && plain_items(schema) => Some(assigned(format!("[{}]", node.to_toml()))),
            NodeValue::Integer(_) | NodeValue::Float(_) | NodeValue::Bool(_) | NodeValue::Datetime(_) if is_type(schema, "string") => {
                Some(assigned(format!("\"{}\"", node.to_toml())))
            }
            NodeValue::Table(_) if is_type(schema, "array") && !plain_items(schema) => {
                key.map(|_| format!("[[{}]]", join_path(&self.path)))
            }
            NodeValue::Array(_) if is_type(schema, "object") => {
                let named = schema.get("additionalProperties").is_some_and(Value::is_object);
                let name = if named { ".NAME" } else { "" };
                key.map(|_| format!("[{}{name}]", join_path(&self.path)))
            }
            _ => None,
        }
    }

    fn range(&mut self, node: &Node, schema: &'static Value, described: &'static Value) {
        let number = match node.value {
            #[allow(clippy::cast_precision_loss, reason = "bounds are small; a number near 2^53 is out of all of them or of none")]
            NodeValue::Integer(number) => number as f64,
            NodeValue::Float(number) => number,
            _ => return,
        };
        let by_format = match schema.get("format").and_then(Value::as_str) {
            Some("uint32") => Some(f64::from(u32::MAX)),
            Some("uint16") => Some(f64::from(u16::MAX)),
            _ => None,
        };
        let least = schema.get("minimum").and_then(Value::as_f64);
        let most = schema.get("maximum").and_then(Value::as_f64).or(by_format);
        if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
            return;
        }
        let bounds = match (least, most.filter(|most| *most < f64::from(u32::MAX))) {
            (Some(least), Some(most)) => format!("is from {least} to {most}"),
            (Some(least), None) if number < least => format!("is {least} or more"),
            _ => format!("is at most {}", most.unwrap_or_default()),
        };
        let diagnostic = Diagnostic::error("stack::out_of_range", format!("{} {bounds}, this is {number}", self.shown()));
        let diagnostic = diagnostic.at(&node.origin, "out of range");
        self.diagnostics.push(match self.meaning(described) {
            Some(meaning) => diagnostic.help(meaning),
            None => diagnostic,
        });
    }

    fn unknown_key(&mut self, key: &str, entry: &Entry, schema: &'static Value) {
        let known: Vec<&str> =
            schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let shown = shown_path(&[&self.path[..], &[key.to_owned()]].concat());
        let diagnostic = Diagnostic::error("stack::unknown_key", format!("unknown key `{shown}`"));
        let all = format!("`spai schema {}` lists what {} may say", self.shape.file.name(), article(self.shape.file.name()));
        let elsewhere = elsewhere(key, schema);
        let (label, help) = if self.path.first().is_some_and(|first| first == "when")
            && self.shape.file == FileKind::Stack
            && definition(self.shape.definition)["properties"].get(key).is_some()
        {
            (
                format!("`{key}` can't differ by {}", self.path.get(1).map_or("anything", String::as_str)),
                format!("what can: {}", listed(&known)),
            )
        } else if let Some(near) = nearest(key, known.iter().copied()) {
            (format!("did you mean `{near}`?"), all)
        } else if let [first, ..] = &elsewhere[..] {
            let places: Vec<String> = elsewhere.iter().take(3).map(|place| format!("`{place}`")).collect();
            (format!("did you mean `{first}`?"), if places.len() > 1 { format!("it could be {}; {all}", places.join(", ")) } else { all })
        } else if self.path.is_empty() {
            ("there is no such key".to_owned(), all)
        } else {
            (format!("`{}` has no such key", shown_path(&self.path)), format!("there are: {}; {all}", listed(&known)))
        };
        self.diagnostics.push(diagnostic.at(&entry.key_origin, label).help(help));
    }

    fn missing(&mut self, node: &Node, key: &str, schema: &'static Value) {
        let shown = shown_path(&[&self.path[..], &[key.to_owned()]].concat());
        let description = schema["properties"][key]["description"].as_str().map(sentence);
        let diagnostic = Diagnostic::error("stack::missing_key", format!("`{shown}` is missing"));
        let label = if self.path.is_empty() { format!("this file must say `{key}`") } else { format!("this must say `{key}`") };
        let diagnostic = diagnostic.at(&node.origin, label);
        self.diagnostics.push(match description {
            Some(description) => diagnostic.help(format!("`{key}`: {description}")),
            None => diagnostic,
        });
    }

    fn inside(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        self.path.push(key.to_owned());
        check(self);
        self.path.pop();
    }

    /// The path of what is looked at, as people would write it: `replicas.min`, `patch[0].kind`.
    fn shown(&self) -> String {
        if self.path.is_empty() { format!("a {}'s file", self.shape.file.name()) } else { format!("`{}`", shown_path(&self.path)) }
    }

    /// Whether a text stands for a value that isn't known yet.
    fn is_reference(&self, node: &Node) -> bool {
        self.shape.references && node.as_str().is_some_and(|text| text.replace("$${", "").contains("${"))
    }
}

fn shown_path(path: &[String]) -> String {
    let mut shown = String::new();
    for key in path {
        if key.starts_with('[') {
            shown.push_str(key);
        } else {
            if !shown.is_empty() {
                shown.push('.');
            }
            shown.push_str(&join_path(&[key]));
        }
    }
    shown
}

fn article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// A doc comment as part of a sentence.
fn sentence(description: &str) -> String {
    let one_line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = one_line.trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // Not of abbreviations: `CPU`, `TLS`.
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn found(file: FileKind, text: &str) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        let node = Node::parse(&Arc::from("x.toml"), text, &mut diagnostics).unwrap();
        check(&node, &ShapeRef::file(file), &mut diagnostics);
        diagnostics.sort();
        diagnostics
            .0
            .iter()
            .map(|d| format!("{}: {}; {}; {}", d.labels[0].origin.line, d.message, d.labels[0].text, d.help.as_deref().unwrap_or("-")))
            .collect()
    }

    fn service(text: &str) -> Vec<String> {
        found(FileKind::Service, text)
    }

    #[test]
    fn unknown_keys_are_told_the_nearest() {
        assert_eq!(
            service("replica = { min = 3 }\n[ports.http]\nprot = 80"),
            [
                "1: unknown key `replica`; did you mean `replicas`?; `spai schema service` lists what a service may say",
                "3: unknown key `ports.http.prot`; did you mean `port`?; `spai schema service` lists what a service may say",
            ]
        );
        assert!(service("env = { A = '1' }")[0].contains("did you mean `config`?"));
        assert!(service("termination_grace = '5s'")[0].contains("did you mean `pod.termination_grace`?"));
        assert!(service("zzz = 1")[0].contains("there is no such key"));
    }

    #[test]
    fn wrong_types_are_told_how_to_write_it() {
        assert_eq!(service("replicas.min = '3'"), ["1: `replicas.min` is a whole number, this is a text; a text; write `min = 3`"]);
        assert_eq!(service("image = { tag = 1.2 }"), ["1: `image.tag` is a text, this is a number; a number; write `tag = \"1.2\"`"]);
        assert_eq!(service("needs = 'auth'"), ["1: `needs` is a list of texts, this is a text; a text; write `needs = [\"auth\"]`"]);
        assert_eq!(service("enabled = 'yes'"), ["1: `enabled` is true or false, this is a text; a text; write `enabled = true`"]);
        assert_eq!(service("[[ports]]\nport = 80"), ["1: `ports` is a table, this is a list; a list; write `[ports.NAME]`"]);
        assert_eq!(service("[patch]\nkind = 'Service'"), ["1: `patch` is a list of tables, this is a table; a table; write `[[patch]]`"]);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(
            service("ports.http.port = 70000"),
            ["1: `ports.http.port` is from 1 to 65535, this is 70000; out of range; `ports.http.port`: the container's port"]
        );
        assert_eq!(service("replicas.min = -1"), ["1: `replicas.min` is 0 or more, this is -1; out of range; `replicas.min`: at least"]);
        assert_eq!(
            service("replicas.min = 5000000000"),
            ["1: `replicas.min` is at most 4294967295, this is 5000000000; out of range; `replicas.min`: at least"]
        );
        assert_eq!(
            service("resources.request_share = 1.5"),
            [
                "1: `resources.request_share` is from 0 to 1, this is 1.5; out of range; `resources.request_share`: the part of the limit that is reserved, from 0 to 1"
            ]
        );
    }

    #[test]
    fn words_are_among_those_allowed() {
        let message = &service("strategy = 'rollling'")[0];
        assert!(
            message.starts_with("1: `strategy` can't be `rollling`; did you mean `rolling`?; it is one of `rolling` (a few pods"),
            "{message}"
        );
        assert_eq!(
            service("image.pull = 'Sometimes'"),
            ["1: `image.pull` can't be `Sometimes`; not one of its words; it is one of `Always`, `IfNotPresent`, `Never`"]
        );
        assert_eq!(service("tiers = 'al'"), ["1: `tiers` can't be `al`; did you mean `all`?; it is one of `all` (every one)"]);
    }

    #[test]
    fn one_of_several_shapes_is_explained_by_the_one_that_was_meant() {
        assert_eq!(service("config.A = { secret = 'x', kye = 'y' }").len(), 2);
        assert!(service("config.A = { secret = 'x' }")[0].contains("`config.A.key` is missing"));
        assert_eq!(
            service("config.A = [1]"),
            [
                "1: `config.A` is a text, a number, true or false, a table { secret, key } or a table { field }, this is a list; a list; `config.A`: an environment variable's value"
            ]
        );
        assert!(service("config.A = { from = 'x' }")[0].contains("as a table, it is a table { secret, key } or a table { field }"));
        assert!(service("tiers = 5")[0].contains("`tiers` is \"all\" or a list of texts, this is a whole number"));
    }

    #[test]
    fn what_is_laid_over_has_the_same_shape() {
        assert!(
            service("[when.tier.free]\nreplicas.mni = 1")[0].contains("unknown key `when.tier.free.replicas.mni`; did you mean `min`?")
        );
        assert!(
            found(FileKind::Environment, "cluster.context = '*'\ntiers.free.cpu = 1")[0]
                .contains("`tiers.free.cpu` is a text, this is a whole number")
        );
        assert!(found(FileKind::Stack, "name = 'x'\n[when.tier.a]\nname = 'y'")[0].contains("`name` can't differ by tier"));
        assert!(
            found(FileKind::Tenant, "tier = 'a'\n[service.web.replicas]\nmax = true")[0]
                .contains("`service.web.replicas.max` is a whole number")
        );
    }

    #[test]
    fn what_must_be_there_is_missed() {
        let messages = service("rights = [{ verbs = ['get'] }]");
        assert_eq!(
            messages,
            ["1: `rights[0].resources` is missing; this must say `resources`; `resources`: resources, plural: `[\"configmaps\"]`"]
        );
    }

    #[test]
    fn references_stand_for_what_isnt_known_yet() {
        assert_eq!(service("replicas.min = '${tier.replicas}'\nenabled = '${input.on}'\nneeds = '${tenant.needs}'"), [""; 0]);
        assert_eq!(service("replicas.min = '$${x}'").len(), 1);
        assert_eq!(service("replicas = '${tier.replicas}'").len(), 1, "a table can't be layered if it isn't known");
        let mut diagnostics = Diagnostics::default();
        let node = Node::parse(&Arc::from("x.toml"), "replicas.min = '${x}'", &mut diagnostics).unwrap();
        check(&node, &ShapeRef::file(FileKind::Service).resolved(), &mut diagnostics);
        assert_eq!(diagnostics.0.len(), 1);
    }

    #[test]
    fn shipped_stacks_have_the_shape() {
        fn walk(folder: &std::path::Path, root: &std::path::Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else if let Some(file) = FileKind::of_path(&path.strip_prefix(root).unwrap().to_string_lossy()) {
                    let complaints = self::found(file, &std::fs::read_to_string(&path).unwrap());
                    found.extend(complaints.into_iter().map(|text| format!("{}: {text}", path.display())));
                }
            }
        }
        let mut complaints = Vec::new();
        for stack in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/stacks")).unwrap() {
            let stack = stack.unwrap().path();
            walk(&stack, &stack, &mut complaints);
        }
        assert_eq!(complaints, [""; 0]);
    }

    #[test]
    fn patches_may_say_anything_of_an_object() {
        assert_eq!(service("[[patch]]\nkind = 'Deployment'\nspec.template.spec.priorityClassName = 'x'"), [""; 0]);
        assert!(service("[[patch]]\nname = 'x'")[0].contains("`patch[0].kind` is missing"));
    }
}
