//! JSON as it is read onto a tape: in one pass, and nothing of it is taken apart.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::Tape;
use super::tape::{Node, narrow};

impl Tape {
    /// Reads JSON. Most texts stay in it: see [`Self::tree_of`].
    ///
    /// # Errors
    /// It is no JSON, or larger than anything that a server says at once.
    pub fn read(source: &str) -> Result<Self, serde_json::Error> {
        if source.len() > u32::MAX as usize {
            return Err(serde_json::Error::custom("it is too large"));
        }
        // What servers write has a node for each eleven bytes or so; growing would copy all that was read.
        let mut tape = Self { nodes: Vec::with_capacity(source.len() / 10 + 8), ..Self::default() };
        tape.add_read(source, None)?;
        Ok(tape)
    }

    /// Adds a value that is written as JSON, with its texts.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn add_json(&mut self, json: &str) -> Result<(), serde_json::Error> {
        let base = self.end_of_text();
        self.keep(json);
        self.add_read(json, Some(base))
    }

    fn add_read(&mut self, source: &str, base: Option<u32>) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(source);
        Adding { to: self, source, base }.deserialize(&mut reader)?;
        reader.end()
    }
}

/// Adds a value to a tape.
struct Adding<'a, 'v> {
    to: &'a mut Tape,
    source: &'v str,
    /// Where the source stands among the tape's own texts; none: it is what the tape was read from.
    base: Option<u32>,
}

impl<'v> Adding<'_, 'v> {
    fn again(&mut self) -> Adding<'_, 'v> {
        Adding { to: self.to, source: self.source, base: self.base }
    }
}

impl<'de> DeserializeSeed<'de> for Adding<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Adding<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.to.nodes.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.to.nodes.push(Node::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.to.number(value.into());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.to.number(value.into());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        match Number::from_f64(value) {
            Some(number) => self.to.number(number),
            // JSON has no other numbers than finite ones.
            None => self.to.nodes.push(Node::Null),
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        // It is a part of the source: how far it is from its beginning is where it stands.
        let start = narrow(text.as_ptr().addr().wrapping_sub(self.source.as_ptr().addr()));
        self.to.nodes.push(match self.base {
            None => Node::Text(start, narrow(text.len())),
            Some(base) => Node::Own(base.saturating_add(start), narrow(text.len())),
        });
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.to.own(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let start = self.to.open();
        let mut count = 0;
        while items.next_element_seed(self.again())?.is_some() {
            count += 1;
        }
        self.to.close_list(start, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let start = self.to.open();
        let mut count = 0;
        while entries.next_key_seed(self.again())?.is_some() {
            entries.next_value_seed(self.again())?;
            count += 1;
        }
        self.to.close_map(start, count);
        Ok(())
    }
}
