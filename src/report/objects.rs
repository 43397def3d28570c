//! Objects as files: `spai render`.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::resource::{Desired, FieldPath, Object, ObjectKey};
use crate::stack::parallel::side_by_side;

use super::yaml::write_yaml;

/// What stands in place of a secret value.
pub const MASK: &str = "(secret)";

/// So many objects are written by one hand at a time.
const BATCH: usize = 128;

/// An object as it would be applied, its secret values masked unless they shall be seen.
pub fn rendered(desired: &Desired, reveal: bool) -> Cow<'_, Object> {
    let object = &desired.object;
    let is_secret = object.kind() == "Secret" && object.group().is_empty();
    if reveal || (!is_secret && desired.sensitive.is_empty()) {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    mask(object.value_mut(), is_secret, &desired.sensitive);
    Cow::Owned(object)
}

/// An object's value with what may be secret masked.
pub fn masked(object: &Object) -> Value {
    let mut value = object.value().clone();
    mask(&mut value, object.kind() == "Secret", &[]);
    value
}

fn mask(value: &mut Value, is_secret: bool, sensitive: &[FieldPath]) {
    if is_secret {
        for field in ["data", "stringData"] {
            for secret in value[field].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
                *secret = MASK.into();
            }
        }
        // Indexing a missing field to write makes a null of it.
        if let Some(map) = value.as_object_mut() {
            map.retain(|key, value| !(value.is_null() && (key == "data" || key == "stringData")));
        }
    }
    for path in sensitive {
        if let Some(secret) = path.get_mut(value) {
            *secret = MASK.into();
        }
    }
}

/// A stream of documents, each with the line that made it; in parts, in their order.
pub fn stream(objects: &[&Desired], reveal: bool) -> Vec<String> {
    let batches: Vec<&[&Desired]> = objects.chunks(BATCH).collect();
    side_by_side(batches.len(), 4, |index| {
        let mut text = String::new();
        for desired in batches[index] {
            text.push_str("---\n");
            write_document(&mut text, desired, reveal);
        }
        text
    })
}

/// One document, with the line that made it.
pub fn document(desired: &Desired, reveal: bool) -> String {
    let mut text = String::new();
    write_document(&mut text, desired, reveal);
    text
}

fn write_document(text: &mut String, desired: &Desired, reveal: bool) {
    if let Some(origin) = &desired.declared.object {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {}", super::visible_line(&origin.to_string()));
    }
    write_yaml(text, rendered(desired, reveal).tape().tree());
}

/// A list that kubectl reads.
pub fn list(objects: &[&Desired], reveal: bool) -> Value {
    let items: Vec<Cow<'_, Object>> = objects.iter().map(|desired| rendered(desired, reveal)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The file that an object is written to: `acme/deployment.apps-backend.yaml`; cluster-scoped ones stand in `cluster`.
pub fn file_name(key: &ObjectKey) -> String {
    // Names of RBAC objects may hold `:` and the like, and names come from files: nothing of them may leave the folder.
    let safe = |text: &str| {
        let text: String =
            text.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c.to_string() } else { format!("%{:02x}", u32::from(c)) }
                })
                .collect();
        if text.chars().all(|c| c == '.') { text.replace('.', "%2e") } else { text }
    };
    let folder = key.namespace.as_deref().map_or_else(|| "_cluster".to_owned(), safe);
    format!("{folder}/{}-{}.yaml", safe(&key.group_kind().to_string().to_lowercase()), safe(&key.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Desired {
        let object =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": {"k": "aHVudGVyMg=="}});
        Desired::new(Object::try_from(object).unwrap(), None)
    }

    #[test]
    fn secrets_are_masked_unless_they_shall_be_seen() {
        let secret = secret();
        assert!(!stream(&[&secret], false).concat().contains("aHVudGVyMg"));
        assert!(stream(&[&secret], false).concat().contains("k: \"(secret)\""));
        assert!(stream(&[&secret], true).concat().contains("k: aHVudGVyMg=="));
        let mut plain = Desired::new(
            Object::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "x", "b": "y"}}))
                .unwrap(),
            None,
        );
        plain.sensitive = vec![FieldPath::fields(&["data", "a"])];
        assert_eq!(rendered(&plain, false).value()["data"], json!({"a": MASK, "b": "y"}));
    }

    #[test]
    fn file_names_stay_in_the_folder() {
        assert_eq!(file_name(&ObjectKey::new("apps", "Deployment", Some("acme"), "web")), "acme/deployment.apps-web.yaml");
        assert_eq!(file_name(&ObjectKey::new("", "Namespace", None, "acme")), "_cluster/namespace-acme.yaml");
        let hostile = file_name(&ObjectKey::new("", "Role", Some(".."), "a/../../b:c"));
        assert_eq!(hostile, "%2e%2e/role-a%2f..%2f..%2fb%3ac.yaml");
    }
}
