//! Values made after one another: they share their nodes and all texts, but for some that each has of its own. A stack has thousands of
//! objects that differ in a namespace and a few labels.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Number, Value};

use super::tape::{Common, Node, narrow};
use super::{Tape, Tree, TreeShape};

/// What values have in common that are made after one.
pub(super) struct Mould {
    pub nodes: Vec<Node>,
    pub numbers: Vec<Number>,
    pub text: String,
    /// Which nodes are texts that each has of its own, by their numbers.
    pub slots: Vec<usize>,
    /// The value, with nothing in place of the texts.
    value: Value,
    /// Where the texts are that each has of its own, one after the other.
    paths: Vec<Vec<String>>,
    /// Moulds with one more text, by its path.
    more: Mutex<Vec<Arc<Self>>>,
}

/// A value that was made after a mould.
#[derive(Clone)]
pub(super) struct Made {
    pub mould: Arc<Mould>,
    /// Its own texts: where each begins in that of its tape, and its length.
    pub texts: Vec<(u32, u32)>,
}

impl Made {
    /// Whether the nodes are those of another.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mould, &other.mould)
    }
}

impl Mould {
    /// Of a value, and of the texts at these paths of names, or of maps.
    fn of(mut value: Value, paths: Vec<Vec<String>>) -> Self {
        for path in &paths {
            if let Some(place) = path.iter().try_fold(&mut value, |value, name| value.get_mut(name)) {
                empty(place);
            }
        }
        let tape = Tape::from(&value);
        let slots: Vec<usize> = paths.iter().flat_map(|path| texts_at(tape.tree(), path)).collect();
        let Tape { mut nodes, numbers, text, .. } = tape;
        for node in &mut nodes {
            if let Node::Own(start, length) = *node {
                *node = Node::Text(start, length);
            }
        }
        for (which, place) in slots.iter().enumerate() {
            if let Some(node) = nodes.get_mut(*place) {
                *node = Node::Slot(narrow(which));
            }
        }
        Self { nodes, numbers, text, slots, value, paths, more: Mutex::default() }
    }

    /// The mould of values that have this text too.
    fn with(&self, path: &[&str]) -> Option<Arc<Self>> {
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |mould: &&Arc<Self>| mould.paths.last().is_some_and(|last| last.iter().eq(path));
        if let Some(known) = more.iter().find(is_it) {
            return Some(Arc::clone(known));
        }
        let mut value = self.value.clone();
        let mut place = &mut value;
        for name in path {
            place = place.as_object_mut()?.entry(*name).or_insert_with(|| Value::Object(Map::new()));
        }
        *place = Value::String(String::new());
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        let made = Arc::new(Self::of(value, self.paths.iter().cloned().chain([path]).collect()));
        more.push(Arc::clone(&made));
        Some(made)
    }
}

/// Which nodes of a value are the text at a path, or those of the map there.
fn texts_at(whole: Tree<'_>, path: &[String]) -> Vec<usize> {
    let Some(found) = path.iter().try_fold(whole, |tree, name| tree.get(name)) else { return Vec::new() };
    let texts = found.map().map(|(_, value)| value).chain([found]).filter(|value| value.text().is_some());
    texts.filter_map(|text| whole.position_of(text.place())).collect()
}

/// Empties a text, or those of a map.
fn empty(value: &mut Value) {
    match value {
        Value::Object(texts) => texts.values_mut().filter(|text| text.is_string()).for_each(|text| *text = Value::String(String::new())),
        Value::String(text) => text.clear(),
        _ => {}
    }
}

impl Tape {
    /// The same value, for others to be made after it that differ in the texts at these places: in one, or in all those of a map. They are
    /// empty here.
    pub(super) fn mould(&self, places: &[&[&str]]) -> Self {
        let paths = places.iter().map(|path| path.iter().map(|name| (*name).to_owned()).collect()).collect();
        let mould = Mould::of(self.tree().to_value(), paths);
        let texts = vec![(0, 0); mould.slots.len()];
        Self { common: Common::Mould(Made { mould: Arc::new(mould), texts }), ..Self::default() }
    }

    /// The same with other values at some places that aren't within lists, as far as something is there.
    pub(super) fn with(&self, others: &[(&[&str], &Value)]) -> Self {
        if self.made().is_some() {
            let mut made = self.clone();
            if others.iter().all(|(path, value)| made.fill(path, value)) {
                return made.packed();
            }
        }
        let mut whole = self.tree().to_value();
        for (path, value) in others {
            if let Some(place) = path.iter().try_fold(&mut whole, |place, name| place.get_mut(name)) {
                *place = Value::clone(value);
            }
        }
        Self::from(&whole)
    }

    /// The same with one more text within its maps, or another one there; maps that are missing are made.
    pub(super) fn with_text(&self, path: &[&str], text: &str) -> Self {
        let said = Value::from(text);
        if let Some(Made { mould, texts }) = self.made() {
            let mut made = self.clone();
            if self.tree().at(path).is_some() {
                if made.fill(path, &said) {
                    return made.packed();
                }
            } else if let Some(mould) = mould.with(path) {
                let mut texts = texts.clone();
                texts.push((0, 0));
                made.common = Common::Mould(Made { mould, texts });
                if made.fill(path, &said) {
                    return made.packed();
                }
            }
        }
        let mut whole = self.tree().to_value();
        let mut place = &mut whole;
        for name in path {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[*name];
        }
        *place = said;
        Self::from(&whole)
    }

