//! ConfigMaps and Secrets.

use serde_json::Value;

use super::text;
use crate::embedded::api::FieldError;
use crate::embedded::rules::config_key;

/// What the types of Secrets must have.
const KEYS: [(&str, &[&str]); 4] = [
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

pub(super) fn check(kind: &str, object: &Value, errors: &mut Vec<FieldError>) {
    for field in ["data", "binaryData"] {
        for key in object[field].as_object().into_iter().flatten().map(|(key, _)| key) {
            let at = format!("{field}[{key}]");
            errors.extend(config_key(key).iter().map(|problem| FieldError::invalid(at.clone(), &key.as_str().into(), problem)));
            if field == "data" && !object["binaryData"][key].is_null() {
                errors.push(FieldError::invalid(at, &key.as_str().into(), "duplicate of key present in binaryData"));
            }
        }
    }
    if kind == "Secret" {
        let required = KEYS.iter().find(|(of, _)| *of == text(&object["type"])).map_or(&[][..], |(_, keys)| keys);
        for key in required.iter().filter(|key| object["data"][**key].is_null()) {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
}
