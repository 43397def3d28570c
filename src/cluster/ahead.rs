//! Lists that are begun before anybody asks for them: while the stack is still compiled, the kinds that the inventory names are
//! on their way. Only a saving of time: what wasn't begun, or failed, is read as if nothing had been begun.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::list::{Pieces, Selection, first_page};
use super::{Cluster, inventory};
use crate::resource::StackIdentity;

/// A list that was begun longer ago is no news any more.
const FRESH: Duration = Duration::from_secs(20);

/// What was begun, by the path of its first page.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<Begun>>);

#[derive(Default)]
struct Begun {
    lists: BTreeMap<String, (Instant, Pieces)>,
    /// Somebody asked: from then on whoever needs a list begins it.
    over: bool,
}

impl Ahead {
    /// A list that was begun.
    pub fn take(&self, first: &str) -> Option<Pieces> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.over = true;
        let (begun, list) = all.lists.remove(first)?;
        (begun.elapsed() <= FRESH).then_some(list)
    }

    /// Begins a list, unless it is too late for that.
    pub fn begin(&self, first: &str, list: impl FnOnce() -> Pieces) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.over {
            all.lists.entry(first.to_owned()).or_insert_with(|| (Instant::now(), list()));
        }
    }
}

impl Cluster {
    /// Begins, in the background, what a plan of this stack will ask for: which kinds there are, and the stack's objects of
    /// those that the inventory names. For who is about to plan, and holds no lock: with one, only what is read after it was taken
    /// counts.
    pub fn look_ahead(&self, identity: StackIdentity, root: String) {
        let mut hasty = self.clone();
        hasty.transport = self.transport.hasty();
        tokio::spawn(async move {
            // How lists are asked for depends on the version: it is known when they are begun.
            let (Ok(kinds), _) = tokio::join!(hasty.kinds(), hasty.version()) else { return };
            let Ok(Some(stored)) = inventory::read(&hasty, &identity, &root).await else { return };
            let labels = identity.label_selector();
            for kind in stored.inventory.kinds.iter().filter_map(|kind| kinds.get(kind)) {
                let first = first_page(kind, Selection { labels: Some(&labels), ..Selection::default() });
                hasty.ahead.begin(&first, || hasty.begin(kind, &first));
            }
        });
    }
}
