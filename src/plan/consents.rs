//! What a plan asks consent for: deletes beyond the budget, and everything that can't be taken back.

use crate::resource::ObjectKey;
use crate::stack::model::CountOrPercent;

use super::{Action, Change, Consent, ConsentKind};

/// The share of the stack's objects that one plan may delete unasked, in percent, where the stack says nothing.
pub const DEFAULT_SHARE: u32 = 10;

/// However small the stack is, a share is at least this many objects.
pub const LEAST_SHARE: usize = 3;

/// How many deletes need no consent, of a stack with so many objects; and the budget in words.
pub(super) fn budget(max: Option<&CountOrPercent>, objects: usize) -> (usize, String) {
    let share = |percent: u32| {
        let count = objects.saturating_mul(percent as usize).div_ceil(100).max(LEAST_SHARE);
        (count, format!("{count} ({percent}%)"))
    };
    match max {
        None => share(DEFAULT_SHARE),
        Some(CountOrPercent::Count(count)) => (*count as usize, count.to_string()),
        Some(CountOrPercent::Percent(text)) => share(text.trim().trim_end_matches('%').trim().parse().unwrap_or(DEFAULT_SHARE)),
    }
}

/// All consents that these changes need. `objects` is how many the stack had; `moved` tells deletes that are renames;
/// `resources` how many objects of a definition's kind there are.
pub(super) fn consents(
    changes: &[Change],
    max: Option<&CountOrPercent>,
    objects: usize,
    moved: impl Fn(&Change) -> bool,
    resources: impl Fn(&Change) -> Option<usize>,
) -> Vec<Consent> {
    let mut consents = Vec::new();
    let keys = |wanted: &dyn Fn(&Change) -> bool| -> Vec<ObjectKey> {
        let mut keys: Vec<ObjectKey> = changes.iter().filter(|change| wanted(change)).map(|change| change.key.clone()).collect();
        keys.sort();
        keys
    };
    let mut ask = |kind: ConsentKind, objects: Vec<ObjectKey>, text: String| {
        if !objects.is_empty() {
            consents.push(Consent { kind, objects, text });
        }
    };
    let deletes = keys(&|change| change.action == Action::Delete && !moved(change));
    let (budget, words) = budget(max, objects);
    if deletes.len() > budget {
        let text = format!("deletes {} of {objects} objects; the stack's budget is {words}", deletes.len());
        ask(ConsentKind::DeleteBudget, deletes, text);
    }
    let goes = |change: &Change| matches!(change.action, Action::Delete | Action::Replace);
    for change in changes.iter().filter(|change| goes(change)) {
        let key = &change.key;
        match (key.group.as_str(), key.kind.as_str()) {
            ("", "Namespace") => {
                ask(ConsentKind::DeleteNamespace, vec![key.clone()], format!("deletes {key} with everything that is in it"));
            }
            ("", "PersistentVolumeClaim" | "PersistentVolume") => {
                ask(ConsentKind::DeleteVolume, vec![key.clone()], format!("deletes {key}, and with it the data stored there"));
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                let text = match resources(change) {
                    Some(0) => format!("deletes {key}; there are no resources of its kind"),
                    Some(1) => format!("deletes {key}, and with it 1 resource of its kind, whoever made it"),
                    Some(count) => format!("deletes {key}, and with it {count} resources of its kind, whoever made them"),
                    None => format!("deletes {key}, and with it all resources of its kind, whoever made them"),
                };
                ask(ConsentKind::DeleteDefinition, vec![key.clone()], text);
            }
            _ => {}
        }
    }
    let replaced = keys(&|change| change.action == Action::Replace);
    let text = format!("deletes and makes again {}", counted(replaced.len()));
    ask(ConsentKind::Replace, replaced, text);
    let taken = keys(&|change| change.action != Action::Adopt && change.conflicts.iter().any(|conflict| !conflict.ours_before));
    let text = format!("takes fields of {} from other managers", counted(taken.len()));
    ask(ConsentKind::TakeOwnership, taken, text);
    let adopted = keys(&|change| change.action == Action::Adopt);
    let text = format!("takes over {} made by others", counted(adopted.len()));
    ask(ConsentKind::Adopt, adopted, text);
    consents.sort_by(|a, b| (a.kind, &a.objects).cmp(&(b.kind, &b.objects)));
    consents
}

fn counted(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_less_than_a_few() {
        assert_eq!(budget(None, 240).0, 24);
        assert_eq!(budget(None, 241).0, 25);
        assert_eq!(budget(None, 5), (3, "3 (10%)".to_owned()));
        assert_eq!(budget(Some(&CountOrPercent::Percent("50%".into())), 10).0, 5);
        assert_eq!(budget(Some(&CountOrPercent::Count(0)), 1000).0, 0);
    }
}
