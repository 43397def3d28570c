//! Writing: POST, PUT and PATCH, from the body to the store, in the server's order: decode, default, who owns what, admission,
//! what the kind's rules say, validation, quota, and only then the write.

mod apply;
mod change;
mod create;
mod decode;
mod keep;

use std::sync::Arc;

use serde_json::Value;

use super::{Call, Failure, FieldError};
use crate::embedded::catalog::Resource;
use crate::embedded::crd;
use crate::embedded::fields::Owner;
use crate::embedded::rights::User;
use crate::embedded::store::Place;
use crate::embedded::world::State;

pub use keep::put;

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
    /// What is decided about a request for a certificate.
    Approval,
    /// A token of an account, which is kept nowhere.
    Token,
}

impl Part {
    /// The subresource's name, as managed fields have it.
    pub fn subresource(&self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Finalize => "finalize",
            Self::Approval => "approval",
            Self::Token => "token",
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

    /// The object at a place, if this write's version can be had of it.
    pub(in crate::embedded::api) fn live(&self, place: &Place) -> Result<Option<Arc<Value>>, Failure> {
        let found = self.state.store.get(place);
        if let Some(found) = found.filter(|_| !self.internal) {
            crd::of_kept(self.state, &self.resource, found)?;
        }
        Ok(found.cloned())
    }

    /// The object in the version that it is kept in.
    pub(super) fn keep(&self, object: &mut Value) -> Result<(), Failure> {
        let Some(stored) = self.state.definitions.stored(&self.resource) else { return Ok(()) };
        crd::between(self.state, &self.resource, object["apiVersion"].as_str().unwrap_or_default(), &stored)?;
        object["apiVersion"] = stored.into();
        Ok(())
    }

    pub(super) fn owner(&self) -> Owner {
        Owner { manager: self.manager.clone(), part: self.part.clone(), now: self.state.now }
    }
}

fn refuse(resource: &Resource, name: &str, errors: &[FieldError]) -> Result<(), Failure> {
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid(&resource.group, &resource.kind, name, errors)) }
}
