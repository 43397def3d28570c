//! A page of a list: the server's bytes, and what stands in them.

use bytes::Bytes;
use serde_json::Value;

use super::protobuf::{self, Form};
use super::transport::Answer;
use super::{ClusterError, Kind};
use crate::resource::{Items, Object, Tape, Tree, TreeShape};

/// A page as it came, and how it is laid out.
#[derive(Debug)]
pub struct Page {
    /// The JSON that it was read from, which most texts are in; None: it was something else, and its texts are the tape's.
    json: Option<String>,
    tape: Tape,
    /// What the items are, as far as they don't say so themselves.
    api_version: String,
    kind: String,
}

/// Where a list goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The token of the next page, if there is one.
    pub next: Option<String>,
    /// The resourceVersion that the list is of.
    pub version: Option<String>,
}

impl Page {
    /// What a server answered to a list of this kind. None: it is in protobuf that isn't understood.
    ///
    /// # Errors
    /// It is no list.
    pub(super) fn read(answer: Answer, kind: &Kind, form: Option<Form>) -> Result<Option<Self>, ClusterError> {
        let is_protobuf =
            answer.headers.get(http::header::CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(protobuf::MEDIA_TYPE.as_bytes()));
        if is_protobuf {
            let tape = form.and_then(|form| form.read(&answer.body));
            return Ok(tape.map(|tape| Self { json: None, tape, api_version: kind.gvk.api_version(), kind: kind.gvk.kind.clone() }));
        }
        Self::of_json(answer.body, kind).map(Some)
    }

    fn of_json(body: Bytes, kind: &Kind) -> Result<Self, ClusterError> {
        let text = String::from_utf8(body.into()).map_err(|_| is_no_list(kind, ""))?;
        // The parser's own words may quote what is in the answer.
        let tape = Tape::read(&text).map_err(|error| is_no_list(kind, &format!(" (line {}, column {})", error.line(), error.column())))?;
        let list = tape.tree_of(&text);
        let is_list = match list.get("items").map(Tree::shape) {
            Some(TreeShape::List(_)) => true,
            // An empty list of some aggregated servers is null.
            Some(TreeShape::Null) | None => list.get("kind").and_then(Tree::text).is_some_and(|kind| kind.ends_with("List")),
            Some(_) => false,
        };
        if is_list {
            Ok(Self { json: Some(text), tape, api_version: kind.gvk.api_version(), kind: kind.gvk.kind.clone() })
        } else {
            Err(is_no_list(kind, ""))
        }
    }

    /// Where the list goes on.
    pub(super) fn place(&self) -> Place {
        let metadata = |name| self.tree().at(&["metadata", name]).and_then(Tree::text).filter(|text| !text.is_empty()).map(str::to_owned);
        Place { next: metadata("continue"), version: metadata("resourceVersion") }
    }

    fn tree(&self) -> Tree<'_> {
        self.json.as_deref().map_or_else(|| self.tape.tree(), |json| self.tape.tree_of(json))
    }

    /// The items, as they stand.
    pub fn items(&self) -> Items<'_> {
        self.tree().get("items").map(Tree::list).unwrap_or_default()
    }

    /// An item as an object. Items of a list don't say what they are: the list does, or whoever asked for it.
    ///
    /// # Errors
    /// It is no object.
    pub fn object(&self, item: Tree<'_>) -> Result<Object, ClusterError> {
        Object::of_item(item, &self.api_version, &self.kind)
            .map_err(|_| broken(format!("the list of {} holds something that is no object", self.kind)))
    }

    /// All of them.
    ///
    /// # Errors
    /// Something in it is no object.
    pub(super) fn objects(&self) -> Result<Vec<Object>, ClusterError> {
        self.items().map(|item| self.object(item)).collect()
    }
}

fn is_no_list(kind: &Kind, place: &str) -> ClusterError {
    broken(format!("the server's answer to a list of {} is no list{place}", kind.plural))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::resource::GroupVersionKind;
    use serde_json::json;

    fn read(body: &str) -> Result<Page, ClusterError> {
        let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
        let (plural, verbs) = ("configmaps".to_owned(), BTreeSet::new());
        let kind = Kind { gvk, plural, namespaced: true, versions: vec!["v1".to_owned()], verbs, subresources: BTreeSet::new() };
        Page::of_json(Bytes::copy_from_slice(body.as_bytes()), &kind)
    }

    fn objects(body: &Value) -> Result<Vec<Object>, ClusterError> {
        read(&body.to_string())?.objects()
    }

    #[test]
    fn objects_are_read_with_all_that_they_have() {
        let item = json!({"metadata": {"name": "a", "namespace": "n", "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {}}}]}, "data": {"k": "v"}});
        let list = json!({"kind": "ConfigMapList", "metadata": {"resourceVersion": "7", "continue": "t"}, "items": [item]});
        let mut whole = item;
        whole["apiVersion"] = json!("v1");
        whole["kind"] = json!("ConfigMap");
        assert_eq!(objects(&list).unwrap(), [Object::try_from(whole).unwrap()]);
    }

    #[test]
    fn where_a_list_goes_on_is_known_wherever_it_says_so() {
        for body in [
            r#"{"kind":"XList","metadata":{"resourceVersion":"7","continue":"t"},"items":[]}"#,
            r#"{"items":[{"metadata":{"continue":"no"}}],"metadata":{"continue":"t","resourceVersion":"7"}}"#,
        ] {
            let place = read(body).unwrap().place();
            assert_eq!((place.next.as_deref(), place.version.as_deref()), (Some("t"), Some("7")), "{body}");
        }
        assert_eq!(read(r#"{"metadata": {"continue": ""}, "items": []}"#).unwrap().place(), Place::default());
    }

    #[test]
    fn what_is_no_list_is_an_error_and_an_empty_one_is_none() {
        for empty in [json!({"kind": "ConfigMapList", "metadata": {}, "items": []}), json!({"kind": "ConfigMapList", "items": null})] {
            assert!(objects(&empty).unwrap().is_empty());
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
            assert!(objects(&broken).is_err(), "{broken}");
        }
        for broken in ["<html>", "{\"metadata\": 1}", "{\"items\": [{\"metadata\": {\"name\": \"swordfish\""] {
            let error = read(broken).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("is no list") && !error.contains("swordfish"), "{error}");
        }
    }
}
