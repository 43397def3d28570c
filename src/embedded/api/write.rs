//! Writing: POST, PUT and PATCH, from the body to the store, in the server's order: decode, default, who owns what, admission,
//! what the kind's rules say, validation, quota, and only then the write.

use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::{Admission, expression_errors};
use super::patch::{json_patch, merge_patch, strategic_merge};
use super::{Call, Failure, FieldError};
use crate::embedded::admit;
use crate::embedded::catalog::Resource;
use crate::embedded::clock::seconds;
use crate::embedded::convert;
use crate::embedded::fields::{self, Owner};
use crate::embedded::rights::User;
use crate::embedded::rules;
use crate::embedded::store::{Change, Event, Place};
use crate::embedded::typed;
use crate::embedded::world::State;

/// Which part of an object is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object but its status.
    Main,
    /// Its status.
    Status,
    /// Its replicas.
    Scale,
    /// A namespace's own finalizers.
    Finalize,
}

impl Part {
    /// The subresource's name, as managed fields have it.
    pub fn subresource(&self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Finalize => "finalize",
        }
    }
}

/// What is done about fields that the type doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Nothing.
    Ignore,
    /// The client is told.
    Warn,
    /// The request is refused.
    Strict,
}

impl Validation {
    /// What a request says.
    pub fn of(call: &Call) -> Result<Self, Failure> {
        match call.query("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Strict") => Ok(Self::Strict),
            Some("Ignore") => Ok(Self::Ignore),
            Some(other) => Err(super::call::invalid_option(call, "fieldValidation", other, &["", "Ignore", "Strict", "Warn"])),
        }
    }
}

/// A patch's kind and content.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7396.
    Merge(Value),
    /// By lists' keys.
    Strategic(Value),
    /// Server-side apply.
    Apply {
        /// The configuration.
        config: Value,
        /// Fields of others are taken.
        force: bool,
    },
}

/// A write under way.
pub struct Write<'s> {
    /// What it works on.
    pub state: &'s mut State,
    /// Of which resource.
    pub resource: Arc<Resource>,
    /// Which part.
    pub part: Part,
    /// As which manager of fields.
    pub manager: String,
    /// Who asks.
    pub user: User,
    /// Asks only what would happen.
    pub dry: bool,
    /// Unknown fields.
    pub validation: Validation,
    /// What the client is told besides.
    pub warnings: Vec<String>,
    /// By the cluster itself: what it makes isn't checked again.
    pub internal: bool,
    /// Whether policies were asked already, about what a subresource shows.
    pub admitted: bool,
}

impl<'s> Write<'s> {
    /// A write by one of the cluster's own controllers.
    pub fn internal(state: &'s mut State, resource: Arc<Resource>, part: Part, manager: &str) -> Self {
        let manager = manager.to_owned();
        let user = User::controllers();
        let validation = Validation::Ignore;
        Self { state, resource, part, manager, user, dry: false, validation, warnings: Vec::new(), internal: true, admitted: false }
    }

