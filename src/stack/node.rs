//! What a TOML file says, as a tree in which every key and value knows its place in the file.
//!
//! Layers, references and the shape check all work on this tree; only what has passed them becomes the typed
//! [`model`](super::model).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::depth;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Where it stands.
    pub origin: Origin,
}

/// A TOML value. TOML has no null: `Null` stands only where nothing was said.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "TOML's own types")]
pub enum NodeValue {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// As it is written.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// A table's entries by key.
pub type Table = BTreeMap<String, Entry>;

/// A key's place and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key stands.
    pub key_origin: Origin,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// A value that stands in no file of the stack, or all of which stands at one place.
    pub fn new(value: NodeValue, origin: &Origin) -> Self {
        Self { value, origin: origin.clone() }
    }

    /// A text.
    pub fn text(text: impl Into<String>, origin: &Origin) -> Self {
        Self::new(NodeValue::String(text.into()), origin)
    }

    /// An empty table.
    pub fn empty(origin: &Origin) -> Self {
        Self::new(NodeValue::Table(Table::new()), origin)
    }

    /// Parses a file. What the parser could make of a broken one is thrown away: `None`, and its errors are noted.
    pub fn parse(file: &Arc<str>, text: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        let lines = Lines::new(file, text);
        if let Some(at) = depth::beyond(text, DEEPEST) {
            let message = format!("tables and lists nest more than {DEEPEST} deep");
            diagnostics.push(Diagnostic::error("stack::too_deep", message).at(&lines.origin(at, at + 1), "too deep"));
            return None;
        }
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(first) => {
                // In nonsense every byte is an error: only files of a sensible size are searched for all of them.
                let errors = if text.len() <= SEARCHED { DeTable::parse_recoverable(text).1 } else { vec![first] };
                note_syntax_errors(&errors, &lines, diagnostics);
                return None;
            }
        };
        let before = diagnostics.0.len();
        let mut root = table_of(table.get_ref(), &lines, diagnostics);
        if diagnostics.0.len() > before {
            return None;
        }
        root.origin = lines.origin(0, 0);
        Some(root)
    }

    /// The table that this is, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            NodeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The same, to change.
    pub fn as_table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            NodeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text that this is, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value that this is, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            NodeValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The items of the array that this is; none if it isn't one.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            NodeValue::Array(items) => items,
            _ => &[],
        }
    }

    /// The value of `key`, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_table()?.get(key).map(|entry| &entry.node)
    }

    /// The value at a path of keys: `["when", "tier"]`.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The entries of the table at a path; none where there is no table.
    pub fn entries(&self, path: &[&str]) -> impl Iterator<Item = (&String, &Entry)> {
        self.at(path).and_then(Self::as_table).into_iter().flatten()
    }

    /// Whether both say the same, wherever they stand.
    pub fn says_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (NodeValue::Array(a), NodeValue::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_same(b)),
            (NodeValue::Table(a), NodeValue::Table(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.node.says_same(&b.node))
            }
            (a, b) => a == b,
        }
    }

    /// What it is called in messages: `a text`, `a table`.
    pub fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "true or false",
            NodeValue::Integer(_) => "a whole number",
            NodeValue::Float(_) => "a number",
            NodeValue::String(_) => "a text",
            NodeValue::Datetime(_) => "a date",
            NodeValue::Array(_) => "a list",
            NodeValue::Table(_) => "a table",
        }
    }

    /// The same as JSON, without places. Dates become texts.
    pub fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::from(*value),
            NodeValue::Integer(value) => Value::from(*value),
            NodeValue::Float(value) => Value::from(*value),
            NodeValue::String(value) | NodeValue::Datetime(value) => Value::from(value.as_str()),
            NodeValue::Array(items) => items.iter().map(Self::to_json).collect(),
            NodeValue::Table(table) => Value::Object(table.iter().map(|(key, entry)| (key.clone(), entry.node.to_json())).collect()),
        }
    }

    /// The same as one would write it in TOML, on one line.
    pub fn to_toml(&self) -> String {
        match &self.value {
            NodeValue::Null => "nothing".to_owned(),
            NodeValue::Bool(value) => value.to_string(),
            NodeValue::Integer(value) => value.to_string(),
            NodeValue::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.1}"),
            NodeValue::Float(value) => value.to_string(),
            NodeValue::String(value) => quote(value),
            NodeValue::Datetime(value) => value.clone(),
            NodeValue::Array(items) => format!("[{}]", items.iter().map(Self::to_toml).collect::<Vec<_>>().join(", ")),
            NodeValue::Table(table) if table.is_empty() => "{}".to_owned(),
            NodeValue::Table(table) => {
                let entries: Vec<String> =
                    table.iter().map(|(key, entry)| format!("{} = {}", quote_key(key), entry.node.to_toml())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// The largest file, in bytes, in which all syntax errors are looked for, and not the first alone.
const SEARCHED: usize = 256 << 10;
/// How deep tables and lists may nest in one value or header; what stands under a header nests below it.
const DEEPEST: usize = 64;
/// How many syntax errors of one file are told.
const TOLD: usize = 20;

fn note_syntax_errors(errors: &[toml::de::Error], lines: &Lines<'_>, diagnostics: &mut Diagnostics) {
    for (position, error) in errors.iter().take(TOLD).enumerate() {
        let span = error.span().unwrap_or(0..0);
        let mut diagnostic = Diagnostic::error("stack::syntax", error.message().to_owned());
        // What is missing at the end of a line is missed behind its last character: there is something to point at.
        let at_end = span.start == span.end && span.start > 0 && lines.text[span.start..].starts_with(['\n', '\r']);
        let start = if at_end { lines.text.floor_char_boundary(span.start - 1) } else { span.start };
        diagnostic = diagnostic.at(&lines.origin(start, span.end), "this is no TOML");
        if let Some(help) = help_with_syntax(error.message(), lines.text, span.start) {
            diagnostic = diagnostic.help(help);
        }
        if position + 1 == TOLD && errors.len() > TOLD {
            diagnostic = diagnostic.help(format!("{} more errors of this file follow once these are gone", errors.len() - TOLD));
        }
        diagnostics.push(diagnostic);
    }
}

/// What to do about a syntax error, where it is plain what was meant.
fn help_with_syntax(message: &str, text: &str, at: usize) -> Option<String> {
    let at = text.floor_char_boundary(at.min(text.len()));
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_start..].lines().next().unwrap_or_default().trim();
    let before = text[line_start..at].trim_end();
    if message.starts_with("duplicate key") {
        return Some("it is there already, further up: a table says each key once".to_owned());
    }
    if before.ends_with('=') {
        return Some("a value is missing behind `=`: a text in quotes, a number, `true` or `false`, a `[list]`, a `{ table }`".to_owned());
    }
    let yaml = line.split_once(':').filter(|(key, _)| !key.contains(['=', '"', '\'', ' ', '[']));
    if let Some((key, value)) = yaml {
        let value = value.trim();
        return Some(match value {
            "" => format!("this looks like YAML; in TOML a table begins with `[{key}]`"),
            _ => format!("this looks like YAML; in TOML it is `{key} = \"{value}\"`"),
        });
    }
    if message.contains("string, expected") {
        return Some("a text begins and ends with a quote, on one line; three quotes, `\"\"\"`, for several".to_owned());
    }
    None
}

/// A TOML path from its keys: `replicas.min`, `files."/etc/app.conf"`.
pub fn join_path<S: AsRef<str>>(keys: &[S]) -> String {
    keys.iter().map(|key| quote_key(key.as_ref())).collect::<Vec<_>>().join(".")
}

/// The keys of a TOML path, or why it is none.
pub fn split_path(path: &str) -> Result<Vec<String>, &'static str> {
    let mut keys = Vec::new();
    let mut rest = path.trim();
    loop {
        let (key, after) = match rest.chars().next() {
            None => return Err("a key is missing"),
            Some(mark @ ('"' | '\'')) => {
                let end = closing(rest, mark).ok_or("a quote isn't closed")?;
                let inner = &rest[1..end];
                (if mark == '"' { inner.replace("\\\"", "\"").replace("\\\\", "\\") } else { inner.to_owned() }, &rest[end + 1..])
            }
            Some(_) => {
                let end = rest.find('.').unwrap_or(rest.len());
                let key = rest[..end].trim();
                if key.is_empty() {
                    return Err("a key is missing");
                }
                (key.to_owned(), &rest[end..])
            }
        };
        keys.push(key);
        let after = after.trim_start();
        if after.is_empty() {
            return Ok(keys);
        }
        rest = after.strip_prefix('.').ok_or("a dot is missing")?.trim_start();
    }
}

/// Where the quote that opens `text` closes.
fn closing(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if mark == '"' && c == '\\' {
            escaped = true;
        } else if c == mark {
            return Some(at);
        }
    }
    None
}

