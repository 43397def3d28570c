//! All definitions, ready for use.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::budget::Budget;
use super::rules::Rules;
use super::structural::{complete, prune};
use super::validate;
use crate::embedded::api::{Failure, FieldError};
use crate::embedded::catalog::Resource;
use crate::schema::{Definition, TypeRef};

/// The definitions that are established.
#[derive(Debug, Default)]
pub struct Definitions {
    known: BTreeMap<String, Known>,
}

/// A definition: as it was written, and as types.
#[derive(Debug)]
struct Known {
    crd: Arc<Value>,
    definition: Definition,
    /// By version.
    rules: BTreeMap<String, Rules>,
}

impl Known {
    fn version(&self, name: &str) -> &Value {
        let versions = self.crd["spec"]["versions"].as_array();
        versions.and_then(|all| all.iter().find(|version| version["name"] == name)).unwrap_or(&Value::Null)
    }
}

impl Definitions {
    /// Takes the definitions that there are.
    pub fn set(&mut self, all: impl Iterator<Item = Arc<Value>>) {
        self.known.clear();
        for crd in all {
            // One that can't be read was refused when it was made.
            let Ok(definition) = Definition::read(&crd) else { continue };
            let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let versions = crd["spec"]["versions"].as_array().into_iter().flatten();
            let rules = versions.filter_map(|version| {
                // What can't be compiled, or costs too much, was refused when it was made, too.
                let rules = Rules::of(&version["schema"]["openAPIV3Schema"], "", &mut Budget::default(), &mut Vec::new())?;
                Some((version["name"].as_str()?.to_owned(), rules))
            });
            let rules = rules.collect();
            self.known.insert(name, Known { crd, definition, rules });
        }
    }

    fn of(&self, resource: &Resource) -> Option<&Known> {
        self.known.get(resource.custom.as_deref()?)
    }

    /// How its versions become one another.
    pub fn conversion(&self, resource: &Resource) -> Option<&Value> {
        self.of(resource).map(|known| &known.crd["spec"]["conversion"])
    }

    /// The version that its objects are kept in.
    pub fn stored(&self, resource: &Resource) -> Option<String> {
        let versions = self.of(resource)?.crd["spec"]["versions"].as_array()?;
        let name = versions.iter().find(|version| version["storage"] == true)?["name"].as_str()?;
        Some(format!("{}/{name}", resource.group))
    }

    fn schema(&self, resource: &Resource) -> &Value {
        self.of(resource).map_or(&Value::Null, |known| &known.version(&resource.version)["schema"]["openAPIV3Schema"])
    }

