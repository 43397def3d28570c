//! From a server's OpenAPI v3 document of one group version to a [`Schema`], the way the server itself makes the types that
//! server-side apply merges by.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::types::{Field, ListKey, ListKind, Scalar, Schema, Shape, Type, TypeId};
use crate::resource::GroupVersionKind;

/// Types within types, written out. Kubernetes' own documents go ten deep.
const DEEPEST: usize = 100;

/// Types in one document. The largest of Kubernetes' own has a thousand.
const MOST: usize = 200_000;

/// References that lead to references.
const LONGEST_CHAIN: usize = 16;

/// What every object's metadata is, for documents that don't say so.
// It is a file of ours, and tests read it: a broken one would not be found out by users.
static OBJECT_META: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("object_meta.json")).unwrap_or_default());
/// What the map of amounts by resource is called: requests, limits, quotas, where nothing is finer than a thousandth.
pub(super) const RESOURCE_LIST: &str = "core.v1.ResourceList";

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Why something is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not a document of the kind that was asked for.
    #[error("this is no {0}")]
    NotA(&'static str),
    /// Nested further than anything real.
    #[error("types of `{0}` are nested more than {DEEPEST} deep")]
    TooDeep(String),
    /// Larger than anything real.
    #[error("the schema has more than {MOST} types")]
    TooLarge,
}

impl Schema {
    /// Reads the document at `/openapi/v3/apis/GROUP/VERSION`.
    ///
    /// Defaults of custom resources are what they say. Those of built-in types aren't (most are Go's zero values): they
    /// are left out, and come from the tables.
    ///
    /// # Errors
    /// It is no such document, or is larger or deeper than anything real.
    pub fn from_openapi(document: &Value) -> Result<Self, SchemaError> {
        if !document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")) {
            return Err(SchemaError::NotA("OpenAPI v3 document"));
        }
        let none = Map::new();
        let components = document["components"]["schemas"].as_object().unwrap_or(&none);
        let mut reader = Reader::new(components);
        for (name, definition) in components {
            for gvk in kinds_of(definition) {
                let id = reader.named(name, None);
                reader.schema.name(gvk, id);
            }
        }
        reader.finish()
    }
}

/// The kinds whose objects a definition describes. Options and lists carry kinds too, and are no objects.
fn kinds_of(definition: &Value) -> impl Iterator<Item = GroupVersionKind> {
    let is_object = reference(&definition["properties"]["metadata"]).is_some_and(|name| name == META);
    let kinds = definition["x-kubernetes-group-version-kind"].as_array().filter(|_| is_object);
    kinds.into_iter().flatten().filter_map(|gvk| {
        let part = |name: &str| gvk[name].as_str().map(str::to_owned);
        Some(GroupVersionKind { group: part("group")?, version: part("version")?, kind: part("kind")? })
    })
}

/// The definition that a schema refers to, by `$ref` or by the only `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let to = |schema: &Value| schema["$ref"].as_str().map(str::len).filter(|length| *length > 0);
    let text = match to(schema) {
        Some(_) => schema["$ref"].as_str(),
        None => match schema["allOf"].as_array().map(Vec::as_slice) {
            Some([only]) => only["$ref"].as_str(),
            _ => None,
        },
    };
    text.map(|path| path.rsplit('/').next().unwrap_or(path)).filter(|name| !name.is_empty())
}

/// What a built-in definition is called for short: `io.k8s.api.core.v1.PodSpec` is `core.v1.PodSpec`.
fn short_name(definition: &str) -> Option<&str> {
    const OURS: [&str; 4] = ["io.k8s.api.", "io.k8s.apimachinery.", "io.k8s.apiextensions-apiserver.", "io.k8s.kube-aggregator."];
    if !OURS.iter().any(|prefix| definition.starts_with(prefix)) {
        return None;
    }
    let dots: Vec<usize> = definition.rmatch_indices('.').map(|(index, _)| index).take(3).collect();
    dots.get(2).map(|third| &definition[third + 1..])
}

