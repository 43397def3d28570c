//! A Kubernetes object as data: a JSON mapping with `apiVersion`, `kind` and `metadata.name`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::tape::Place;
use super::{GroupVersionKind, KeyRef, ObjectKey, Tape, Tree, TreeShape};

/// A SHA-256 in lower-case hex. Of canonical JSON (sorted keys), so equal values have equal digests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl Digest {
    /// The digest of a value as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        // Values and texts can always be written to memory.
        Self::of_bytes(&serde_json::to_vec(value).unwrap_or_default())
    }

    /// The digest of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// The digest of bytes that come in parts; how they are parted makes no difference.
    pub fn of_parts<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Self {
        let digest = parts.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        let digits = digest.into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        Self(digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect())
    }

    /// The first twelve digits: enough for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// The fields of metadata that are the server's alone.
pub const SERVER_METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// Why a value is no Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is a list, a string, a number, …
    #[error("a Kubernetes object is a mapping, this is {0}")]
    NotAMapping(&'static str),
    /// A field that every object has is missing or no string.
    #[error("a Kubernetes object has a `{0}`, and it is a non-empty string")]
    Missing(&'static str),
}

/// A Kubernetes object. It always has an `apiVersion`, a `kind` and a `metadata.name`.
///
/// `Debug` prints its identity alone: objects hold secrets.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Value")]
pub struct Object(Form);

#[derive(Clone)]
enum Form {
    /// To work on.
    Open(Value),
    /// To keep: a stack has thousands that nobody looks into, but to see that they are as they should be.
    Packed(Arc<Packed>),
}

struct Packed {
    tape: Tape,
    /// Asked for again and again.
    identity: Identity,
    /// The same once more, since somebody asked for it.
    value: OnceLock<Value>,
}

/// Where the texts stand that tell which object it is.
struct Identity {
    api_version: Option<Place>,
    kind: Option<Place>,
    namespace: Option<Place>,
    name: Option<Place>,
    /// Bytes of the group that its version begins with.
    group: usize,
}

fn group_length(api_version: &str) -> usize {
    api_version.rfind('/').unwrap_or_default()
}

impl Packed {
    fn of(tape: Tape) -> Self {
        let tape = tape.packed();
        let api_version = tape.find_text(&["apiVersion"]);
        let identity = Identity {
            group: api_version.map_or(0, |place| group_length(tape.text_at(place))),
            api_version,
            kind: tape.find_text(&["kind"]),
            namespace: tape.find_text(&["metadata", "namespace"]),
            name: tape.find_text(&["metadata", "name"]),
        };
        Self { tape, identity, value: OnceLock::new() }
    }

    /// One of the texts of its identity.
    fn said(&self, which: fn(&Identity) -> Option<Place>) -> Option<&str> {
        which(&self.identity).map(|place| self.tape.text_at(place))
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.key())
    }
}

impl TryFrom<Value> for Object {
    type Error = ObjectError;

    fn try_from(value: Value) -> Result<Self, ObjectError> {
        let map = match &value {
            Value::Object(map) => map,
            Value::Null => return Err(ObjectError::NotAMapping("nothing")),
            Value::Bool(_) => return Err(ObjectError::NotAMapping("a boolean")),
            Value::Number(_) => return Err(ObjectError::NotAMapping("a number")),
            Value::String(_) => return Err(ObjectError::NotAMapping("a string")),
            Value::Array(_) => return Err(ObjectError::NotAMapping("a list")),
        };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|s| !s.is_empty());
        if !text(map.get("apiVersion")) {
            return Err(ObjectError::Missing("apiVersion"));
        }
        if !text(map.get("kind")) {
            return Err(ObjectError::Missing("kind"));
        }
        if !text(map.get("metadata").and_then(|m| m.get("name"))) {
            return Err(ObjectError::Missing("metadata.name"));
        }
        Ok(Self(Form::Open(value)))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        match object.0 {
            Form::Open(value) => value,
            Form::Packed(packed) => packed.tape.tree().to_value(),
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Packed(a), Form::Packed(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.value() == other.value(),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Open(value) => value.serialize(serializer),
            Form::Packed(packed) => packed.tape.tree().serialize(serializer),
        }
    }
}

