//! Reads the server's ownership conflicts: who owns which field since when, from a sentence and a path.

use std::collections::BTreeMap;

use serde_json::Value;

use super::OwnershipConflict;
use super::error::RawCause;
use crate::resource::{FieldPath, PathElement};

/// A cause of a 409 like `conflict with "kubectl-edit" using apps/v1 at 2026-11-20T14:02:07Z`, with the field
/// `.spec.template.spec.containers[name="app"].image`.
pub(super) fn conflict(cause: &RawCause) -> Option<OwnershipConflict> {
    if cause.reason != "FieldManagerConflict" {
        return None;
    }
    let rest = cause.message.strip_prefix("conflict with ")?;
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let manager = stream.next()?.ok()?;
    let rest = &rest[stream.byte_offset()..];
    let since = rest.rsplit_once(" at ").map(|(_, time)| time.trim().to_owned());
    Some(OwnershipConflict { manager, since, path: path(&cause.field)? })
}

/// A path as structured-merge-diff prints it: `.f`, `[k="v",n=80]`, `[="x"]`, `[3]`.
///
/// It prints names of fields without quotes, so a label's `.metadata.labels.app.kubernetes.io/name` is ambiguous. The
/// maps with free keys of metadata and of ConfigMaps and the like are known to end such a path.
pub(super) fn path(text: &str) -> Option<FieldPath> {
    let mut elements = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (element, after) = bracket(inner)?;
            elements.push(element);
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if ends_in_free_keys(&elements) {
            elements.push(PathElement::Field(rest.to_owned()));
            break;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        elements.push(PathElement::Field(rest[..end].to_owned()));
        rest = &rest[end..];
    }
    (!elements.is_empty()).then_some(FieldPath(elements))
}

/// Maps whose keys people choose, and whose values have no further fields.
fn ends_in_free_keys(elements: &[PathElement]) -> bool {
    let [.., parent, PathElement::Field(name)] = elements else {
        return matches!(elements, [PathElement::Field(root)] if ["data", "stringData", "binaryData"].contains(&root.as_str()));
    };
    let PathElement::Field(parent) = parent else { return false };
    match name.as_str() {
        "labels" | "annotations" => parent == "metadata",
        "matchLabels" | "nodeSelector" | "hard" | "limits" | "requests" | "default" | "defaultRequest" | "max" | "min" => true,
        "selector" => parent == "spec",
        _ => false,
    }
}

/// What stands after `[`: keys, a set's value or an index; and what follows the `]`.
fn bracket(inner: &str) -> Option<(PathElement, &str)> {
    if let Some(value) = inner.strip_prefix('=') {
        let (value, after) = json(value)?;
        return Some((PathElement::Value(value), after.strip_prefix(']')?));
    }
    let digits = inner.find(|c: char| !c.is_ascii_digit()).unwrap_or(inner.len());
    if digits > 0 && inner[digits..].starts_with(']') {
        return Some((PathElement::Index(inner[..digits].parse().ok()?), &inner[digits + 1..]));
    }
    let mut keys = BTreeMap::new();
    let mut rest = inner;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = json(after)?;
        keys.insert(name.to_owned(), value);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((PathElement::Key(keys), after.strip_prefix(']')?)),
        }
    }
}

fn json(text: &str) -> Option<(Value, &str)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = stream.next()?.ok()?;
    Some((value, &text[stream.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(message: &str, field: &str) -> RawCause {
        RawCause { reason: "FieldManagerConflict".into(), message: message.into(), field: field.into() }
    }

    #[test]
    fn a_conflict_says_who_since_when_and_where() {
        let c = conflict(&cause(
            r#"conflict with "kubectl-edit" using apps/v1 at 2026-11-20T14:02:07Z"#,
            r#".spec.template.spec.containers[name="app"].image"#,
        ))
        .unwrap();
        assert_eq!((c.manager.as_str(), c.since.as_deref()), ("kubectl-edit", Some("2026-11-20T14:02:07Z")));
        assert_eq!(c.path, "spec.template.spec.containers[app].image".parse().unwrap());
        let c = conflict(&cause(r#"conflict with "spai:a:b" using v1"#, ".data.key.with.dots")).unwrap();
        assert_eq!((c.manager.as_str(), c.since), ("spai:a:b", None));
        assert_eq!(c.path.to_string(), r#"data["key.with.dots"]"#);
        assert!(conflict(&RawCause { reason: "Other".into(), ..cause("x", ".y") }).is_none());
    }

    #[test]
    fn paths_of_structured_merge_diff_are_read() {
        for (text, shown) in [
            (".spec.replicas", "spec.replicas"),
            (r#".spec.ports[port=80,protocol="TCP"].nodePort"#, "spec.ports[80].nodePort"),
            (
                r#".spec.template.spec.containers[name="a]b"].ports[containerPort=8080,protocol="UDP"]"#,
                "spec.template.spec.containers[a]b].ports[containerPort=8080,protocol=UDP]",
            ),
            (r#".metadata.finalizers[="a/b"]"#, r#"metadata.finalizers[="a/b"]"#),
            (".spec.rules[3].host", "spec.rules[3].host"),
            (".metadata.labels.app.kubernetes.io/name", r#"metadata.labels["app.kubernetes.io/name"]"#),
            (".spec.template.metadata.annotations.a.b/c", r#"spec.template.metadata.annotations["a.b/c"]"#),
            (".spec.hard.requests.cpu", r#"spec.hard["requests.cpu"]"#),
            (".spec", "spec"),
        ] {
            assert_eq!(path(text).map(|p| p.to_string()).as_deref(), Some(shown), "{text}");
        }
        for bad in ["", ".", "[", ".a[", ".a[b]", ".a[b=]", ".a[b=1"] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
