//! A set of places in an object, as `fieldsV1` holds it: a trie whose nodes may be members of the set.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value};

use crate::resource::{FieldPath, PathElement};
use crate::schema::TypeRef;

/// Tries of hostile depth are refused rather than recursed into; a Kubernetes object is about ten deep.
const DEPTH: usize = 200;

/// A set of places. Parsing and printing `fieldsV1` are each other's inverse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    below: BTreeMap<PathElement, Node>,
}

/// A place: whether it is a member itself, and the members below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    member: bool,
    set: FieldSet,
}

/// Why something is no `fieldsV1`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A node that is no mapping.
    #[error("a node of fieldsV1 is no mapping")]
    NoMapping,
    /// A key that is none of `f:`, `k:`, `v:`, `i:`, `.`.
    #[error("`{0}` is no path element of fieldsV1")]
    Element(String),
    /// Deeper than any object.
    #[error("fieldsV1 is nested too deeply")]
    TooDeep,
}

impl FieldSet {
    /// No place at all.
    pub const EMPTY: Self = Self { below: BTreeMap::new() };

    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(fields: &Value) -> Result<Self, FieldsError> {
        Self::parse_node(fields, 0).map(|node| node.set)
    }

    fn parse_node(value: &Value, depth: usize) -> Result<Node, FieldsError> {
        if depth > DEPTH {
            return Err(FieldsError::TooDeep);
        }
        let map = value.as_object().ok_or(FieldsError::NoMapping)?;
        let mut node = Node { member: map.is_empty() || map.contains_key("."), set: Self::default() };
        for (key, below) in map {
            if key != "." {
                node.set.below.insert(parse_element(key)?, Self::parse_node(below, depth + 1)?);
            }
        }
        Ok(node)
    }

    /// `fieldsV1` again.
    pub fn print(&self) -> Value {
        let mut map = Map::new();
        for (element, node) in &self.below {
            let mut below = node.set.print();
            if node.member
                && !node.set.is_empty()
                && let Some(map) = below.as_object_mut()
            {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(print_element(element), below);
        }
        Value::Object(map)
    }

    /// Whether its own order, in which the server writes it down, is also that of its names as text: `k:{"port":80}` comes before
    /// `k:{"port":443}`, and as text after it.
    pub fn is_in_order_of_names(&self) -> bool {
        self.below.keys().map(print_element).is_sorted() && self.below.values().all(|node| node.set.is_in_order_of_names())
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.below.is_empty()
    }

    /// Whether exactly this place is a member.
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.node(path).is_some_and(|node| node.member)
    }

    /// Whether this place, or one within it, is a member.
    pub fn touches(&self, path: &FieldPath) -> bool {
        path.0.is_empty() && !self.is_empty() || self.node(path).is_some()
    }

    /// Whether the value at `path` is the set's: it is a member, or lies within a member that has nothing below it (an
    /// atomic list or map).
    pub fn owns(&self, path: &FieldPath) -> bool {
        let mut set = self;
        for (position, element) in path.0.iter().enumerate() {
            let Some(node) = set.below.get(element) else { return false };
            if position + 1 == path.0.len() {
                return node.member;
            }
            if node.set.is_empty() {
                return node.member;
            }
            set = &node.set;
        }
        false
    }

    /// The longest beginning of `path` that is a member with nothing below it: the atomic value that the place is a part of.
    pub fn atomic_above(&self, path: &FieldPath) -> Option<FieldPath> {
        let mut set = self;
        for (position, element) in path.0.iter().enumerate() {
            let node = set.below.get(element)?;
            if node.set.is_empty() {
                return node.member.then(|| FieldPath(path.0[..=position].to_vec()));
            }
            set = &node.set;
        }
        None
    }

    fn node(&self, path: &FieldPath) -> Option<&Node> {
        let (first, rest) = path.0.split_first()?;
        rest.iter().try_fold(self.below.get(first)?, |node, element| node.set.below.get(element))
    }

