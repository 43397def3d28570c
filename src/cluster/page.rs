//! A page of a list: the server's bytes, and what stands in them, borrowed.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::ClusterError;
use crate::resource::{Items, Object, Room, Tape, Tree, TreeShape};

/// A page as it came.
#[derive(Debug)]
pub struct Page {
    body: Bytes,
    /// What the items are, as far as they don't say so themselves.
    api_version: String,
    kind: String,
    plural: String,
}

/// Where a list goes on.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Place {
    /// The token of the next page, if there is one.
    #[serde(rename = "continue", default)]
    pub next: Option<String>,
    /// The resourceVersion that the list is of.
    #[serde(rename = "resourceVersion", default)]
    pub version: Option<String>,
}

impl Page {
    /// What a server answered to a list of this kind.
    pub(super) fn new(body: Bytes, api_version: &str, kind: &str, plural: &str) -> Self {
        Self { body, api_version: api_version.to_owned(), kind: kind.to_owned(), plural: plural.to_owned() }
    }

    /// Where the list goes on: told before the items, which aren't read for it.
    ///
    /// # Errors
    /// It is no list.
    pub(super) fn place(&self) -> Result<Place, ClusterError> {
        let mut place = None;
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        // It ends with an error of our own where the items begin.
        let read = PlaceSeed(&mut place).deserialize(&mut reader);
        match (place, read) {
            (Some(place), _) => Ok(Place { next: place.next.filter(|token| !token.is_empty()), ..place }),
            (None, Ok(())) => Ok(Place::default()),
            (None, Err(error)) => Err(self.is_no_list(&error)),
        }
    }

    /// All of it, as it stands, laid out in the room of one that is needed no more; [`items`] are in it.
    ///
    /// # Errors
    /// It is no list.
    pub fn read(&self, room: Room) -> Result<Tape<'_>, ClusterError> {
        let text = std::str::from_utf8(&self.body).map_err(|_| self.is_other())?;
        let tape = Tape::read(text, room).map_err(|error| self.is_no_list(&error))?;
        let list = tape.tree();
        let is_list = match list.get("items").map(Tree::shape) {
            Some(TreeShape::List(_)) => true,
            // An empty list of some aggregated servers is null.
            Some(TreeShape::Null) | None => list.get("kind").and_then(Tree::text).is_some_and(|kind| kind.ends_with("List")),
            Some(_) => false,
        };
        if is_list { Ok(tape) } else { Err(self.is_other()) }
    }

    /// An item as an object. Items of a list don't say what they are: the list does, or whoever asked for it.
    ///
    /// # Errors
    /// It is no object.
    pub fn object(&self, item: Tree<'_>) -> Result<Object, ClusterError> {
        typed(item.to_value(), &self.api_version, &self.kind)
            .ok_or_else(|| broken(format!("the list of {} holds something that is no object", self.plural)))
    }

    /// All of them.
    ///
    /// # Errors
    /// It is no list, or something in it is no object.
    pub(super) fn objects(&self) -> Result<Vec<Object>, ClusterError> {
        items(&self.read(Room::default())?).map(|item| self.object(item)).collect()
    }

    fn is_other(&self) -> ClusterError {
        broken(format!("the server's answer to a list of {} is no list", self.plural))
    }

    // The parser's own words may quote what is in the answer.
    fn is_no_list(&self, error: &serde_json::Error) -> ClusterError {
        let (plural, line, column) = (&self.plural, error.line(), error.column());
        broken(format!("the server's answer to a list of {plural} is no list (line {line}, column {column})"))
    }
}

/// An item of a list, as an object.
pub(super) fn typed(mut item: Value, api_version: &str, kind: &str) -> Option<Object> {
    let map = item.as_object_mut()?;
    map.entry("apiVersion").or_insert_with(|| api_version.into());
    map.entry("kind").or_insert_with(|| kind.into());
    Object::try_from(item).ok()
}

fn broken(what: String) -> ClusterError {
    ClusterError::Other { code: 200, reason: String::new(), message: what }
}

/// The items of a page that was read.
pub fn items<'t>(page: &'t Tape<'_>) -> Items<'t> {
    page.tree().get("items").unwrap_or(page.tree()).list()
}

/// Reads a list's metadata, and stops at its items.
struct PlaceSeed<'p>(&'p mut Option<Place>);

impl<'de> DeserializeSeed<'de> for PlaceSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PlaceSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "metadata" => *self.0 = Some(map.next_value::<Option<Place>>()?.unwrap_or_default()),
                "items" if self.0.is_some() => return Err(serde::de::Error::custom("the items are not for here")),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(body: &Value) -> Page {
        Page::new(body.to_string().into(), "v1", "ConfigMap", "configmaps")
    }

    #[test]
    fn objects_are_read_with_all_that_they_have() {
        let item = json!({"metadata": {"name": "a", "namespace": "n", "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {}}}]}, "data": {"k": "v"}});
        let list = json!({"kind": "ConfigMapList", "metadata": {"resourceVersion": "7", "continue": "t"}, "items": [item]});
        let mut whole = item;
        whole["apiVersion"] = json!("v1");
        whole["kind"] = json!("ConfigMap");
        assert_eq!(page(&list).objects().unwrap(), [Object::try_from(whole).unwrap()]);
    }

    #[test]
    fn where_a_list_goes_on_is_known_wherever_it_says_so() {
        for body in [
            r#"{"kind":"XList","metadata":{"resourceVersion":"7","continue":"t"},"items":[{"metadata":"#,
            r#"{"items":[{"metadata":{"continue":"no"}}],"metadata":{"continue":"t","resourceVersion":"7"}}"#,
        ] {
            let place = Page::new(body.as_bytes().into(), "v1", "X", "xs").place().unwrap();
            assert_eq!((place.next.as_deref(), place.version.as_deref()), (Some("t"), Some("7")), "{body}");
        }
        let last = page(&json!({"metadata": {"continue": ""}, "items": []})).place().unwrap();
        assert_eq!(last.next, None);
        assert!(Page::new(b"{\"metadata\": 1}".as_slice().into(), "v1", "X", "xs").place().is_err());
        assert!(Page::new(b"<html>".as_slice().into(), "v1", "X", "xs").place().is_err());
    }

    #[test]
    fn what_is_no_list_is_an_error_and_an_empty_one_is_none() {
        for empty in [json!({"kind": "ConfigMapList", "metadata": {}, "items": []}), json!({"kind": "ConfigMapList", "items": null})] {
            assert!(page(&empty).objects().unwrap().is_empty());
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
            assert!(page(&broken).objects().is_err(), "{broken}");
        }
        assert!(
            Page::new(b"{\"items\": [{\"metadata\": {\"name\": \"a\"".as_slice().into(), "v1", "ConfigMap", "configmaps")
                .objects()
                .is_err()
        );
    }
}
