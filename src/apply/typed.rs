//! The types that a run's objects are judged and restored by: the server's own, asked for when the first of them is needed, for
//! most runs need none.
//!
//! Where one can't be had (the kind is no longer served, or the server doesn't tell), those who own the object's fields tell
//! which of its lists have keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::api::Api;
use super::judge::{Verdict, judge};
use super::record::{Ledger, Log};
use super::run::Run;
use crate::cluster::ClusterError;
use crate::merge::Deduced;
use crate::plan::{Types, Write};
use crate::resource::Object;
use crate::schema::TypeRef;

impl<A: Api, L: Log> Run<'_, A, L> {
    /// The types of the kinds that the run is about.
    ///
    /// # Errors
    /// The server doesn't answer. One that answers and doesn't tell is no error.
    pub(super) async fn types(&self) -> Result<Arc<Types>, ClusterError> {
        // Whoever comes first asks; if it is left alone, the next one does.
        let mut known = self.types.lock().await;
        if let Some(types) = known.as_ref() {
            return Ok(types.clone());
        }
        let mut types = match self.api.catalog(&self.ledger(api_versions)).await {
            Ok(catalog) => Types::of(catalog),
            Err(error) if error.is_outage() || matches!(error, ClusterError::Unauthorized { .. }) => return Err(error),
            Err(error) => Types::missed(error.to_string()),
        };
        // What the run itself defines may not be served yet.
        self.ledger(|ledger| types.define(ledger.changes.iter().filter_map(|change| change.planned.desired.as_ref())));
        Ok(known.insert(Arc::new(types)).clone())
    }

    /// Judges a write by the object's type.
    ///
    /// # Errors
    /// As [`Self::types`].
    pub(super) async fn judged(&self, write: &Write, base: Option<&Object>, live: Option<&Object>) -> Result<Verdict, ClusterError> {
        let forms: Vec<&Object> = base.into_iter().chain(live).collect();
        let types = self.types().await?;
        Ok(by_type(&types, &forms, |of| judge(write, &self.manager, base, live, of)))
    }

    /// Definitions came or went: types are to be asked for again.
    pub(super) async fn forget_types(&self) {
        *self.types.lock().await = None;
    }
}

/// The versions of the kinds that a run writes.
fn api_versions(ledger: &Ledger) -> BTreeSet<String> {
    let planned = ledger.changes.iter().map(|change| &change.planned);
    let objects = planned.flat_map(|planned| planned.desired.as_ref().map(|desired| &desired.object).into_iter().chain(&planned.before));
    objects.map(|object| object.api_version().to_owned()).collect()
}

/// Does something by the type of an object that these are forms of, the last one being what it is now.
pub fn by_type<T>(types: &Types, forms: &[&Object], work: impl FnOnce(TypeRef<'_>) -> T) -> T {
    match forms.last().and_then(|live| types.type_of(&live.gvk())) {
        Some(of) => work(of),
        None => work(Deduced::of(forms.iter().copied()).as_type()),
    }
}
