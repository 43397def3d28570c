//! Two values of a type made one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::atom::{Atom, elements};
use crate::resource::PathElement;
use crate::schema::{ListKind, TypeRef};

/// `live` with what `configuration` says put into it. Nothing goes; what both have is as `configuration` has it. Items of lists
/// stay in the order of `live` where they are only there, and are in the order of `configuration` where they are in it.
pub fn merged(of: TypeRef<'_>, live: &Value, configuration: &Value) -> Value {
    merge(Some(of), Some(live), Some(configuration)).unwrap_or(Value::Null)
}

/// Null, where an item is there twice and so can't be merged with.
static NOTHING: Value = Value::Null;

fn merge(of: Option<TypeRef<'_>>, live: Option<&Value>, wanted: Option<&Value>) -> Option<Value> {
    let leaf = || wanted.or(live).cloned();
    match Atom::of(of?, wanted.or(live)) {
        Atom::Scalar(_) => leaf(),
        Atom::List { item, kind } => {
            let (a, b) = (live.and_then(Value::as_array), wanted.and_then(Value::as_array));
            if *kind == ListKind::Atomic || (a.is_none_or(Vec::is_empty) && b.is_none_or(Vec::is_empty)) {
                return leaf();
            }
            let items = merge_items(item, kind, a.map_or(&[], Vec::as_slice), b.map_or(&[], Vec::as_slice));
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Atom::Map { of, atomic } => {
            let (a, b) = (live.and_then(Value::as_object), wanted.and_then(Value::as_object));
            if atomic || (a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty)) {
                return leaf();
            }
            let mut result = Map::new();
            for name in a.into_iter().chain(b).flat_map(Map::keys) {
                if result.contains_key(name) {
                    continue;
                }
                let (live, wanted) = (a.and_then(|a| a.get(name)), b.and_then(|b| b.get(name)));
                // What only one side has is that side's, whole.
                let value = merge(of.field(name), live, wanted);
                if let Some(value) = value {
                    result.insert(name.clone(), value);
                }
            }
            (!result.is_empty()).then_some(Value::Object(result))
        }
    }
}

/// Items that only one side has keep their places relative to their neighbours; those that both have are in the order of `wanted`.
fn merge_items(of: TypeRef<'_>, kind: &ListKind, live: &[Value], wanted: &[Value]) -> Vec<Value> {
    let (left, right) = (elements(kind, live), elements(kind, wanted));
    let (seen_left, seen_right) = (observed(&left, live), observed(&right, wanted));
    let mut shared = right.iter().map(|(element, _)| element).filter(|element| seen_left.contains_key(element));
    let mut next_shared = shared.next();
    let mut taken: BTreeSet<&PathElement> = BTreeSet::new();
    let mut result = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some((element, _)), Some((other, _))) = (left.get(l), right.get(r)) {
            if element == other {
                taken.insert(element);
                result.extend(merge(Some(of), seen_left.get(element).copied(), seen_right.get(element).copied()));
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if seen_right.contains_key(element) && next_shared.is_some_and(|next| next != element) {
                // Both have it, but another one comes first.
                l += 1;
                continue;
            }
        }
        if let Some((element, index)) = left.get(l) {
            if !seen_right.contains_key(element) {
                result.extend(merge(Some(of), live.get(*index), None));
                l += 1;
                continue;
            }
            if taken.contains(element) {
                l += 1;
            }
        }
        if let Some((element, _)) = right.get(r) {
            taken.insert(element);
            result.extend(merge(Some(of), seen_left.get(element).copied(), seen_right.get(element).copied()));
            r += 1;
            if next_shared == Some(element) {
                next_shared = shared.next();
            }
        }
    }
    result
}

fn observed<'v>(elements: &'v [(PathElement, usize)], items: &'v [Value]) -> BTreeMap<&'v PathElement, &'v Value> {
    let mut seen = BTreeMap::new();
    for (element, index) in elements {
        let Some(item) = items.get(*index) else { continue };
        if seen.insert(element, item).is_some() {
            seen.insert(element, &NOTHING);
        }
    }
    seen
}
