//! What the server's defaulting makes of an object: tables, rules, and a CRD's own defaults.

use serde_json::Value;

use super::rules;
use super::types::{Field, Shape, TypeRef};

/// Fills in what the server would: the unconditional defaults of every struct that is there, the rules of its type, and those
/// of what they bring in turn. Doing it twice changes nothing more. The values are to be canonical (`canonical`).
///
/// What admission adds (service account tokens, default classes, limit ranges) and what the server allots (addresses, node
/// ports, a Job's selector) is no default, and not added.
pub fn complete(value: &mut Value, of: TypeRef<'_>) {
    match (of.shape(), value) {
        (Shape::Map { fields, .. }, Value::Object(map)) => {
            if let Some(name) = of.name() {
                rules::apply(name, map);
            }
            for field in fields.iter().filter(|field| field.default.is_some()) {
                if is_missing(of, field, map.get(&field.name))
                    && let Some(default) = &field.default
                {
                    map.insert(field.name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                if let Some(of) = of.field(name) {
                    complete(value, of);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            let item = of.of(*item);
            if !matches!(item.shape(), Shape::Scalar(_)) {
                for value in items {
                    complete(value, item);
                }
            }
        }
        _ => {}
    }
}

/// Whether the server finds nothing in a field: it isn't there, is null where null means nothing, or is a zero that isn't told
/// from nothing.
fn is_missing(of: TypeRef<'_>, field: &Field, value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::Null) => !of.of(field.of).nullable(),
        Some(value) => field.omits_zero && is_zero(value),
    }
}

/// Whether a value is its type's zero.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::GroupVersionKind;
    use crate::schema::{Definition, Minor, built_in};

    fn completed(minor: u16, api_version: &str, kind: &str, mut value: Value) -> Value {
        let kind = built_in(Minor::new(minor)).kind(&GroupVersionKind::from_api_version(api_version, kind)).unwrap();
        complete(&mut value, kind);
        let once = value.clone();
        complete(&mut value, kind);
        assert_eq!(value, once, "once is enough");
        value
    }

    #[test]
    fn a_policy_gets_its_protocol_within_an_atomic_list() {
        let policy = completed(36, "networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"ingress": [{"ports": [{"port": 80}]}]}}));
        let ports = json!([{"ports": [{"port": 80, "protocol": "TCP"}]}]);
        assert_eq!(policy, json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ports}}));
    }

    #[test]
    fn a_deployment_is_completed_down_to_its_probes() {
        let probe = json!({"httpGet": {"port": 80}, "timeoutSeconds": 0});
        let container = json!({"name": "c", "image": "nginx:1", "livenessProbe": probe, "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]});
        let given = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
        let deployment = completed(36, "apps/v1", "Deployment", given);
        assert_eq!(
            deployment["spec"]["strategy"],
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
        );
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        let probe = json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1});
        assert_eq!(container["livenessProbe"], probe, "a zero that says nothing is completed as well");
    }

    #[test]
    fn minor_versions_differ() {
        let set =
            |minor| completed(minor, "apps/v1", "StatefulSet", json!({"spec": {}}))["spec"]["updateStrategy"]["rollingUpdate"].clone();
        assert_eq!((set(36), set(37)), (json!({"partition": 0}), json!({"partition": 0, "maxUnavailable": 1})));
    }

    #[test]
    fn a_definitions_defaults_reach_into_what_they_bring() {
        let inner = json!({"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}});
        let spec = json!({"type": "object", "properties": {"inner": inner, "none": {"type": "string", "nullable": true, "default": "y"}}});
        let crd = json!({"kind": "CustomResourceDefinition", "spec": {"group": "a.dev", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}});
        let schema = Definition::read(&crd).unwrap().schema;
        let kind = schema.kind(&GroupVersionKind::from_api_version("a.dev/v1", "Widget")).unwrap();
        let mut value = json!({"spec": {"inner": {"a": null}, "none": null}});
        complete(&mut value, kind);
        assert_eq!(value, json!({"spec": {"inner": {"a": "x"}, "none": null}}));
        let mut value = json!({"spec": {}});
        complete(&mut value, kind);
        assert_eq!(value, json!({"spec": {"inner": {"a": "x"}, "none": "y"}}));
    }
}
