//! A value laid out flat: one run of nodes, each map and list followed by what is in it, texts borrowed from the server's bytes or
//! from one buffer. Thousands of live objects are read to be compared and forgotten, and thousands of wanted ones are kept to be
//! compared with: taking each apart into a [`Value`] of its own, with a map of its own for each mapping in it, costs more than
//! all the rest.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Number, Value};

use super::{Finder, same_value};

/// A value as it is laid out, which is looked at by its [`Tree`].
#[derive(Clone, Default)]
pub struct Tape {
    pub(super) nodes: Vec<Node>,
    pub(super) numbers: Vec<Number>,
    /// The texts that aren't in what was read, one after the other.
    pub(super) text: String,
    /// Texts that others have too, in the place of what was read: those of objects that are alike are there once.
    pub(super) shared: Option<Arc<str>>,
}

/// A node. After a list come its items, after a map its entries: of each the name (a text), then the value.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// Which of the numbers.
    Number(u32),
    /// Where a text begins in what was read, or among the shared ones, and its length.
    Text(u32, u32),
    /// The same of a text of the tape's own.
    Own(u32, u32),
    /// How many items, and how many nodes they are together.
    List(u32, u32),
    /// How many entries, and how many nodes they are together.
    Map(u32, u32),
    /// The same as what stands there, before it: where it begins, and how many nodes it is.
    Again(u32, u32),
}

/// Where a text stands in its tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(Among, u32, u32);

/// Among which of a tape's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Among {
    Shared,
    Own,
}

impl Place {
    /// Where a text begins among those that a tape shares with others, and its length.
    pub fn shared(start: usize, length: usize) -> Self {
        Self(Among::Shared, narrow(start), narrow(length))
    }
}

/// A JSON value on a [`Tape`]. Entries of a map keep the order in which they were written; each name occurs once, as an API server
/// writes it.
#[derive(Clone, Copy, Default)]
pub struct Tree<'t> {
    /// Its own node, and all that is in it.
    nodes: &'t [Node],
    on: On<'t>,
}

/// What the nodes of a tape refer to.
#[derive(Clone, Copy, Default)]
struct On<'t> {
    source: &'t str,
    text: &'t str,
    numbers: &'t [Number],
    nodes: &'t [Node],
}

/// What a [`Tree`] is.
#[derive(Clone, Copy)]
pub enum Shape<'t> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(&'t Number),
    /// A string.
    Text(&'t str),
    /// An array.
    List(Items<'t>),
    /// An object.
    Map(Entries<'t>),
}

/// The items of a list that are still to come.
#[derive(Clone, Copy, Default)]
pub struct Items<'t> {
    left: u32,
    nodes: &'t [Node],
    on: On<'t>,
}

/// The entries of a map that are still to come.
#[derive(Clone, Copy, Default)]
pub struct Entries<'t> {
    left: u32,
    nodes: &'t [Node],
    on: On<'t>,
}

