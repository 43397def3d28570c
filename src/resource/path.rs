//! A place inside an object, in the terms of server-side apply: struct fields, items of keyed lists, items of
//! sets, indices of atomic lists (structured-merge-diff's `fieldpath`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// One step into a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathElement {
    /// A struct's field or a map's key: `f:name`.
    Field(String),
    /// The item of a keyed list whose merge keys have these values: `k:{"name":"app"}`.
    Key(BTreeMap<String, Value>),
    /// The item of a set with this value: `v:"x"`.
    Value(Value),
    /// The item of an atomic list at this index: `i:3`.
    Index(usize),
}

impl PathElement {
    /// A keyed item with one string key, the usual case: `[name=app]`.
    pub fn keyed(key: &str, value: &str) -> Self {
        Self::Key(BTreeMap::from([(key.to_owned(), Value::from(value))]))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }

    /// What this step leads to in `parent`, if anything.
    pub fn get<'v>(&self, parent: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Field(name) => parent.as_object()?.get(name),
            element => element.get_in(parent.as_array()?),
        }
    }

    /// What this step leads to among the items of a list; a field leads to nothing there.
    pub fn get_in<'v>(&self, items: &'v [Value]) -> Option<&'v Value> {
        match self {
            Self::Field(_) => None,
            Self::Key(keys) => items.iter().find(|item| holds_keys(item, keys)),
            Self::Value(value) => items.iter().find(|item| *item == value),
            Self::Index(index) => items.get(*index),
        }
    }

    /// The same, to write to.
    pub fn get_mut<'v>(&self, parent: &'v mut Value) -> Option<&'v mut Value> {
        match self {
            Self::Field(name) => parent.as_object_mut()?.get_mut(name),
            Self::Key(keys) => parent.as_array_mut()?.iter_mut().find(|item| holds_keys(item, keys)),
            Self::Value(value) => parent.as_array_mut()?.iter_mut().find(|item| *item == value),
            Self::Index(index) => parent.as_array_mut()?.get_mut(*index),
        }
    }
}

/// Whether a list's item has these merge keys. A key that the item leaves out counts as its default
/// (`protocol: TCP`), which on a live object the server has filled in, and in a desired one may be missing.
fn holds_keys(item: &Value, keys: &BTreeMap<String, Value>) -> bool {
    keys.iter().all(|(name, wanted)| match item.get(name) {
        Some(found) => found == wanted,
        None => name == "protocol" && wanted == "TCP",
    })
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PathElement {}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathElement {
    /// The server's order of members of a set: it decides in which order conflicts are listed.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let mut pairs = a.iter().zip(b);
                let differs = pairs.find_map(|((name, value), (other_name, other_value))| {
                    let order = name.cmp(other_name).then_with(|| compare_values(value, other_value));
                    order.is_ne().then_some(order)
                });
                differs.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare_values(a, b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// A total order of JSON values, as the server has it: numbers by what they are worth (`1` is `1.0`), then texts, booleans,
/// lists, maps, null.
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let mut pairs = a.iter().zip(b).map(|(a, b)| compare_values(a, b));
            pairs.find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut pairs = a.iter().zip(b).map(|((name, a), (other, b))| name.cmp(other).then_with(|| compare_values(a, b)));
            pairs.find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return a.cmp(&b);
    }
    let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Whether the two mean the same: `1` and `1.0` do.
pub fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || compare_numbers(x, y).is_eq(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((name, a), (other, b))| name == other && same_value(a, b))
        }
        _ => a == b,
    }
}

/// A place in an object, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(pub Vec<PathElement>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of fields only: `["spec", "replicas"]`.
    pub fn fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| PathElement::Field((*name).to_owned())).collect())
    }

    /// Whether it leads through fields alone, and into no list.
    pub fn is_of_fields(&self) -> bool {
        self.0.iter().all(|element| matches!(element, PathElement::Field(_)))
    }

    /// This path and one step more.
    #[must_use]
    pub fn join(&self, element: PathElement) -> Self {
        let mut elements = self.0.clone();
        elements.push(element);
        Self(elements)
    }

    /// This path and a field's name.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.join(PathElement::Field(name.to_owned()))
    }

    /// The value there, if there is one.
    pub fn get<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |value, element| element.get(value))
    }

    /// The value there, to write to.
    pub fn get_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        let mut value = root;
        for element in &self.0 {
            value = element.get_mut(value)?;
        }
        Some(value)
    }

    /// Whether `self` is `other` or contains it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether it leads to `place` or into it, whichever items of lists it goes through: a table's `spec.ports.nodePort`.
    pub fn is_within(&self, place: &str) -> bool {
        let mut names = self.0.iter().filter_map(|element| match element {
            PathElement::Field(name) => Some(name.as_str()),
            _ => None,
        });
        place.split('.').all(|name| names.next() == Some(name))
    }
}