    /// Makes a place a member.
    pub fn insert(&mut self, path: &FieldPath) {
        self.insert_steps(&path.0);
    }

    /// All members, in order.
    pub fn paths(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.walk(&FieldPath::root(), &mut |path, _| found.push(path.clone()));
        found
    }

    /// The members with none below them: where values are.
    pub fn leaves(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.walk(&FieldPath::root(), &mut |path, is_leaf| {
            if is_leaf {
                found.push(path.clone());
            }
        });
        found
    }

    fn walk(&self, at: &FieldPath, visit: &mut impl FnMut(&FieldPath, bool)) {
        for (element, node) in &self.below {
            let path = at.join(element.clone());
            if node.member {
                visit(&path, node.set.is_empty());
            }
            node.set.walk(&path, visit);
        }
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (element, node) in &other.below {
            let mine = result.below.entry(element.clone()).or_default();
            mine.member |= node.member;
            mine.set = mine.set.union(&node.set);
        }
        result
    }

    /// Members that `other` hasn't.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut result = Self::default();
        for (element, node) in &self.below {
            let left = match other.below.get(element) {
                None => node.clone(),
                Some(theirs) => Node { member: node.member && !theirs.member, set: node.set.difference(&theirs.set) },
            };
            if left.member || !left.set.is_empty() {
                result.below.insert(element.clone(), left);
            }
        }
        result
    }

    /// Members of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut result = Self::default();
        for (element, node) in &self.below {
            let Some(theirs) = other.below.get(element) else { continue };
            let both = Node { member: node.member && theirs.member, set: node.set.intersection(&theirs.set) };
            if both.member || !both.set.is_empty() {
                result.below.insert(element.clone(), both);
            }
        }
        result
    }

    /// Members that are not in `other`, nor below one of its members.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut result = Self::default();
        for (element, node) in &self.below {
            let left = match other.below.get(element) {
                None => node.clone(),
                Some(theirs) if theirs.member => continue,
                Some(theirs) => Node { member: node.member, set: node.set.without(&theirs.set) },
            };
            if left.member || !left.set.is_empty() {
                result.below.insert(element.clone(), left);
            }
        }
        result
    }

    /// The same set, with the named fields of structs as members where something below them is.
    #[must_use]
    pub(super) fn with_named_fields(&self, of: Option<TypeRef<'_>>) -> Self {
        let mut result = Self::default();
        for (element, node) in &self.below {
            let (below, named) = match element {
                PathElement::Field(name) => (of.and_then(|of| of.field(name)), of.is_some_and(|of| of.known_field(name).is_some())),
                PathElement::Key(_) => (of.and_then(TypeRef::item), false),
                _ => (None, false),
            };
            let member = node.member || named && !node.set.is_empty();
            result.below.insert(element.clone(), Node { member, set: node.set.with_named_fields(below) });
        }
        result
    }

    /// What is in the set at a step: whether the place itself is a member, and the members below it.
    pub(super) fn at(&self, element: &PathElement) -> Option<(bool, &Self)> {
        self.below.get(element).map(|node| (node.member, &node.set))
    }

    /// All steps from here.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&PathElement, bool, &Self)> {
        self.below.iter().map(|(element, node)| (element, node.member, &node.set))
    }

    /// Puts a step in: the place as a member or not, with these members below it.
    pub(super) fn put(&mut self, element: PathElement, member: bool, set: Self) {
        if member || !set.is_empty() {
            self.below.insert(element, Node { member, set });
        }
    }

    /// Makes the place that these steps lead to a member.
    pub(super) fn insert_steps(&mut self, steps: &[PathElement]) {
        let Some((last, above)) = steps.split_last() else { return };
        let mut set = self;
        for element in above {
            set = &mut set.below.entry(element.clone()).or_default().set;
        }
        set.below.entry(last.clone()).or_default().member = true;
    }

    /// All members in the order in which the server lists them: those of one level before those below.
    pub fn listed(&self) -> Vec<FieldPath> {
        fn list(set: &FieldSet, at: &FieldPath, found: &mut Vec<FieldPath>) {
            found.extend(set.below.iter().filter(|(_, node)| node.member).map(|(element, _)| at.join(element.clone())));
            for (element, node) in &set.below {
                if !node.set.is_empty() {
                    list(&node.set, &at.join(element.clone()), found);
                }
            }
        }
        let mut found = Vec::new();
        list(self, &FieldPath::root(), &mut found);
        found
    }

    /// The part of `value` that the set is of: its leaves with all that is in them, items of keyed lists with their keys,
    /// and what holds them. None if nothing of it is there.
    pub fn extract(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(map) => {
                let mut result = Map::new();
                for (element, node) in &self.below {
                    let PathElement::Field(name) = element else { continue };
                    if let Some(found) = map.get(name).and_then(|value| node.extract(value)) {
                        result.insert(name.clone(), found);
                    }
                }
                (!result.is_empty()).then_some(Value::Object(result))
            }
            Value::Array(items) => {
                let mut result = Vec::new();
                // In the list's order, which is part of its value.
                for (index, item) in items.iter().enumerate() {
                    for (element, node) in &self.below {
                        if !is_at(element, item, index) {
                            continue;
                        }
                        let mut found = node.extract(item).unwrap_or_else(|| Value::Object(Map::new()));
                        if let (PathElement::Key(keys), Some(map)) = (element, found.as_object_mut()) {
                            for (name, value) in keys {
                                map.entry(name.clone()).or_insert_with(|| item.get(name).unwrap_or(value).clone());
                            }
                        }
                        result.push(found);
                        break;
                    }
                }
                (!result.is_empty()).then_some(Value::Array(result))
            }
            _ => None,
        }
    }
}

