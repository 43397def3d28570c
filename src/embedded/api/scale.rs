//! The scale subresource: how many replicas there are to be, of whatever kind.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::Admission;
use super::answer::Reply;
use super::patch::{json_patch, merge_patch};
use super::write::Patch;
use super::{Failure, FieldError, Part, Write};
use crate::embedded::catalog::Resource;
use crate::embedded::store::Place;
use crate::resource::{FieldPath, PathElement};

/// Where a kind keeps what a scale shows.
struct Paths {
    spec: String,
    status: String,
    selector: Option<String>,
}

fn paths(write: &Write<'_>) -> Paths {
    if let Some(custom) = write.state.definitions.scale(&write.resource) {
        return Paths { spec: custom.0, status: custom.1, selector: custom.2 };
    }
    Paths { spec: ".spec.replicas".to_owned(), status: ".status.replicas".to_owned(), selector: None }
}

fn at<'v>(object: &'v Value, path: &str) -> &'v Value {
    path.split('.').filter(|part| !part.is_empty()).fold(object, |at, part| &at[part])
}

/// A kind's object as a scale.
fn show(object: &Value, paths: &Paths) -> Value {
    let meta = &object["metadata"];
    let mut kept = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if !meta[field].is_null() {
            kept.insert(field.to_owned(), meta[field].clone());
        }
    }
    let wanted = at(object, &paths.spec).as_i64().unwrap_or(0);
    let mut spec = json!({});
    if wanted != 0 {
        spec["replicas"] = wanted.into();
    }
    let mut status = json!({"replicas": at(object, &paths.status).as_i64().unwrap_or(0)});
    let selector = match &paths.selector {
        Some(path) => at(object, path).as_str().unwrap_or_default().to_owned(),
        None => selector_text(&object["spec"]["selector"]),
    };
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": spec, "status": status})
}

fn selector_text(selector: &Value) -> String {
    let labels = if selector["matchLabels"].is_object() { &selector["matchLabels"] } else { selector };
    let pairs = labels.as_object().into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// GET.
pub(super) fn get(write: &Write<'_>, place: &Place) -> Result<Reply, Failure> {
    let object = write.live(place)?.ok_or_else(|| Failure::not_found(&write.resource, &place.name))?;
    Ok(Reply::json(show(&object, &paths(write))))
}

/// PUT.
pub(super) fn replace(write: &mut Write<'_>, place: &Place, scale: &Value) -> Result<Reply, Failure> {
    let old = write.live(place)?.ok_or_else(|| Failure::not_found(&write.resource, &place.name))?;
    let paths = paths(write);
    set(write, place, &old, scale, &paths, None)
}

/// PATCH.
pub(super) fn patch(write: &mut Write<'_>, place: &Place, patch: &Patch) -> Result<Reply, Failure> {
    let old = write.live(place)?.ok_or_else(|| Failure::not_found(&write.resource, &place.name))?;
    let paths = paths(write);
    let mut scale = show(&old, &paths);
    match patch {
        Patch::Merge(change) | Patch::Strategic(change) => merge_patch(&mut scale, change),
        Patch::Json(operations) => {
            scale = json_patch(&scale, operations).map_err(|error| Failure::bad_request(format!("{error:?}")))?;
        }
        Patch::Apply { config, force } => {
            if let Some(replicas) = config["spec"].get("replicas") {
                scale["spec"]["replicas"] = replicas.clone();
            }
            for field in ["uid", "resourceVersion"] {
                scale["metadata"][field] = config["metadata"][field].clone();
            }
            return set(write, place, &old, &scale, &paths, Some(*force));
        }
    }
    set(write, place, &old, &scale, &paths, None)
}

fn set(
    write: &mut Write<'_>,
    place: &Place,
    old: &Arc<Value>,
    scale: &Value,
    paths: &Paths,
    force: Option<bool>,
) -> Result<Reply, Failure> {
    let named = scale["metadata"]["name"].as_str().unwrap_or_default();
    if !named.is_empty() && named != place.name {
        return Err(Failure::bad_request(format!("the name of the object ({named}) does not match the name on the URL ({})", place.name)));
    }
    let wanted = &scale["spec"]["replicas"];
    let Some(wanted) = (if wanted.is_null() { Some(0) } else { wanted.as_i64() }) else {
        return Err(Failure::bad_request(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32",
        ));
    };
    let was = show(old, paths);
    let changed = write.admit(Admission::Mutating, Some(scale), Some(&was))?;
    let scale = changed.as_ref().unwrap_or(scale);
    let wanted = if changed.is_some() { scale["spec"]["replicas"].as_i64().unwrap_or(0) } else { wanted };
    if wanted < 0 && write.resource.custom.is_none() {
        let error = FieldError::invalid("spec.replicas", &wanted.into(), "must be greater than or equal to 0");
        return Err(Failure::invalid("autoscaling", "Scale", &place.name, &[error]));
    }
    let elements = paths.spec.split('.').filter(|part| !part.is_empty()).map(|part| PathElement::Field(part.to_owned()));
    let mut object = write.scaled(old, &FieldPath(elements.collect()), wanted, force)?;
    let asked = scale["metadata"]["resourceVersion"].as_str().filter(|text| !text.is_empty());
    for (field, asked) in [("uid", scale["metadata"]["uid"].as_str()), ("resourceVersion", asked)] {
        match asked {
            Some(text) => object["metadata"][field] = text.into(),
            None => {
                if let Some(meta) = object["metadata"].as_object_mut() {
                    meta.remove(field);
                }
            }
        }
    }
    // It changes what is wanted: generations and rules are those of the object itself.
    write.admit(Admission::Validating, Some(scale), Some(&was))?;
    (write.part, write.admitted) = (Part::Main, true);
    let object = write.change(place, old, object)?;
    Ok(Reply::json(show(&object, paths)))
}

/// Whether a resource can be scaled.
pub(super) fn is_scaled(resource: &Resource) -> bool {
    resource.subresource("scale").is_some()
}