fn quote_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { quote(key) }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The lines of a file: turns byte offsets into [`Origin`]s.
#[derive(Debug)]
pub struct Lines<'t> {
    file: &'t Arc<str>,
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of `text`.
    pub fn new(file: &'t Arc<str>, text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, starts }
    }

    /// The place from byte `start` to byte `end`. Offsets beyond the text, or inside a character, are moved to where there is one.
    pub fn origin(&self, start: usize, end: usize) -> Origin {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.floor_char_boundary(end.min(self.text.len())).max(start);
        let line = self.starts.partition_point(|line| *line <= start);
        let column = self.text[self.starts[line - 1]..start].chars().count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Origin { file: Arc::clone(self.file), line: number(line), column: number(column), start, end }
    }
}

fn table_of(table: &DeTable<'_>, lines: &Lines<'_>, diagnostics: &mut Diagnostics) -> Node {
    let mut entries = Table::new();
    let mut origin: Option<Origin> = None;
    for (key, value) in table {
        let key_origin = lines.origin(key.span().start, key.span().end);
        let node = node_of(value.get_ref(), value.span(), lines, diagnostics);
        if origin.as_ref().is_none_or(|first| key_origin.start < first.start) {
            origin = Some(key_origin.clone());
        }
        entries.insert(key.get_ref().to_string(), Entry { key_origin, node });
    }
    Node { value: NodeValue::Table(entries), origin: origin.unwrap_or_else(|| lines.origin(0, 0)) }
}

