//! Which lists are keyed, and by what: the built-in kinds' `x-kubernetes-list-map-keys`, by the list's name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::PathElement;

/// Keys by the list's name; where one name has several, the first that all items have. A key that may be left out has
/// its default.
const KEYS: [(&str, &[&[Key]]); 21] = [
    ("containers", &[&[Key::of("name")]]),
    ("initContainers", &[&[Key::of("name")]]),
    ("ephemeralContainers", &[&[Key::of("name")]]),
    ("env", &[&[Key::of("name")]]),
    ("volumes", &[&[Key::of("name")]]),
    ("volumeMounts", &[&[Key::of("mountPath")]]),
    ("volumeDevices", &[&[Key::of("devicePath")]]),
    ("ports", &[&[Key::of("containerPort"), Key::PROTOCOL], &[Key::of("port"), Key::PROTOCOL]]),
    ("topologySpreadConstraints", &[&[Key::of("topologyKey"), Key::of("whenUnsatisfiable")]]),
    ("imagePullSecrets", &[&[Key::of("name")]]),
    ("hostAliases", &[&[Key::of("ip")]]),
    ("resourceClaims", &[&[Key::of("name")]]),
    ("schedulingGates", &[&[Key::of("name")]]),
    ("claims", &[&[Key::of("name")]]),
    ("secrets", &[&[Key::of("name")]]),
    ("conditions", &[&[Key::of("type")]]),
    ("ownerReferences", &[&[Key::of("uid")]]),
    ("webhooks", &[&[Key::of("name")]]),
    ("podIPs", &[&[Key::of("ip")]]),
    ("hostIPs", &[&[Key::of("ip")]]),
    ("matchConditions", &[&[Key::of("name")]]),
];

/// Lists that are sets.
const SETS: [&str; 1] = ["finalizers"];

/// A merge key.
struct Key {
    name: &'static str,
    default: Option<&'static str>,
}

impl Key {
    const PROTOCOL: Self = Self { name: "protocol", default: Some("TCP") };

    const fn of(name: &'static str) -> Self {
        Self { name, default: None }
    }
}

/// How the items of two forms of one list are told apart: an element for each item, all different. None: the list is
/// atomic, as far as is known. `above` is the path to what holds the list, to tell lists of one name apart.
pub(super) fn elements(above: &[PathElement], before: &[Value], after: &[Value]) -> Option<(Vec<PathElement>, Vec<PathElement>)> {
    let (PathElement::Field(name), above) = above.split_last()? else { return None };
    if SETS.contains(&name.as_str()) {
        return Some((unique(before, |v| Some(PathElement::Value(v.clone())))?, unique(after, |v| Some(PathElement::Value(v.clone())))?));
    }
    if is_atomic_here(name, above) {
        return None;
    }
    let alternatives = KEYS.iter().find(|(list, _)| list == name)?.1;
    alternatives.iter().find_map(|keys| Some((unique(before, |v| key_of(v, keys))?, unique(after, |v| key_of(v, keys))?)))
}

/// The element that leads to an item of the list with this name: by its keys if the list is keyed, else by its index.
pub fn element_of(above: &[PathElement], list: &[Value], index: usize) -> PathElement {
    let keyed = elements(above, list, list).and_then(|(mut before, _)| (index < before.len()).then(|| before.swap_remove(index)));
    keyed.unwrap_or(PathElement::Index(index))
}

/// NetworkPolicies' `ports`, and those of slices of endpoints, have the name and not the keys.
fn is_atomic_here(name: &str, above: &[PathElement]) -> bool {
    let Some(PathElement::Field(parent)) = above.last() else {
        // Within an item of a keyed list (a container) they are keyed; of an atomic one (a policy's rule) they aren't.
        return name == "ports" && matches!(above.last(), Some(PathElement::Index(_)) | None);
    };
    name == "ports" && parent != "spec"
}

fn unique(items: &[Value], element: impl Fn(&Value) -> Option<PathElement>) -> Option<Vec<PathElement>> {
    let elements: Vec<PathElement> = items.iter().map(element).collect::<Option<_>>()?;
    let mut sorted: Vec<&PathElement> = elements.iter().collect();
    sorted.sort();
    sorted.windows(2).all(|pair| pair[0] != pair[1]).then_some(elements)
}

fn key_of(item: &Value, keys: &[Key]) -> Option<PathElement> {
    let map = item.as_object()?;
    let mut found = BTreeMap::new();
    for key in keys {
        let value = match (map.get(key.name), key.default) {
            (Some(value), _) if value.is_string() || value.is_i64() || value.is_u64() => value.clone(),
            (None, Some(default)) => Value::from(default),
            _ => return None,
        };
        found.insert(key.name.to_owned(), value);
    }
    Some(PathElement::Key(found))
}
