//! A value as it stands in the server's bytes: borrowed from them, in the order in which it was written. Thousands of live
//! objects are read to be compared and forgotten; taking each apart into a [`Value`] of its own costs more than all the rest.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::same_value;

/// Maps of up to so many entries are searched one by one.
const SMALL: usize = 24;

/// A JSON value that borrows what it can. Entries of a map keep the order in which they were written; each name occurs once, as
/// an API server writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<'v> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'v, str>),
    /// An array.
    List(Vec<Tree<'v>>),
    /// An object.
    Map(Vec<(Cow<'v, str>, Tree<'v>)>),
}

impl<'v> Tree<'v> {
    /// The entry of that name, of a map.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.map().iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The entries of a map; none of anything else.
    pub fn map(&self) -> &[(Cow<'v, str>, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// A string's text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the same value, as [`same_value`] has it.
    pub fn is(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Text(a), Value::String(b)) => a == b,
            (Self::Number(a), Value::Number(b)) => a == b || same_value(&Value::Number(a.clone()), other),
            (Self::List(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is(b)),
            (Self::Map(a), Value::Object(b)) => {
                let mut finder = Finder::new(a);
                a.len() == b.len() && b.iter().all(|(name, b)| finder.find("", name).is_some_and(|a| a.is(b)))
            }
            _ => false,
        }
    }

    /// As a value of its own.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.as_ref().to_owned()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Map(entries) => Value::Object(entries.iter().map(|(name, value)| (name.as_ref().to_owned(), value.to_value())).collect()),
        }
    }
}

impl<'v> From<&'v Value> for Tree<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(entries) => {
                Self::Map(entries.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Self::from(value))).collect())
            }
        }
    }
}

impl<'de: 'v, 'v> Deserialize<'de> for Tree<'v> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
        // JSON has no other numbers than finite ones.
        Ok(Number::from_f64(value).map_or(Tree::Null, Tree::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some(name) = entries.next_key::<Name<'de>>()? {
            map.push((name.0, entries.next_value()?));
        }
        Ok(Tree::Map(map))
    }
}

/// A name, borrowed where nothing in it is escaped. (`Cow`'s own reading always copies.)
struct Name<'v>(Cow<'v, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Finds entries of one map by name, one after the other: at once if they are asked for in the order in which they stand, and
/// never with a look at all of a large map for each.
pub struct Finder<'t, 'v> {
    entries: &'t [(Cow<'v, str>, Tree<'v>)],
    next: usize,
    /// Where the entries stand, by name; made when a large map's order turns out to be another one.
    sorted: Vec<usize>,
}

impl<'t, 'v> Finder<'t, 'v> {
    /// Of these entries.
    pub fn new(entries: &'t [(Cow<'v, str>, Tree<'v>)]) -> Self {
        Self { entries, next: 0, sorted: Vec::new() }
    }

    /// The entry whose name is these two together.
    pub fn find(&mut self, prefix: &str, name: &str) -> Option<&'t Tree<'v>> {
        let is = |entry: &&'t (Cow<'v, str>, Tree<'v>)| {
            entry.0.len() == prefix.len() + name.len() && entry.0.ends_with(name) && entry.0.starts_with(prefix)
        };
        if let Some(entry) = self.entries.get(self.next).filter(is) {
            self.next += 1;
            return Some(&entry.1);
        }
        let place = if self.entries.len() <= SMALL {
            let (before, after) = self.entries.split_at(self.next.min(self.entries.len()));
            let later = after.iter().position(|entry| is(&entry)).map(|place| place + before.len());
            later.or_else(|| before.iter().position(|entry| is(&entry)))
        } else {
            self.search(prefix, name)
        }?;
        self.next = place + 1;
        self.entries.get(place).map(|entry| &entry.1)
    }

    fn search(&mut self, prefix: &str, name: &str) -> Option<usize> {
        if self.sorted.is_empty() {
            self.sorted.extend(0..self.entries.len());
            self.sorted.sort_by_key(|place| self.entries.get(*place).map(|entry| &entry.0));
        }
        let wanted = || prefix.bytes().chain(name.bytes());
        let found = self.sorted.binary_search_by(|place| self.entries.get(*place).map_or("", |entry| &entry.0).bytes().cmp(wanted()));
        found.ok().and_then(|found| self.sorted.get(found).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Tree<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_needs_no_unescaping_is_borrowed() {
        let tree = read(r#"{"plain": "text", "esc\n": "a\"b", "n": [1, -2, 2.5, 18446744073709551615, true, null]}"#);
        let borrowed: Vec<bool> = tree.map().iter().map(|(name, _)| matches!(name, Cow::Borrowed(_))).collect();
        assert_eq!(borrowed, [true, false, true]);
        assert!(matches!(tree.get("plain"), Some(Tree::Text(Cow::Borrowed("text")))));
        assert_eq!(tree.get("esc\n").and_then(Tree::text), Some("a\"b"));
        assert_eq!(tree.to_value()["n"], json!([1, -2, 2.5, 18_446_744_073_709_551_615_u64, true, null]));
    }

    #[test]
    fn numbers_are_the_same_by_what_they_are() {
        let tree = read("[1, 1.0]");
        assert!(tree.list().iter().all(|number| number.is(&json!(1)) && number.is(&json!(1.0)) && !number.is(&json!("1"))));
    }

    #[test]
    fn a_large_map_in_any_order_is_found_whole() {
        let names: Vec<String> = (0..200).map(|n| format!("k{}", (n * 37) % 200)).collect();
        let entries: Vec<_> =
            names.iter().map(|name| (Cow::Owned(format!("f:{name}")), Tree::Text(Cow::Borrowed(name.as_str())))).collect();
        let mut finder = Finder::new(&entries);
        for number in 0..200 {
            let name = format!("k{number}");
            assert_eq!(finder.find("f:", &name).and_then(Tree::text), Some(name.as_str()));
        }
        assert!(finder.find("f:", "k200").is_none() && finder.find("", "k1").is_none());
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
            let tree = read(&text);
            prop_assert_eq!(&tree, &Tree::from(&value));
            prop_assert_eq!(tree.to_value(), value.clone());
            prop_assert!(tree.is(&value));
            prop_assert_eq!(tree.is(&other), same_value(&value, &other));
        }
    }
}
