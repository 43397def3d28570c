//! Objects in the versions that managers wrote them in: each owns fields as they are called there.

use std::borrow::Cow;

use serde_json::Value;

use super::{Converted, Refused, Writer};
use crate::merge::typed::{Duplicates, validate};
use crate::schema::TypeRef;

/// An object in one version, and its type there.
#[derive(Clone)]
pub(super) struct Versioned<'o, 's> {
    pub object: Cow<'o, Value>,
    pub of: TypeRef<'s>,
}

/// Why an object can't be had in another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unconverted {
    /// The server fails at it, in these words.
    Fails(String),
    /// Only the server can tell what it is in this one.
    Unknown(String),
}

impl Unconverted {
    /// At what the server fails.
    pub fn at(self, what: &str) -> Self {
        match self {
            Self::Fails(words) => Self::Fails(format!("{what}: {words}")),
            unknown @ Self::Unknown(_) => unknown,
        }
    }
}

impl From<Unconverted> for Refused {
    fn from(unconverted: Unconverted) -> Self {
        match unconverted {
            Unconverted::Fails(words) => Self::Conversion(words),
            Unconverted::Unknown(version) => Self::Unknown(version),
        }
    }
}

impl<'o, 's> Versioned<'o, 's> {
    /// An object in the version of the write at hand.
    pub fn written(object: &'o Value, by: &Writer<'s>) -> Self {
        Self { object: Cow::Borrowed(object), of: by.of }
    }

    /// The same object in another version. None: there is no such version.
    pub fn to(&self, version: &str, by: &Writer<'s>) -> Result<Option<Versioned<'_, 's>>, Unconverted> {
        if self.object["apiVersion"] == version {
            return Ok(Some(Versioned { object: Cow::Borrowed(&self.object), of: self.of }));
        }
        match (by.convert)(&self.object, version) {
            // What it was in one version may not be of its type in another, where nothing may be there twice either.
            Converted::Object(object, of) => match validate(of, &object, Duplicates::Refused) {
                Ok(()) => Ok(Some(Versioned { object: Cow::Owned(object), of })),
                Err(errors) => Err(Unconverted::Fails(errors.to_string())),
            },
            Converted::Missing => Ok(None),
            Converted::Fails(words) => Err(Unconverted::Fails(words)),
            Converted::Unknown => Err(Unconverted::Unknown(version.to_owned())),
        }
    }

