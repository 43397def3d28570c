//! Whether two values are the same but for texts, and in which texts they differ: for who compares thousands of values of one form.

use std::ops::Range;

use super::tape::Node;
use super::{Entries, Tree};

/// Where a value stands, as long as it is held.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub(super) place: *const (),
    pub(super) width: usize,
}

/// Texts that differ: where, counted in nodes of the first value, and what the other has there.
pub type OtherTexts<'o> = Vec<(usize, &'o str)>;

impl<'t> Tree<'t> {
    /// Whether another value is the same but for texts and for what stands at `unread` (in order, in nodes of this value; there it may be
    /// anything). The texts are put in the place of those in `found`. Names of fields count as texts.
    pub fn differs_in_texts<'o>(self, other: Tree<'o>, unread: &[Range<usize>], found: &mut OtherTexts<'o>) -> bool {
        found.clear();
        if unread.is_empty() && self.is_made_like(other) {
            let slots = self.tape.made().map_or(&[][..], |made| &made.mould.slots);
            let texts = slots.iter().filter_map(|place| Some((*place, self.nodes.get(*place)?)));
            found.extend(
                texts
                    .filter(|(_, node)| self.text_of(node) != other.text_of(node))
                    .filter_map(|(place, node)| Some((place, other.text_of(node)?))),
            );
            return true;
        }
        let (mut place, mut other_place, mut unread) = (0, 0, unread.iter().peekable());
        while let Some(node) = self.nodes.get(place) {
            if let Some(range) = unread.next_if(|range| range.start == place) {
                let Some(width) = other.width_at(other_place) else { return false };
                (place, other_place) = (range.end, other_place + width);
                continue;
            }
            let Some(other_node) = other.nodes.get(other_place) else { return false };
            let same = match (node, other_node) {
                (Node::Null, Node::Null) => true,
                (Node::Bool(a), Node::Bool(b)) => a == b,
                (Node::Number(a), Node::Number(b)) => self.tape.numbers().get(*a as usize) == other.tape.numbers().get(*b as usize),
                // How many nodes there are below them may differ, in what isn't read.
                (Node::List(a, _), Node::List(b, _)) | (Node::Map(a, _), Node::Map(b, _)) => a == b,
                (Node::Again(start, width), Node::Again(other_start, other_width)) => {
                    (start, width) == (other_start, other_width) && std::ptr::eq(self.tape, other.tape) && self.is_elsewhere(*start)
                }
                (Node::Text(..) | Node::Own(..) | Node::Slot(_), Node::Text(..) | Node::Own(..) | Node::Slot(_)) => {
                    if !self.is_text_of(node, other, other_node) {
                        found.extend(other.text_of(other_node).map(|text| (place, text)));
                    }
                    true
                }
                _ => false,
            };
            if !same {
                return false;
            }
            place += 1;
            other_place += 1;
        }
        other_place == other.nodes.len()
    }

    /// Whether a node of its tape isn't in it: a text in it that is found twice would be one that nobody can tell the place of.
    fn is_elsewhere(self, node: u32) -> bool {
        self.tape.nodes().get(node as usize).is_some_and(|node| self.position_of(std::ptr::from_ref(node).cast()).is_none())
    }

    /// Whether both are all of what was made after one mould.
    fn is_made_like(self, other: Tree<'_>) -> bool {
        let (Some(made), Some(other_made)) = (self.tape.made(), other.tape.made()) else { return false };
        made.is_like(other_made) && [self, other].iter().all(|tree| tree.nodes.len() == made.mould.nodes.len())
    }

    fn is_text_of(self, node: &Node, other: Tree<'_>, other_node: &Node) -> bool {
        let is_one_place = match (node, other_node) {
            (Node::Text(a, b), Node::Text(c, d)) => (a, b) == (c, d) && std::ptr::eq(self.source, other.source),
            (Node::Own(a, b), Node::Own(c, d)) => (a, b) == (c, d) && std::ptr::eq(self.tape, other.tape),
            _ => false,
        };
        is_one_place || self.text_of(node) == other.text_of(other_node)
    }

    /// Whether both have the same kinds of values, texts and names in the same order.
    pub fn is_laid_out_as(self, other: Tree<'_>) -> bool {
        let mut texts = OtherTexts::new();
        self.differs_in_texts(other, &[], &mut texts) && texts.is_empty()
    }

    /// How many nodes it is.
    pub fn width(self) -> usize {
        self.nodes.len()
    }

    /// Which of its nodes that are. None: they stand elsewhere.
    pub fn range_of(self, standing: Standing) -> Option<Range<usize>> {
        self.position_of(standing.place).map(|start| start..start + standing.width)
    }

    /// How many nodes the value is that begins there.
    fn width_at(self, place: usize) -> Option<usize> {
        self.nodes.get(place).map(Node::width)
    }

    /// The places of its nodes.
    pub fn places(self) -> impl Iterator<Item = *const ()> + 't {
        self.nodes.iter().map(|node| std::ptr::from_ref(node).cast())
    }

    /// Which of its nodes that is. None: it stands elsewhere.
    pub fn position_of(self, place: *const ()) -> Option<usize> {
        let bytes = place.addr().checked_sub(self.place().addr())?;
        Some(bytes / size_of::<Node>()).filter(|position| *position < self.nodes.len())
    }
}