impl Object {
    /// An object of what is laid out elsewhere, packed. Items of lists don't say what they are: then it is of this version and kind.
    ///
    /// # Errors
    /// It is none.
    pub fn of_item(item: Tree<'_>, api_version: &str, kind: &str) -> Result<Self, ObjectError> {
        let TreeShape::Map(_) = item.shape() else { return Err(ObjectError::NotAMapping("something else")) };
        let packed = Packed::of(Tape::of_item(item, &[("apiVersion", api_version), ("kind", kind)]));
        for (which, name) in
            [(packed.identity.api_version, "apiVersion"), (packed.identity.kind, "kind"), (packed.identity.name, "metadata.name")]
        {
            if which.is_none_or(|place| packed.tape.text_at(place).is_empty()) {
                return Err(ObjectError::Missing(name));
            }
        }
        Ok(Self(Form::Packed(Arc::new(packed))))
    }

    /// What stands for an object that can't be read.
    pub(super) fn nothing() -> Self {
        Self(Form::Open(Value::Null))
    }

    /// The whole object. Of a packed one it is made at the first call, and kept: see [`Self::tape`].
    pub fn value(&self) -> &Value {
        match &self.0 {
            Form::Open(value) => value,
            Form::Packed(packed) => packed.value.get_or_init(|| packed.tape.tree().to_value()),
        }
    }

