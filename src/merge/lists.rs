//! Which lists are keyed, and by what: Kubernetes' own `x-kubernetes-list-map-keys`, for the lists that its built-in kinds
//! have, found by the items' shape (so that no schema is needed to compare two objects).

use serde_json::Value;

/// The keys of a list's items, if it is a keyed list: all items of both forms have them, and no item occurs twice.
pub fn merge_keys(name: &str, before: &[Value], after: &[Value]) -> Option<&'static [&'static str]> {
    candidates(name).iter().copied().find(|keys| fits(keys, before) && fits(keys, after))
}

/// By the field's name; the first that fits.
fn candidates(name: &str) -> &'static [&'static [&'static str]] {
    match name {
        "ports" => &[&["containerPort", "protocol"], &["containerPort"], &["port", "protocol"], &["port"]],
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "resourceClaims"
        | "versions"
        | "schedulingGates"
        | "webhooks" => &[&["name"]],
        "volumeMounts" => &[&["mountPath"]],
        "volumeDevices" => &[&["devicePath"]],
        "conditions" => &[&["type"]],
        "topologySpreadConstraints" => &[&["topologyKey", "whenUnsatisfiable"]],
        "ownerReferences" => &[&["uid"]],
        "hostAliases" => &[&["ip"]],
        "parentRefs" | "secrets" => &[&["name"]],
        _ => &[],
    }
}

fn fits(keys: &[&str], items: &[Value]) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.iter().all(|item| {
        let values: Option<Vec<String>> = keys
            .iter()
            .map(|key| match item.get(key) {
                Some(value) => Some(value.to_string()),
                None if *key == "protocol" && item.is_object() => Some("\"TCP\"".to_owned()),
                None => None,
            })
            .collect();
        values.is_some_and(|values| seen.insert(values))
    })
}
