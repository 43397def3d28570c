//! Server-side apply.

use std::sync::Arc;

use serde_json::Value;

use super::decode::wrong_namespace;
use super::{Failure, Part, Write};
use crate::embedded::fields;
use crate::embedded::store::Place;

impl Write<'_> {
    pub(super) fn apply(
        &mut self,
        place: &Place,
        old: Option<&Arc<Value>>,
        mut config: Value,
        force: bool,
    ) -> Result<(Arc<Value>, bool), Failure> {
        let said = |field: &str| config[field].as_str().unwrap_or_default().to_owned();
        if (said("apiVersion") != self.resource.api_version() || said("kind") != self.resource.kind) && !said("kind").is_empty() {
            let (group, version) = match said("apiVersion").split_once('/') {
                Some((group, version)) => (group.to_owned(), version.to_owned()),
                None => (String::new(), said("apiVersion")),
            };
            return Err(Failure::bad_request(format!("invalid object type: {group}/{version}, Kind={}", said("kind"))));
        }
        self.check_kind(&mut config)?;
        if config["metadata"]["managedFields"].as_array().is_some_and(|managed| !managed.is_empty()) {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let meta = &config["metadata"];
        let named = meta["name"].as_str().unwrap_or_default();
        if named != place.name && !(named.is_empty()) {
            return Err(Failure::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({})",
                place.name
            )));
        }
        let namespace = meta["namespace"].as_str().unwrap_or_default().to_owned();
        if !namespace.is_empty() && namespace != place.namespace {
            return Err(wrong_namespace());
        }
        let Some(old) = old else {
            if self.part != Part::Main {
                return Err(Failure::not_found(&self.resource, &place.name));
            }
            if config["metadata"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()) {
                let uid = config["metadata"]["uid"].as_str().unwrap_or_default();
                let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Failure::conflict(&self.resource, &place.name, &why));
            }
            config["metadata"]["name"] = place.name.as_str().into();
            if self.resource.namespaced {
                config["metadata"]["namespace"] = place.namespace.as_str().into();
            }
            if let Some(meta) = config["metadata"].as_object_mut() {
                meta.remove("resourceVersion");
            }
            let owner = self.owner();
            let mut object = fields::apply(self.state, &self.resource, &owner, None, &config, force)?;
            object = self.settle(object)?;
            return Ok((self.make(object)?, true));
        };
        let owner = self.owner();
        let object = fields::apply(self.state, &self.resource, &owner, Some(old), &config, force)?;
        let object = self.settle(object)?;
        Ok((self.change(place, old, object)?, false))
    }
}
