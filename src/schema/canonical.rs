//! Values as the API server stores them: amounts and times in one form, a Secret's texts as `data`, nothing that vanishes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use super::complete::is_zero;
use super::openapi::RESOURCE_LIST;
use super::types::{Field, Scalar, Shape, TypeRef};
use crate::resource::{FieldPath, PathElement, Quantity, QuantityError};

/// A value that its field can't hold: the server would refuse it.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Where it stands.
    pub path: FieldPath,
    /// What is wrong with it.
    pub error: MalformedValue,
}

/// What is wrong with a value. Secret ones are not told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MalformedValue {
    /// No amount.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// No base64.
    #[error("this is not base64")]
    Base64,
    /// No time.
    #[error("`{0}` is no time: write one like `2026-01-02T15:04:05Z`")]
    Time(String),
}

/// Writes an object's values as the server stores them, and tells those that it would refuse (they stay as they are).
///
/// In types of Kubernetes itself: amounts, times and base64 in their one form, no nulls, no zeros where a zero says nothing.
/// In custom resources: texts stay, nulls go where they are no values (those that a default replaces are left to `complete`).
pub fn canonical(value: &mut Value, of: TypeRef<'_>) -> Vec<Malformed> {
    let mut walk = Walk { malformed: Vec::new() };
    walk.value(value, of, false, At::Root);
    walk.malformed
}

struct Walk {
    malformed: Vec<Malformed>,
}

/// Where the walk is; only what is malformed needs it as a path.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl At<'_> {
    fn path(self) -> FieldPath {
        match self {
            Self::Root => FieldPath::root(),
            Self::Field(above, name) => above.path().field(name),
            Self::Index(above, index) => above.path().join(PathElement::Index(index)),
        }
    }
}

impl Walk {
    /// `typed`: within a type of Kubernetes itself.
    fn value(&mut self, value: &mut Value, of: TypeRef<'_>, typed: bool, at: At<'_>) {
        let typed = typed || (matches!(of.shape(), Shape::Map { .. } | Shape::List { .. }) && of.name().is_some());
        match (of.shape(), value) {
            // The content of an object that is kept as it is.
            (Shape::Map { open: true, atomic: true, .. }, _) if typed => {}
            (Shape::Map { .. }, Value::Object(map)) => self.map(map, of, typed, at),
            (Shape::List { item, .. }, Value::Array(items)) => {
                for (index, value) in items.iter_mut().enumerate() {
                    self.value(value, of.of(*item), typed, At::Index(&at, index));
                }
            }
            (Shape::Scalar(scalar), value) => self.scalar(value, *scalar, at),
            (Shape::Any, value) => settle_numbers(value),
            _ => {}
        }
    }

    fn map(&mut self, map: &mut Map<String, Value>, of: TypeRef<'_>, typed: bool, at: At<'_>) {
        let name = of.name();
        if name == Some("core.v1.Secret") {
            secret(map);
        }
        let mut some_vanish = false;
        for (name, value) in &mut *map {
            let field = of.known_field(name);
            if let Some(of) = field.map(|field| of.of(field.of)).or_else(|| of.field(name)) {
                self.value(value, of, typed, At::Field(&at, name));
            }
            some_vanish |= !stays(value, field, of, typed);
        }
        if name == Some(RESOURCE_LIST) {
            for value in map.values_mut() {
                if let Ok(amount) = Quantity::from_json(value) {
                    *value = amount.in_resource_list().to_string().into();
                }
            }
        }
        if some_vanish {
            map.retain(|name, value| stays(value, of.known_field(name), of, typed));
        }
    }

    fn scalar(&mut self, value: &mut Value, scalar: Scalar, at: At<'_>) {
        let settled = match scalar {
            Scalar::Quantity if value.is_string() || value.is_number() => quantity(value),
            Scalar::Time => value.as_str().map_or(Ok(None), |text| time(text, "%Y-%m-%dT%H:%M:%SZ")),
            Scalar::MicroTime => value.as_str().map_or(Ok(None), |text| time(text, "%Y-%m-%dT%H:%M:%S.%6fZ")),
            Scalar::Bytes => value.as_str().map_or(Ok(None), bytes),
            _ => {
                settle_numbers(value);
                return;
            }
        };
        match settled {
            Ok(Some(text)) => *value = text.into(),
            Ok(None) => {}
            Err(error) => self.malformed.push(Malformed { path: at.path(), error }),
        }
    }
}

/// Whether the server keeps what a map's field holds.
fn stays(value: &Value, field: Option<&Field>, of: TypeRef<'_>, typed: bool) -> bool {
    let Some(field) = field else { return !(typed && value.is_null()) };
    match value {
        Value::Null if typed => false,
        Value::Null => field.default.is_some() || of.of(field.of).nullable(),
        value => !(field.omits_zero && is_zero(value)),
    }
}

/// `stringData` is write-only: what is taken out of it stays for ever. So it becomes `data`.
fn secret(secret: &mut Map<String, Value>) {
    if secret.get("data").is_some_and(|data| !data.is_object() && !data.is_null()) {
        return;
    }
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    let data = secret.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    for (name, text) in texts {
        if let Some(text) = text.as_str() {
            data[name] = STANDARD.encode(text).into();
        }
    }
}

fn quantity(value: &Value) -> Result<Option<String>, MalformedValue> {
    Ok(Some(Quantity::from_json(value)?.to_string()))
}

