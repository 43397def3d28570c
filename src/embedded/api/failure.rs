//! What a request is refused with: a `Status`, in the server's own words, for people and tools go by them.

use serde_json::{Value, json};

use super::super::catalog::Resource;

/// A refusal.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The HTTP code.
    pub code: u16,
    /// `NotFound`, `Conflict`, … Empty where the server gives none.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Option<Value>,
}

/// One thing that is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `FieldValueRequired`, …
    pub reason: &'static str,
    /// `spec.ports[0].port`.
    pub field: String,
    /// What is wrong, with the kind of error before it.
    pub message: String,
}

impl FieldError {
    /// It must be there.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueRequired", field: field.into(), message: with("Required value", detail) }
    }

    /// Its value won't do.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self { reason: "FieldValueInvalid", field: field.into(), message: with(&format!("Invalid value: {}", shown(value)), detail) }
    }

    /// It isn't among the values there are.
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let known: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), known.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    /// It is there twice.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueDuplicate", field: field.into(), message: format!("Duplicate value: {}", shown(value)) }
    }

    /// It may not be.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: with("Forbidden", detail) }
    }

    /// What it refers to isn't there.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", field: field.into(), message: format!("Not found: {}", shown(value)) }
    }

    /// It has the wrong type.
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self { reason: "FieldValueTypeInvalid", field: field.into(), message: with(&format!("Invalid value: {}", shown(value)), detail) }
    }

    fn cause(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

fn with(what: &str, detail: &str) -> String {
    if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") }
}

fn shown(value: &Value) -> String {
    value.to_string()
}

impl Failure {
    fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// Nobody known asks.
    pub fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    /// There is no such object.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self { details: Some(resource.details(name)), ..Self::plain(404, "NotFound", message) }
    }

    /// Nothing is served at this path.
    pub fn no_such_path() -> Self {
        Self { details: Some(json!({})), ..Self::plain(404, "NotFound", "the server could not find the requested resource") }
    }

    /// It is there already.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self { details: Some(resource.details(name)), ..Self::plain(409, "AlreadyExists", message) }
    }

    /// It changed meanwhile, or isn't the one that was meant.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self { details: Some(resource.details(name)), ..Self::plain(409, "Conflict", message) }
    }

    /// It may not be done.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", resource.qualified())
        } else {
            format!("{} \"{name}\" is forbidden: {why}", resource.qualified())
        };
        Self { details: Some(resource.details(name)), ..Self::plain(403, "Forbidden", message) }
    }

    /// The verb isn't served here.
    pub fn method_not_allowed() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::plain(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    /// None of the forms that are asked for can be given.
    pub fn not_acceptable(accepted: &str) -> Self {
        Self::plain(406, "NotAcceptable", format!("only the following media types are accepted: {accepted}"))
    }

    /// The body has a form that isn't read here.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self { details: None, ..Self::plain(415, "UnsupportedMediaType", message) }
    }

    /// What was asked for is of a moment that is no longer known.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::plain(410, "Expired", message)
    }

    /// Something broke here.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let details = json!({"causes": [{"message": message}]});
        Self { details: Some(details), ..Self::plain(500, "InternalError", format!("Internal error occurred: {message}")) }
    }

    /// Fields that won't do.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut shown: Vec<String> = Vec::new();
        for error in errors {
            let text = format!("{}: {}", error.field, error.message);
            if !shown.contains(&text) {
                shown.push(text);
            }
        }
        let list = if shown.len() == 1 { shown.concat() } else { format!("[{}]", shown.join(", ")) };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut details = json!({"name": name, "group": group, "kind": kind});
        trim(&mut details);
        if !errors.is_empty() {
            details["causes"] = errors.iter().map(FieldError::cause).collect();
        }
        Self { details: Some(details), ..Self::plain(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {list}")) }
    }

    /// Other managers own fields with other values.
    pub fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        Self { details: Some(json!({"causes": causes})), ..Self::plain(409, "Conflict", message) }
    }

    /// As the answer's body.
    pub fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason});
        if self.reason.is_empty()
            && let Some(status) = status.as_object_mut()
        {
            status.remove("reason");
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status["code"] = self.code.into();
        status
    }
}

/// Go leaves empty texts out.
pub fn trim(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
}