    /// The place of an object of this resource.
    pub fn place(&self, namespace: Option<&str>, name: &str) -> Place {
        Place { resource: Arc::clone(&self.resource.storage), namespace: namespace.unwrap_or_default().to_owned(), name: name.to_owned() }
    }

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
        let Some(old) = self.state.store.get(place).cloned() else {
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
        let old = self.state.store.get(place).cloned();
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

    fn patched(&mut self, old: &Arc<Value>, patch: &Patch) -> Result<Value, Failure> {
        let shown = convert::out(&self.resource, old);
        let patched = match patch {
            Patch::Json(operations) => json_patch(&shown, operations).map_err(|error| match error {
                super::patch::PatchError::Malformed(message) => Failure::bad_request(message),
                super::patch::PatchError::Failed(_) => Failure {
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

    fn apply(&mut self, place: &Place, old: Option<&Arc<Value>>, mut config: Value, force: bool) -> Result<(Arc<Value>, bool), Failure> {
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
    pub(super) fn own(&mut self, old: &Arc<Value>, object: &mut Value) {
        let owner = self.owner();
        fields::update(self.state, &self.resource, &owner, Some(old), object);
    }

    /// What this write makes of an object whose replicas it sets.
    pub(super) fn scaled(
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

    fn owner(&self) -> Owner {
        Owner { manager: self.manager.clone(), part: self.part.clone(), now: self.state.now }
    }

    /// `apiVersion` and `kind` are the resource's, or missing.
    fn check_kind(&self, body: &mut Value) -> Result<(), Failure> {
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
                format!(
                    "{said_kind} in version \"{version}\" cannot be handled as a {kind}: converting ({version}.{said_kind}) to (core.{kind}): unknown conversion"
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
    fn decode(&mut self, mut body: Value, doubled: &[String]) -> Result<Value, Failure> {
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
    fn settle(&mut self, mut object: Value) -> Result<Value, Failure> {
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
    fn typed(&mut self, body: &mut Value) -> Result<Vec<String>, Failure> {
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
        self.state.schemas.complete(resource, body).map_err(|message| {
            let (kind, version) = (&resource.kind, &resource.version);
            Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {message}"))
        })?;
        if let Some(managed) = managed {
            body["metadata"]["managedFields"] = managed;
        }
        Ok(decoded.unknown)
    }

    /// The namespace of the path is the object's.
    fn name_namespace(&self, object: &mut Value, namespace: Option<&str>) -> Result<(), Failure> {
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

    /// Makes an object that is decoded, defaulted and owned.
    fn make(&mut self, mut object: Value) -> Result<Arc<Value>, Failure> {
        let resource = Arc::clone(&self.resource);
        let text = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        let place = self.place(Some(&namespace), &name);
        if !self.internal {
            admit::lifecycle(self.state, &resource, &namespace, &name)?;
        }
        object["metadata"]["uid"] = self.state.random.uid().into();
        object["metadata"]["creationTimestamp"] = seconds(self.state.now).into();
        self.admit(Admission::Mutating, Some(&object), None)?;
        admit::fill_in(self.state, &resource, &mut object, None)?;
        rules::prepare_create(&resource, &mut object);
        admit::allocate(self.state, &resource, &mut object, None)?;
        if !self.internal {
            let mut errors = rules::validate_metadata(&resource, &object);
            errors.extend(rules::validate(&resource, &object));
            errors.extend(expression_errors(&resource, &object));
            refuse(&resource, &name, &errors)?;
            self.state.definitions.validate(&resource, &object, None, &mut self.warnings)?;
            self.warnings.extend(rules::warnings(&resource, &object));
        }
        self.admit(Admission::Validating, Some(&object), None)?;
        let admitted = admit::check(self.state, &resource, &object, None)?;
        self.warnings.extend(admitted);
        if self.state.store.get(&place).is_some() {
            return Err(Failure::already_exists(&resource, &name));
        }
        admit::charge(self.state, &resource, &object, None, self.dry)?;
        self.put(&place, object)
    }

    /// Puts another form in the place of an object.
    pub(super) fn change(&mut self, place: &Place, old: &Arc<Value>, mut object: Value) -> Result<Arc<Value>, Failure> {
        let resource = Arc::clone(&self.resource);
        self.check_preconditions(place, old, &object)?;
        let meta = &old["metadata"];
        for field in ["uid", "creationTimestamp", "name", "namespace"] {
            if object["metadata"][field].as_str().unwrap_or_default().is_empty() && meta[field].is_string() {
                object["metadata"][field] = meta[field].clone();
            }
        }
        rules::prepare_update(&resource, &self.part, old, &mut object);
        self.admit(Admission::Mutating, Some(&object), Some(old))?;
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
                errors.extend(expression_errors(&resource, &object));
            }
            refuse(&resource, &place.name, &errors)?;
            self.state.definitions.validate(&resource, &object, Some(old), &mut self.warnings)?;
        }
        object["metadata"]["resourceVersion"] = meta["resourceVersion"].clone();
        self.admit(Admission::Validating, Some(&object), Some(old))?;
        if fields::same_but_times(old, &mut object) {
            return Ok(Arc::clone(old));
        }
        if self.part == Part::Main {
            let admitted = admit::check(self.state, &resource, &object, Some(old))?;
            self.warnings.extend(admitted);
            admit::charge(self.state, &resource, &object, Some(old), self.dry)?;
        }
        if is_over(&object) && !self.dry {
            return super::remove_now(self.state, place, Some(object))?.ok_or_else(|| Failure::not_found(&resource, &place.name));
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

    fn put(&mut self, place: &Place, mut object: Value) -> Result<Arc<Value>, Failure> {
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

fn refuse(resource: &Resource, name: &str, errors: &[FieldError]) -> Result<(), Failure> {
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid(&resource.group, &resource.kind, name, errors)) }
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

fn wrong_namespace() -> Failure {
    Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request")
}

/// Whether an object that is being deleted has nothing left that holds it.
fn is_over(object: &Value) -> bool {
    let meta = &object["metadata"];
    let grace = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    meta["deletionTimestamp"].is_string()
        && grace == 0
        && empty(&meta["finalizers"])
        && (object["kind"] != "Namespace" || empty(&object["spec"]["finalizers"]))
}
