//! From definitions to what is served: their conditions, and what discovery tells of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::embedded::clock::seconds;
use crate::embedded::store::Place;
use crate::embedded::world::State;

const STORAGE: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Gives a definition the conditions of one that is in use. None: it has them.
pub fn establish(crd: &Value, now: jiff::Timestamp) -> Option<Value> {
    let accepted = &crd["spec"]["names"];
    let has = crd["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "Established"));
    let stored: Vec<&Value> = crd["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
        .collect();
    let known = crd["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    let missing = stored.iter().any(|name| !known.contains(name));
    if has && !missing && crd["status"]["acceptedNames"] == *accepted {
        return None;
    }
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": "True", "lastTransitionTime": seconds(now), "reason": reason, "message": message,
            "observedGeneration": crd["metadata"]["generation"]})
    };
    let mut changed = crd.clone();
    let mut versions = known;
    versions.extend(
        stored.into_iter().filter(|name| !crd["status"]["storedVersions"].as_array().is_some_and(|known| known.contains(name))).cloned(),
    );
    changed["status"] = json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": accepted,
        "storedVersions": versions,
    });
    Some(changed)
}

/// Serves what the definitions define, and nothing else of the kind.
pub fn served(state: &mut State) {
    let crds: Vec<Arc<Value>> = state.store.all(STORAGE).cloned().collect();
    let mut groups = BTreeMap::<String, Value>::new();
    let mut names = BTreeMap::new();
    for crd in &crds {
        let (spec, name) = (&crd["spec"], text(&crd["metadata"]["name"]));
        let established = crd["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Established" && one["status"] == "True"));
        if !established {
            continue;
        }
        let group = text(&spec["group"]);
        names.insert(format!("{}.{group}", text(&spec["names"]["plural"])), name.to_owned());
        let document = groups
            .entry(group.to_owned())
            .or_insert_with(|| json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": []}));
        for version in spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true) {
            add(document, spec, version);
        }
    }
    for document in groups.values_mut() {
        if let Some(versions) = document["versions"].as_array_mut() {
            versions.sort_by_key(|version| std::cmp::Reverse(rank(text(&version["version"]))));
        }
    }
    state.catalog.set_custom(groups, &names);
    state.definitions.set(crds.into_iter());
}

/// How a version ranks: stable before beta before alpha, newer before older.
fn rank(version: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.parse::<u32>().ok();
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    for (word, stage) in [("alpha", 1), ("beta", 2)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (stage, number(major).unwrap_or(0), number(minor).unwrap_or(0));
        }
    }
    number(rest).map_or((0, 0, 0), |major| (3, major, 0))
}

fn add(document: &mut Value, spec: &Value, version: &Value) {
    let (names, name) = (&spec["names"], &version["name"]);
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let own = kind(text(&spec["group"]), text(name), text(&names["kind"]));
    let mut resource = json!({
        "resource": names["plural"], "responseKind": own,
        "scope": if spec["scope"] == "Namespaced" { "Namespaced" } else { "Cluster" },
        "singularResource": names["singular"].as_str().map_or_else(|| text(&names["kind"]).to_lowercase(), str::to_owned),
        "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
    });
    for field in ["shortNames", "categories"] {
        if !names[field].is_null() {
            resource[field] = names[field].clone();
        }
    }
    let mut subs = Vec::new();
    if version["subresources"]["status"].is_object() {
        subs.push(json!({"subresource": "status", "responseKind": own, "verbs": ["get", "patch", "update"]}));
    }
    if version["subresources"]["scale"].is_object() {
        subs.push(json!({"subresource": "scale", "responseKind": kind("autoscaling", "v1", "Scale"), "verbs": ["get", "patch", "update"]}));
    }
    if !subs.is_empty() {
        resource["subresources"] = subs.into();
    }
    let Some(versions) = document["versions"].as_array_mut() else { return };
    match versions.iter_mut().find(|known| known["version"] == *name) {
        Some(known) => {
            if let Some(resources) = known["resources"].as_array_mut() {
                resources.push(resource);
            }
        }
        None => versions.push(json!({"version": name, "resources": [resource], "freshness": "Current"})),
    }
}

/// Where a definition is kept.
pub fn place(name: &str) -> Place {
    Place { resource: STORAGE.into(), namespace: String::new(), name: name.to_owned() }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