impl<'t> Entries<'t> {
    /// With each value where it stands in the nodes of what it is in, and how many it is there: what is written once for several stands
    /// elsewhere.
    pub fn with_places(mut self) -> impl Iterator<Item = (&'t str, Tree<'t>, Standing)> {
        std::iter::from_fn(move || {
            let node = self.rest.nodes.get(1)?;
            let standing = Standing { place: std::ptr::from_ref(node).cast(), width: node.width() };
            self.next().map(|(name, value)| (name, value, standing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tape;
    use super::*;
    use serde_json::{Value, json};

    fn differ(a: &Value, b: &Value, unread: &[&str]) -> Option<Vec<(usize, String)>> {
        let (a, b) = (Tape::from(a), Tape::from(b));
        let ranges = unread.iter().map(|name| {
            let value = a.tree().get(name).unwrap();
            let start = a.tree().position_of(value.place()).unwrap();
            start..start + value.width()
        });
        let (ranges, mut found): (Vec<_>, _) = (ranges.collect(), OtherTexts::new());
        let differ = a.tree().differs_in_texts(b.tree(), &ranges, &mut found);
        differ.then(|| found.iter().map(|(place, text)| (*place, (*text).to_owned())).collect())
    }

    #[test]
    fn texts_that_differ_are_found_where_they_stand() {
        let value = json!({"a": "1", "b": ["x", {"c": true}], "n": 1});
        assert_eq!(differ(&value, &value, &[]), Some(vec![]));
        assert_eq!(
            differ(&value, &json!({"a": "2", "b": ["y", {"c": true}], "n": 1}), &[]),
            Some(vec![(2, "2".to_owned()), (5, "y".to_owned())])
        );
        // A name is a text too.
        assert_eq!(differ(&json!({"a": 1}), &json!({"b": 1}), &[]), Some(vec![(1, "b".to_owned())]));
    }

    #[test]
    fn another_form_or_another_value_is_no_other_text() {
        let value = json!({"a": "1", "b": ["x", {"c": true}], "n": 1});
        for other in [
            json!({"a": "1", "b": ["x", {"c": true}], "n": 2}),
            json!({"a": "1", "b": ["x", {"c": false}], "n": 1}),
            json!({"a": "1", "b": ["x"], "n": 1}),
            json!({"a": "1", "b": ["x", {"c": true, "d": 1}], "n": 1}),
            json!({"a": null, "b": ["x", {"c": true}], "n": 1}),
            json!({"a": "1", "b": ["x", {"c": true}], "n": 1, "o": "x"}),
            json!({"a": "1", "b": {"x": {"c": true}}, "n": 1}),
        ] {
            assert_eq!(differ(&value, &other, &[]), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_read_may_be_anything() {
        let value = json!({"a": {"x": 1}, "b": "1", "c": [1]});
        assert_eq!(differ(&value, &json!({"a": [1, 2, {"y": "z"}], "b": "2", "c": null}), &["a", "c"]), Some(vec![(6, "2".to_owned())]));
        assert_eq!(differ(&value, &json!({"a": [1, 2, {"y": "z"}], "b": "1"}), &["a", "c"]), None);
    }
}
