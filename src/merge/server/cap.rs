//! No more than ten entries of writers that don't apply: the oldest are put together.

use std::collections::BTreeMap;

use super::managers::{Managers, identity};
use crate::merge::{ManagerEntry, Operation};

const MOST: usize = 10;
/// Who is said to have written what the oldest wrote.
const ANCIENT: &str = "ancient-changes";

/// Managers with at most ten entries of updates, where versions allow: entries of different versions can't be put together.
pub(super) fn capped(mut managers: Managers) -> Managers {
    let mut updates: Vec<(Option<String>, String)> = managers
        .0
        .iter()
        .filter(|(_, entry)| entry.operation == Operation::Update)
        .map(|(id, entry)| (entry.time.clone(), id.clone()))
        .collect();
    let mut count = updates.len();
    if count <= MOST {
        return managers;
    }
    updates.sort();
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for (_, id) in updates {
        if count <= MOST {
            break;
        }
        let Some(entry) = managers.0.get(&id).cloned() else { continue };
        let Some(oldest) = first.get(&entry.api_version) else {
            first.insert(entry.api_version, id);
            continue;
        };
        let mut bucket = ManagerEntry { manager: ANCIENT.to_owned(), subresource: None, ..entry.clone() };
        let bucket_id = identity(&bucket);
        if !managers.0.contains_key(&bucket_id)
            && let Some(oldest) = managers.0.remove(oldest)
        {
            managers.0.insert(bucket_id.clone(), oldest);
        }
        if let Some(known) = managers.0.get(&bucket_id) {
            bucket.fields = bucket.fields.union(&known.fields);
        }
        // Taken out first: the entry may be an earlier bucket itself.
        managers.0.remove(&id);
        managers.0.insert(bucket_id, bucket);
        count -= 1;
    }
    managers
}