    /// What stands below these names; null where nothing does. Of a packed object a copy, of no more than that.
    pub fn part(&self, names: &[&str]) -> Cow<'_, Value> {
        match &self.0 {
            Form::Open(value) => names.iter().try_fold(value, |value, name| value.get(name)).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
            Form::Packed(packed) => Cow::Owned(packed.tape.tree().at(names).map_or(Value::Null, Tree::to_value)),
        }
    }

    /// The whole object, to change. Identity must stay: use it for spec, data, labels and the like.
    pub fn value_mut(&mut self) -> &mut Value {
        if let Form::Packed(packed) = &self.0 {
            self.0 = Form::Open(packed.value.get().cloned().unwrap_or_else(|| packed.tape.tree().to_value()));
        }
        match &mut self.0 {
            Form::Open(value) => value,
            Form::Packed(_) => unreachable!("it was opened above"),
        }
    }

    /// The whole object, laid out: what a packed one is.
    pub fn tape(&self) -> Cow<'_, Tape> {
        match &self.0 {
            Form::Open(value) => Cow::Owned(Tape::from(value)),
            Form::Packed(packed) => Cow::Borrowed(&packed.tape),
        }
    }

    /// Packs it: a tenth of the memory, copies for nothing; to be looked at through its [`Self::tape`].
    pub fn pack(&mut self) {
        if let Form::Open(value) = &self.0 {
            self.0 = Form::Packed(Arc::new(Packed::of(Tape::from(value))));
        }
    }

    /// The same, packed, for others to be made [with](Self::with) other texts at these places (at one, or those of a map there): they
    /// share what they have in common. Here these texts are empty.
    #[must_use]
    pub fn mould(&self, places: &[&[&str]]) -> Self {
        Self(Form::Packed(Arc::new(Packed::of(self.tape().mould(places)))))
    }

    /// The same, packed, with other values at some places that aren't within lists, as far as something is there. Identity must stay
    /// whole.
    #[must_use]
    pub fn with(&self, others: &[(&[&str], &Value)]) -> Self {
        Self(Form::Packed(Arc::new(Packed::of(self.tape().with(others)))))
    }

    /// The same, packed, with one more text within its maps, or another one there; maps that are missing are made.
    #[must_use]
    pub fn with_text(&self, path: &[&str], text: &str) -> Self {
        Self(Form::Packed(Arc::new(Packed::of(self.tape().with_text(path, text)))))
    }

    /// The texts of the map below these names, by their own.
    pub(super) fn texts(&self, names: &[&str]) -> Vec<(&str, &str)> {
        match &self.0 {
            Form::Open(value) => {
                let map = names.iter().try_fold(value, |value, name| value.get(name)).and_then(Value::as_object).into_iter().flatten();
                map.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
            }
            Form::Packed(packed) => {
                let map = packed.tape.tree().at(names).map(Tree::map).unwrap_or_default();
                map.filter_map(|(key, value)| Some((key, value.text()?))).collect()
            }
        }
    }

    /// The text below these names.
    fn text(&self, names: &[&str]) -> Option<&str> {
        match &self.0 {
            Form::Open(value) => names.iter().try_fold(value, |value, name| value.get(name))?.as_str(),
            Form::Packed(packed) => packed.tape.tree().at(names)?.text(),
        }
    }

    /// `apps/v1`.
    pub fn api_version(&self) -> &str {
        match &self.0 {
            Form::Open(value) => value["apiVersion"].as_str(),
            Form::Packed(packed) => packed.said(|identity| identity.api_version),
        }
        .unwrap_or_default()
    }

    /// `Deployment`.
    pub fn kind(&self) -> &str {
        match &self.0 {
            Form::Open(value) => value["kind"].as_str(),
            Form::Packed(packed) => packed.said(|identity| identity.kind),
        }
        .unwrap_or_default()
    }

    /// `apps`; `""` for the core group.
    pub fn group(&self) -> &str {
        let api_version = self.api_version();
        match &self.0 {
            Form::Open(_) => api_version.get(..group_length(api_version)),
            Form::Packed(packed) => api_version.get(..packed.identity.group),
        }
        .unwrap_or_default()
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version(), self.kind())
    }

    /// Its identity.
    pub fn key(&self) -> ObjectKey {
        self.key_ref().to_key()
    }

    /// Its identity, without a copy.
    pub fn key_ref(&self) -> KeyRef<'_> {
        KeyRef { group: self.group(), kind: self.kind(), namespace: self.namespace(), name: self.name() }
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Form::Open(value) => value["metadata"]["name"].as_str(),
            Form::Packed(packed) => packed.said(|identity| identity.name),
        }
        .unwrap_or_default()
    }

    /// `metadata.namespace`, if it has one.
    pub fn namespace(&self) -> Option<&str> {
        let namespace = match &self.0 {
            Form::Open(value) => value["metadata"]["namespace"].as_str(),
            Form::Packed(packed) => packed.said(|identity| identity.namespace),
        };
        namespace.filter(|namespace| !namespace.is_empty())
    }

    /// `metadata.uid`, on live objects.
    pub fn uid(&self) -> Option<&str> {
        self.meta("uid")
    }

    /// `metadata.resourceVersion`, on live objects.
    pub fn resource_version(&self) -> Option<&str> {
        self.meta("resourceVersion")
    }

    /// `metadata.generation`, where the kind has one.
    pub fn generation(&self) -> Option<i64> {
        self.value()["metadata"]["generation"].as_i64()
    }

    /// Whether its deletion has begun.
    pub fn is_being_deleted(&self) -> bool {
        self.meta("deletionTimestamp").is_some()
    }

    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.text(&["metadata", "labels", key])
    }

    /// All labels.
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        self.texts(&["metadata", "labels"]).into_iter().collect()
    }

    /// An annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.text(&["metadata", "annotations", key])
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.set_in("labels", key, value);
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_in("annotations", key, value);
    }

    /// Whether a controller owns it (controllers copy labels to what they make, so labels alone tell nothing).
    pub fn has_controller(&self) -> bool {
        self.value()["metadata"]["ownerReferences"].as_array().is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true))
    }

    /// `metadata.managedFields`, empty if there are none.
    pub fn managed_fields(&self) -> &[Value] {
        self.value()["metadata"]["managedFields"].as_array().map_or(&[], Vec::as_slice)
    }

    /// What was declared of it: without status and all that the server fills in (uid, versions, times, managed fields).
    #[must_use]
    pub fn without_server_fields(&self) -> Self {
        let mut object = self.clone();
        if let Some(root) = object.value_mut().as_object_mut() {
            root.remove("status");
            if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
                for field in SERVER_METADATA {
                    metadata.remove(*field);
                }
            }
        }
        object
    }

    /// The digest of the whole value.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    fn meta(&self, field: &str) -> Option<&str> {
        self.text(&["metadata", field])
    }

    fn set_in(&mut self, table: &str, key: &str, value: &str) {
        let Some(metadata) = self.value_mut()["metadata"].as_object_mut() else { return };
        let entry = metadata.entry(table).or_insert_with(|| Value::Object(Map::new()));
        if !entry.is_object() {
            *entry = Value::Object(Map::new());
        }
        entry[key] = Value::from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_mapping_with_an_identity_is_an_object() {
        for bad in [json!([]), json!(null), json!({}), json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": ""}})] {
            assert!(Object::try_from(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_content() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aHVudGVyMg=="}});
        let object = Object::try_from(secret).unwrap();
        assert_eq!(format!("{object:?}"), "Object(Secret s)");
    }

    #[test]
    fn an_item_is_the_object_that_its_value_would_be() {
        let item = json!({"spec": {"b": [1.5, null, true], "a": {}}, "metadata": {"name": "web", "namespace": "n"}});
        let text = r#"{"spec": {"b": [1.5, null, true], "a": {}}, "metadata": {"namespace": "n", "name": "web"}}"#;
        let tape = Tape::read(text).unwrap();
        let object = Object::of_item(tape.tree_of(text), "apps/v1", "Deployment").unwrap();
        let mut whole = item;
        whole["apiVersion"] = json!("apps/v1");
        whole["kind"] = json!("Deployment");
        let open = Object::try_from(whole).unwrap();
        assert_eq!((&object, object.digest(), object.key()), (&open, open.digest(), open.key()));
        let of = |value: &Value| Object::of_item(Tape::from(value).tree(), "v1", "X").map(|object| object.api_version().to_owned());
        assert_eq!(of(&json!({"apiVersion": "v2", "metadata": {"name": "a"}})), Ok("v2".to_owned()));
        for bad in [
            json!([]),
            json!(null),
            json!({}),
            json!({"metadata": []}),
            json!({"metadata": {"name": ""}}),
            json!({"kind": 1, "metadata": {"name": "a"}}),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_packed_object_is_what_it_was() {
        for namespace in [json!("n"), json!(""), json!(null)] {
            let open = Object::try_from(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace,
                "labels": {"a": "1", "b": 2}, "annotations": {"note": "a \"b\"\n"}, "generation": 3}, "spec": {"replicas": 2, "list": [1.5, null, true]}}))
            .unwrap();
            let mut packed = open.clone();
            packed.pack();
            packed.pack();
            assert_eq!(packed.clone().key(), open.key());
            assert_eq!((packed.gvk(), packed.group(), packed.generation()), (open.gvk(), "apps", Some(3)));
            assert_eq!((packed.labels(), packed.label("a"), packed.label("b")), (open.labels(), Some("1"), None));
            assert_eq!((packed.annotation("note"), packed.annotation("x")), (Some("a \"b\"\n"), None));
            assert_eq!((packed.digest(), serde_json::to_string(&packed).unwrap()), (open.digest(), serde_json::to_string(&open).unwrap()));
            assert_eq!((&packed, packed.value(), &Value::from(packed.clone())), (&open, open.value(), open.value()));
            let (labels, place) = (json!({"z": "9"}), json!("m"));
            let others: [(&[&str], &Value); 3] =
                [(&["metadata", "labels"], &labels), (&["metadata", "namespace"], &place), (&["metadata", "nowhere"], &labels)];
            assert_eq!((packed.with(&others).key(), packed.with(&others)), (open.with(&others).key(), open.with(&others)));
            assert_eq!((open.with(&others).namespace(), open.with(&others).label("z")), (Some("m"), Some("9")));
            let set = packed.with_text(&["spec", "more", "text"], "x");
            assert_eq!(
                (set.key(), &set.value()["spec"]),
                (open.key(), &json!({"replicas": 2, "list": [1.5, null, true], "more": {"text": "x"}}))
            );
            assert_eq!(set.with_text(&["spec", "more", "text"], "y").value()["spec"]["more"], json!({"text": "y"}));
            packed.set_label("c", "3");
            assert_eq!((packed.label("c"), packed == open), (Some("3"), false));
        }
    }
}
