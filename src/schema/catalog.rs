//! All types that one plan needs, wherever they come from: embedded, the server's own, a CRD of the same plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::built_in::{BuiltIn, built_in};
use super::definition::Definition;
use super::minor::Minor;
use super::types::{Schema, TypeRef};
use crate::resource::GroupVersionKind;

/// Types by group version. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    built_in: &'static BuiltIn,
    /// What is known better than by the archive.
    own: BTreeMap<String, Arc<Schema>>,
    /// Kinds that the plan itself brings.
    defined: BTreeMap<GroupVersionKind, Arc<Schema>>,
    /// Group versions that the server doesn't serve, whatever the archive has.
    gone: BTreeSet<String>,
    /// Group versions whose types the server has otherwise than the archive, and that couldn't be had: why.
    missed: BTreeMap<String, String>,
}

impl Catalog {
    /// The embedded types of a minor version alone.
    pub fn of(built_in: &'static BuiltIn) -> Self {
        Self { built_in, own: BTreeMap::new(), defined: BTreeMap::new(), gone: BTreeSet::new(), missed: BTreeMap::new() }
    }

    /// The same by its number.
    pub fn of_minor(minor: Minor) -> Self {
        Self::of(built_in(minor))
    }

    /// Which minor version its built-in kinds are of.
    pub fn minor(&self) -> Minor {
        self.built_in.minor()
    }

    /// Takes the types of a group version from elsewhere.
    pub fn add(&mut self, api_version: impl Into<String>, schema: Arc<Schema>) {
        let api_version = api_version.into();
        self.gone.remove(&api_version);
        self.own.insert(api_version, schema);
    }

    /// Adds a kind that the plan itself brings: its types are what the server will have.
    pub fn define(&mut self, definition: Definition) {
        let schema = Arc::new(definition.schema);
        for (gvk, _) in schema.kinds() {
            self.defined.insert(gvk.clone(), schema.clone());
        }
    }

    /// Says that a group version isn't served.
    pub fn remove(&mut self, api_version: &str) {
        self.own.remove(api_version);
        self.gone.insert(api_version.to_owned());
    }

    /// Says that the types of a group version can't be had, and why: its kinds aren't known, whatever the archive has.
    pub fn miss(&mut self, api_version: impl Into<String>, why: impl Into<String>) {
        self.missed.insert(api_version.into(), why.into());
    }

    /// The group versions whose types can't be had, each with why.
    pub fn missed(&self) -> &BTreeMap<String, String> {
        &self.missed
    }

    /// The type of a kind, if it is known.
    pub fn kind(&self, gvk: &GroupVersionKind) -> Option<TypeRef<'_>> {
        if let Some(schema) = self.defined.get(gvk) {
            return schema.kind(gvk);
        }
        let api_version = gvk.api_version();
        match self.own.get(&api_version) {
            Some(schema) => schema.kind(gvk),
            None if self.gone.contains(&api_version) || self.missed.contains_key(&api_version) => None,
            None => self.built_in.kind(gvk),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_plan_brings_is_known_beside_what_the_server_has() {
        let mut catalog = Catalog::of_minor(Minor::new(36));
        let deployment = GroupVersionKind::from_api_version("apps/v1", "Deployment");
        let widget = GroupVersionKind::from_api_version("example.dev/v1", "Widget");
        assert!(catalog.kind(&deployment).is_some() && catalog.kind(&widget).is_none());
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}});
        let crd = json!({"kind": "CustomResourceDefinition", "spec": {"group": "example.dev", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "schema": schema}]}});
        catalog.define(Definition::read(&crd).unwrap());
        assert!(catalog.kind(&widget).unwrap().field("spec").unwrap().field("a").is_some());
        let mut other = catalog.clone();
        other.miss("apps/v1", "no right");
        assert!(other.kind(&deployment).is_none() && other.kind(&widget).is_some());
        catalog.remove("apps/v1");
        assert!(catalog.kind(&deployment).is_none());
    }
}