impl Tape {
    /// The value, of what was made from a value, or shares texts.
    pub fn tree(&self) -> Tree<'_> {
        self.tree_of(self.shared.as_deref().unwrap_or_default())
    }

    /// The value, of what was read from this.
    pub fn tree_of<'t>(&'t self, source: &'t str) -> Tree<'t> {
        let Self { nodes, numbers, text, .. } = self;
        Tree { nodes, on: On { source, text, numbers, nodes } }
    }

    /// Where a text stands that is below these names.
    pub(super) fn find_text(&self, names: &[&str]) -> Option<Place> {
        match self.tree().at(names)?.nodes.first()? {
            Node::Own(start, length) => Some(Place(Among::Own, *start, *length)),
            Node::Text(start, length) => Some(Place(Among::Shared, *start, *length)),
            _ => None,
        }
    }

    /// What stands there.
    pub(super) fn text_at(&self, Place(among, start, length): Place) -> &str {
        let text = match among {
            Among::Own => &self.text,
            Among::Shared => self.shared.as_deref().unwrap_or_default(),
        };
        text.get(start as usize..(start + length) as usize).unwrap_or_default()
    }

    /// The same with other values at some places: where something is, or (`make`, of one place) wherever only maps are above it. Of a
    /// tape that was made from a value, and so has its names in order. And whether it has the shape that it had: texts where texts were,
    /// maps of the same names.
    pub(super) fn with(&self, others: &[(&[&str], &Value)], make: bool) -> (Self, bool) {
        let (mut nodes, mut text) = (self.nodes.len(), 0);
        for (path, value) in others {
            let (more, length) = room(value);
            nodes += more;
            text += length;
            if make {
                // The names that may be missing, and the maps that they are in.
                nodes += 2 * path.len();
                text += path.iter().map(|name| name.len()).sum::<usize>();
            }
        }
        let mut tape = Self::with_room(nodes, self.text.len() + text);
        tape.text.push_str(&self.text);
        tape.numbers.clone_from(&self.numbers);
        tape.shared.clone_from(&self.shared);
        let has_shape = tape.copy(self.tree(), others, make);
        (tape, has_shape)
    }

    /// Copies a value of a tape whose texts and numbers this one has too.
    fn copy(&mut self, tree: Tree<'_>, others: &[(&[&str], &Value)], make: bool) -> bool {
        if let Some((_, value)) = others.iter().find(|(path, _)| path.is_empty()) {
            return self.put(tree, value);
        }
        let (false, Shape::Map(mut entries)) = (others.is_empty(), tree.shape()) else {
            self.nodes.extend_from_slice(tree.nodes);
            return true;
        };
        let mut missing: Vec<(&str, &[&str], &Value)> = Vec::new();
        if make {
            let named = others.iter().filter_map(|(path, value)| path.split_first().map(|(name, rest)| (*name, rest, *value)));
            missing.extend(named.filter(|(name, ..)| entries.clone().all(|(other, _)| other != *name)));
        }
        let mut has_shape = missing.is_empty();
        let (start, count) = (self.open(), entries.len() + missing.len());
        let mut missing = missing.into_iter().peekable();
        loop {
            let name_node = entries.nodes.first().copied();
            let next = entries.next();
            while let Some((name, rest, value)) = missing.next_if(|(name, ..)| next.is_none_or(|(next, _)| *name < next)) {
                self.own(name);
                self.add(
                    &rest.iter().rev().fold(value.clone(), |value, name| Value::Object(Map::from_iter([((*name).to_owned(), value)]))),
                );
            }
            let (Some(node), Some((name, value))) = (name_node, next) else { break };
            self.nodes.push(node);
            let below = others.iter().filter_map(|(path, other)| Some((path.strip_prefix(&[name])?, *other)));
            let below: Vec<_> = below.collect();
            has_shape &= self.copy(value, &below, make);
        }
        self.close_map(start, count);
        has_shape
    }

    /// Adds a value in the place of one of a tape whose texts this one has too; whether it has the same shape. Names that were there
    /// are there once.
    fn put(&mut self, before: Tree<'_>, value: &Value) -> bool {
        match (before.shape(), value) {
            (Shape::Map(names), Value::Object(map)) if names.len() == map.len() && names.map(|(name, _)| name).eq(map.keys()) => {
                let (start, mut rest, mut has_shape) = (self.open(), names, true);
                for value in map.values() {
                    self.nodes.extend(rest.nodes.first());
                    has_shape &= rest.next().is_some_and(|(_, before)| self.put(before, value));
                }
                self.close_map(start, map.len());
                has_shape
            }
            (before, value) => {
                self.add(value);
                matches!((before, value), (Shape::Text(_), Value::String(_)))
            }
        }
    }

    /// An empty one, with room for so many nodes and bytes of text.
    fn with_room(nodes: usize, text: usize) -> Self {
        Self { nodes: Vec::with_capacity(nodes), text: String::with_capacity(text), ..Self::default() }
    }

    /// An empty one that shares these texts, with room for so many nodes and bytes of others.
    pub fn sharing(texts: &Arc<str>, nodes: usize, text: usize) -> Self {
        Self { shared: Some(Arc::clone(texts)), ..Self::with_room(nodes, text) }
    }

    /// The same value, with all its texts to be shared by what is made of it.
    pub(super) fn to_share(&self) -> Self {
        let mut tape = Self::default();
        tape.add(&self.tree().to_value());
        for node in &mut tape.nodes {
            if let Node::Own(start, length) = *node {
                *node = Node::Text(start, length);
            }
        }
        tape.shared = Some(std::mem::take(&mut tape.text).into());
        tape
    }

    /// Without the room that it might still grow into: for one that is kept.
    #[must_use]
    pub fn packed(mut self) -> Self {
        self.nodes.shrink_to_fit();
        self.numbers.shrink_to_fit();
        self.text.shrink_to_fit();
        self
    }

    /// Adds a text.
    pub fn own(&mut self, text: &str) {
        let place = self.keep(text);
        self.text_of(place);
    }

    /// Adds a number.
    pub fn number(&mut self, number: Number) {
        self.nodes.push(Node::Number(narrow(self.numbers.len())));
        self.numbers.push(number);
    }

    /// Begins a list or a map; what is added until [`Self::close_list`] or [`Self::close_map`] is in it.
    pub fn open(&mut self) -> usize {
        self.nodes.push(Node::Null);
        self.nodes.len()
    }

    /// Ends the list that began there.
    pub fn close_list(&mut self, start: usize, items: usize) {
        self.nodes[start - 1] = Node::List(narrow(items), narrow(self.nodes.len() - start));
    }

    /// Ends the map that began there.
    pub fn close_map(&mut self, start: usize, entries: usize) {
        self.nodes[start - 1] = Node::Map(narrow(entries), narrow(self.nodes.len() - start));
    }

    /// Adds `null`.
    pub fn null(&mut self) {
        self.nodes.push(Node::Null);
    }

    /// Adds `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.nodes.push(Node::Bool(value));
    }

    /// Adds a text that stands among the tape's already.
    pub fn text_of(&mut self, Place(among, start, length): Place) {
        self.nodes.push(match among {
            Among::Own => Node::Own(start, length),
            Among::Shared => Node::Text(start, length),
        });
    }

    /// Keeps a text, for [`Self::text_of`].
    pub fn keep(&mut self, text: &str) -> Place {
        let start = narrow(self.text.len());
        self.text.push_str(text);
        Place(Among::Own, start, narrow(text.len()))
    }

    pub(super) fn end_of_text(&self) -> u32 {
        narrow(self.text.len())
    }

    /// How many nodes there are: where the next value begins.
    pub fn end(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a value again that was added between two ends.
    pub fn again(&mut self, nodes: &Range<usize>) {
        self.nodes.push(Node::Again(narrow(nodes.start), narrow(nodes.len())));
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Null => self.nodes.push(Node::Null),
            Value::Bool(value) => self.nodes.push(Node::Bool(*value)),
            Value::Number(number) => self.number(number.clone()),
            Value::String(text) => self.own(text),
            Value::Array(items) => {
                let start = self.open();
                for item in items {
                    self.add(item);
                }
                self.close_list(start, items.len());
            }
            Value::Object(entries) => {
                let start = self.open();
                for (name, value) in entries {
                    self.own(name);
                    self.add(value);
                }
                self.close_map(start, entries.len());
            }
        }
    }
}