fn time(text: &str, format: &str) -> Result<Option<String>, MalformedValue> {
    let time: Timestamp = text.parse().map_err(|_| MalformedValue::Time(text.to_owned()))?;
    Ok(Some(time.strftime(format).to_string()))
}

fn bytes(text: &str) -> Result<Option<String>, MalformedValue> {
    let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(&joined).map(|bytes| Some(STANDARD.encode(bytes))).map_err(|_| MalformedValue::Base64)
}

/// `1.0` is `1`: the server reads both as the same number, and prints it so.
fn settle_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            #[allow(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
            if let Some(whole) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 9.0e15) {
                *value = Value::Number(Number::from(whole as i64));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle_numbers),
        Value::Object(map) => map.values_mut().for_each(settle_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::GroupVersionKind;
    use crate::schema::{Definition, Minor, Schema, built_in};

    fn settled(api_version: &str, kind: &str, mut value: Value) -> (Value, Vec<Malformed>) {
        let gvk = GroupVersionKind::from_api_version(api_version, kind);
        let malformed = canonical(&mut value, built_in(Minor::new(36)).kind(&gvk).unwrap());
        (value, malformed)
    }

    fn widgets() -> Schema {
        let spec = json!({"type": "object", "properties": {
            "amount": {"type": "string"}, "none": {"type": "string", "nullable": true}, "number": {"type": "number"},
            "defaulted": {"type": "string", "default": "x"}, "list": {"type": "array", "items": {"type": "string"}}}});
        let crd = json!({"kind": "CustomResourceDefinition", "spec": {"group": "a.dev", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}});
        Definition::read(&crd).unwrap().schema
    }

    #[test]
    fn what_says_nothing_vanishes_and_what_means_something_stays() {
        let pod = json!({"hostNetwork": false, "nodeSelector": {}, "volumes": [{"name": "a", "emptyDir": {}}], "securityContext": {"runAsNonRoot": false},
            "containers": [{"name": "c", "env": [{"name": "A", "value": ""}], "args": [], "workingDir": null}]});
        let (pod, _) = settled("v1", "Pod", json!({"metadata": {"labels": {}, "annotations": null}, "spec": pod}));
        let spec = json!({"volumes": [{"name": "a", "emptyDir": {}}], "securityContext": {"runAsNonRoot": false},
            "containers": [{"name": "c", "env": [{"name": "A"}]}]});
        assert_eq!(pod, json!({"metadata": {}, "spec": spec}));
        let (policy, _) =
            settled("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"podSelector": {}, "ingress": [], "egress": [{}]}}));
        assert_eq!(policy, json!({"spec": {"podSelector": {}, "egress": [{}]}}));
    }

    #[test]
    fn amounts_and_times_have_one_form() {
        let limits = json!({"cpu": "1000m", "memory": "1024Mi", "ephemeral-storage": 0.5, "example.dev/x": "1u"});
        let (claim, _) = settled("v1", "LimitRange", json!({"spec": {"limits": [{"type": "Pod", "max": limits}]}}));
        assert_eq!(
            claim["spec"]["limits"][0]["max"],
            json!({"cpu": "1", "memory": "1Gi", "ephemeral-storage": "500m", "example.dev/x": "1m"})
        );
        let times = json!({"firstTimestamp": "2026-01-02T03:04:05.9+01:00", "eventTime": "2026-01-02T03:04:05.5Z", "count": 1.0});
        let (event, _) = settled("v1", "Event", times);
        assert_eq!(event, json!({"firstTimestamp": "2026-01-02T02:04:05Z", "eventTime": "2026-01-02T03:04:05.500000Z", "count": 1}));
    }

    #[test]
    fn a_secrets_texts_become_data_and_win() {
        let (secret, malformed) = settled("v1", "Secret", json!({"data": {"a": "YQ==", "b": "a\nGk="}, "stringData": {"a": "b", "c": 7}}));
        assert_eq!((secret, malformed), (json!({"data": {"a": "Yg==", "b": "aGk="}}), Vec::new()));
    }

    #[test]
    fn what_the_server_would_refuse_is_told_with_its_place_and_stays() {
        let (secret, malformed) = settled("v1", "Secret", json!({"data": {"a": "s3cret!"}}));
        assert_eq!(secret["data"]["a"], "s3cret!");
        assert_eq!((malformed[0].path.to_string(), malformed[0].error.to_string()), ("data.a".to_owned(), "this is not base64".to_owned()));
        let (_, malformed) = settled("v1", "ResourceQuota", json!({"spec": {"hard": {"pods": "many", "cpu": 1}}}));
        assert_eq!(malformed[0].path.to_string(), "spec.hard.pods");
    }

    #[test]
    fn a_custom_resource_keeps_its_texts_and_its_empty_lists() {
        let schema = widgets();
        let kind = schema.kind(&GroupVersionKind::from_api_version("a.dev/v1", "Widget")).unwrap();
        let mut value = json!({"metadata": {"labels": {}}, "spec": {"amount": "1000m", "none": null, "number": 2.0, "list": [], "defaulted": null, "gone": null}});
        assert_eq!(canonical(&mut value, kind), []);
        super::super::complete(&mut value, kind);
        let spec = json!({"amount": "1000m", "none": null, "number": 2, "list": [], "defaulted": "x", "gone": null});
        assert_eq!(value, json!({"metadata": {}, "spec": spec}));
    }
}