impl Node {
    fn extract(&self, value: &Value) -> Option<Value> {
        if self.set.is_empty() {
            return self.member.then(|| value.clone());
        }
        self.set.extract(value).or_else(|| match value {
            Value::Object(_) if self.member => Some(Value::Object(Map::new())),
            Value::Array(_) if self.member => Some(Value::Array(Vec::new())),
            _ => None,
        })
    }
}

/// Whether the element leads to this item of a list.
fn is_at(element: &PathElement, item: &Value, index: usize) -> bool {
    match element {
        PathElement::Field(_) => false,
        PathElement::Index(wanted) => *wanted == index,
        PathElement::Value(wanted) => wanted == item,
        PathElement::Key(_) => element.get_in(std::slice::from_ref(item)).is_some(),
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path);
        }
        set
    }
}

/// A key of `fieldsV1`'s maps.
pub(super) fn parse_element(key: &str) -> Result<PathElement, FieldsError> {
    let wrong = || FieldsError::Element(key.to_owned());
    let (tag, rest) = key.split_once(':').ok_or_else(wrong)?;
    match tag {
        "f" => Ok(PathElement::Field(rest.to_owned())),
        "k" => serde_json::from_str(rest).map(PathElement::Key).map_err(|_| wrong()),
        "v" => serde_json::from_str(rest).map(PathElement::Value).map_err(|_| wrong()),
        "i" => rest.parse().map(PathElement::Index).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn print_element(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(keys) => format!("k:{}", json_text(&Value::Object(keys.iter().map(|(k, v)| (k.clone(), v.clone())).collect()))),
        PathElement::Value(value) => format!("v:{}", json_text(value)),
        PathElement::Index(index) => format!("i:{index}"),
    }
}

/// JSON as the server writes it: numbers as Go does, and fit to stand in HTML.
pub(super) fn json_text(value: &Value) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, AsGo));
    // A Value can always be written to memory, and is text there.
    let text = written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let escapes = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
    escapes.iter().fold(text, |text, (character, escape)| text.replace(*character, escape))
}

