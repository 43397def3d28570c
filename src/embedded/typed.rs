//! A body as the built-in types see it: fields that they don't have are left out and named, values of the wrong type are
//! refused, nulls and empty values that Go leaves out when it writes are gone.

use serde_json::{Map, Value};

use crate::schema::{Scalar, Shape, TypeRef};

/// How deep a body may be nested.
const DEPTH: usize = 100;

/// What decoding found.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Paths of fields that the type doesn't have.
    pub unknown: Vec<String>,
}

/// Brings a body into its type's form.
///
/// # Errors
/// A value has the wrong type; says which.
pub fn decode(of: TypeRef<'_>, value: &mut Value, kind: &str) -> Result<Decoded, String> {
    let mut decoded = Decoded::default();
    walk(of, value, kind, &mut Vec::new(), &mut decoded, 0)?;
    Ok(decoded)
}

fn walk(of: TypeRef<'_>, value: &mut Value, kind: &str, path: &mut Vec<String>, decoded: &mut Decoded, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err("exceeded max depth".to_owned());
    }
    match of.shape() {
        Shape::Any => Ok(()),
        Shape::Scalar(scalar) => fit(*scalar, value, kind, path),
        Shape::List { .. } => {
            let item = of.item();
            let Value::Array(items) = value else { return Err(mismatch(value, kind, path, "[]")) };
            for (index, one) in items.iter_mut().enumerate() {
                path.push(format!("[{index}]"));
                if let Some(item) = item {
                    walk(item, one, kind, path, decoded, depth + 1)?;
                }
                path.pop();
            }
            Ok(())
        }
        Shape::Map { fields, .. } => {
            let Value::Object(map) = value else { return Err(mismatch(value, kind, path, "map")) };
            let is_struct = !fields.is_empty();
            // A null is no value in Go's types, which write it back as nothing.
            map.retain(|_, value| !value.is_null());
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                let Some(below) = of.field(&name) else {
                    decoded.unknown.push(shown(path, &name));
                    map.remove(&name);
                    continue;
                };
                let Some(one) = map.get_mut(&name) else { continue };
                path.push(name.clone());
                walk(below, one, kind, path, decoded, depth + 1)?;
                path.pop();
                let gone = is_struct && is_omitted(below, one, &name);
                if gone {
                    map.remove(&name);
                }
            }
            Ok(())
        }
    }
}

/// Whether Go's `omitempty` leaves it out: empty lists and maps do go, empty structs (a pointer to one means something) stay.
fn is_omitted(of: TypeRef<'_>, value: &Value, name: &str) -> bool {
    match (of.shape(), value) {
        (Shape::List { .. }, Value::Array(items)) => items.is_empty() && !matches!(name, "rules" | "subsets" | "endpoints" | "policies"),
        (Shape::Map { fields, values: Some(_), .. }, Value::Object(map)) => fields.is_empty() && map.is_empty() && of.name().is_none(),
        _ => false,
    }
}

fn fit(scalar: Scalar, value: &mut Value, kind: &str, path: &[String]) -> Result<(), String> {
    let fits = match scalar {
        Scalar::Any => true,
        Scalar::String | Scalar::Time | Scalar::MicroTime | Scalar::Bytes => value.is_string(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Integer => {
            // 3.0 is a whole number as well.
            if let Some(float) = value.as_f64()
                && !value.is_i64()
                && !value.is_u64()
                && float.fract() == 0.0
                && float.abs() < 9e15
            {
                #[allow(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
                let whole = float as i64;
                *value = whole.into();
            }
            value.is_i64() || value.is_u64()
        }
        Scalar::Number => value.is_number(),
        Scalar::IntOrString | Scalar::Quantity => value.is_string() || value.is_number(),
    };
    if fits { Ok(()) } else { Err(mismatch(value, kind, path, name_of(scalar))) }
}

fn name_of(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Boolean => "bool",
        Scalar::Integer => "int32",
        Scalar::Number => "float64",
        _ => "string",
    }
}

fn mismatch(value: &Value, kind: &str, path: &[String], wanted: &str) -> String {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let place: Vec<&str> = path.iter().filter(|part| !part.starts_with('[')).map(String::as_str).collect();
    format!("json: cannot unmarshal {what} into Go struct field {kind}.{} of type {wanted}", place.join("."))
}

fn shown(path: &[String], name: &str) -> String {
    let mut out = String::new();
    for part in path {
        if !part.starts_with('[') && !out.is_empty() {
            out.push('.');
        }
        out.push_str(part);
    }
    if out.is_empty() { name.to_owned() } else { format!("{out}.{name}") }
}

/// The JSON of a body, and the paths of fields that are in it twice.
///
/// # Errors
/// It is no JSON.
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut doubled = Vec::new();
    doubles::find(bytes, &mut doubled);
    Ok((value, doubled))
}

/// Looks for fields that are in a mapping twice, which a `Value` forgets.
mod doubles {
    use std::collections::BTreeSet;
    use std::fmt;

    use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

    pub fn find(bytes: &[u8], found: &mut Vec<String>) {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        // It was parsed before: it is JSON.
        let _ = Look { path: String::new(), found }.deserialize(&mut deserializer);
    }

    struct Look<'f> {
        path: String,
        found: &'f mut Vec<String>,
    }

    impl<'de> DeserializeSeed<'de> for Look<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for Look<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON")
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            let mut index = 0;
            while items.next_element_seed(Look { path: format!("{}[{index}]", self.path), found: self.found })?.is_some() {
                index += 1;
            }
            Ok(())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
            let mut seen = BTreeSet::new();
            while let Some(name) = fields.next_key::<String>()? {
                let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
                if !seen.insert(name) {
                    self.found.push(path.clone());
                }
                fields.next_value_seed(Look { path, found: self.found })?;
            }
            Ok(())
        }
    }
}

/// Whether two values are the same to the server: what is empty is as good as nothing.
pub fn equal(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => equal_maps(one, two) && equal_maps(two, one),
        (Value::Array(one), Value::Array(two)) => one.len() == two.len() && one.iter().zip(two).all(|(one, two)| equal(one, two)),
        _ => one == two || (is_nothing(one) && is_nothing(two)),
    }
}

fn equal_maps(one: &Map<String, Value>, two: &Map<String, Value>) -> bool {
    one.iter().all(|(key, value)| two.get(key).map_or_else(|| is_nothing(value), |other| equal(value, other)))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_there_twice_are_found() {
        let (value, doubled) = parse(br#"{"a": 1, "b": {"c": [{"d": 1, "d": 2}]}, "a": 3}"#).unwrap();
        assert_eq!((value["a"].as_i64(), doubled), (Some(3), vec!["b.c[0].d".to_owned(), "a".to_owned()]));
        assert!(parse(b"{").is_err());
    }
}
