//! Takes the values of Secrets out of the server's words: validation echoes what it refuses.

use base64::Engine as _;
use serde_json::Value;

use super::ClusterError;
use crate::resource::Object;

/// What stands in place of a secret.
const MASK: &str = "(secret)";

/// Shorter values than this would make nonsense of a message (`1`), and are no secrets.
const LEAST: usize = 4;

/// The error without any value of `object`, if that is a Secret.
pub(super) fn masked(error: ClusterError, object: &Object) -> ClusterError {
    if object.kind() != "Secret" || !object.gvk().group.is_empty() {
        return error;
    }
    let values = secret_values(object.value());
    let mask = |text: String| mask_text(text, &values);
    match error {
        ClusterError::Invalid { causes, message } => {
            let causes = causes.into_iter().map(|cause| super::Cause { message: mask(cause.message), ..cause }).collect();
            ClusterError::Invalid { causes, message: mask(message) }
        }
        ClusterError::Forbidden { message } => ClusterError::Forbidden { message: mask(message) },
        ClusterError::Stale { message } => ClusterError::Stale { message: mask(message) },
        ClusterError::Conflict { ownership, message } => ClusterError::Conflict { ownership, message: mask(message) },
        ClusterError::Other { code, reason, message } => ClusterError::Other { code, reason, message: mask(message) },
        ClusterError::Unavailable { message, sent } => ClusterError::Unavailable { message: mask(message), sent },
        ClusterError::NotFound { message } => ClusterError::NotFound { message: mask(message) },
        other => other,
    }
}

/// Every form in which a value may come back: as sent, and decoded; the longest first, for one may contain another.
fn secret_values(secret: &Value) -> Vec<String> {
    let mut values = Vec::new();
    for table in ["data", "stringData"] {
        for value in secret[table].as_object().into_iter().flat_map(|map| map.values()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Ok(decoded) = base64::engine::general_purpose::STANDARD.decode(&text)
                && let Ok(decoded) = String::from_utf8(decoded)
            {
                values.push(decoded);
            }
            values.push(text);
        }
    }
    values.retain(|value| value.len() >= LEAST);
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

fn mask_text(mut text: String, values: &[String]) -> String {
    for value in values {
        text = text.replace(value.as_str(), MASK);
        // In a message, the server quotes values as Go does, which for most is as JSON does.
        let quoted = Value::from(value.as_str()).to_string();
        text = text.replace(quoted.trim_matches('"'), MASK);
    }
    // What it echoes cut short or changed: `Invalid value: "…"`.
    let Some(start) = text.find("Invalid value: ") else { return text };
    let after = start + "Invalid value: ".len();
    let end = text[after..].find(": ").map_or(text.len(), |colon| after + colon);
    text.replace_range(after..end, MASK);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_value_of_a_secret_is_in_an_error() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"k": "aHVudGVyMg=="}, "stringData": {"l": "swordfish"}});
        let object = Object::try_from(secret).unwrap();
        let message = "Secret \"s\" is invalid: data[k]: Invalid value: \"aHVudGVy…\": hunter2 and swordfish are bad".to_owned();
        let cause =
            super::super::Cause { field: "data[k]".into(), message: "Invalid value: \"aHVudGVyMg==\": bad".into(), reason: "x".into() };
        let error = masked(ClusterError::Invalid { causes: vec![cause], message }, &object);
        let text = format!("{error:?}");
        for value in ["aHVudGVy", "hunter2", "swordfish"] {
            assert!(!text.contains(value), "{text}");
        }
        assert!(text.contains("are bad"), "{text}");
    }

    #[test]
    fn other_objects_keep_the_servers_words() {
        let object =
            Object::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"k": "value"}})).unwrap();
        let error = ClusterError::Forbidden { message: "no value".into() };
        assert_eq!(masked(error.clone(), &object), error);
    }
}
