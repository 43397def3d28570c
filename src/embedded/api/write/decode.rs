//! From a body to an object as the server's types have it.

use serde_json::{Value, json};

use super::{Failure, FieldError, Validation, Write};
use crate::embedded::convert;
use crate::embedded::fields;
use crate::embedded::rules;
use crate::embedded::typed;

impl Write<'_> {
    /// A body that is answered and not kept, with whoever it is of.
    /// `complete`: what else its type does to it, before it has an owner.
    pub(in crate::embedded::api) fn received(
        &mut self,
        namespace: Option<&str>,
        body: Value,
        doubled: &[String],
        complete: impl FnOnce(&mut Value),
    ) -> Result<Value, Failure> {
        let mut object = self.decode(body, doubled)?;
        self.name_namespace(&mut object, namespace)?;
        complete(&mut object);
        let owner = self.owner();
        fields::update(self.state, &self.resource, &owner, None, &mut object);
        Ok(object)
    }

    /// `apiVersion` and `kind` are the resource's, or missing.
    pub(super) fn check_kind(&self, body: &mut Value) -> Result<(), Failure> {
        let resource = &self.resource;
        if !body.is_object() {
            let message = format!("the object provided is unrecognized (must be of type {}): couldn't get version/kind", resource.kind);
            return Err(Failure::bad_request(message));
        }
        let (api_version, kind) = (resource.api_version(), &resource.kind);
        let said = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        let (said_version, said_kind) = (said("apiVersion"), said("kind"));
        if resource.custom.is_some() && !said_kind.is_empty() && said_kind != *kind {
            let error = FieldError::invalid("kind", &Value::from(said_kind.as_str()), &format!("must be {kind}"));
            let name = body["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Failure::invalid(&resource.group, &said_kind, name, &[error]));
        }
        if (!said_version.is_empty() && said_version != api_version) || (!said_kind.is_empty() && said_kind != *kind) {
            let message = if resource.custom.is_some() || said_kind == *kind {
                format!("the API version in the data ({said_version}) does not match the expected API version ({api_version})")
            } else {
                let version = said_version.rsplit('/').next().unwrap_or_default();
                // Where Go has the kind's type.
                let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
                format!(
                    "{said_kind} in version \"{version}\" cannot be handled as a {kind}: converting ({version}.{said_kind}) to ({package}.{kind}): unknown conversion"
                )
            };
            return Err(Failure::bad_request(message));
        }
        body["apiVersion"] = api_version.into();
        body["kind"] = kind.as_str().into();
        if !body["metadata"].is_object() {
            body["metadata"] = json!({});
        }
        Ok(())
    }

    /// A body as the server's own types have it, with their defaults.
    pub(super) fn decode(&mut self, mut body: Value, doubled: &[String]) -> Result<Value, Failure> {
        self.check_kind(&mut body)?;
        let mut problems: Vec<String> = doubled.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
        let unknown = self.typed(&mut body)?;
        problems.extend(unknown.iter().map(|path| format!("unknown field \"{path}\"")));
        if !problems.is_empty() {
            match self.validation {
                Validation::Ignore => {}
                Validation::Warn => self.warnings.extend(problems),
                Validation::Strict => {
                    let strict = format!("strict decoding error: {}", problems.join(", "));
                    let (kind, version) = (&self.resource.kind, &self.resource.version);
                    return Err(Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {strict}")));
                }
            }
        }
        Ok(convert::kept(&self.resource, body))
    }

    /// The same for what apply made: it is known to fit, but for what the configuration brought.
    pub(in crate::embedded::api) fn settle(&mut self, mut object: Value) -> Result<Value, Failure> {
        let managed = object["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"));
        let mut object = {
            self.typed(&mut object)?;
            convert::kept(&self.resource, object)
        };
        if let Some(managed) = managed {
            object["metadata"]["managedFields"] = managed;
        }
        Ok(object)
    }

    /// Into the type's form, with defaults; gives the fields that it doesn't have.
    pub(super) fn typed(&mut self, body: &mut Value) -> Result<Vec<String>, Failure> {
        if self.resource.custom.is_some() {
            return self.state.definitions.decode(&self.resource, body);
        }
        let resource = &self.resource;
        let of = self.state.schemas.of(resource);
        // Managed fields are the server's own, and a type of their own.
        let managed = body["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"));
        let decoded = typed::decode(of, body, &resource.kind).map_err(|message| {
            let (kind, version) = (&resource.kind, &resource.version);
            Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"))
        })?;
        rules::decodable(resource, body).map_err(|message| {
            let (kind, version) = (&resource.kind, &resource.version);
            Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"))
        })?;
        let before = convert::has_another_form(resource).then(|| body.clone());
        self.state.schemas.complete(resource, body).map_err(|message| {
            let (kind, version) = (&resource.kind, &resource.version);
            Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"))
        })?;
        if let Some(before) = before {
            convert::without_defaults(resource, &before, body);
        }
        if let Some(managed) = managed {
            body["metadata"]["managedFields"] = managed;
        }
        Ok(decoded.unknown)
    }

    /// The namespace of the path is the object's.
    pub(super) fn name_namespace(&self, object: &mut Value, namespace: Option<&str>) -> Result<(), Failure> {
        let said = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if !self.resource.namespaced {
            // Whoever says one means nothing by it.
            if let Some(meta) = object["metadata"].as_object_mut() {
                meta.remove("namespace");
            }
            return Ok(());
        }
        let wanted = namespace.unwrap_or_default();
        if said.is_empty() && !wanted.is_empty() {
            object["metadata"]["namespace"] = wanted.into();
        } else if said != wanted {
            return Err(wrong_namespace());
        }
        Ok(())
    }
}

pub(super) fn wrong_namespace() -> Failure {
    Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request")
}
