//! The little of protobuf that kubectl sends without being asked: reviews of rights. Everything else is JSON here, and clients
//! that are told so by an answer's type speak it.

use serde_json::{Map, Value, json};

use crate::cluster::protobuf::{Fields, MAGIC, Wire};

/// A review in Kubernetes' protobuf, as JSON.
pub(super) fn review(bytes: &[u8]) -> Option<Value> {
    let envelope = fields(bytes.strip_prefix(MAGIC)?)?;
    let type_meta = fields(find(&envelope, 1)?)?;
    let (api_version, kind) = (text(find(&type_meta, 1)?)?, text(find(&type_meta, 2)?)?);
    let object = fields(find(&envelope, 2)?)?;
    let spec = find(&object, 2).map_or_else(|| Some(Vec::new()), fields)?;
    let spec = match kind {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => access(&spec)?,
        "SelfSubjectRulesReview" => json!({"namespace": find(&spec, 1).and_then(text)?}),
        "SelfSubjectReview" => json!({}),
        _ => return None,
    };
    let mut spec = spec;
    if kind.starts_with("Subject") || kind.starts_with("Local") {
        spec["user"] = find(&spec_fields(&object)?, 3).and_then(text).unwrap_or_default().into();
    }
    Some(json!({"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec}))
}

fn spec_fields<'b>(object: &[(usize, &'b [u8])]) -> Option<Vec<(usize, &'b [u8])>> {
    fields(find(object, 2)?)
}

fn access(spec: &[(usize, &[u8])]) -> Option<Value> {
    const RESOURCE: [(usize, &str); 7] =
        [(1, "namespace"), (2, "verb"), (3, "group"), (4, "version"), (5, "resource"), (6, "subresource"), (7, "name")];
    const PATH: [(usize, &str); 2] = [(1, "path"), (2, "verb")];
    let read = |bytes: &[u8], names: &[(usize, &str)]| {
        let found = fields(bytes)?;
        let pairs = names.iter().filter_map(|(number, name)| Some(((*name).to_owned(), Value::from(text(find(&found, *number)?)?))));
        Some(Value::Object(pairs.collect::<Map<_, _>>()))
    };
    let mut out = json!({});
    if let Some(bytes) = find(spec, 1) {
        out["resourceAttributes"] = read(bytes, &RESOURCE)?;
    }
    if let Some(bytes) = find(spec, 2) {
        out["nonResourceAttributes"] = read(bytes, &PATH)?;
    }
    Some(out)
}

fn find<'b>(fields: &[(usize, &'b [u8])], number: usize) -> Option<&'b [u8]> {
    fields.iter().rev().find(|(known, _)| *known == number).map(|(_, bytes)| *bytes)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The fields of a message that have a length; numbers are passed over.
fn fields(message: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let mut found = Vec::new();
    for field in Fields::of(message) {
        if let (number, Wire::Bytes(bytes)) = field? {
            found.push((number, bytes));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        out.extend(content);
        out
    }

    #[test]
    fn a_review_of_rights_is_read() {
        let attributes = [field(1, b"ns"), field(2, b"get"), field(3, b"apps"), field(5, b"deployments")].concat();
        let object = [field(1, b""), field(2, &field(1, &attributes))].concat();
        let meta = [field(1, b"authorization.k8s.io/v1"), field(2, b"SelfSubjectAccessReview")].concat();
        let bytes = [b"k8s\0".to_vec(), field(1, &meta), field(2, &object)].concat();
        let review = review(&bytes).unwrap();
        assert_eq!(
            review["spec"]["resourceAttributes"],
            json!({"namespace": "ns", "verb": "get", "group": "apps", "resource": "deployments"})
        );
        assert!(super::review(b"k8s\0\xff\xff").is_none());
    }
}
