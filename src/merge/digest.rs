//! Digests of what a manager owns and of the values that stand there: what tells, without a request, that nothing changed.

use serde_json::{Map, Value};

use super::field_set::parse_element;
use crate::resource::{Digest, PathElement};

/// The digest of the field set of an entry of managedFields, with the version of the API that it is written in.
pub fn entry_digest(entry: &Value) -> Digest {
    let mut text = entry["apiVersion"].to_string().into_bytes();
    write(&entry["fieldsV1"], &mut text);
    Digest::of_bytes(&text)
}

/// The digest of the values that stand at the members of a `fieldsV1` trie: of leaves the whole value, of keyed lists also the
/// order of the items that it names and whether one of them is there twice.
pub fn values_digest(fields: &Value, live: &Value) -> Digest {
    let mut text = Vec::new();
    walk(fields, Some(live), &mut text);
    Digest::of_bytes(&text)
}

fn write(value: &Value, text: &mut Vec<u8>) {
    // Writing a Value to memory cannot fail.
    let _ = serde_json::to_writer(text, value);
}

fn walk(fields: &Value, live: Option<&Value>, text: &mut Vec<u8>) {
    let Some(map) = fields.as_object().filter(|map| map.keys().any(|key| key != ".")) else {
        match live {
            Some(value) => write(value, text),
            None => text.push(b'-'),
        }
        text.push(b';');
        return;
    };
    let Some(live) = live else {
        text.extend_from_slice(b"gone;");
        return;
    };
    if let Some(items) = live.as_array() {
        return walk_items(map, items, text);
    }
    for (key, below) in map {
        if key != "." {
            let value = key.strip_prefix("f:").and_then(|name| live.get(name));
            walk(below, value, text);
        }
    }
}

fn walk_items(map: &Map<String, Value>, items: &[Value], text: &mut Vec<u8>) {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (rank, (key, below)) in map.iter().filter(|(key, _)| *key != ".").enumerate() {
        let Ok(element) = parse_element(key) else { continue };
        let mut found = None;
        for (index, item) in items.iter().enumerate() {
            let here = match &element {
                PathElement::Index(wanted) => *wanted == index,
                element => element.get_in(std::slice::from_ref(item)).is_some(),
            };
            if here {
                order.push((index, rank));
                found = found.or(Some(item));
            }
        }
        walk(below, found, text);
    }
    order.sort_unstable();
    for (_, rank) in order {
        text.extend_from_slice(rank.to_string().as_bytes());
        text.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields() -> Value {
        json!({"f:spec": {"f:list": {"k:{\"name\":\"a\"}": {".": {}, "f:v": {}}, "k:{\"name\":\"b\"}": {".": {}, "f:v": {}}}, "f:n": {}}})
    }

    fn live(list: Value) -> Value {
        json!({"spec": {"list": list, "n": 1, "others": 7}, "status": {"x": 1}})
    }

    #[test]
    fn what_others_change_does_not_matter() {
        let digest = values_digest(&fields(), &live(json!([{"name": "a", "v": 1}, {"name": "b", "v": 2}])));
        let with_others = live(json!([{"name": "z"}, {"name": "a", "v": 1, "w": 3}, {"name": "b", "v": 2}]));
        assert_eq!(values_digest(&fields(), &with_others), digest);
    }

    #[test]
    fn values_order_doubles_and_absence_matter() {
        let base = values_digest(&fields(), &live(json!([{"name": "a", "v": 1}, {"name": "b", "v": 2}])));
        for list in [
            json!([{"name": "a", "v": 1}, {"name": "b", "v": 3}]),
            json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
            json!([{"name": "a", "v": 1}, {"name": "b", "v": 2}, {"name": "b", "v": 2}]),
            json!([{"name": "a", "v": 1}]),
            json!([{"name": "a", "v": 1}, {"name": "b"}]),
            json!({}),
        ] {
            assert_ne!(values_digest(&fields(), &live(list.clone())), base, "{list}");
        }
    }

    #[test]
    fn the_entrys_version_is_part_of_its_digest() {
        let entry = |version: &str| json!({"apiVersion": version, "fieldsV1": fields(), "time": "whenever"});
        assert_ne!(entry_digest(&entry("autoscaling/v1")), entry_digest(&entry("autoscaling/v2")));
    }
}