fn node_of(value: &DeValue<'_>, span: std::ops::Range<usize>, lines: &Lines<'_>, diagnostics: &mut Diagnostics) -> Node {
    let origin = lines.origin(span.start, span.end);
    let value = match value {
        DeValue::String(text) => NodeValue::String(text.to_string()),
        DeValue::Boolean(value) => NodeValue::Bool(*value),
        DeValue::Datetime(date) => NodeValue::Datetime(date.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or_else(
            |_| {
                diagnostics.push(
                    Diagnostic::error("stack::number", format!("the number {number} is too large"))
                        .at(&origin, "beyond 64 bits")
                        .help("write it as a text, in quotes, where a text is meant"),
                );
                NodeValue::Null
            },
            NodeValue::Integer,
        ),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => NodeValue::Float(number),
            _ => {
                diagnostics.push(Diagnostic::error("stack::number", format!("`{number}` is no finite number")).at(&origin, "here"));
                NodeValue::Null
            }
        },
        DeValue::Array(items) => {
            NodeValue::Array(items.iter().map(|item| node_of(item.get_ref(), item.span(), lines, diagnostics)).collect())
        }
        DeValue::Table(table) => {
            let mut node = table_of(table, lines, diagnostics);
            // A table's own span is its header or its braces; one made by dotted keys has none of its own.
            if span.end > span.start {
                node.origin = origin;
            }
            return node;
        }
    };
    Node { value, origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node {
        let mut diagnostics = Diagnostics::default();
        let node = Node::parse(&Arc::from("x.toml"), text, &mut diagnostics);
        assert_eq!(diagnostics, Diagnostics::default());
        node.unwrap()
    }

    #[test]
    fn every_value_and_key_knows_its_place() {
        let node = parse("x = \"ä\" # ä\n[replicas]\nmin = 3\n");
        let replicas = &node.as_table().unwrap()["replicas"];
        assert_eq!(replicas.key_origin.to_string(), "x.toml:2");
        let min = node.at(&["replicas", "min"]).unwrap();
        assert_eq!((min.origin.line, min.origin.column, min.origin.start), (3, 7, 31));
    }

    #[test]
    fn all_syntax_errors_are_noted() {
        let mut diagnostics = Diagnostics::default();
        assert_eq!(Node::parse(&Arc::from("x.toml"), "a = \nb = 1\nc = [1,,]\nb = 2\n", &mut diagnostics), None);
        let lines: Vec<u32> = diagnostics.0.iter().map(|d| d.labels[0].origin.line).collect();
        assert!(lines.contains(&1) && lines.contains(&3) && lines.contains(&4), "{diagnostics:?}");
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_errors() {
        let mut diagnostics = Diagnostics::default();
        Node::parse(&Arc::from("x.toml"), "a = nan\nb = 99999999999999999999\nc = 1e999\n", &mut diagnostics);
        assert_eq!(diagnostics.0.len(), 3, "{diagnostics:?}");
    }

    #[test]
    fn deep_nesting_is_an_error_whatever_makes_it() {
        let keys = vec!["a"; 79].join(".");
        let inline = format!("{}1{}", format!("{{ {keys} = ").repeat(78), " }".repeat(78));
        for text in [format!("a = {}{}", "[".repeat(79), "]".repeat(79)), format!("{keys} = 1"), format!("[{keys}]\n{keys} = {inline}")] {
            let mut diagnostics = Diagnostics::default();
            assert_eq!(Node::parse(&Arc::from("x.toml"), &text, &mut diagnostics), None);
            assert_eq!(diagnostics.0.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["stack::too_deep"]);
        }
    }

    #[test]
    fn paths_split_and_join() {
        for path in ["replicas.min", "files.\"/etc/app.conf\"", "a.\"b\\\"c\".d"] {
            assert_eq!(join_path(&split_path(path).unwrap()), path);
        }
        assert_eq!(split_path("a . 'b.c'").unwrap(), ["a", "b.c"]);
        for bad in ["", ".", "a.", "a..b", "\"a", "\"a\"b"] {
            assert!(split_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn toml_is_printed_on_one_line() {
        let node = parse("x = [1, 2.0, \"a\\nb\"]\ny = { b.c = true, \"d e\" = {} }");
        assert_eq!(node.get("x").unwrap().to_toml(), "[1, 2.0, \"a\\nb\"]");
        assert_eq!(node.get("y").unwrap().to_toml(), "{ b = { c = true }, \"d e\" = {} }");
    }
}