    /// The type of a custom resource.
    pub fn type_of(&self, resource: &Resource) -> TypeRef<'_> {
        let gvk = crate::resource::GroupVersionKind {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: resource.kind.clone(),
        };
        self.of(resource).and_then(|known| known.definition.schema.kind(&gvk)).unwrap_or(TypeRef::any())
    }

    /// Leaves out what the definition doesn't have (and names it), and puts its defaults in.
    ///
    /// # Errors
    /// Metadata that is none.
    pub fn decode(&self, resource: &Resource, body: &mut Value) -> Result<Vec<String>, Failure> {
        let schema = self.schema(resource);
        let mut unknown = Vec::new();
        if !schema.is_null() {
            // What every object has is no business of the definition's.
            prune(schema, body, "", &mut unknown, true);
            complete(schema, body);
        }
        if let Some(of) = self.type_of(resource).field("metadata") {
            crate::embedded::typed::decode(of, &mut body["metadata"], "ObjectMeta").map_err(|message| {
                let (kind, version) = (&resource.kind, &resource.version);
                Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"))
            })?;
        }
        if let Some(meta) = body["metadata"].as_object_mut() {
            // The metadata's own types leave out what is empty.
            meta.retain(|_, value| {
                !value.is_null()
                    && value.as_object().is_none_or(|map| !map.is_empty())
                    && value.as_array().is_none_or(|all| !all.is_empty())
            });
        }
        if !body["metadata"].is_object() {
            return Err(Failure::bad_request("metadata must be an object"));
        }
        Ok(unknown)
    }

    /// What the definition's schema and rules say. What is as wrong as it was before is only told.
    ///
    /// # Errors
    /// [`Failure::invalid`] with all that is wrong.
    pub fn validate(&self, resource: &Resource, object: &Value, old: Option<&Arc<Value>>, told: &mut Vec<String>) -> Result<(), Failure> {
        let schema = self.schema(resource);
        if schema.is_null() {
            return Ok(());
        }
        let mut errors = validate::validate(schema, object, old.map(|old| &**old));
        if let Some((path, _, _)) = self.scale(resource) {
            let value = path.split('.').filter(|part| !part.is_empty()).fold(object, |at, part| &at[part]);
            match value {
                Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
                    errors.push(FieldError::invalid(path, value, "should be a non-negative integer"));
                }
                Value::String(text) => {
                    let detail = format!("{path} accessor error: {text} is of the type string, expected int64");
                    errors.push(FieldError::invalid(path, &json!(0), &detail));
                }
                _ => {}
            }
        }
        if let Some(rules) = self.of(resource).and_then(|known| known.rules.get(&resource.version)) {
            if errors.iter().any(is_blocking) {
                errors.push(FieldError::invalid("<nil>", &Value::Null, UNCHECKED));
            } else {
                let verdict = rules.check(object, old.map(|old| &**old));
                errors.extend(verdict.errors);
                told.extend(verdict.warnings);
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Err(Failure::invalid(&resource.group, &resource.kind, name, &errors))
    }

    /// The columns of its tables.
    pub fn columns(&self, resource: &Resource) -> Vec<Value> {
        let columns = self.of(resource).map(|known| &known.version(&resource.version)["additionalPrinterColumns"]);
        match columns.and_then(Value::as_array) {
            Some(columns) if !columns.is_empty() => columns.clone(),
            _ => vec![json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
                "description": "CreationTimestamp is a timestamp representing the server time when this object was created."})],
        }
    }

    /// Where its scale finds what it is about: replicas wanted, replicas there, selector.
    pub fn scale(&self, resource: &Resource) -> Option<(String, String, Option<String>)> {
        let scale = &self.of(resource)?.version(&resource.version)["subresources"]["scale"];
        let path = |name: &str| scale[name].as_str().map(str::to_owned);
        Some((path("specReplicasPath")?, path("statusReplicasPath")?, path("labelSelectorPath")))
    }

    /// Paths of the OpenAPI documents, with a mark that changes with them.
    pub fn documents(&self) -> Vec<(String, u32)> {
        let mut found = BTreeMap::<String, u32>::new();
        for known in self.known.values() {
            for version in known.definition.versions.iter().filter(|version| version.served) {
                let path = format!("apis/{}/{}", known.definition.kind.group, version.name);
                let mark = crc32fast::hash(known.crd.to_string().as_bytes());
                *found.entry(path).or_default() ^= mark;
            }
        }
        found.into_iter().collect()
    }

    /// An OpenAPI document.
    pub fn document(&self, path: &str) -> Option<Value> {
        let mut schemas = serde_json::Map::new();
        let mut paths = serde_json::Map::new();
        for known in self.known.values() {
            let definition = &known.definition;
            for version in definition.versions.iter().filter(|version| version.served) {
                let group = &definition.kind.group;
                if path != format!("apis/{group}/{}", version.name) {
                    continue;
                }
                let reversed = group.split('.').rev().collect::<Vec<_>>().join(".");
                let name = format!("{reversed}.{}.{}", version.name, definition.kind.kind);
                let mut schema = known.version(&version.name)["schema"]["openAPIV3Schema"].clone();
                for (field, of) in
                    [("apiVersion", json!({"type": "string"})), ("kind", json!({"type": "string"})), ("metadata", metadata())]
                {
                    schema["properties"][field] = of;
                }
                let gvk = json!({"group": group, "version": version.name, "kind": definition.kind.kind});
                schema["x-kubernetes-group-version-kind"] = json!([gvk]);
                schemas.insert(name.clone(), schema);
                let mut at = format!("/apis/{group}/{}", version.name);
                if definition.namespaced {
                    at.push_str("/namespaces/{namespace}");
                }
                let body = json!({"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}});
                let query = |names: &[&str]| {
                    names
                        .iter()
                        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
                        .collect::<Vec<_>>()
                };
                let write = query(&["dryRun", "fieldManager", "fieldValidation"]);
                let patch = query(&["dryRun", "fieldManager", "fieldValidation", "force"]);
                let operation = |action: &str, parameters: &Vec<Value>| json!({"parameters": parameters, "responses": {"200": body}, "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk});
                paths.insert(
                    format!("{at}/{}", definition.plural),
                    json!({"post": operation("post", &write), "get": operation("list", &Vec::new())}),
                );
                let one = json!({"get": operation("get", &Vec::new()), "put": operation("put", &write), "patch": operation("patch", &patch), "delete": operation("delete", &write)});
                paths.insert(format!("{at}/{}/{{name}}", definition.plural), one);
            }
        }
        if schemas.is_empty() {
            return None;
        }
        schemas.insert(
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta".to_owned(),
            crate::embedded::schemas::object_meta().unwrap_or_else(|| json!({"type": "object"})),
        );
        Some(
            json!({"openapi": "3.0.0", "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}, "paths": paths, "components": {"schemas": schemas}}),
        )
    }
}

const UNCHECKED: &str =
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Whether an object is too broken for rules to look at it.
fn is_blocking(error: &FieldError) -> bool {
    let reasons = ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];
    reasons.contains(&error.reason)
}

/// What a definition is refused for: rules that can't be compiled, or may cost too much. Single ones that do so may stay as they
/// are in a version that doesn't change.
pub fn refused(crd: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let versions = crd["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let check = |version: &Value, path: &str, errors: &mut Vec<FieldError>| {
        let before = old.and_then(|old| old["spec"]["versions"].as_array()?.iter().find(|before| before["name"] == version["name"]));
        let mut budget = Budget::of(before.is_some_and(|before| schema(before) == schema(version)));
        Rules::of(&schema(version), path, &mut budget, errors);
        budget.close(path, errors);
    };
    // Versions that have one schema have it in one place, for the server.
    if let [first, rest @ ..] = versions
        && rest.iter().all(|version| schema(version) == schema(first))
    {
        check(first, "spec.validation.openAPIV3Schema", &mut errors);
        return errors;
    }
    for (index, version) in versions.iter().enumerate() {
        check(version, &format!("spec.versions[{index}].schema.openAPIV3Schema"), &mut errors);
    }
    errors
}

fn metadata() -> Value {
    json!({"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}],
        "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"})
}