    /// For as long as one likes.
    pub fn into_owned(self) -> Versioned<'static, 's> {
        Versioned { object: Cow::Owned(self.object.into_owned()), of: self.of }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;
    use crate::merge::{FieldSet, Merged, apply, update};
    use crate::resource::GroupVersionKind;
    use crate::schema::Definition;

    /// A kind whose v2 has a field that its v1 hasn't, and a set that is a plain list in v1.
    static DEFINITION: LazyLock<Definition> = LazyLock::new(|| {
        let version = |name: &str, more: Value| {
            let mut spec = json!({"a": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}});
            for (name, of) in more.as_object().unwrap() {
                spec[name] = of.clone();
            }
            let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}});
            json!({"name": name, "served": true, "storage": name == "v2", "schema": {"openAPIV3Schema": schema}})
        };
        let wide =
            json!({"extra": {"type": "string"}, "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}});
        Definition::read(&json!({"kind": "CustomResourceDefinition", "spec": {"group": "e", "scope": "Namespaced",
            "names": {"kind": "T", "plural": "ts"}, "versions": [version("v1", json!({})), version("v2", wide)]}}))
        .unwrap()
    });

    fn of(version: &str) -> TypeRef<'static> {
        DEFINITION.schema.kind(&GroupVersionKind::from_api_version(version, "T")).unwrap()
    }

    fn by_name(object: &Value, to: &str) -> Converted<'static> {
        Converted::by_name(object, to, of(to))
    }

    type Convert<'c> = &'c dyn Fn(&Value, &str) -> Converted<'c>;

    fn by<'a>(manager: &'a str, version: &str, convert: Convert<'a>) -> Writer<'a> {
        static NOTHING: FieldSet = FieldSet::EMPTY;
        Writer { of: of(version), manager, subresource: None, reset: &NOTHING, time: "2026-01-01T00:00:00Z", convert }
    }

    fn in_version(object: &Merged, version: &str) -> Value {
        let mut object = object.object.clone();
        object["apiVersion"] = version.into();
        object["metadata"]["uid"] = "u".into();
        object
    }

    fn written(version: &str, spec: Value) -> Value {
        json!({"apiVersion": version, "kind": "T", "metadata": {"name": "x"}, "spec": spec})
    }

    #[test]
    fn who_applied_in_another_version_keeps_its_fields_in_its_own_words() {
        let first = apply(None, &written("e/v1", json!({"a": "1", "tags": ["x"]})), &by("ann", "e/v1", &by_name), false).unwrap();
        let live = in_version(&first, "e/v2");
        let bob = by("bob", "e/v2", &by_name);
        // In v1 the list is one value, and bob's item makes it another; in v2 it is an item more.
        let refused = apply(Some(&live), &written("e/v2", json!({"tags": ["y"]})), &bob, false).unwrap_err();
        assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"ann\": .spec.tags");
        let both = apply(Some(&live), &written("e/v2", json!({"tags": ["y"]})), &bob, true).unwrap();
        assert_eq!(both.object["spec"]["tags"], json!(["x", "y"]));
        let entries = both.object["metadata"]["managedFields"].as_array().unwrap();
        let fields: Vec<_> = entries.iter().map(|entry| (&entry["apiVersion"], &entry["fieldsV1"])).collect();
        assert_eq!(
            fields,
            [(&json!("e/v1"), &json!({"f:spec": {"f:a": {}}})), (&json!("e/v2"), &json!({"f:spec": {"f:tags": {"v:\"y\"": {}}}}))]
        );
        // What she lost by that she doesn't take along when she gives up the rest.
        let mut ann = both.object.clone();
        ann["apiVersion"] = "e/v1".into();
        let left = apply(Some(&ann), &written("e/v1", json!({})), &by("ann", "e/v1", &by_name), false).unwrap();
        assert_eq!(left.object["spec"], json!({"tags": ["x", "y"]}));
    }

    #[test]
    fn what_another_version_hasnt_refuses_an_apply_and_ends_the_record_of_an_update() {
        let first = apply(None, &written("e/v1", json!({"a": "1"})), &by("ann", "e/v1", &by_name), false).unwrap();
        let live = in_version(&first, "e/v2");
        let wanted = written("e/v2", json!({"a": "1", "extra": "1"}));
        let bob = by("bob", "e/v2", &by_name);
        let refused = apply(Some(&live), &wanted, &bob, true).unwrap_err();
        assert_eq!(refused.to_string(), "failed to convert new object: .spec.extra: field not declared in schema");
        let mut new = live.clone();
        new["spec"]["extra"] = "1".into();
        assert_eq!(update(Some(&live), &new, &bob).unwrap().object["metadata"].get("managedFields"), None);
    }

    #[test]
    fn a_version_that_is_gone_is_forgotten_and_one_that_isnt_known_is_the_servers_to_tell() {
        let first = apply(None, &written("e/v1", json!({"a": "1"})), &by("ann", "e/v1", &|_, _| Converted::Unknown), false);
        let live = in_version(&first.unwrap(), "e/v2");
        let wanted = written("e/v2", json!({"a": "2"}));
        let applied = |convert: Convert<'_>| apply(Some(&live), &wanted, &by("bob", "e/v2", convert), false);
        let entries = applied(&|_, _| Converted::Missing).unwrap().object["metadata"]["managedFields"].clone();
        assert_eq!(entries.as_array().unwrap().iter().map(|entry| &entry["manager"]).collect::<Vec<_>>(), ["bob"]);
        assert_eq!(applied(&|_, _| Converted::Unknown).unwrap_err(), Refused::Unknown("e/v1".to_owned()));
        let fails = applied(&|_, to| Converted::Fails(format!("no {to}")));
        assert_eq!(fails.unwrap_err(), Refused::Conversion("no e/v1".to_owned()));
    }
}
