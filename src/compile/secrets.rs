//! Secrets: those that spai makes. External ones are referred to and never touched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::resource::Desired;

use super::context::PlaceContext;
use super::marked::Marked;

/// The Secrets of a place.
pub(super) fn objects(at: PlaceContext<'_>) -> Vec<Desired> {
    let mut objects = Vec::new();
    for secret in at.place.secrets.values() {
        let Some(values) = &secret.values else { continue };
        // Always `data`: `stringData` is write-only, and a key taken out of it would stay for ever.
        let data: Map<String, Value> =
            values.iter().map(|(key, value)| (key.clone(), Value::from(STANDARD.encode(value.reveal())))).collect();
        let mut body = Marked::default();
        if !data.is_empty() {
            body.set("data", data);
        }
        body.set("type", secret.kind.as_str());
        if secret.immutable {
            body.set("immutable", true);
        }
        if let Some(mut object) = at.object("v1", "Secret", &secret.object_name, body) {
            object.declared.object = Some(secret.origin.clone());
            objects.push(object);
        }
    }
    objects
}