/// How many nodes a value is at most, and how long its texts are together.
fn room(value: &Value) -> (usize, usize) {
    let add = |(nodes, text): (usize, usize), (more, length): (usize, usize)| (nodes + more, text + length);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 0),
        Value::String(text) => (1, text.len()),
        Value::Array(items) => items.iter().map(room).fold((1, 0), add),
        Value::Object(entries) => entries.iter().map(|(name, value)| add(room(value), (1, name.len()))).fold((1, 0), add),
    }
}

/// Nothing that a server or a stack has is anywhere near so large: a source is held to it, and nodes and texts are fewer than its
/// bytes.
pub(super) fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl From<&Value> for Tape {
    fn from(value: &Value) -> Self {
        let (nodes, text) = room(value);
        let mut tape = Self::with_room(nodes, text);
        tape.add(value);
        tape
    }
}

impl<'t> Tree<'t> {
    /// What it is.
    pub fn shape(self) -> Shape<'t> {
        let Some((first, rest)) = self.nodes.split_first() else { return Shape::Null };
        match first {
            // What stands for another is never taken out itself.
            Node::Null | Node::Again(..) => Shape::Null,
            Node::Bool(value) => Shape::Bool(*value),
            Node::Number(which) => self.on.numbers.get(*which as usize).map_or(Shape::Null, Shape::Number),
            Node::Text(..) | Node::Own(..) => Shape::Text(self.text().unwrap_or_default()),
            Node::List(left, _) => Shape::List(Items { left: *left, nodes: rest, on: self.on }),
            Node::Map(left, _) => Shape::Map(Entries { left: *left, nodes: rest, on: self.on }),
        }
    }

    /// The entry of that name, of a map.
    pub fn get(self, name: &str) -> Option<Self> {
        self.map().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// What is below these names, one after the other.
    pub fn at(self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self, |tree, name| tree.get(name))
    }

    /// The entries of a map; none of anything else.
    pub fn map(self) -> Entries<'t> {
        match self.shape() {
            Shape::Map(entries) => entries,
            _ => Entries::default(),
        }
    }

    /// The items of a list; none of anything else.
    pub fn list(self) -> Items<'t> {
        match self.shape() {
            Shape::List(items) => items,
            _ => Items::default(),
        }
    }

    /// A string's text.
    pub fn text(self) -> Option<&'t str> {
        let (text, start, length) = match self.nodes.first()? {
            Node::Text(start, length) => (self.on.source, *start as usize, *length as usize),
            Node::Own(start, length) => (self.on.text, *start as usize, *length as usize),
            _ => return None,
        };
        text.get(start..start + length)
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        matches!(self.nodes.first(), None | Some(Node::Null))
    }

    /// Tells two values of one tape apart.
    pub fn place(self) -> *const () {
        self.nodes.as_ptr().cast()
    }

    /// Whether it is the same value, as [`same_value`] has it: maps in any order, numbers by what they are worth.
    pub fn is(self, other: Tree<'_>) -> bool {
        match (self.shape(), other.shape()) {
            (Shape::Null, Shape::Null) => true,
            (Shape::Bool(a), Shape::Bool(b)) => a == b,
            (Shape::Text(a), Shape::Text(b)) => a == b,
            (Shape::Number(a), Shape::Number(b)) => a == b || same_value(&Value::Number(a.clone()), &Value::Number(b.clone())),
            (Shape::List(a), Shape::List(b)) => a.len() == b.len() && a.zip(b).all(|(a, b)| a.is(b)),
            (Shape::Map(a), Shape::Map(mut b)) => {
                let mut finder = Finder::new(a);
                a.len() == b.len() && b.all(|(name, b)| finder.find("", name).is_some_and(|a| a.is(b)))
            }
            _ => false,
        }
    }

    /// As a value of its own.
    pub fn to_value(self) -> Value {
        match self.shape() {
            Shape::Null => Value::Null,
            Shape::Bool(value) => Value::Bool(value),
            Shape::Number(number) => Value::Number(number.clone()),
            Shape::Text(text) => Value::String(text.to_owned()),
            Shape::List(items) => Value::Array(items.map(Self::to_value).collect()),
            Shape::Map(entries) => Value::Object(entries.map(|(name, value)| (name.to_owned(), value.to_value())).collect::<Map<_, _>>()),
        }
    }

    /// The value at the front of some nodes, and the nodes after it.
    fn first(nodes: &'t [Node], on: On<'t>) -> Option<(Self, &'t [Node])> {
        let length = match nodes.first()? {
            Node::List(_, below) | Node::Map(_, below) => 1 + *below as usize,
            _ => 1,
        };
        let (own, rest) = nodes.split_at_checked(length)?;
        let own = match own {
            [Node::Again(start, length)] => on.nodes.get(*start as usize..(*start + *length) as usize)?,
            own => own,
        };
        Some((Self { nodes: own, on }, rest))
    }
}

