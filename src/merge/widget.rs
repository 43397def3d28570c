//! A custom kind for tests, whose lists have names that tell nothing, or the wrong thing.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::resource::{GroupVersionKind, Object};
use crate::schema::{Definition, TypeRef};

/// `lanes` is keyed by `route` and `mode`, which is `fast` by default; `env` is atomic, and so are the `names` of a lane;
/// `tags` is a set.
static WIDGET: LazyLock<Definition> = LazyLock::new(|| {
    let named = json!({"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}});
    let lane = json!({"type": "object", "required": ["route"], "properties": {"route": {"type": "string"},
        "mode": {"type": "string", "default": "fast"}, "limit": {"type": "integer"}, "names": {"type": "array", "items": named}}});
    let spec = json!({"type": "object", "properties": {
        "lanes": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["route", "mode"], "items": lane},
        "env": {"type": "array", "items": named},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "choice": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    let definition = json!({"kind": "CustomResourceDefinition", "spec": {"group": "example.dev", "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    Definition::read(&definition).expect("a definition")
});

/// Its type.
pub fn widget_type() -> TypeRef<'static> {
    WIDGET.schema.kind(&GroupVersionKind::from_api_version("example.dev/v1", "Widget")).expect("it is defined")
}

/// A widget with this spec.
#[allow(clippy::needless_pass_by_value, reason = "it is written where it is passed")]
pub fn widget(spec: Value) -> Object {
    let value = json!({"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": spec});
    Object::try_from(value).expect("an object")
}
