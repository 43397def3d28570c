//! The type of an object as its owners tell it, for kinds whose own type can't be had: a kind that is no longer served, a server
//! that doesn't tell.
//!
//! managedFields name items of keyed lists by their keys, and those of sets by their values: as the server that wrote them knew
//! its type. Of what nobody owns they tell nothing: that is anything at all, and its lists are atomic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{FieldSet, ManagedFields, Operation};
use crate::resource::{GroupVersionKind, Object, PathElement};
use crate::schema::{Field, ListKey, ListKind, Schema, Shape, Type, TypeId, TypeRef};

/// A type that was deduced.
#[derive(Clone, Debug)]
pub struct Deduced {
    schema: Schema,
    kind: GroupVersionKind,
}

impl Deduced {
    /// What the owners of these objects' fields tell: forms of one object.
    pub fn of<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Self {
        let mut seen = Seen::default();
        let mut kind = GroupVersionKind::from_api_version("", "");
        for object in objects {
            let version = object.api_version();
            // In another version the fields may be others.
            for entry in ManagedFields::of(object).0.iter().filter(|entry| entry.api_version == version) {
                seen.take(&entry.fields, entry.operation);
            }
            kind = object.gvk();
        }
        let mut schema = Schema::default();
        let root = seen.add_to(&mut schema);
        schema.name(kind.clone(), root);
        Self { schema, kind }
    }

    /// The type.
    pub fn as_type(&self) -> TypeRef<'_> {
        self.schema.kind(&self.kind).unwrap_or(TypeRef::any())
    }
}

/// What was seen of the values at one place.
#[derive(Debug, Default)]
struct Seen {
    fields: BTreeMap<String, Seen>,
    /// The keys of items, each with the values that it had where the item leaves it out.
    keys: Option<BTreeMap<String, BTreeSet<String>>>,
    item: Option<Box<Seen>>,
    is_set: bool,
    /// What was seen doesn't go together.
    is_odd: bool,
}

impl Seen {
    fn take(&mut self, fields: &FieldSet, operation: Operation) {
        for (element, is_member, below) in fields.steps() {
            match element {
                PathElement::Field(name) => self.fields.entry(name.clone()).or_default().take(below, operation),
                PathElement::Key(keys) => {
                    let known = self.keys.get_or_insert_with(|| keys.keys().map(|name| (name.clone(), BTreeSet::new())).collect());
                    self.is_odd |= !known.keys().eq(keys.keys());
                    for (name, value) in keys {
                        // Who applies an item owns what it says of it: a key that isn't owned is the default.
                        let is_said = below.at(&PathElement::Field(name.clone())).is_some();
                        if operation == Operation::Apply && is_member && !is_said {
                            known.entry(name.clone()).or_default().insert(value.to_string());
                        }
                    }
                    self.item.get_or_insert_default().take(below, operation);
                }
                PathElement::Value(_) => self.is_set = true,
                PathElement::Index(_) => self.is_odd = true,
            }
        }
    }

    fn add_to(self, schema: &mut Schema) -> TypeId {
        let shape = match self.keys {
            _ if self.is_odd => Shape::Any,
            Some(keys) if !self.is_set && self.fields.is_empty() => {
                let item = self.item.map(|item| *item).unwrap_or_default().add_to(schema);
                Shape::List { item, kind: ListKind::Map(keys.into_iter().map(key).collect()) }
            }
            None if self.is_set && self.fields.is_empty() => {
                let item = Self::default().add_to(schema);
                Shape::List { item, kind: ListKind::Set }
            }
            None if !self.is_set && !self.fields.is_empty() => {
                let fields = self.fields.into_iter().map(|(name, seen)| Field {
                    of: seen.add_to(schema),
                    name,
                    default: None,
                    required: false,
                    omits_zero: false,
                });
                Shape::Map { fields: fields.collect(), values: None, atomic: false, open: true, embedded: false }
            }
            _ => Shape::Any,
        };
        schema.add(Type { shape, nullable: true })
    }
}

/// A key, with its default if that is certain.
fn key((name, defaults): (String, BTreeSet<String>)) -> ListKey {
    let default = defaults.first().filter(|_| defaults.len() == 1).and_then(|text| serde_json::from_str::<Value>(text).ok());
    ListKey { name, default }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::element_of;
    use serde_json::json;

    fn deduced(version: &str, operation: &str, fields: Value) -> Deduced {
        let entry = json!({"manager": "m", "operation": operation, "apiVersion": version, "fieldsV1": fields});
        let object = json!({"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "x", "managedFields": [entry]}});
        Deduced::of([&Object::try_from(object).unwrap()])
    }

    fn told(deduced: &Deduced, list: &str, items: Value) -> String {
        let of = deduced.as_type().field("spec").unwrap().field(list).unwrap();
        format!("{:?}", element_of(of, items.as_array().unwrap(), 0))
    }

    #[test]
    fn owners_tell_keys_their_defaults_and_sets_and_nothing_of_the_rest() {
        let item = json!({".": {}, "f:route": {}, "f:hops": {"k:{\"at\":\"a\"}": {".": {}, "f:at": {}}}});
        let fields = json!({"f:spec": {"f:lanes": {"k:{\"mode\":\"fast\",\"route\":7}": item}, "f:tags": {"v:\"a\"": {}}, "f:names": {}}});
        let deduced = deduced("example.dev/v1", "Apply", fields);
        assert_eq!(told(&deduced, "lanes", json!([{"route": 8}])), r#"Key({"mode": String("fast"), "route": Number(8)})"#);
        assert_eq!(told(&deduced, "tags", json!(["b"])), r#"Value(String("b"))"#);
        assert_eq!(told(&deduced, "names", json!([{"name": "b"}])), "Index(0)");
        assert_eq!(told(&deduced, "unowned", json!([{"name": "b"}])), "Index(0)");
        let hops = deduced.as_type().field("spec").unwrap().field("lanes").unwrap().item().unwrap().field("hops").unwrap();
        assert_eq!(format!("{:?}", element_of(hops, &[json!({"at": "b"})], 0)), r#"Key({"at": String("b")})"#);
    }

    #[test]
    fn what_is_said_of_another_version_or_does_not_go_together_tells_nothing() {
        let lanes = |key: &str| json!({"f:spec": {"f:lanes": {key: {".": {}}}}});
        let of_another = deduced("example.dev/v2", "Apply", lanes("k:{\"route\":7}"));
        assert!(of_another.as_type().field("spec").unwrap().field("lanes").unwrap().shape() == &Shape::Any);
        let odd = deduced("example.dev/v1", "Apply", json!({"f:spec": {"f:lanes": {"k:{\"route\":7}": {}, "v:\"a\"": {}}}}));
        assert_eq!(told(&odd, "lanes", json!([{"route": 8}])), "Index(0)");
        // Who updates an item owns what it changed of it.
        let updated = deduced("example.dev/v1", "Update", lanes("k:{\"mode\":\"fast\",\"route\":7}"));
        assert_eq!(told(&updated, "lanes", json!([{"route": 8}])), r#"Key({"route": Number(8)})"#);
    }
}
