//! A value on a [`Tape`], to be looked at: what it is, what is in it, whether it is the same as another.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Number, Value};

use super::tape::{Common, Node};
use super::{Finder, Tape, same_value};

/// A JSON value on a [`Tape`]. Entries of a map keep the order in which they were written; each name occurs once, as an API server
/// writes it.
#[derive(Clone, Copy)]
pub struct Tree<'t> {
    /// Its own node, and all that is in it.
    pub(super) nodes: &'t [Node],
    /// What texts are in that aren't the tape's own.
    pub(super) source: &'t str,
    pub(super) tape: &'t Tape,
}

/// What nothing is on.
static NOTHING: Tape = Tape { nodes: Vec::new(), numbers: Vec::new(), text: String::new(), common: Common::Nothing };

impl Default for Tree<'_> {
    fn default() -> Self {
        NOTHING.tree_of("")
    }
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
    rest: Tree<'t>,
}

/// The entries of a map that are still to come.
#[derive(Clone, Copy, Default)]
pub struct Entries<'t> {
    left: u32,
    pub(super) rest: Tree<'t>,
}

impl<'t> Tree<'t> {
    /// What it is.
    pub fn shape(self) -> Shape<'t> {
        let Some((first, rest)) = self.nodes.split_first() else { return Shape::Null };
        match first {
            // What stands for another is never taken out itself.
            Node::Null | Node::Again(..) => Shape::Null,
            Node::Bool(value) => Shape::Bool(*value),
            Node::Number(which) => self.tape.numbers().get(*which as usize).map_or(Shape::Null, Shape::Number),
            Node::Text(..) | Node::Own(..) | Node::Slot(_) => Shape::Text(self.text().unwrap_or_default()),
            Node::List(left, _) => Shape::List(Items { left: *left, rest: Self { nodes: rest, ..self } }),
            Node::Map(left, _) => Shape::Map(Entries { left: *left, rest: Self { nodes: rest, ..self } }),
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
        self.text_of(self.nodes.first()?)
    }

    /// The text of a node of its tape.
    pub(super) fn text_of(self, node: &Node) -> Option<&'t str> {
        let (text, start, length) = match node {
            Node::Text(start, length) => (self.source, *start as usize, *length as usize),
            Node::Own(start, length) => (self.tape.text.as_str(), *start as usize, *length as usize),
            Node::Slot(which) => {
                let (start, length) = self.tape.made()?.texts.get(*which as usize)?;
                (self.tape.text.as_str(), *start as usize, *length as usize)
            }
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

    /// Of nodes one after the other: the value at their front, which is taken off.
    fn take_first(&mut self) -> Option<Self> {
        let (own, rest) = self.nodes.split_at_checked(self.nodes.first()?.width())?;
        self.nodes = rest;
        let own = match own {
            [Node::Again(start, length)] => self.tape.nodes().get(*start as usize..(*start + *length) as usize)?,
            own => own,
        };
        Some(Self { nodes: own, ..*self })
    }
}

impl fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({} nodes)", self.nodes.len())
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
        self.rest.take_first()
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
        let (name, value) = (self.rest.take_first()?, self.rest.take_first()?);
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