impl fmt::Display for FieldPath {
    /// `spec.template.spec.containers[app].image`; a field whose name has a dot is quoted:
    /// `metadata.labels["app.kubernetes.io/name"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, element) in self.0.iter().enumerate() {
            match element {
                PathElement::Field(name) if is_plain(name) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(name)?;
                }
                PathElement::Field(name) => write!(f, "[{}]", Value::from(name.as_str()))?,
                PathElement::Key(keys) => {
                    let main = keys.len() == 1 || keys.get("protocol").is_some_and(|p| p == "TCP");
                    let mut shown: Vec<String> = Vec::new();
                    for (name, value) in keys {
                        if main && name == "protocol" && keys.len() > 1 {
                            continue;
                        }
                        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        shown.push(if main && keys.len() <= 2 { value } else { format!("{name}={value}") });
                    }
                    write!(f, "[{}]", shown.join(","))?;
                }
                PathElement::Value(value) => write!(f, "[={value}]")?,
                PathElement::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '$')
}

/// A text that is no field path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no field path: {reason}")]
pub struct PathParseError {
    /// What was given.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for FieldPath {
    type Err = PathParseError;

    /// What people write: `spec.template.spec.containers[app].image`, `metadata.annotations["a.b/c"]`,
    /// `spec.rules[0]`. `[name]` without quotes means the item whose `name` is that; `[3]` an index;
    /// `[k=v,…]` the item with these keys; a quoted text a field's name.
    fn from_str(text: &str) -> Result<Self, PathParseError> {
        let error = |reason| PathParseError { path: text.to_owned(), reason };
        let mut elements = Vec::new();
        let mut rest = text.strip_prefix('.').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                if inner.starts_with('"') {
                    let mut stream = serde_json::Deserializer::from_str(inner).into_iter::<String>();
                    let Some(Ok(name)) = stream.next() else { return Err(error("a quote is not closed")) };
                    rest = inner[stream.byte_offset()..].strip_prefix(']').ok_or_else(|| error("a `]` is missing"))?;
                    elements.push(PathElement::Field(name));
                } else {
                    let (key, after) = inner.split_once(']').ok_or_else(|| error("a `]` is missing"))?;
                    if key.is_empty() {
                        return Err(error("nothing stands between `[` and `]`"));
                    }
                    elements.push(if let Ok(index) = key.parse() {
                        PathElement::Index(index)
                    } else if key.contains('=') {
                        let pairs = key.split(',').map(|pair| {
                            let (name, value) = pair.split_once('=')?;
                            let value = value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from);
                            Some((name.to_owned(), value))
                        });
                        PathElement::Key(pairs.collect::<Option<_>>().ok_or_else(|| error("keys are written `k=v,k=v`"))?)
                    } else {
                        PathElement::keyed("name", key)
                    });
                    rest = after;
                }
                rest = rest.strip_prefix('.').unwrap_or(rest);
                continue;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(error("a name is missing between two dots"));
            }
            elements.push(PathElement::Field(rest[..end].to_owned()));
            rest = &rest[end..];
            if let Some(after) = rest.strip_prefix('.') {
                if after.is_empty() {
                    return Err(error("it ends in a dot"));
                }
                rest = after;
            }
        }
        if elements.is_empty() {
            return Err(error("it is empty"));
        }
        Ok(Self(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_place_of_names_holds_what_is_below_it_in_any_item() {
        let path: FieldPath = "spec.containers[app].image".parse().unwrap();
        assert!(path.is_within("spec") && path.is_within("spec.containers") && path.is_within("spec.containers.image"));
        assert!(!path.is_within("spec.containers.image.tag") && !path.is_within("spec.contain") && !path.is_within("containers"));
    }

    #[test]
    fn paths_print_as_people_write_them() {
        for text in [
            "spec.replicas",
            "spec.template.spec.containers[app].image",
            "metadata.labels[\"app.kubernetes.io/name\"]",
            "spec.rules[0].host",
        ] {
            let path: FieldPath = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
        for bad in ["", "a..b", "a.", "a[", "a[]", "a[\"x]"] {
            assert!(bad.parse::<FieldPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keyed_items_are_found_by_their_keys_and_the_key_defaults() {
        let object = json!({"ports": [{"port": 80, "name": "http"}, {"port": 80, "protocol": "UDP"}]});
        let key = BTreeMap::from([("port".to_owned(), json!(80)), ("protocol".to_owned(), json!("TCP"))]);
        let path = FieldPath::fields(&["ports"]).join(PathElement::Key(key));
        assert_eq!(path.field("name").get(&object), Some(&json!("http")));
        assert_eq!(path.to_string(), "ports[80]");
    }
}
