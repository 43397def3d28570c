//! A write by somebody, as data: it can be sent, predicted, left out and made smaller.

use serde_json::Value;

/// A write.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who.
    pub manager: &'static str,
    /// In which version of the kind.
    pub version: &'static str,
    /// What.
    pub write: Write,
}

/// What is written, and how.
#[derive(Clone, Debug)]
pub enum Write {
    /// Server-side apply of a configuration.
    Apply { configuration: Value, force: bool },
    /// POST of an object, PUT of the live one with these changes (as a merge patch); with the live managedFields, or without.
    Put { changes: Value, with_managers: bool },
    /// A merge patch.
    Merge(Value),
    /// The same as a JSON patch of the fields at the top.
    JsonPatch(Value),
    /// The same as a strategic merge patch.
    Strategic(Value),
    /// A merge patch of the status.
    Status(Value),
    /// Server-side apply of the status.
    ApplyStatus { configuration: Value, force: bool },
    /// A number of replicas, through `/scale`.
    Scale(i64),
    /// managedFields made empty: `[{}]`.
    ForgetManagers,
}

/// RFC 7386.
pub fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Some(changes) = patch.as_object() else { return patch.clone() };
    let mut result = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            result.remove(name);
        } else {
            let merged = merge_patch(result.get(name).unwrap_or(&Value::Null), change);
            result.insert(name.clone(), merged);
        }
    }
    Value::Object(result)
}
