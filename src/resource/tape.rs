//! A value laid out flat: one run of nodes, each map and list followed by what is in it, texts borrowed from the server's bytes or
//! from one buffer. Thousands of live objects are read to be compared and forgotten, and thousands of wanted ones are kept to be
//! compared with: taking each apart into a [`Value`] of its own, with a map of its own for each mapping in it, costs more than
//! all the rest.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Number, Value};

use super::mould::Made;
use super::{Tree, TreeShape};

/// A value as it is laid out, which is looked at by its [`Tree`].
#[derive(Clone, Default)]
pub struct Tape {
    /// None of what is made after a mould, which has them.
    pub(super) nodes: Vec<Node>,
    pub(super) numbers: Vec<Number>,
    /// The texts that aren't in what was read, one after the other.
    pub(super) text: String,
    pub(super) common: Common,
}

/// What it has in common with others, in the place of what was read.
#[derive(Clone, Default)]
pub(super) enum Common {
    #[default]
    Nothing,
    /// Texts.
    Texts(Arc<str>),
    /// All but some texts.
    Mould(Made),
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
    /// A text of each that is made after a mould: which of its texts.
    Slot(u32),
}

impl Node {
    /// How many nodes it is, with all that is in it.
    pub fn width(&self) -> usize {
        match self {
            Self::List(_, below) | Self::Map(_, below) => 1 + *below as usize,
            _ => 1,
        }
    }
}

/// Where a text stands in its tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub(super) Among, pub(super) u32, pub(super) u32);

/// Among which of a tape's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Among {
    Shared,
    Own,
}

impl Place {
    /// Where a text begins among those that a tape shares with others, and its length.
    pub fn shared(start: usize, length: usize) -> Self {
        Self(Among::Shared, narrow(start), narrow(length))
    }
}

impl Tape {
    /// The value, of what was made from a value, or shares texts.
    pub fn tree(&self) -> Tree<'_> {
        self.tree_of(self.source())
    }

    /// The value, of what was read from this.
    pub fn tree_of<'t>(&'t self, source: &'t str) -> Tree<'t> {
        Tree { nodes: self.nodes(), source, tape: self }
    }

    /// What its texts are in that aren't its own.
    fn source(&self) -> &str {
        match &self.common {
            Common::Nothing => "",
            Common::Texts(texts) => texts,
            Common::Mould(made) => &made.mould.text,
        }
    }

    /// What it was made after, if it was.
    pub(super) fn made(&self) -> Option<&Made> {
        match &self.common {
            Common::Mould(made) => Some(made),
            _ => None,
        }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        self.made().map_or(&self.nodes, |made| &made.mould.nodes)
    }

    pub(super) fn numbers(&self) -> &[Number] {
        self.made().map_or(&self.numbers, |made| &made.mould.numbers)
    }

    /// Where a text stands that is below these names.
    pub(super) fn find_text(&self, names: &[&str]) -> Option<Place> {
        match *self.tree().at(names)?.nodes.first()? {
            Node::Own(start, length) => Some(Place(Among::Own, start, length)),
            Node::Text(start, length) => Some(Place(Among::Shared, start, length)),
            Node::Slot(which) => self.made()?.texts.get(which as usize).map(|(start, length)| Place(Among::Own, *start, *length)),
            _ => None,
        }
    }

    /// What stands there.
    pub(super) fn text_at(&self, Place(among, start, length): Place) -> &str {
        let text = match among {
            Among::Own => &self.text,
            Among::Shared => self.source(),
        };
        text.get(start as usize..(start + length) as usize).unwrap_or_default()
    }

    /// An empty one, with room for so many nodes and bytes of text.
    fn with_room(nodes: usize, text: usize) -> Self {
        Self { nodes: Vec::with_capacity(nodes), text: String::with_capacity(text), ..Self::default() }
    }

    /// An empty one that shares these texts, with room for so many nodes and bytes of others.
    pub fn sharing(texts: &Arc<str>, nodes: usize, text: usize) -> Self {
        Self { common: Common::Texts(Arc::clone(texts)), ..Self::with_room(nodes, text) }
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

    /// A map that stands elsewhere, as it would be made from a value (names in order); with these texts where it has none of the name.
    pub(super) fn of_item(item: Tree<'_>, texts: &[(&str, &str)]) -> Self {
        let mut tape = Self::with_room(item.width() + 2 * texts.len(), 16 * item.width());
        let entries = item.map();
        let missing = texts.iter().filter(|(name, _)| entries.clone().all(|(other, _)| other != *name));
        let missing = missing.map(|(name, text)| (*name, Self::from(&Value::from(*text)))).collect::<Vec<_>>();
        let all = entries.chain(missing.iter().map(|(name, text)| (*name, text.tree())));
        tape.add_map(all.collect());
        tape
    }

    fn add_map(&mut self, mut entries: Vec<(&str, Tree<'_>)>) {
        entries.sort_by_key(|(name, _)| *name);
        let start = self.open();
        for (name, value) in &entries {
            self.own(name);
            self.add_tree(*value);
        }
        self.close_map(start, entries.len());
    }

    fn add_tree(&mut self, value: Tree<'_>) {
        match value.shape() {
            TreeShape::Null => self.null(),
            TreeShape::Bool(value) => self.bool(value),
            TreeShape::Number(number) => self.number(number.clone()),
            TreeShape::Text(text) => self.own(text),
            TreeShape::List(items) => {
                let (start, count) = (self.open(), items.len());
                items.for_each(|item| self.add_tree(item));
                self.close_list(start, count);
            }
            TreeShape::Map(entries) => self.add_map(entries.collect()),
        }
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

/// How large it is, and nothing of it: it may hold secrets.
impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tape({} nodes)", self.nodes.len())
    }
}
