//! The same of custom resources: their defaults, nulls, numbers and metadata.

use serde_json::{Value, json};
use spai::resource::GroupVersionKind;
use spai::schema::{Definition, canonical, complete};

use crate::normal::strip;
use crate::oracle::differences;
use crate::server::Server;

/// What differs, for each custom resource that it differs for.
pub async fn check(server: &Server) -> Vec<String> {
    let definition = definition();
    server.established(&server.create(&definition, false).await.unwrap()).await;
    let schema = Definition::read(&definition).unwrap().schema;
    let gvk = GroupVersionKind::from_api_version("oracle.example.dev/v1", "Thing");
    let kind = schema.kind(&gvk).unwrap();
    let path = "/apis/oracle.example.dev/v1/things";
    let types = "/openapi/v3/apis/oracle.example.dev/v1";
    // Its path and its document follow a little later.
    for wanted in [path, types] {
        for _ in 0..600 {
            if server.send("GET", wanted, "", &Value::Null).await.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let document = server.get(types).await;
    let theirs = spai::schema::Schema::from_openapi(&document).unwrap();
    let mut wrong = Vec::new();
    differences(&walked(kind, 7), &walked(theirs.kind(&gvk).unwrap(), 7), "types of a Thing", &mut wrong);
    for (index, spec) in specs().into_iter().enumerate() {
        let metadata = json!({"name": format!("thing-{index}"), "labels": {}, "annotations": {"a": "b"}, "finalizers": []});
        let sample = json!({"apiVersion": "oracle.example.dev/v1", "kind": "Thing", "metadata": metadata, "spec": spec});
        let answer = server.send("POST", &format!("{path}?dryRun=All"), "application/json", &sample).await;
        let Ok(mut answer) = answer else {
            wrong.push(format!("thing {index}: {}", answer.unwrap_err()["message"]));
            continue;
        };
        let mut ours = sample;
        assert_eq!(canonical(&mut ours, kind), []);
        complete(&mut ours, kind);
        strip(&mut ours);
        strip(&mut answer);
        differences(&ours, &answer, &format!("thing {index}"), &mut wrong);
    }
    wrong
}

/// What a type says, as far as merging and completing go, without the numbers of its types.
fn walked(of: spai::schema::TypeRef<'_>, depth: usize) -> Value {
    use spai::schema::{ListKind, Shape};
    if depth == 0 {
        return Value::Null;
    }
    match of.shape() {
        Shape::Scalar(scalar) => json!([format!("{scalar:?}"), of.nullable()]),
        Shape::Any => json!("any"),
        Shape::List { item, kind } => {
            let keys = match kind {
                ListKind::Atomic => json!("atomic"),
                ListKind::Set => json!("set"),
                ListKind::Map(keys) => json!(keys),
            };
            json!([keys, walked(of.of(*item), depth - 1)])
        }
        Shape::Map { fields, values, atomic, open, embedded } => {
            let fields: Vec<Value> = fields
                .iter()
                .filter(|field| field.name != "metadata")
                .map(|field| json!([field.name, field.default, field.required, walked(of.of(field.of), depth - 1)]))
                .collect();
            json!([fields, values.map(|id| walked(of.of(id), depth - 1)), atomic, open, embedded, of.nullable()])
        }
    }
}

fn specs() -> Vec<Value> {
    vec![
        json!({}),
        json!({"text": "1000m", "number": 1.0, "integer": 7, "quantity": "0.5"}),
        json!({"text": null, "nullable": null, "nullableDefault": null, "defaulted": null}),
        json!({"nested": {}}),
        json!({"nested": {"inner": {}}}),
        json!({"nested": {"inner": {"a": null}}, "map": {"x": {}, "y": {"a": "given"}}}),
        json!({"list": [], "set": [], "keyed": [{"port": 1}, {"port": 1, "protocol": "UDP"}], "atomic": {}}),
        json!({"open": {"anything": {"deep": [1.0, null, ""]}, "known": {}}, "any": {"a": null, "b": 2.0}, "size": "80"}),
        json!({"any": [1, "x", null], "size": 80, "embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "spec": {"x": null}}}),
    ]
}

fn definition() -> Value {
    let inner =
        json!({"type": "object", "default": {"b": 2}, "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}}});
    let entry = json!({"type": "object", "properties": {"a": {"type": "string", "default": "x"}}});
    let port = json!({"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}});
    let spec = json!({"type": "object", "default": {"made": true}, "properties": {
        "made": {"type": "boolean"}, "text": {"type": "string"}, "number": {"type": "number"}, "integer": {"type": "integer"},
        "quantity": {"type": "string"}, "defaulted": {"type": "string", "default": "d"}, "nullable": {"type": "string", "nullable": true},
        "nullableDefault": {"type": "string", "nullable": true, "default": "n"}, "nested": {"type": "object", "properties": {"inner": inner}},
        "map": {"type": "object", "additionalProperties": entry}, "list": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": entry}},
        "any": {"x-kubernetes-preserve-unknown-fields": true}, "size": {"x-kubernetes-int-or-string": true},
        "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.oracle.example.dev"},
        "spec": {"group": "oracle.example.dev", "scope": "Cluster", "names": {"kind": "Thing", "plural": "things"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}
