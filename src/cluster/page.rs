//! A page of a list, read in one go: what is compared becomes objects, and managedFields, more than half of the bytes, stay text
//! until somebody asks for them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ClusterError;
use crate::resource::Object;

/// A page.
pub(super) struct Page {
    /// Its objects.
    pub objects: Vec<Object>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
    /// The resourceVersion that the list is of.
    pub version: String,
}

impl Page {
    /// Reads the server's answer. Items of a list don't say what they are: the list does, or whoever asked for it.
    ///
    /// # Errors
    /// It is no list, or something in it is no object.
    pub fn read(body: &[u8], api_version: &str, kind: &str, plural: &str) -> Result<Self, ClusterError> {
        let broken = |what: String| ClusterError::Other { code: 200, reason: String::new(), message: what };
        let raw: Raw = serde_json::from_slice(body).map_err(|error| {
            // The parser's own words may quote what is in the answer.
            broken(format!("the server's answer to a list of {plural} is no list (line {}, column {})", error.line(), error.column()))
        })?;
        // An empty list of some aggregated servers is null.
        if raw.items.is_none() && !raw.kind.as_deref().is_some_and(|kind| kind.ends_with("List")) {
            return Err(broken(format!("the server's answer to a list of {plural} is no list")));
        }
        let mut objects = Vec::with_capacity(raw.items.as_ref().map_or(0, Vec::len));
        for Item { mut fields, managed } in raw.items.unwrap_or_default() {
            fields.entry("apiVersion").or_insert_with(|| api_version.into());
            fields.entry("kind").or_insert_with(|| kind.into());
            let value = Value::Object(fields);
            let object = match managed {
                Some(text) => Object::with_managed_fields(value, text),
                None => Object::try_from(value),
            };
            objects.push(object.map_err(|_| broken(format!("the list of {plural} holds something that is no object")))?);
        }
        let metadata = raw.metadata.unwrap_or_default();
        Ok(Self { objects, next: metadata.next.filter(|token| !token.is_empty()), version: metadata.version.unwrap_or_default() })
    }
}

#[derive(Deserialize)]
struct Raw {
    kind: Option<String>,
    metadata: Option<ListMeta>,
    items: Option<Vec<Item>>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
    #[serde(rename = "resourceVersion")]
    version: Option<String>,
}

/// An object, its managedFields apart.
struct Item {
    fields: Map<String, Value>,
    managed: Option<Box<str>>,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item { fields: Map::new(), managed: None };
        while let Some(key) = map.next_key::<String>()? {
            if key == "metadata" {
                let Metadata { fields, managed } = map.next_value()?;
                item.managed = managed;
                item.fields.insert(key, Value::Object(fields));
            } else {
                item.fields.insert(key, map.next_value()?);
            }
        }
        Ok(item)
    }
}

struct Metadata {
    fields: Map<String, Value>,
    managed: Option<Box<str>>,
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata { fields: Map::new(), managed: None };
        while let Some(key) = map.next_key::<String>()? {
            if key == "managedFields" {
                let text: &RawValue = map.next_value()?;
                metadata.managed = text.get().starts_with('[').then(|| text.get().into());
            } else {
                metadata.fields.insert(key, map.next_value()?);
            }
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Page, ClusterError> {
        Page::read(body.to_string().as_bytes(), "v1", "ConfigMap", "configmaps")
    }

    #[test]
    fn objects_are_read_with_all_that_they_have() {
        let item = json!({"metadata": {"name": "a", "namespace": "n", "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {}}}]}, "data": {"k": "v"}});
        let page = read(&json!({"kind": "ConfigMapList", "metadata": {"resourceVersion": "7", "continue": "t"}, "items": [item]})).unwrap();
        assert_eq!((page.next.as_deref(), page.version.as_str()), (Some("t"), "7"));
        let mut whole = item;
        whole["apiVersion"] = json!("v1");
        whole["kind"] = json!("ConfigMap");
        assert_eq!(page.objects, [Object::try_from(whole).unwrap()]);
        assert!(page.objects[0].managed_text().is_some());
    }

    #[test]
    fn what_is_no_list_is_an_error_and_an_empty_one_is_none() {
        for empty in [json!({"kind": "ConfigMapList", "metadata": {}, "items": []}), json!({"kind": "ConfigMapList", "items": null})] {
            assert!(read(&empty).unwrap().objects.is_empty());
        }
        for broken in [
            json!({"kind": "Status", "message": "secret"}),
            json!({}),
            json!([]),
            json!({"items": [1]}),
            json!({"items": [{}]}),
            json!({"items": [{"metadata": {"name": ""}}]}),
            json!({"items": [{"metadata": []}]}),
        ] {
            assert!(read(&broken).is_err(), "{broken}");
        }
        assert!(Page::read(b"{\"items\": [{\"metadata\": {\"name\": \"a\"", "v1", "ConfigMap", "configmaps").is_err());
    }
}
