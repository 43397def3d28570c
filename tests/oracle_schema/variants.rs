//! Forms of a sample that differ in one place: a field left out, a zero put where nothing was, a value changed.

use serde_json::{Map, Value, json};
use spai::resource::{FieldPath, PathElement};
use spai::schema::{Scalar, Shape, TypeRef};

/// A form of a sample.
pub struct Variant {
    /// Where it differs.
    pub path: FieldPath,
    /// The type that the field is of, and its name.
    pub field: (String, String),
    pub object: Value,
}

/// Takes a struct of a sample: its path, its type, and its fields.
type Visit<'v> = &'v mut dyn FnMut(&FieldPath, TypeRef<'_>, &Map<String, Value>);

/// Each struct of a sample.
fn structs(value: &Value, of: TypeRef<'_>, path: &FieldPath, visit: Visit<'_>) {
    match (of.shape(), value) {
        (Shape::Map { .. }, Value::Object(map)) => {
            visit(path, of, map);
            for (name, value) in map {
                if let Some(of) = of.field(name) {
                    structs(value, of, &path.field(name), visit);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                structs(value, of.of(*item), &path.join(PathElement::Index(index)), visit);
            }
        }
        _ => {}
    }
}

/// Fields that identify an object are left as they are.
fn is_identity(path: &FieldPath) -> bool {
    ["apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "status"].contains(&path.to_string().as_str())
}

/// Each field that may be left out, left out.
pub fn left_out(sample: &Value, of: TypeRef<'_>) -> Vec<Variant> {
    let mut found = Vec::new();
    structs(sample, of, &FieldPath::root(), &mut |path, of, map| {
        for name in map.keys() {
            let at = path.field(name);
            if of.known_field(name).is_none_or(|field| field.required) || is_identity(&at) {
                continue;
            }
            let mut object = sample.clone();
            path.get_mut(&mut object).and_then(Value::as_object_mut).unwrap().remove(name);
            found.push(Variant { path: at, field: (of.name().unwrap_or_default().to_owned(), name.clone()), object });
        }
    });
    found
}

/// Each field that isn't there, as a zero.
pub fn zeros(sample: &Value, of: TypeRef<'_>) -> Vec<Variant> {
    let mut found = Vec::new();
    structs(sample, of, &FieldPath::root(), &mut |path, of, map| {
        let (Shape::Map { fields, .. }, Some(type_name)) = (of.shape(), of.name()) else { return };
        for field in fields.iter().filter(|field| !map.contains_key(&field.name)) {
            let at = path.field(&field.name);
            // An object's own metadata is partly the server's, whatever one writes.
            let is_servers = path.to_string() == "metadata" && !["labels", "annotations", "finalizers"].contains(&field.name.as_str());
            let Some(zero) = zero(of.of(field.of)).filter(|_| !is_identity(&at) && !is_servers) else { continue };
            let mut object = sample.clone();
            path.get_mut(&mut object).unwrap()[&field.name] = zero;
            found.push(Variant { path: at, field: (type_name.to_owned(), field.name.clone()), object });
        }
    });
    found
}

/// The value that may mean nothing. Of structs and amounts none does: an empty struct is something.
fn zero(of: TypeRef<'_>) -> Option<Value> {
    Some(match of.shape() {
        Shape::Scalar(Scalar::String | Scalar::Bytes) => json!(""),
        Shape::Scalar(Scalar::Boolean) => json!(false),
        Shape::Scalar(Scalar::Integer | Scalar::Number) => json!(0),
        Shape::List { .. } => json!([]),
        Shape::Map { fields, open: false, .. } if fields.is_empty() => json!({}),
        _ => return None,
    })
}

/// Each leaf that is there, with another value; each field that may be left out, left out.
pub fn changed(object: &Value, of: TypeRef<'_>) -> Vec<Variant> {
    // All of a spec at once tells nothing of its fields.
    let mut found: Vec<Variant> = left_out(object, of).into_iter().filter(|variant| variant.path.0.len() > 1).collect();
    structs(object, of, &FieldPath::root(), &mut |path, of, map| {
        for (name, value) in map {
            let at = path.field(name);
            if is_identity(&at) || at.to_string().starts_with("metadata") {
                continue;
            }
            for value in other_values(value) {
                let mut object = object.clone();
                path.get_mut(&mut object).unwrap()[name] = value;
                found.push(Variant { path: at.clone(), field: (of.name().unwrap_or_default().to_owned(), name.clone()), object });
            }
        }
    });
    found
}

fn other_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(on) => vec![json!(!on)],
        Value::Number(number) => number.as_i64().map(|number| json!(number + 1)).into_iter().collect(),
        Value::String(text) if text.parse::<std::net::Ipv4Addr>().is_ok() => vec![json!("10.0.3.4"), json!("10.0.3.5")],
        Value::String(text) => vec![json!(format!("{text}x"))],
        Value::Array(items) if items.len() == 1 && items[0].is_string() => vec![json!([format!("{}x", items[0].as_str().unwrap())])],
        _ => Vec::new(),
    }
}
