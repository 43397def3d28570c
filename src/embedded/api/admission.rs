//! What policies and webhooks are asked of a write, and what they themselves are refused for.

use std::sync::Arc;

use serde_json::Value;

use super::{Failure, FieldError, Part, Write};
use crate::embedded::admit::{self, Asked};
use crate::embedded::catalog::Resource;
use crate::embedded::{convert, crd};

/// When policies and webhooks are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// While an object may still be changed.
    Mutating,
    /// When it is as it will be.
    Validating,
}

impl Write<'_> {
    /// Asks policies and webhooks about a write.
    pub(super) fn admit(&mut self, stage: Admission, object: Option<&Value>, old: Option<&Value>) -> Result<Option<Value>, Failure> {
        if self.admitted || !admit::is_asked(self.state) {
            return Ok(None);
        }
        let resource = Arc::clone(&self.resource);
        let shown = |object: Option<&Value>| object.map(|object| convert::out(&resource, object));
        let (object, old) = if self.part == Part::Scale { (object.cloned(), old.cloned()) } else { (shown(object), shown(old)) };
        let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
        let meta = &object.as_ref().or(old.as_ref()).unwrap_or(&Value::Null)["metadata"];
        let asked = Asked {
            resource: &resource,
            subresource: self.part.subresource(),
            operation,
            namespace: meta["namespace"].as_str().unwrap_or_default(),
            name: meta["name"].as_str().unwrap_or_default(),
            object: object.as_ref(),
            old: old.as_ref(),
            user: &self.user,
            dry: self.dry,
        };
        match stage {
            Admission::Mutating => admit::mutate(self.state, &asked),
            Admission::Validating => admit::validate(self.state, &asked, &mut self.warnings).map(|()| None),
        }
    }

    /// What those that may change an object make of it, as it is kept.
    pub(super) fn mutated(&mut self, object: Value, old: Option<&Value>) -> Result<Value, Failure> {
        let Some(changed) = self.admit(Admission::Mutating, Some(&object), old)? else { return Ok(object) };
        self.settle(changed)
    }
}

/// Expressions that can't be compiled, or may cost too much.
pub(super) fn expression_errors(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => [crd::conversion_errors(object), crd::refused(object, old)].concat(),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => admit::policy_errors(object),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => admit::mutation_errors(object),
        _ => Vec::new(),
    }
}
