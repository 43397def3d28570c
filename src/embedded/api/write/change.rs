//! PUT and PATCH: another form in the place of an object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::keep::is_over;
use super::{Failure, FieldError, Part, Patch, Write, refuse};
use crate::embedded::admit;
use crate::embedded::api::admission::{Admission, expression_errors};
use crate::embedded::api::patch::{PatchError, json_patch, merge_patch, strategic_merge};
use crate::embedded::convert;
use crate::embedded::fields;
use crate::embedded::rules;
use crate::embedded::store::Place;

impl Write<'_> {
    /// PUT. Whether it was made.
    ///
    /// # Errors
    /// Whatever a server refuses an update for.
    pub fn replace(&mut self, place: &Place, body: Value, doubled: &[String]) -> Result<(Arc<Value>, bool), Failure> {
        let mut object = self.decode(body, doubled)?;
        rules::as_decoded(&self.resource, &mut object);
        self.name_namespace(&mut object, Some(&place.namespace).filter(|namespace| !namespace.is_empty()).map(String::as_str))?;
        let named = object["metadata"]["name"].as_str().unwrap_or_default();
        if named != place.name {
            let message = if named.is_empty() {
                "name must be provided".to_owned()
            } else {
                format!("the name of the object ({named}) does not match the name on the URL ({})", place.name)
            };
            return Err(Failure::bad_request(message));
        }
        let Some(old) = self.live(place)? else {
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            if !rules::allows_create_on_update(&self.resource) || self.part != Part::Main {
                return Err(Failure::not_found(&self.resource, &place.name));
            }
            if !uid.is_empty() {
                return Err(Failure::conflict(&self.resource, &place.name, &nothing_with(uid, place)));
            }
            let owner = self.owner();
            fields::update(self.state, &self.resource, &owner, None, &mut object);
            return Ok((self.make(object)?, true));
        };
        if object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty()
            && !rules::allows_unconditional_update(&self.resource)
            && !self.internal
        {
            let error = FieldError::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(Failure::invalid(&self.resource.group, &self.resource.plural, &place.name, &[error]));
        }
        let (uid, live) = (object["metadata"]["uid"].as_str().unwrap_or_default(), old["metadata"]["uid"].as_str().unwrap_or_default());
        if !uid.is_empty() && uid != live {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live}");
            return Err(Failure::conflict(&self.resource, &place.name, &why));
        }
        let owner = self.owner();
        fields::update(self.state, &self.resource, &owner, Some(&old), &mut object);
        Ok((self.change(place, &old, object)?, false))
    }

    /// PATCH. Whether it was made.
    ///
    /// # Errors
    /// Whatever a server refuses a patch for.
    pub fn patch(&mut self, place: &Place, patch: Patch) -> Result<(Arc<Value>, bool), Failure> {
        let old = self.live(place)?;
        let (config, force) = match patch {
            Patch::Apply { config, force } => (config, force),
            other => {
                let old = old.ok_or_else(|| Failure::not_found(&self.resource, &place.name))?;
                let mut object = self.patched(&old, &other)?;
                let owner = self.owner();
                fields::update(self.state, &self.resource, &owner, Some(&old), &mut object);
                return Ok((self.change(place, &old, object)?, false));
            }
        };
        self.apply(place, old.as_ref(), config, force)
    }

    pub(super) fn patched(&mut self, old: &Arc<Value>, patch: &Patch) -> Result<Value, Failure> {
        let shown = convert::out(&self.resource, old);
        let patched = match patch {
            Patch::Json(operations) => json_patch(&shown, operations).map_err(|error| match error {
                PatchError::Malformed(message) => Failure::bad_request(message),
                PatchError::Failed(_) | PatchError::Untrue(_) => Failure {
                    code: 422,
                    reason: "Invalid",
                    message: "the server rejected our request due to an error in our request".to_owned(),
                    details: Some(json!({})),
                },
            })?,
            Patch::Merge(patch) => {
                let mut object = shown;
                merge_patch(&mut object, patch);
                object
            }
            Patch::Strategic(patch) => strategic_merge(&shown, patch, &self.resource.kind).map_err(Failure::bad_request)?,
            Patch::Apply { .. } => shown,
        };
        let mut object = self.decode(patched, &[])?;
        let (was, is) = (&old["metadata"], &mut object["metadata"]);
        // What a patch makes of the object's identity is no rename.
        for field in ["name", "namespace"] {
            if was[field] != is[field] {
                let (old, new) = (was[field].as_str().unwrap_or_default(), is[field].as_str().unwrap_or_default());
                return Err(Failure::bad_request(if field == "name" {
                    format!("the name of the object ({new}) does not match the name on the URL ({old})")
                } else {
                    format!("the namespace of the object ({new}) does not match the namespace on the request ({old})")
                }));
            }
        }
        Ok(object)
    }

    /// Puts another form in the place of an object that was read.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn write_over(&mut self, old: &Arc<Value>, mut object: Value) -> Result<Arc<Value>, Failure> {
        let meta = &old["metadata"];
        let place = self.place(meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
        self.own(old, &mut object);
        self.change(&place, old, object)
    }

    /// What this write makes of the managed fields.
    pub(in crate::embedded::api) fn own(&mut self, old: &Arc<Value>, object: &mut Value) {
        let owner = self.owner();
        fields::update(self.state, &self.resource, &owner, Some(old), object);
    }

    /// What this write makes of an object whose replicas it sets.
    pub(in crate::embedded::api) fn scaled(
        &mut self,
        old: &Value,
        path: &crate::resource::FieldPath,
        replicas: i64,
        force: Option<bool>,
    ) -> Result<Value, Failure> {
        let owner = self.owner();
        fields::scale(self.state, &self.resource, &owner, old, path, replicas, force)
    }

    /// Sets the replicas, as the scale subresource does.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn scale_to(&mut self, old: &Arc<Value>, replicas: i64) -> Result<Arc<Value>, Failure> {
        let object = self.scaled(old, &crate::resource::FieldPath::fields(&["spec", "replicas"]), replicas, None)?;
        let meta = &old["metadata"];
        let place = self.place(meta["namespace"].as_str(), meta["name"].as_str().unwrap_or_default());
        self.part = Part::Main;
        self.change(&place, old, object)
    }

    /// Puts another form in the place of an object.
    pub(in crate::embedded::api) fn change(&mut self, place: &Place, old: &Arc<Value>, mut object: Value) -> Result<Arc<Value>, Failure> {
        let resource = Arc::clone(&self.resource);
        self.check_preconditions(place, old, &object)?;
        let meta = &old["metadata"];
        for field in ["uid", "creationTimestamp", "name", "namespace"] {
            if object["metadata"][field].as_str().unwrap_or_default().is_empty() && meta[field].is_string() {
                object["metadata"][field] = meta[field].clone();
            }
        }
        object = self.mutated(object, Some(old))?;
        rules::prepare_update(&resource, &self.part, old, &mut object, self.state.now);
        admit::fill_in(self.state, &resource, &mut object, Some(old))?;
        if self.part == Part::Main {
            admit::allocate(self.state, &resource, &mut object, Some(old))?;
        }
        if !self.internal {
            let mut errors = rules::validate_metadata_update(old, &object);
            errors.extend(rules::validate_metadata(&resource, &object));
            if self.part == Part::Main {
                errors.extend(rules::validate_update(&resource, old, &object));
                errors.extend(rules::validate(&resource, &object));
                errors.extend(expression_errors(&resource, &object, Some(old)));
            }
            errors.extend(rules::request_errors(&resource, &self.part, Some(old), &object));
            refuse(&resource, &place.name, &errors)?;
            self.state.definitions.validate(&resource, &object, Some(old), &mut self.warnings)?;
        }
        object["metadata"]["resourceVersion"] = meta["resourceVersion"].clone();
        admit::check_request(self.state, &resource, &self.part, &self.user, &object, Some(old))?;
        self.admit(Admission::Validating, Some(&object), Some(old))?;
        self.keep(&mut object)?;
        if fields::same_but_times(old, &mut object) {
            return Ok(Arc::clone(old));
        }
        if self.part == Part::Main {
            let admitted = admit::check(self.state, &resource, &object, Some(old))?;
            self.warnings.extend(admitted);
            admit::charge(self.state, &resource, &object, Some(old), self.dry)?;
        }
        if is_over(&object) && !self.dry {
            return crate::embedded::api::remove_now(self.state, place, Some(object))?
                .ok_or_else(|| Failure::not_found(&resource, &place.name));
        }
        self.put(place, object)
    }

    fn check_preconditions(&self, place: &Place, old: &Value, object: &Value) -> Result<(), Failure> {
        let text = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let version = text(object, "resourceVersion");
        if !version.is_empty() && version != text(old, "resourceVersion") {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Failure::conflict(&self.resource, &place.name, why));
        }
        Ok(())
    }
}

/// What the server's storage says of an object that is to have a uid, and isn't there.
fn nothing_with(uid: &str, place: &Place) -> String {
    let (plural, group) = place.resource.split_once('.').unwrap_or((&place.resource, ""));
    let kept = match (plural, group) {
        ("services", "") => "services/specs",
        ("endpoints", "") => "services/endpoints",
        (plural, _) => plural,
    };
    let at = if place.namespace.is_empty() { place.name.clone() } else { format!("{}/{}", place.namespace, place.name) };
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{kept}/{at}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: "
    )
}