/// What is known where a schema stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Within a type of Kubernetes itself: defaults don't count, base64 does.
    built_in: bool,
    /// Something above preserves unknown fields. For merging that holds for all below it, as the server has it.
    open: bool,
}

/// Reads definitions; those that are referred to are queued, so that no chain of references is a recursion.
pub(super) struct Reader<'d> {
    components: &'d Map<String, Value>,
    pub schema: Schema,
    known: BTreeMap<(String, Option<bool>), TypeId>,
    scalars: BTreeMap<(Scalar, bool), TypeId>,
    any: Option<TypeId>,
    queue: Vec<(String, Option<bool>, TypeId)>,
    refused: Option<SchemaError>,
}

impl<'d> Reader<'d> {
    pub fn new(components: &'d Map<String, Value>) -> Self {
        Self {
            components,
            schema: Schema::default(),
            known: BTreeMap::new(),
            scalars: BTreeMap::new(),
            any: None,
            queue: Vec::new(),
            refused: None,
        }
    }

    /// Reads what is still to be read.
    pub fn finish(mut self) -> Result<Schema, SchemaError> {
        while let Some((name, atomic, id)) = self.queue.pop() {
            let of = self.define(&name, atomic);
            self.schema.set(id, of);
            if let Some(error) = self.refused {
                return Err(error);
            }
        }
        self.refused.map_or(Ok(self.schema), Err)
    }

    /// The type that a definition describes, if need be as one that is replaced as a whole.
    pub fn named(&mut self, name: &str, atomic: Option<bool>) -> TypeId {
        let key = (name.to_owned(), atomic);
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = self.add(Type { shape: Shape::Any, nullable: false });
        if let Some(short) = short_name(name) {
            self.schema.call(id, short);
        }
        self.known.insert(key, id);
        self.queue.push((name.to_owned(), atomic, id));
        id
    }

    /// The type that a schema of a custom resource describes.
    pub fn custom(&mut self, schema: &Value, name: &str) -> Type {
        self.inline(schema, Place { depth: 0, built_in: false, open: false }, name)
    }

    fn define(&mut self, name: &str, atomic: Option<bool>) -> Type {
        let short = short_name(name);
        let scalar = |scalar| Type { shape: Shape::Scalar(scalar), nullable: false };
        match short {
            Some("api.resource.Quantity") => return scalar(Scalar::Quantity),
            Some("util.intstr.IntOrString") => return scalar(Scalar::IntOrString),
            Some("meta.v1.Time") => return scalar(Scalar::Time),
            Some("meta.v1.MicroTime") => return scalar(Scalar::MicroTime),
            Some("pkg.runtime.RawExtension") => {
                let shape = Shape::Map { fields: Vec::new(), values: None, atomic: true, open: true, embedded: false };
                return Type { shape, nullable: false };
            }
            _ => {}
        }
        let Some(definition) = self.definition(name) else { return Type { shape: Shape::Any, nullable: true } };
        let place = Place { depth: 0, built_in: short.is_some(), open: false };
        let mut of = self.inline(definition, place, name);
        if let (Some(whole), Shape::Map { atomic, .. }) = (atomic, &mut of.shape) {
            *atomic = whole;
        }
        of
    }