/// How large it is, and nothing of it: it may hold secrets.
impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tape({} nodes)", self.nodes.len())
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.shape() {
            Shape::Null => serializer.serialize_unit(),
            Shape::Bool(value) => serializer.serialize_bool(value),
            Shape::Number(number) => number.serialize(serializer),
            Shape::Text(text) => serializer.serialize_str(text),
            Shape::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&item)?;
                }
                list.end()
            }
            Shape::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    map.serialize_entry(name, &value)?;
                }
                map.end()
            }
        }
    }
}

#[allow(clippy::copy_iterator, reason = "a few words: who copies one means to begin again there")]
impl<'t> Iterator for Items<'t> {
    type Item = Tree<'t>;

    fn next(&mut self) -> Option<Tree<'t>> {
        self.left = self.left.checked_sub(1)?;
        let (item, rest) = Tree::first(self.nodes, self.on)?;
        self.nodes = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

#[allow(clippy::copy_iterator, reason = "as for items")]
impl<'t> Iterator for Entries<'t> {
    type Item = (&'t str, Tree<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name, rest) = Tree::first(self.nodes, self.on)?;
        let (value, rest) = Tree::first(rest, self.on)?;
        self.nodes = rest;
        Some((name.text().unwrap_or_default(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Entries<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_needs_no_unescaping_is_borrowed() {
        let source = r#"{"plain": "text", "esc\n": "a\"b", "n": [1, -2, 2.5, 18446744073709551615, true, null]}"#;
        let tape = Tape::read(source).unwrap();
        assert_eq!(tape.text, "esc\na\"b");
        let tree = tape.tree_of(source);
        assert_eq!(tree.get("plain").and_then(Tree::text), Some("text"));
        assert_eq!(tree.get("esc\n").and_then(Tree::text), Some("a\"b"));
        assert_eq!(tree.to_value()["n"], json!([1, -2, 2.5, 18_446_744_073_709_551_615_u64, true, null]));
        assert!(tree.get("none").is_none() && tree.at(&["n", "x"]).is_none() && tree.list().next().is_none());
    }

    #[test]
    fn numbers_are_the_same_by_what_they_are() {
        let (tape, whole, broken, text) =
            (Tape::read("[1, 1.0]").unwrap(), Tape::from(&json!(1)), Tape::from(&json!(1.0)), Tape::from(&json!("1")));
        assert!(tape.tree().list().all(|number| number.is(whole.tree()) && number.is(broken.tree()) && !number.is(text.tree())));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
            "[a-c\"\\\\\n]{0,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d\n]{0,2}", inner, 0..5).prop_map(|map| map.into_iter().collect::<Value>())
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_value_that_was_written(value in value(), other in value()) {
            let text = value.to_string();
            let (read, made, different) = (Tape::read(&text).unwrap(), Tape::from(&value), Tape::from(&other));
            for tree in [read.tree_of(&text), made.tree()] {
                prop_assert_eq!(tree.to_value(), value.clone());
                prop_assert_eq!(serde_json::to_string(&tree).unwrap(), text.clone());
                prop_assert!(tree.is(made.tree()) && made.tree().is(tree));
                prop_assert_eq!(tree.is(different.tree()), same_value(&value, &other));
            }
        }
    }
}