    /// Says another value by its own texts. False: it is none that differs in these alone.
    fn fill(&mut self, path: &[&str], value: &Value) -> bool {
        let Some(place) = self.tree().at(path) else { return true };
        let slot = |place: Tree<'_>| match place.nodes.first() {
            Some(Node::Slot(which)) => Some(*which as usize),
            _ => None,
        };
        let texts: Vec<(usize, &str)> = match (place.shape(), value) {
            (_, Value::String(text)) => slot(place).map(|which| (which, text.as_str())).into_iter().collect(),
            (TreeShape::Map(entries), Value::Object(map)) if entries.map(|(name, _)| name).eq(map.keys()) => {
                entries.zip(map.values()).filter_map(|((_, place), value)| Some((slot(place)?, value.as_str()?))).collect()
            }
            _ => return false,
        };
        if texts.len() != value.as_object().map_or(1, Map::len) {
            return false;
        }
        for (which, text) in texts {
            let said = (self.end_of_text(), narrow(text.len()));
            self.text.push_str(text);
            if let Common::Mould(made) = &mut self.common
                && let Some(own) = made.texts.get_mut(which)
            {
                *own = said;
            }
        }
        true
    }
}

impl fmt::Debug for Mould {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mould({} nodes)", self.nodes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LABELS: &[&str] = &["metadata", "labels"];
    const NAMESPACE: &[&str] = &["metadata", "namespace"];

    fn value() -> Value {
        json!({"kind": "X", "metadata": {"name": "a", "namespace": "n", "labels": {"l": "1", "m": "2"}}, "spec": {"n": [1, 2.5, {"o": null}]}})
    }

    #[test]
    fn what_is_made_is_what_it_would_be_by_itself() {
        let mould = Tape::from(&value()).mould(&[NAMESPACE, LABELS, &["no", "where"]]);
        assert_eq!(mould.tree().at(LABELS).map(Tree::to_value), Some(json!({"l": "", "m": ""})));
        let (namespace, labels) = (json!("other"), json!({"l": "x", "m": ""}));
        let made = mould.with(&[(NAMESPACE, &namespace), (LABELS, &labels), (&["no", "where"], &labels)]);
        let mut wanted = value();
        wanted["metadata"]["namespace"] = namespace.clone();
        wanted["metadata"]["labels"] = labels;
        assert_eq!((made.tree().to_value(), made.nodes.len()), (wanted.clone(), 0));
        assert_eq!(serde_json::to_string(&made.tree()).unwrap(), wanted.to_string());
        assert!(made.tree().is(Tape::from(&wanted).tree()) && !made.tree().is(mould.tree()));
        // The mould is as it was.
        assert_eq!(mould.tree().at(NAMESPACE).and_then(Tree::text), Some(""));
    }

    #[test]
    fn what_differs_in_more_than_texts_is_made_whole() {
        let mould = Tape::from(&value()).mould(&[NAMESPACE, LABELS]);
        for labels in [json!({"l": "1"}), json!({"l": "1", "n": "2"}), json!({"l": "1", "m": 2}), json!(null), json!("x"), json!({})] {
            let made = mould.with(&[(NAMESPACE, &json!("n")), (LABELS, &labels)]);
            let mut wanted = value();
            wanted["metadata"]["labels"] = labels;
            assert_eq!((made.tree().to_value(), made.made().is_some()), (wanted, false));
        }
        // Nothing in a map is no text, and no null.
        let nothing = json!({});
        assert_eq!(mould.with(&[(NAMESPACE, &nothing)]).tree().at(NAMESPACE).map(Tree::to_value), Some(json!({})));
        let name = json!("b");
        assert_eq!(mould.with(&[(&["metadata", "name"], &name)]).tree().at(&["metadata", "name"]).and_then(Tree::text), Some("b"));
    }

    #[test]
    fn one_more_text_is_shared_too() {
        let mould = Tape::from(&value()).mould(&[NAMESPACE, LABELS]);
        let (namespace, path) = (json!("o"), ["metadata", "annotations", "at"]);
        let labels = value()["metadata"]["labels"].clone();
        let made = mould.with(&[(NAMESPACE, &namespace), (LABELS, &labels)]);
        let [first, second] = ["1", "2"].map(|text| made.with_text(&path, text));
        let mut wanted = value();
        wanted["metadata"]["namespace"] = namespace.clone();
        wanted["metadata"]["annotations"] = json!({"at": "2"});
        assert_eq!(second.tree().to_value(), wanted);
        assert_eq!(serde_json::to_string(&second.tree()).unwrap(), wanted.to_string());
        let moulds = [&first, &second].map(|tape| tape.made().map(|made| Arc::as_ptr(&made.mould)));
        assert!(moulds[0].is_some() && moulds[0] == moulds[1]);
        assert_eq!(first.with_text(&path, "2").tree().to_value(), wanted);
        // Where something else stands, and of one that was made by itself.
        assert_eq!(made.with_text(&["kind", "of"], "x").tree().to_value()["kind"], json!({"of": "x"}));
        assert_eq!(Tape::from(&value()).with_text(&path, "3").tree().to_value()["metadata"]["annotations"], json!({"at": "3"}));
    }
}
