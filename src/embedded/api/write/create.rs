//! POST: an object that wasn't there.

use std::sync::Arc;

use serde_json::Value;

use super::{Failure, Write, refuse};
use crate::embedded::admit;
use crate::embedded::api::admission::{Admission, expression_errors};
use crate::embedded::clock::seconds;
use crate::embedded::fields;
use crate::embedded::rules;

impl Write<'_> {
    /// POST.
    ///
    /// # Errors
    /// Whatever a server refuses a create for.
    pub fn create(&mut self, namespace: Option<&str>, body: Value, doubled: &[String]) -> Result<Arc<Value>, Failure> {
        let mut object = self.decode(body, doubled)?;
        self.name_namespace(&mut object, namespace)?;
        rules::as_decoded(&self.resource, &mut object);
        if object["metadata"]["name"].as_str().unwrap_or_default().is_empty()
            && let Some(prefix) = object["metadata"]["generateName"].as_str()
            && !prefix.is_empty()
        {
            let name: String = prefix.chars().take(58).chain(self.state.random.suffix().chars()).collect();
            object["metadata"]["name"] = name.into();
        }
        if self.resource.is("", "LimitRange") && object["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
            // The one kind that needs no name.
            object["metadata"]["name"] = self.state.random.uid().into();
        }
        if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            let message = "resourceVersion should not be set on objects to be created".to_owned();
            return Err(Failure { code: 500, reason: "", message, details: None });
        }
        let owner = self.owner();
        fields::update(self.state, &self.resource, &owner, None, &mut object);
        self.make(object)
    }

    /// Makes an object that is decoded, defaulted and owned.
    pub(super) fn make(&mut self, mut object: Value) -> Result<Arc<Value>, Failure> {
        let resource = Arc::clone(&self.resource);
        let text = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        let place = self.place(Some(&namespace), &name);
        if !self.internal {
            admit::lifecycle(self.state, &resource, &namespace, &name)?;
        }
        object["metadata"]["uid"] = self.state.random.uid().into();
        object["metadata"]["creationTimestamp"] = seconds(self.state.now).into();
        object = self.mutated(object, None)?;
        admit::fill_in(self.state, &resource, &mut object, None)?;
        rules::prepare_create(&resource, &mut object, &self.user);
        admit::allocate(self.state, &resource, &mut object, None)?;
        if !self.internal {
            let mut errors = rules::validate_metadata(&resource, &object);
            errors.extend(rules::validate(&resource, &object));
            errors.extend(rules::request_errors(&resource, &self.part, None, &object));
            errors.extend(expression_errors(&resource, &object, None));
            refuse(&resource, &name, &errors)?;
            self.state.definitions.validate(&resource, &object, None, &mut self.warnings)?;
            self.warnings.extend(rules::warnings(&resource, &object));
        }
        admit::check_request(self.state, &resource, &self.part, &self.user, &object, None)?;
        self.admit(Admission::Validating, Some(&object), None)?;
        self.keep(&mut object)?;
        let admitted = admit::check(self.state, &resource, &object, None)?;
        self.warnings.extend(admitted);
        if self.state.store.get(&place).is_some() {
            return Err(Failure::already_exists(&resource, &name));
        }
        admit::charge(self.state, &resource, &object, None, self.dry)?;
        self.put(&place, object)
    }
}
