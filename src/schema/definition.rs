//! From a CustomResourceDefinition to what it will make the server know: for kinds that the same plan brings along, and
//! for an API server of our own.

use serde_json::{Map, Value};

use super::facts::Facts;
use super::minor::Minor;
use super::openapi::{Reader, SchemaError};
use super::types::{Schema, Shape, Type};
use crate::resource::{GroupKind, GroupVersionKind};

/// What a CustomResourceDefinition defines.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Group and kind of its objects.
    pub kind: GroupKind,
    /// The name in paths.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Its versions, in the order of the definition.
    pub versions: Vec<DefinedVersion>,
    /// The types of the versions that are served.
    pub schema: Schema,
}

/// A version of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinedVersion {
    /// `v1`.
    pub name: String,
    /// Whether requests can be made in it.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// Whether its status is written apart from the rest.
    pub status: bool,
    /// Whether it can be scaled, and how.
    pub scale: Option<ScalePaths>,
}

/// Where `/scale` finds what it is about: paths of fields, without the dot at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// The wanted number.
    pub spec_replicas: Vec<String>,
    /// The number there is.
    pub status_replicas: Vec<String>,
    /// The selector as a text, if it has one.
    pub selector: Option<Vec<String>>,
}

impl Definition {
    /// Reads a CustomResourceDefinition (`apiextensions.k8s.io/v1`).
    ///
    /// # Errors
    /// It is none, or its schema is larger or deeper than anything real.
    pub fn read(crd: &Value) -> Result<Self, SchemaError> {
        let wrong = || SchemaError::NotA("CustomResourceDefinition");
        let spec = &crd["spec"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(wrong);
        if crd["kind"] != "CustomResourceDefinition" {
            return Err(wrong());
        }
        let kind = GroupKind::new(text(&spec["group"])?, text(&spec["names"]["kind"])?);
        let (none, mut versions) = (Map::new(), Vec::new());
        let mut reader = Reader::new(&none);
        for version in spec["versions"].as_array().ok_or_else(wrong)? {
            let defined = read_version(version, text(&version["name"])?);
            if defined.served {
                let gvk = GroupVersionKind { group: kind.group.clone(), version: defined.name.clone(), kind: kind.kind.clone() };
                let mut of = reader.custom(&version["schema"]["openAPIV3Schema"], &gvk.kind);
                own(&mut reader, &mut of);
                let id = reader.add(of);
                reader.schema.name(gvk, id);
            }
            versions.push(defined);
        }
        // Of Kubernetes' own types there is only the metadata, which is the same in all minor versions.
        let schema = reader.finish()?.with_facts(Facts::of(Minor::DEFAULT));
        let namespaced = spec["scope"] == "Namespaced";
        Ok(Self { plural: text(&spec["names"]["plural"])?, kind, namespaced, versions, schema })
    }
}

/// Gives a kind what every object has.
fn own(reader: &mut Reader<'_>, of: &mut Type) {
    if !matches!(of.shape, Shape::Map { .. }) {
        of.shape = Shape::Map { fields: Vec::new(), values: None, atomic: false, open: true, embedded: false };
    }
    if let Shape::Map { fields, .. } = &mut of.shape {
        reader.add_object_fields(fields, false);
    }
}

fn read_version(version: &Value, name: String) -> DefinedVersion {
    let subresources = &version["subresources"];
    let scale = &subresources["scale"];
    let path = |name: &str| path_of(scale[name].as_str()?);
    DefinedVersion {
        name,
        served: version["served"] == true,
        storage: version["storage"] == true,
        status: subresources["status"].is_object(),
        scale: path("specReplicasPath").zip(path("statusReplicasPath")).map(|(spec_replicas, status_replicas)| ScalePaths {
            spec_replicas,
            status_replicas,
            selector: path("labelSelectorPath"),
        }),
    }
}

/// `.spec.replicas`: names with dots before them is all that these paths can be.
fn path_of(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ListKind, Scalar};

    fn crd() -> Value {
        let spec = json!({"type": "object", "properties": {
            "replicas": {"type": "integer", "default": 1},
            "size": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "note": {"type": "string", "nullable": true, "format": "byte"},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer", "default": 80}}}},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "anything": {"x-kubernetes-preserve-unknown-fields": true},
        }});
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.dev"},
            "spec": {"group": "example.dev", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"}, "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": schema,
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}},
                {"name": "v1beta1", "served": false, "storage": false, "schema": schema}]}})
    }

    #[test]
    fn a_definition_says_what_the_server_will_know() {
        let definition = Definition::read(&crd()).unwrap();
        let v1 = &definition.versions[0];
        assert!(definition.namespaced && v1.storage && v1.status && !definition.versions[1].served);
        assert_eq!(v1.scale.as_ref().unwrap().spec_replicas, ["spec", "replicas"]);
        assert!(definition.schema.kind(&GroupVersionKind::from_api_version("example.dev/v1beta1", "Widget")).is_none());

        let widget = definition.schema.kind(&GroupVersionKind::from_api_version("example.dev/v1", "Widget")).unwrap();
        assert_eq!(widget.field("metadata").unwrap().name(), Some("meta.v1.ObjectMeta"));
        let spec = widget.field("spec").unwrap();
        assert_eq!(spec.known_field("replicas").unwrap().default, Some(json!(1)));
        assert_eq!(spec.field("size").unwrap().shape(), &Shape::Scalar(Scalar::IntOrString));
        let note = spec.field("note").unwrap();
        assert!(note.nullable() && note.shape() == &Shape::Scalar(Scalar::String), "the text stays as it is written");
        let Shape::List { kind: ListKind::Map(keys), .. } = spec.field("ports").unwrap().shape() else { panic!() };
        assert_eq!(keys[0].default, Some(json!(80)));
        let template = spec.field("template").unwrap();
        assert!(template.field("metadata").unwrap().field("labels").is_some() && template.field("spec").is_some());
        assert_eq!(spec.field("anything").unwrap().shape(), &Shape::Any);
        assert!(spec.field("gone").is_none());
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        let mut nameless = crd();
        nameless["spec"]["names"]["kind"] = json!("");
        for bad in [json!(null), json!({"kind": "CustomResourceDefinition"}), nameless] {
            assert_eq!(Definition::read(&bad).unwrap_err(), SchemaError::NotA("CustomResourceDefinition"), "{bad}");
        }
        let mut odd = crd();
        odd["spec"]["versions"][0]["schema"] = json!(7);
        odd["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": "spec", "statusReplicasPath": ".a..b"}});
        assert!(Definition::read(&odd).unwrap().versions[0].scale.is_none());
    }
}
