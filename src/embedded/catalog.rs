//! What is served: the built-in resources, as a real server's discovery tells them, and those of custom resource definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::data;

/// A resource in one version: a path, and what can be done there.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `""` for the core group.
    pub group: String,
    /// The version that requests speak.
    pub version: String,
    /// The name in paths: `deployments`.
    pub plural: String,
    /// `Deployment`.
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done.
    pub verbs: Vec<String>,
    /// `status`, `scale`, … with the kinds they speak.
    pub subresources: Vec<Subresource>,
    /// Where its objects are kept: `deployments.apps`, the same for all versions.
    pub storage: Arc<str>,
    /// The definition's name, if it is none of the built-ins.
    pub custom: Option<String>,
}

/// A part of an object that is read and written by itself.
#[derive(Clone, Debug)]
pub struct Subresource {
    /// `scale`.
    pub name: String,
    /// Group, version and kind of what is exchanged.
    pub kind: (String, String, String),
    /// What can be done.
    pub verbs: Vec<String>,
}

impl Resource {
    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, as errors name it.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// A `Status`'s details of an object.
    pub fn details(&self, name: &str) -> Value {
        let mut details = json!({"name": name, "group": self.group, "kind": self.plural});
        super::api::trim(&mut details);
        details
    }

    /// Whether this is the built-in kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind && self.custom.is_none()
    }

    /// A subresource.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// Whether status is written by itself.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }
}

/// All that is served.
#[derive(Debug)]
pub struct Catalog {
    /// By group, version and plural.
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
    /// The two aggregated documents, built-ins only.
    documents: [Value; 2],
    /// Groups of definitions, as discovery tells them.
    custom: BTreeMap<String, Value>,
}

impl Catalog {
    /// The built-ins.
    ///
    /// # Errors
    /// What is embedded can't be read: a fault of the build.
    pub fn built_in() -> std::io::Result<Self> {
        let mut documents: [Value; 2] = serde_json::from_slice(&data::unpack(data::DISCOVERY)?)?;
        for document in &mut documents {
            // What isn't served here isn't told of.
            for group in document["items"].as_array_mut().into_iter().flatten() {
                for version in group["versions"].as_array_mut().into_iter().flatten() {
                    if let Some(resources) = version["resources"].as_array_mut() {
                        resources.retain(|resource| !matches!(resource["resource"].as_str(), Some("componentstatuses" | "bindings")));
                    }
                }
            }
        }
        let mut resources = BTreeMap::new();
        for group in documents.iter().flat_map(|document| items(&document["items"])) {
            for resource in read_group(group, None) {
                resources.insert((resource.group.clone(), resource.version.clone(), resource.plural.clone()), Arc::new(resource));
            }
        }
        Ok(Self { resources, documents, custom: BTreeMap::new() })
    }

    /// The resource at a path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        // Three owned strings a request are nothing beside what it costs.
        self.resources.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// Whether anything is served in a group's version.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.resources.keys().any(|(g, v, _)| g == group && v == version)
    }

    /// The resource of a kind.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.resources.values().find(|resource| resource.group == group && resource.version == version && resource.kind == kind)
    }

    /// Puts the resources of definitions in place of those known so far. `groups`: what discovery tells of each, by name.
    pub fn set_custom(&mut self, groups: BTreeMap<String, Value>, definitions: &BTreeMap<String, String>) {
        self.resources.retain(|_, resource| resource.custom.is_none());
        for group in groups.values() {
            for mut resource in read_group(group, Some(String::new())) {
                resource.custom = definitions.get(&resource.qualified()).cloned().or(Some(String::new()));
                let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
                // A definition in a built-in group adds to it, and replaces nothing.
                self.resources.entry(key).or_insert_with(|| Arc::new(resource));
            }
        }
        self.custom = groups;
    }

    /// `/api` or `/apis`, aggregated.
    pub fn aggregated(&self, core: bool) -> Value {
        let mut document = self.documents[usize::from(!core)].clone();
        if !core && let Some(groups) = document["items"].as_array_mut() {
            groups.extend(self.custom.values().cloned());
        }
        document
    }

    /// `/apis`: the groups, in the order of discovery.
    pub fn groups(&self) -> Vec<Value> {
        let document = self.aggregated(false);
        items(&document["items"])
            .map(|group| {
                let name = text(&group["metadata"]["name"]);
                let versions: Vec<Value> = items(&group["versions"])
                    .map(|version| {
                        let version = text(&version["version"]);
                        json!({"groupVersion": format!("{name}/{version}"), "version": version})
                    })
                    .collect();
                json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
            })
            .collect()
    }

    /// `/api/v1`, `/apis/apps/v1`: the resources of a group's version.
    pub fn list(&self, group: &str, version: &str) -> Option<Value> {
        let document = self.aggregated(group.is_empty());
        let found = items(&document["items"]).find(|one| text(&one["metadata"]["name"]) == group)?;
        let found = items(&found["versions"]).find(|one| text(&one["version"]) == version)?;
        let mut resources = Vec::new();
        for resource in items(&found["resources"]) {
            let name = text(&resource["resource"]);
            let mut main = json!({
                "name": name,
                "singularName": resource["singularResource"],
                "namespaced": resource["scope"] == "Namespaced",
                "kind": resource["responseKind"]["kind"],
                "verbs": resource["verbs"],
            });
            for field in ["shortNames", "categories"] {
                if !resource[field].is_null() {
                    main[field] = resource[field].clone();
                }
            }
            resources.push(main);
            for sub in items(&resource["subresources"]) {
                let kind = &sub["responseKind"];
                let mut entry = json!({
                    "name": format!("{name}/{}", text(&sub["subresource"])),
                    "singularName": "",
                    "namespaced": resource["scope"] == "Namespaced",
                    "group": kind["group"], "version": kind["version"],
                    "kind": kind["kind"],
                    "verbs": sub["verbs"],
                });
                super::api::trim(&mut entry);
                entry["singularName"] = "".into();
                resources.push(entry);
            }
        }
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
        if !group.is_empty() {
            list["apiVersion"] = "v1".into();
        }
        Some(list)
    }
}

/// The resources that a group of discovery tells of.
fn read_group(group: &Value, custom: Option<String>) -> Vec<Resource> {
    let name = text(&group["metadata"]["name"]);
    let mut found = Vec::new();
    for version in items(&group["versions"]) {
        for resource in items(&version["resources"]) {
            let plural = text(&resource["resource"]);
            let storage = match (name, plural) {
                // Two groups, one set of objects.
                ("events.k8s.io", "events") => "events".to_owned(),
                ("", plural) => plural.to_owned(),
                (group, plural) => format!("{plural}.{group}"),
            };
            found.push(Resource {
                group: name.to_owned(),
                version: text(&version["version"]).to_owned(),
                plural: plural.to_owned(),
                kind: text(&resource["responseKind"]["kind"]).to_owned(),
                namespaced: resource["scope"] == "Namespaced",
                verbs: strings(&resource["verbs"]),
                subresources: items(&resource["subresources"])
                    .map(|sub| {
                        let kind = &sub["responseKind"];
                        Subresource {
                            name: text(&sub["subresource"]).to_owned(),
                            kind: (text(&kind["group"]).to_owned(), text(&kind["version"]).to_owned(), text(&kind["kind"]).to_owned()),
                            verbs: strings(&sub["verbs"]),
                        }
                    })
                    .collect(),
                storage: storage.into(),
                custom: custom.clone(),
            });
        }
    }
    found
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    items(value).filter_map(Value::as_str).map(str::to_owned).collect()
}