/// Go's `encoding/json`: `1.0` is `1`, and only very large and very small numbers have an exponent.
struct AsGo;

impl Formatter for AsGo {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        let size = value.abs();
        if size == 0.0 || (1e-6..1e21).contains(&size) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(writer, "{digits}e+{exponent}"),
            _ => writer.write_all(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_another_order_as_text() {
        let of = |ports: [u16; 2]| {
            let ports: Map<String, Value> =
                ports.map(|port| (format!(r#"k:{{"port":{port},"protocol":"TCP"}}"#), json!({}))).into_iter().collect();
            FieldSet::parse(&json!({"f:spec": {"f:ports": ports}, "f:a": {}})).unwrap()
        };
        assert!(of([80, 81]).is_in_order_of_names() && FieldSet::EMPTY.is_in_order_of_names());
        assert!(!of([80, 443]).is_in_order_of_names());
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let text = |value: f64| json_text(&json!(value));
        assert_eq!([1.0, 0.5, -2.0, 1e20].map(text), ["1", "0.5", "-2", "100000000000000000000"]);
        assert_eq!([1e21, 1.5e300, 1e-7].map(text), ["1e+21", "1.5e+300", "1e-7"]);
    }

    fn path(text: &str) -> FieldPath {
        text.parse().unwrap()
    }

    fn deployment() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:selector": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {
                    ".": {}, "f:image": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }}}},
            },
        })
    }

    #[test]
    fn fields_v1_prints_as_it_was_read() {
        for fields in [deployment(), json!({}), json!({"f:finalizers": {"v:\"a\"": {}}, "f:args": {"i:0": {}}})] {
            assert_eq!(FieldSet::parse(&fields).unwrap().print(), fields);
        }
        for bad in [json!(null), json!({"x": {}}), json!({"f:a": 1}), json!({"k:{": {}}), json!({"i:x": {}})] {
            assert!(FieldSet::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let mut fields = json!({});
        for _ in 0..1000 {
            fields = json!({"f:a": fields});
        }
        assert_eq!(FieldSet::parse(&fields), Err(FieldsError::TooDeep));
    }

    #[test]
    fn a_part_of_an_atomic_value_is_owned_with_it() {
        let set = FieldSet::parse(&deployment()).unwrap();
        assert!(set.owns(&path("spec.selector.matchLabels.app")));
        assert_eq!(set.atomic_above(&path("spec.selector.matchLabels")), Some(path("spec.selector")));
        assert!(set.owns(&path("spec.template.spec.containers[app].image")));
        assert!(!set.owns(&path("spec.template.spec.containers[app].command")));
        assert!(!set.owns(&path("spec.replicas")) && !set.touches(&path("spec.replicas")));
        assert!(set.touches(&path("spec.template")) && !set.contains(&path("spec.template")));
    }

    #[test]
    fn extract_takes_only_what_is_in_the_set_and_keeps_the_lists_order() {
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 3, "selector": {"x": 1},
            "template": {"spec": {"containers": [{"name": "sidecar"}, {"name": "app", "image": "i", "tty": true, "ports": [{"containerPort": 80}]}]}}}});
        let extracted = FieldSet::parse(&deployment()).unwrap().extract(&live).unwrap();
        assert_eq!(
            extracted,
            json!({"metadata": {"labels": {"a": "1"}}, "spec": {"selector": {"x": 1}, "template": {"spec": {"containers": [
                {"name": "app", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}})
        );
    }

    #[test]
    fn sets_add_and_subtract() {
        let all = FieldSet::parse(&deployment()).unwrap();
        let label = FieldSet::from_iter([path("metadata.labels.a")]);
        let rest = all.difference(&label);
        assert!(!rest.touches(&path("metadata")));
        assert_eq!(rest.union(&label), all);
        assert!(all.difference(&all).is_empty());
        assert_eq!(all.leaves().len(), 5);
    }
}