    /// A definition's text, past definitions that only refer to another one.
    fn definition(&self, name: &str) -> Option<&'d Value> {
        let (mut name, components) = (name, self.components);
        for _ in 0..LONGEST_CHAIN {
            let found = components.get(name).or_else(|| OBJECT_META.get(name))?;
            match reference(found) {
                Some(next) => name = next,
                None => return Some(found),
            }
        }
        None
    }

    fn type_of(&mut self, schema: &Value, place: Place, owner: &str) -> TypeId {
        if let Some(name) = reference(schema) {
            let atomic = schema["x-kubernetes-map-type"].as_str().map(|kind| kind == "atomic");
            return self.named(name, atomic);
        }
        if place.depth >= DEEPEST {
            self.refused.get_or_insert_with(|| SchemaError::TooDeep(owner.to_owned()));
            return self.any();
        }
        let of = self.inline(schema, place, owner);
        if let Shape::Scalar(scalar) = of.shape {
            return self.scalar(scalar, of.nullable);
        }
        let amounts = reference(&schema["additionalProperties"]) == Some(QUANTITY);
        let id = self.add(of);
        // OpenAPI doesn't name it; other maps of amounts (those of devices) are in groups of their own.
        if amounts && short_name(owner).is_some_and(|owner| owner.starts_with("core.") || owner.starts_with("node.")) {
            self.schema.call(id, RESOURCE_LIST);
        }
        id
    }

    fn inline(&mut self, schema: &Value, place: Place, owner: &str) -> Type {
        let set = |name: &str| schema[name] == true;
        let open = place.open || set("x-kubernetes-preserve-unknown-fields");
        let place = Place { depth: place.depth + 1, open, ..place };
        let shape = match schema["type"].as_str() {
            _ if set("x-kubernetes-int-or-string") || schema["format"] == "int-or-string" => Shape::Scalar(Scalar::IntOrString),
            Some("object") => self.map(schema, place, owner),
            Some("array") => self.list(schema, place, owner),
            Some("string") if place.built_in && schema["format"] == "byte" => Shape::Scalar(Scalar::Bytes),
            Some("string") => Shape::Scalar(Scalar::String),
            Some("boolean") => Shape::Scalar(Scalar::Boolean),
            Some("integer") => Shape::Scalar(Scalar::Integer),
            Some("number") => Shape::Scalar(Scalar::Number),
            // Without a type, but with fields: a map in all but name.
            None if schema["properties"].as_object().is_some_and(|fields| !fields.is_empty()) => self.map(schema, place, owner),
            _ => Shape::Any,
        };
        Type { shape, nullable: set("nullable") }
    }

    fn map(&mut self, schema: &Value, place: Place, owner: &str) -> Shape {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let embedded = schema["x-kubernetes-embedded-resource"] == true;
        let mut fields = Vec::with_capacity(properties.len());
        for (name, of) in properties {
            fields.push(Field {
                name: name.clone(),
                of: self.type_of(of, place, owner),
                default: of.get("default").filter(|_| !place.built_in).cloned(),
                required: required.contains(&name.as_str()),
                omits_zero: false,
            });
        }
        if embedded {
            self.add_object_fields(&mut fields, true);
        }
        let additional = &schema["additionalProperties"];
        let values = if additional.is_object() {
            Some(self.type_of(additional, place, owner))
        } else if *additional == true || (additional.is_null() && (place.open || properties.is_empty())) {
            // An object of which nothing is said holds anything.
            Some(self.any())
        } else {
            None
        };
        // `values` says what the others are; a schema that preserves unknown fields is told apart all the same.
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
        Shape::Map { fields, values, atomic: schema["x-kubernetes-map-type"] == "atomic", open, embedded }
    }

    /// What every object has; within others it has to say what it is.
    pub fn add_object_fields(&mut self, fields: &mut Vec<Field>, required: bool) {
        let (string, metadata) = (self.scalar(Scalar::String, false), self.named(META, None));
        for (name, of) in [("apiVersion", string), ("kind", string), ("metadata", metadata)] {
            fields.retain(|field| field.name != name);
            let required = required && name != "metadata";
            fields.push(Field { name: name.to_owned(), of, default: None, required, omits_zero: false });
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn list(&mut self, schema: &Value, place: Place, owner: &str) -> Shape {
        let items = &schema["items"];
        let item = if items.is_object() { self.type_of(items, place, owner) } else { self.any() };
        let strings = |value: &Value| value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let keys: Vec<String> = match (schema["x-kubernetes-list-type"].as_str(), schema["x-kubernetes-patch-strategy"].as_str()) {
            (Some("set"), _) => return Shape::List { item, kind: ListKind::Set },
            (Some("map"), _) => strings(&schema["x-kubernetes-list-map-keys"]),
            // Older types say it by the patch strategy alone.
            (None, Some("merge" | "merge,retainKeys")) => match schema["x-kubernetes-patch-merge-key"].as_str() {
                Some(key) => vec![key.to_owned()],
                None => return Shape::List { item, kind: ListKind::Set },
            },
            _ => Vec::new(),
        };
        if keys.is_empty() {
            return Shape::List { item, kind: ListKind::Atomic };
        }
        let of = reference(items).and_then(|name| self.definition(name));
        let properties = &of.unwrap_or(items)["properties"];
        // Zero values count here: a key that is missing is taken for its default, whatever that is.
        let keys = keys.into_iter().map(|name| ListKey { default: properties[&name].get("default").cloned(), name }).collect();
        Shape::List { item, kind: ListKind::Map(keys) }
    }

    fn scalar(&mut self, scalar: Scalar, nullable: bool) -> TypeId {
        if let Some(id) = self.scalars.get(&(scalar, nullable)) {
            return *id;
        }
        let id = self.add(Type { shape: Shape::Scalar(scalar), nullable });
        self.scalars.insert((scalar, nullable), id);
        id
    }

    fn any(&mut self) -> TypeId {
        if let Some(id) = self.any {
            return id;
        }
        let id = self.add(Type { shape: Shape::Any, nullable: true });
        self.any = Some(id);
        id
    }

    pub fn add(&mut self, of: Type) -> TypeId {
        if self.schema.types().len() >= MOST {
            self.refused.get_or_insert(SchemaError::TooLarge);
            return self.any.unwrap_or(TypeId(0));
        }
        self.schema.add(of)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::TypeRef;

    fn document(schemas: Value) -> Value {
        json!({"openapi": "3.0.0", "components": {"schemas": schemas}})
    }

    /// A kind of Kubernetes itself with the given fields.
    fn built_in(fields: Value) -> Value {
        let mut fields = fields;
        fields["metadata"] = json!({"allOf": [{"$ref": format!("#/components/schemas/{META}")}], "default": {}});
        document(json!({
            "io.k8s.api.demo.v1.Demo": {"type": "object", "properties": fields,
                "x-kubernetes-group-version-kind": [{"group": "demo", "version": "v1", "kind": "Demo"}]},
            "io.k8s.api.demo.v1.Port": {"type": "object", "required": ["port"], "properties": {
                "port": {"type": "integer", "default": 0}, "protocol": {"type": "string", "default": "TCP"}}},
            "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
            "io.k8s.api.demo.v1.Chain": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/io.k8s.api.demo.v1.Chain"}}},
        }))
    }

    fn demo(schema: &Schema) -> TypeRef<'_> {
        schema.kind(&GroupVersionKind::from_api_version("demo/v1", "Demo")).unwrap()
    }

    #[test]
    fn a_keyed_list_knows_its_keys_and_what_counts_for_a_missing_one() {
        let ports = json!({"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.demo.v1.Port"}], "default": {}},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]});
        let schema = Schema::from_openapi(&built_in(json!({"ports": ports}))).unwrap();
        let list = demo(&schema).field("ports").unwrap();
        let Shape::List { kind: ListKind::Map(keys), .. } = list.shape() else { panic!("{list:?}") };
        let keys: Vec<(&str, Option<Value>)> = keys.iter().map(|key| (key.name.as_str(), key.default.clone())).collect();
        assert_eq!(keys, [("port", Some(json!(0))), ("protocol", Some(json!("TCP")))]);
        let item = list.item().unwrap();
        assert_eq!(item.name(), Some("demo.v1.Port"));
        assert!(
            item.known_field("port").unwrap().required && item.known_field("port").unwrap().default.is_none(),
            "Go's zero is no default"
        );
    }

    #[test]
    fn a_reference_can_be_made_atomic_where_it_stands() {
        let chain = "#/components/schemas/io.k8s.api.demo.v1.Chain";
        let whole = json!({"allOf": [{"$ref": chain}], "x-kubernetes-map-type": "atomic"});
        let schema = Schema::from_openapi(&built_in(json!({"a": whole, "b": {"$ref": chain}}))).unwrap();
        let atomic = |name: &str| matches!(demo(&schema).field(name).unwrap().shape(), Shape::Map { atomic: true, .. });
        assert!(atomic("a") && !atomic("b"));
        assert!(demo(&schema).field("b").unwrap().field("next").unwrap().field("next").is_some(), "recursive");
    }

    #[test]
    fn built_in_names_say_what_a_scalar_is() {
        let amount = json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"});
        let raw = json!({"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension"});
        let fields = json!({"amount": amount, "raw": raw, "data": {"type": "string", "format": "byte"}, "free": {"type": "object"}});
        let schema = Schema::from_openapi(&built_in(fields)).unwrap();
        let shape = |name: &str| demo(&schema).field(name).unwrap().shape().clone();
        assert_eq!((shape("amount"), shape("data")), (Shape::Scalar(Scalar::Quantity), Shape::Scalar(Scalar::Bytes)));
        assert!(matches!(shape("raw"), Shape::Map { atomic: true, .. }));
        assert_eq!(demo(&schema).field("free").unwrap().field("x").unwrap().shape(), &Shape::Any);
        let meta = demo(&schema).field("metadata").unwrap();
        assert_eq!(meta.field("creationTimestamp").unwrap().shape(), &Shape::Scalar(Scalar::Time));
        assert!(matches!(meta.field("finalizers").unwrap().shape(), Shape::List { kind: ListKind::Set, .. }));
    }

    #[test]
    fn lists_of_objects_and_options_are_no_kinds() {
        let gvk = json!([{"group": "", "version": "v1", "kind": "PodList"}]);
        let list = json!({"type": "object", "properties": {"metadata": {"$ref": "#/x/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"}}, "x-kubernetes-group-version-kind": gvk});
        assert_eq!(Schema::from_openapi(&document(json!({"io.k8s.api.core.v1.PodList": list}))).unwrap(), Schema::default());
    }

    #[test]
    fn hostile_documents_are_refused_or_survived() {
        let mut deep = json!({"type": "string"});
        for _ in 0..1000 {
            deep = json!({"type": "array", "items": deep});
        }
        assert!(matches!(Schema::from_openapi(&built_in(json!({"deep": deep}))), Err(SchemaError::TooDeep(_))));
        for bad in [json!(null), json!([]), json!({"openapi": 3}), json!({"swagger": "2.0"})] {
            assert_eq!(Schema::from_openapi(&bad), Err(SchemaError::NotA("OpenAPI v3 document")), "{bad}");
        }
        let mut chain = Map::new();
        for index in 0..20_000 {
            chain.insert(format!("c{index}"), json!({"type": "object", "properties": {"x": {"$ref": format!("#/{}", index + 1)}, "y": {"$ref": format!("c{}", index + 1)}}}));
        }
        chain.insert("loop".to_owned(), json!({"$ref": "#/loop"}));
        let gvk = json!([{"group": "demo", "version": "v1", "kind": "Demo"}]);
        let fields = json!({"metadata": {"$ref": META}, "a": {"$ref": "#/c0"}, "b": {"$ref": "#/loop"}, "c": {"$ref": "#/gone"}, "d": 7, "e": {"type": 5, "items": 9}});
        chain.insert("demo".to_owned(), json!({"type": "object", "properties": fields, "x-kubernetes-group-version-kind": gvk}));
        let schema = Schema::from_openapi(&document(Value::Object(chain))).unwrap();
        assert_eq!(demo(&schema).field("b").unwrap().shape(), &Shape::Any);
    }
}
