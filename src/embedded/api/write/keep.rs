//! The store, and whoever is told of what is written to it.

use std::sync::Arc;

use serde_json::Value;

use super::Write;
use crate::embedded::api::Failure;
use crate::embedded::store::{Change, Event, Place};
use crate::embedded::world::State;

impl Write<'_> {
    pub(super) fn put(&mut self, place: &Place, mut object: Value) -> Result<Arc<Value>, Failure> {
        if self.dry {
            if object["metadata"]["resourceVersion"].is_null()
                && let Some(meta) = object["metadata"].as_object_mut()
            {
                meta.remove("resourceVersion");
            }
            return Ok(Arc::new(object));
        }
        put(self.state, place, object)
    }
}

/// Writes to the store, and tells the controllers.
pub fn put(state: &mut State, place: &Place, object: Value) -> Result<Arc<Value>, Failure> {
    let before = state.store.get(place).cloned();
    let object = state.store.put(place, object).map_err(|error| Failure::internal(format!("the write can't be kept: {error}")))?;
    let change = if before.is_some() { Change::Modified } else { Change::Added };
    let event = Event { version: state.store.version(), change, place: place.clone(), object: Arc::clone(&object), before };
    crate::embedded::control::noticed(state, &event);
    Ok(object)
}

/// Whether an object that is being deleted has nothing left that holds it.
pub(super) fn is_over(object: &Value) -> bool {
    let meta = &object["metadata"];
    let grace = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    meta["deletionTimestamp"].is_string()
        && grace == 0
        && empty(&meta["finalizers"])
        && (object["kind"] != "Namespace" || empty(&object["spec"]["finalizers"]))
}
