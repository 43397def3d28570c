//! A set of fields: what one manager owns. A trie, as in `managedFields[].fieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{parse_element, print_element};
use crate::resource::{Digest, FieldPath, PathElement};

/// A set of paths. A path is in it when its node is a member: a leaf of the trie, or a node with a `.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    member: bool,
    children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// Reads `fieldsV1`. What is no path in it is passed over: a server never writes such, and a damaged entry must not
    /// stop a plan.
    pub fn parse(fields_v1: &Value) -> Self {
        let mut root = Self::node(fields_v1, 0);
        root.member = false;
        root
    }

    fn node(trie: &Value, depth: usize) -> Self {
        // The API server's own limit of nesting is far below.
        let Some(map) = trie.as_object().filter(|_| depth < 200) else { return Self::default() };
        let mut set = Self { member: map.is_empty() || map.contains_key("."), children: BTreeMap::new() };
        for (key, below) in map {
            if let Some(element) = parse_element(key) {
                set.children.insert(element, Self::node(below, depth + 1));
            }
        }
        set
    }

    /// Writes `fieldsV1`.
    pub fn print(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, below) in &self.children {
            map.insert(print_element(element), below.print());
        }
        Value::Object(map)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &FieldPath) {
        let mut node = self;
        for element in &path.0 {
            node = node.children.entry(element.clone()).or_default();
        }
        node.member = true;
    }

    /// Whether the path itself is in it.
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.at(path).is_some_and(|node| node.member)
    }

    /// Whether the path, something above it that is owned as a whole, or something below it is in the set.
    pub fn touches(&self, path: &FieldPath) -> bool {
        let mut node = self;
        for element in &path.0 {
            if node.member && node.children.is_empty() {
                return true;
            }
            match node.children.get(element) {
                Some(child) => node = child,
                None => return false,
            }
        }
        !node.is_empty()
    }

    /// Whether the path or an atomic whole above it is in the set: whose field it is.
    pub fn owns(&self, path: &FieldPath) -> bool {
        let mut node = self;
        for element in &path.0 {
            if node.member && node.children.is_empty() {
                return true;
            }
            match node.children.get(element) {
                Some(child) => node = child,
                None => return false,
            }
        }
        node.member
    }

    fn at(&self, path: &FieldPath) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, element| node.children.get(element))
    }

    /// All paths in it, in order.
    pub fn paths(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.collect(&FieldPath::root(), &mut found);
        found
    }

    fn collect(&self, path: &FieldPath, found: &mut Vec<FieldPath>) {
        if self.member {
            found.push(path.clone());
        }
        for (element, below) in &self.children {
            below.collect(&path.join(element.clone()), found);
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.member |= other.member;
        for (element, theirs) in &other.children {
            let merged = union.children.get(element).map_or_else(|| theirs.clone(), |ours| ours.union(theirs));
            union.children.insert(element.clone(), merged);
        }
        union
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Self { member: self.member && !other.member, children: BTreeMap::new() };
        for (element, ours) in &self.children {
            let left = other.children.get(element).map_or_else(|| ours.clone(), |theirs| ours.difference(theirs));
            if !left.is_empty() {
                rest.children.insert(element.clone(), left);
            }
        }
        rest
    }

    /// The digest of an object's values at the set's paths: what an unchanged object is known by. A leaf counts with all
    /// that is below it, an item or a struct that is owned besides its fields only as being there.
    pub fn values_digest(&self, object: &Value) -> Digest {
        let mut values = Vec::new();
        self.values(Some(object), &mut values);
        Digest::of(&Value::Array(values))
    }

    fn values(&self, value: Option<&Value>, values: &mut Vec<Value>) {
        if self.member {
            values.push(match value {
                None => Value::Null,
                Some(value) if self.children.is_empty() => Value::Array(vec![value.clone()]),
                Some(_) => Value::Bool(true),
            });
        }
        for (element, below) in &self.children {
            below.values(value.and_then(|value| element.get(value)), values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn trie() -> Value {
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
            "f:spec": {"f:selector": {}, "f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}, "f:finalizers": {"v:\"x\"": {}}, "f:l": {"i:3": {}}},
        })
    }

    #[test]
    fn it_reads_and_writes_what_the_server_does() {
        assert_eq!(FieldSet::parse(&trie()).print(), trie());
    }

    #[test]
    fn a_leaf_owns_what_is_below_it_and_an_item_only_its_own_fields() {
        let set = FieldSet::parse(&trie());
        let path = |text: &str| text.parse::<FieldPath>().unwrap();
        assert!(set.owns(&path("spec.selector.matchLabels.app")));
        assert!(set.owns(&path("spec.containers[app].image")));
        assert!(!set.owns(&path("spec.containers[app].args")));
        assert!(set.contains(&path("spec.containers[app]")));
        assert!(set.touches(&path("spec.containers")) && !set.contains(&path("spec.containers")));
    }

    #[test]
    fn the_values_digest_sees_our_fields_and_no_others() {
        let set = FieldSet::parse(&trie());
        let object = json!({"spec": {"selector": {"a": 1}, "containers": [{"name": "app", "image": "i", "args": ["x"]}], "replicas": 1}});
        let mut others = object.clone();
        others["spec"]["replicas"] = json!(5);
        others["spec"]["containers"][0]["args"] = json!([]);
        others["spec"]["containers"].as_array_mut().unwrap().insert(0, json!({"name": "sidecar"}));
        assert_eq!(set.values_digest(&object), set.values_digest(&others));
        for change in ["/spec/selector/a", "/spec/containers/0/image"] {
            let mut ours = object.clone();
            *ours.pointer_mut(change).unwrap() = json!("changed");
            assert_ne!(set.values_digest(&object), set.values_digest(&ours), "{change}");
        }
    }

    fn element() -> impl Strategy<Value = PathElement> {
        prop_oneof![
            "[a-z./:\\-]{1,6}".prop_map(PathElement::Field),
            ("[a-z]{1,3}", any::<i32>()).prop_map(|(key, value)| PathElement::Key(BTreeMap::from([(key, json!(value))]))),
            "[a-z\"]{0,4}".prop_map(|text| PathElement::Value(json!(text))),
            (0usize..9).prop_map(PathElement::Index),
        ]
    }

    fn set() -> impl Strategy<Value = FieldSet> {
        proptest::collection::vec(proptest::collection::vec(element(), 1..4), 0..8).prop_map(|paths| {
            let mut set = FieldSet::default();
            for path in paths {
                set.insert(&FieldPath(path));
            }
            set
        })
    }

    proptest! {
        #[test]
        fn parse_after_print_is_identity(set in set()) {
            prop_assert_eq!(FieldSet::parse(&set.print()), set);
        }

        #[test]
        fn sets_behave_as_sets(a in set(), b in set()) {
            let union = a.union(&b);
            prop_assert_eq!(union.difference(&b).union(&b), union.clone());
            prop_assert!(a.difference(&a).is_empty());
            for path in a.paths() {
                prop_assert!(union.contains(&path) && union.owns(&path));
                prop_assert_eq!(a.difference(&b).contains(&path), !b.contains(&path));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let value: Value = serde_json::from_str(&text).unwrap_or(json!({text: {"k:{": {}, "v:": {}}}));
            let _ = FieldSet::parse(&value).values_digest(&value);
        }
    }
}
