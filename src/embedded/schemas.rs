//! The types of the built-in kinds.

use serde_json::Value;

use super::catalog::Resource;
use super::data;
use crate::resource::GroupVersionKind;
use crate::schema::{BuiltIn, Minor, TypeRef, built_in, canonical, complete};

/// The minor version that this cluster is of.
const MINOR: Minor = Minor::new(36);

/// The built-ins' types.
#[derive(Debug)]
pub struct Schemas {
    built_in: &'static BuiltIn,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { built_in: built_in(MINOR) }
    }
}

impl Schemas {
    /// The type of a resource's kind; anything, where it isn't known.
    pub fn of(&self, resource: &Resource) -> TypeRef<'_> {
        self.kind(&resource.api_version(), &resource.kind)
    }

    /// Writes values as the server does, and puts in what fields are when they are left out.
    ///
    /// # Errors
    /// A value can't be what its type wants.
    pub fn complete(&self, resource: &Resource, object: &mut Value) -> Result<(), String> {
        let of = self.of(resource);
        if let Some(wrong) = canonical(object, of).into_iter().next() {
            return Err(wrong.error.to_string());
        }
        complete(object, of);
        Ok(())
    }

    /// The type of a kind.
    pub fn kind(&self, api_version: &str, kind: &str) -> TypeRef<'_> {
        let gvk = GroupVersionKind::from_api_version(api_version, kind);
        // What is spoken below a resource of the core group is told where that is.
        let beside = || self.built_in.schema("v1").and_then(|core| core.kind(&gvk));
        self.built_in.kind(&gvk).or_else(beside).unwrap_or(TypeRef::any())
    }
}

/// What every object's metadata is, as the documents tell it.
pub fn object_meta() -> Option<Value> {
    let (_, bytes) = data::OPENAPI.iter().find(|(name, _)| *name == "apis/coordination.k8s.io/v1")?;
    let mut document: Value = serde_json::from_slice(&data::unpack(bytes).ok()?).ok()?;
    Some(document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].take())
}
