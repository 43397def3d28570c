//! The types of the kinds that a plan, or a run of it, is about: the server's own, or those that are embedded where the server's are the same.

use std::collections::BTreeSet;

use super::predict::Kind;
use crate::resource::{Desired, GroupKind, GroupVersionKind};
use crate::schema::{Catalog, Definition, TypeRef};

/// The types of kinds.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// None: the server doesn't tell.
    catalog: Option<Catalog>,
    /// Why it doesn't.
    missed: Option<String>,
    /// What definitions of the stack's own will make the server know.
    defined: Vec<Definition>,
    /// Custom kinds that are served, and whose status is written apart.
    status_apart: BTreeSet<GroupKind>,
}

impl Types {
    /// Those of a server.
    pub fn of(catalog: Catalog) -> Self {
        Self { catalog: Some(catalog), ..Self::default() }
    }

    /// Those of a server that doesn't tell.
    pub fn missed(why: String) -> Self {
        Self { missed: Some(why), ..Self::default() }
    }

    /// Why they can't be had, if they can't: of all kinds, or of those of some group versions.
    pub(super) fn why_missed(&self) -> Vec<(Option<&str>, &str)> {
        let some = self.catalog.iter().flat_map(Catalog::missed).map(|(version, why)| (Some(version.as_str()), why.as_str()));
        self.missed.iter().map(|why| (None, why.as_str())).chain(some).collect()
    }

    /// Takes what the CustomResourceDefinitions among these objects define. One that can't be read is the server's to refuse.
    pub fn define<'d>(&mut self, desired: impl IntoIterator<Item = &'d Desired>) {
        let definitions = desired.into_iter().map(|desired| &desired.object).filter(|object| object.kind() == "CustomResourceDefinition");
        self.defined.extend(definitions.filter_map(|object| Definition::read(object.value()).ok()));
    }

    /// Says of which custom kinds the status is written apart.
    pub fn with_status_apart(&mut self, kinds: impl IntoIterator<Item = GroupKind>) {
        self.status_apart.extend(kinds);
    }

    /// The type of a kind, if it is known.
    pub fn type_of(&self, gvk: &GroupVersionKind) -> Option<TypeRef<'_>> {
        self.kind(gvk).map(|kind| kind.of)
    }

    /// A kind, if it is known.
    pub(super) fn kind(&self, gvk: &GroupVersionKind) -> Option<Kind<'_>> {
        let of = self.catalog.as_ref().and_then(|catalog| catalog.kind(gvk));
        if let Some(of) = of {
            return Some(Kind { of, status_apart: self.status_apart.contains(&gvk.group_kind()), is_new: false });
        }
        if self.catalog.as_ref().is_some_and(|catalog| catalog.missed().contains_key(&gvk.api_version())) {
            return None;
        }
        let definition = self.defined.iter().find(|definition| definition.schema.kind(gvk).is_some())?;
        let status_apart = definition.versions.iter().any(|version| version.name == gvk.version && version.status);
        Some(Kind { of: definition.schema.kind(gvk)?, status_apart, is_new: true })
    }
}
