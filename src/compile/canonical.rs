//! Values as the API server stores them: amounts in canonical form, Secrets as `data`, nothing that would vanish.
//!
//! Built-in kinds only. A custom resource's texts stay as they are written: its own schema says what they are, and a text
//! that looks like an amount is stored as a text there.

use crate::resource::{Diagnostic, Diagnostics, Object, Origin, PathElement};
use crate::schema::{BuiltIn, Malformed, MalformedValue, canonical};

/// Writes an object's values as the API server stores them.
pub(super) fn settle(object: &mut Object, known: &BuiltIn, origin: Option<&Origin>, diagnostics: &mut Diagnostics) {
    let gvk = object.gvk();
    let Some(kind) = known.kind(&gvk).filter(|_| is_built_in(&gvk.group)) else { return };
    for malformed in canonical(object.value_mut(), kind) {
        diagnostics.push(refusal(object, &malformed, origin));
    }
}

/// What the server would say of a value; never a secret one.
fn refusal(object: &Object, malformed: &Malformed, origin: Option<&Origin>) -> Diagnostic {
    let (key, error) = (object.key(), &malformed.error);
    let written = malformed
        .path
        .get(object.value())
        .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match error {
        MalformedValue::Quantity(error) => Diagnostic::error("compile::quantity", format!("{key}: {error}"))
            .at_maybe(origin, format!("`{written}` stands in this object"))
            .help("write an amount like `500m`, `2`, `256Mi` or `1.5Gi`"),
        MalformedValue::Base64 => {
            let names: Vec<&str> = malformed.path.0.iter().filter_map(name_of).collect();
            let what = match names[..] {
                [table, name] => format!("the value of `{name}` in `{table}`"),
                _ => format!("`{}`", malformed.path),
            };
            let help = match names.first() {
                Some(&"data") if object.kind() == "Secret" => "encode it (`base64`), or write it as it is under `stringData`",
                _ => "encode it (`base64`)",
            };
            Diagnostic::error("compile::not_base64", format!("{key}: {what} is not base64")).at_maybe(origin, "this object").help(help)
        }
        MalformedValue::Time(_) => Diagnostic::error("compile::time", format!("{key}: {}: {error}", malformed.path))
            .at_maybe(origin, "this object")
            .help("times are in UTC, or say how far they are from it: `2026-01-02T15:04:05+01:00`"),
    }
}

fn name_of(element: &PathElement) -> Option<&str> {
    match element {
        PathElement::Field(name) => Some(name),
        _ => None,
    }
}

/// Whether Kubernetes itself serves the group.
pub(super) fn is_built_in(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy" | "extensions")
        || (group.ends_with(".k8s.io")
            && matches!(
                group.trim_end_matches(".k8s.io"),
                "admissionregistration"
                    | "apiextensions"
                    | "apiregistration"
                    | "authentication"
                    | "authorization"
                    | "certificates"
                    | "coordination"
                    | "discovery"
                    | "events"
                    | "flowcontrol.apiserver"
                    | "internal.apiserver"
                    | "networking"
                    | "node"
                    | "rbac.authorization"
                    | "resource"
                    | "scheduling"
                    | "storage"
                    | "storagemigration"
            ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::{Minor, built_in};

    fn settled(value: Value) -> (Value, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let mut object = Object::try_from(value).unwrap();
        settle(&mut object, built_in(Minor::new(36)), None, &mut diagnostics);
        (object.value().clone(), diagnostics)
    }

    #[test]
    fn amounts_of_built_in_kinds_are_written_as_they_are_stored() {
        let (value, diagnostics) = settled(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {}},
            "spec": {"template": {"spec": {
                "containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.5}}}],
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1.5Gi"}}, {"name": "w", "emptyDir": {}}]}}},
        }));
        let pod = &value["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["resources"], json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}));
        assert_eq!(pod["volumes"][0]["emptyDir"]["sizeLimit"], "1536Mi");
        assert_eq!(pod["volumes"][1]["emptyDir"], json!({}), "an empty emptyDir means something");
        assert!(value["metadata"].get("labels").is_none());
        assert_eq!(diagnostics, Diagnostics::default());
    }

    #[test]
    fn a_custom_resource_keeps_its_texts() {
        let given = json!({"apiVersion": "example.dev/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"spec": {"overhead": {"cpu": "1000m"}}}}});
        assert_eq!(settled(given.clone()).0, given);
    }

    #[test]
    fn secrets_are_sent_as_data() {
        let (value, _) = settled(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "aHVu\ndGVyMg=="}, "stringData": {"b": "hunter2"},
        }));
        assert_eq!(value["data"], json!({"a": "aHVudGVyMg==", "b": "aHVudGVyMg=="}));
        assert!(value.get("stringData").is_none());
        let (_, diagnostics) = settled(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "s3cret!"}}));
        assert_eq!(diagnostics.0[0].code, "compile::not_base64");
        assert!(!format!("{diagnostics:?}").contains("s3cret"), "no secret in an error");
    }
}
