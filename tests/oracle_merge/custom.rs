//! Custom kinds with every list and map type, defaults, null, preserved unknown fields and rules.

use serde_json::{Value, json};
use spai::resource::FieldPath;

use crate::cases::Case;

const GROUP: &str = "oracle.example.dev";
const VERSIONS: &[&str] = &["oracle.example.dev/v1", "oracle.example.dev/v2"];

/// The definitions.
pub fn definitions() -> Vec<Value> {
    vec![
        definition("Shape", "shapes", "Namespaced", shape(), true),
        definition("Grain", "grains", "Namespaced", grain(), false),
        definition("Open", "opens", "Cluster", open(), true),
        definition("Bare", "bares", "Namespaced", json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), false),
        versioned(definition("Twin", "twins", "Namespaced", shape(), true), shape()),
        versioned(definition("Wide", "wides", "Namespaced", narrow(), false), wide()),
    ]
}

/// The kinds.
pub fn cases() -> Vec<Case> {
    let case = |kind: &'static str, plural: &'static str, namespaced: bool, status: bool| Case {
        api_version: "oracle.example.dev/v1",
        versions: &[],
        kind,
        plural,
        namespaced,
        template: None,
        status: status.then(|| {
            json!({"note?": {"$any": ["a", "b"]}, "replicas?": {"$any": [1, 2]},
            "conditions?": {"$some": [{"type": "A", "status": {"$any": ["True", "False"]}}, {"type": "B", "status": "True"}]}})
        }),
        custom_status: status,
        scale: None,
        made: &[],
    };
    let replicas = || Some(FieldPath::fields(&["spec", "replicas"]));
    vec![
        Case { scale: replicas(), ..case("Shape", "shapes", true, true) },
        case("Grain", "grains", true, false),
        case("Open", "opens", false, true),
        case("Bare", "bares", true, false),
        Case { versions: VERSIONS, scale: replicas(), ..case("Twin", "twins", true, true) },
        Case { versions: VERSIONS, ..case("Wide", "wides", true, false) },
    ]
}

fn definition(kind: &str, plural: &str, scope: &str, schema: Value, status: bool) -> Value {
    let schema = if status { with_status(schema) } else { schema };
    let mut version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    if status {
        version["subresources"] = json!({"status": {}});
        if matches!(kind, "Shape" | "Twin") {
            version["subresources"]["scale"] = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
        }
    }
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": scope, "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()}, "versions": [version]}})
}

fn with_status(mut schema: Value) -> Value {
    schema["properties"]["status"] = json!({"type": "object", "properties": {"note": {"type": "string"}, "replicas": {"type": "integer"},
        "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
            "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}, "status": {"type": "string"}}}}}});
    schema
}

/// The same kind with a v2 of this schema, which is the one it is stored in; nothing converts between them.
fn versioned(mut definition: Value, schema: Value) -> Value {
    let first = definition["spec"]["versions"][0].clone();
    let mut second = first.clone();
    let schema = if first["subresources"]["status"].is_object() { with_status(schema) } else { schema };
    (second["name"], second["schema"]) = ("v2".into(), json!({"openAPIV3Schema": schema}));
    let versions = &mut definition["spec"]["versions"];
    versions[0]["storage"] = false.into();
    *versions = json!([versions[0], second]);
    definition
}

/// What a v1 has.
fn narrow() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": text, "b": text,
        "map": {"type": "object", "additionalProperties": text}, "tags": {"type": "array", "items": text},
        "inner": {"type": "object", "properties": {"x": text, "y": text}}}}}})
}

/// What its v2 has: fields that v1 hasn't, and a list that is merged.
fn wide() -> Value {
    let mut wide = narrow();
    let spec = &mut wide["properties"]["spec"]["properties"];
    spec["tags"]["x-kubernetes-list-type"] = "set".into();
    spec["inner"]["properties"]["extra"] = json!({"type": "string"});
    wide
}

/// Every kind of list and map, with defaults.
fn shape() -> Value {
    let port = json!({"type": "object", "required": ["port"], "properties": {
        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": {"type": "string"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "options": {"type": "object", "additionalProperties": {"type": "string"}}}});
    json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": [{"rule": "!has(self.count) || self.count < 100"}], "properties": {
        "replicas": {"type": "integer", "default": 1},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "size": {"x-kubernetes-int-or-string": true},
        "note": {"type": "string", "nullable": true},
        "mode": {"type": "string", "default": "auto"},
        "atomicList": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
        "plainList": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string", "default": "b"}}}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "numbers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "nested": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}},
        "atomicMap": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "atomicStruct": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
    }}}})
}

/// Lists within lists, structs within structs.
fn grain() -> Value {
    let leaf = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "v": {"type": "integer"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}});
    let inner = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": leaf});
    json!({"type": "object", "properties": {"groups": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "items": inner, "on": {"type": "boolean"},
            "deep": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}, "c": {"type": "string"}}}}}}}}, 
        "top": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}, "c": {"type": "string"}}}}}}})
}

/// What no schema describes, and embedded objects.
fn open() -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "anything": {"x-kubernetes-preserve-unknown-fields": true},
        "bag": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": {"type": "string"}}},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }}}})
}
