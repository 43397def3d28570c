//! Where the server contradicts what was predicted: other values, other owners, another outcome.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::merge::{self, FieldSet, ManagedFields, ManagerEntry};
use crate::resource::{Diagnostic, FieldPath, Object, ObjectKey, Origin};

use super::fields::Sides;
use super::{Answer, Doubt, Shown, allotted, refusal};

/// So many differences of one object are told; all are in the JSON.
const TOLD: usize = 4;

/// Where the server's answer isn't the predicted one.
pub(super) fn between(predicted: &Answer, said: &Answer, sides: &Sides<'_>) -> Vec<Doubt> {
    match (predicted, said) {
        // What quotas, policies and webhooks refuse is their matter: nobody said that it was known.
        (_, Answer::Moved(_) | Answer::NotAllowed { .. } | Answer::Count(_))
        | (Answer::Applied { .. } | Answer::Conflict(_), Answer::Refused { .. }) => Vec::new(),
        // Nor what a definition's own rules refuse (CEL, patterns, limits): they are the server's to judge.
        (Answer::Applied { .. } | Answer::Conflict(_), Answer::Invalid { .. }) if sides.of.is_some_and(|of| of.name().is_none()) => {
            Vec::new()
        }
        (Answer::Applied { object: predicted, .. }, Answer::Applied { object: said, .. }) => {
            let mut doubts = values(predicted, said, sides);
            doubts.extend(owners(predicted, said));
            doubts
        }
        (Answer::Conflict(predicted), Answer::Conflict(said)) => {
            let all = |conflicts: &[super::Conflict]| -> BTreeSet<(FieldPath, String)> {
                conflicts.iter().map(|conflict| (conflict.path.clone(), conflict.manager.clone())).collect()
            };
            let (predicted, said) = (all(predicted), all(said));
            let words = |there: bool, manager: &str| there.then(|| words(format!("a conflict with {manager}")));
            predicted
                .symmetric_difference(&said)
                .map(|(path, manager)| {
                    let foreseen = predicted.contains(&(path.clone(), manager.clone()));
                    Doubt { path: path.clone(), predicted: words(foreseen, manager), server: words(!foreseen, manager) }
                })
                .collect()
        }
        (Answer::Invalid { .. } | Answer::Refused { .. }, Answer::Invalid { .. } | Answer::Refused { .. })
            if replaces(predicted) == replaces(said) =>
        {
            Vec::new()
        }
        _ => vec![Doubt { path: FieldPath::root(), predicted: outcome(predicted), server: outcome(said) }],
    }
}

/// That the server contradicts what was predicted of an object: both.
pub(super) fn finding(key: &ObjectKey, doubts: &[Doubt], origin: Option<&Origin>) -> Diagnostic {
    let shown = |shown: &Option<Shown>| match shown {
        None => "nothing".to_owned(),
        Some(Shown::Secret) => "(secret)".to_owned(),
        Some(Shown::KnownAfterApply) => "(known after apply)".to_owned(),
        Some(Shown::Value(Value::String(text))) => text.clone(),
        Some(Shown::Value(value)) => value.to_string(),
    };
    let one = |doubt: &Doubt| {
        let place = if doubt.path.0.is_empty() { String::new() } else { format!("{}: ", doubt.path) };
        format!("{place}predicted {}, and the server says {}", shown(&doubt.predicted), shown(&doubt.server))
    };
    let mut told: Vec<String> = doubts.iter().take(TOLD).map(one).collect();
    if doubts.len() > TOLD {
        told.push(format!("and {} more", doubts.len() - TOLD));
    }
    Diagnostic::warning("plan::in_doubt", format!("{key}: {}", told.join("; ")))
        .at_maybe(origin, "")
        .help("the plan has the server's word; a prediction that is wrong is a mistake of spai's: please report it")
}

fn replaces(answer: &Answer) -> bool {
    match answer {
        Answer::Invalid { causes, message } => refusal::immutable(causes, message).is_some(),
        _ => false,
    }
}

fn outcome(answer: &Answer) -> Option<Shown> {
    Some(words(match answer {
        Answer::Applied { .. } => "it can be applied".to_owned(),
        Answer::Conflict(conflicts) => {
            let all: Vec<String> = conflicts.iter().map(|conflict| format!("{} ({})", conflict.path, conflict.manager)).collect();
            format!("conflicts: {}", all.join(", "))
        }
        answer if replaces(answer) => "it can't be changed in place".to_owned(),
        Answer::Invalid { message, .. } | Answer::Refused { message } => format!("it is refused: {message}"),
        Answer::Moved(_) | Answer::NotAllowed { .. } | Answer::Count(_) => return None,
    }))
}

fn words(text: String) -> Shown {
    Shown::Value(Value::String(text))
}

fn values(predicted: &Object, said: &Object, sides: &Sides<'_>) -> Vec<Doubt> {
    let gvk = said.gvk();
    // Of a kind that isn't known nothing was predicted.
    let Some(of) = sides.of else { return Vec::new() };
    let differences = merge::diff(of, predicted.without_server_fields().value(), said.without_server_fields().value());
    let differences = differences.into_iter().filter(|difference| !allotted::is_chosen(&gvk, &difference.path));
    differences
        .map(|difference| Doubt {
            predicted: difference.before.map(|value| sides.shown(&difference.path, value)),
            server: difference.after.map(|value| sides.shown(&difference.path, value)),
            path: difference.path,
        })
        .collect()
}

fn owners(predicted: &Object, said: &Object) -> Vec<Doubt> {
    let (predicted, said) = (ManagedFields::of(predicted).0, ManagedFields::of(said).0);
    let of = |entries: &[ManagerEntry], like: &ManagerEntry| -> FieldSet {
        let same = |entry: &&ManagerEntry| {
            (&entry.manager, entry.operation, &entry.api_version, &entry.subresource)
                == (&like.manager, like.operation, &like.api_version, &like.subresource)
        };
        entries.iter().find(same).map(|entry| entry.fields.clone()).unwrap_or_default()
    };
    let owned = |manager: &str| Some(words(format!("owned by {manager}")));
    let mut doubts = Vec::new();
    for entry in &predicted {
        let more = entry.fields.difference(&of(&said, entry));
        doubts.extend(more.paths().into_iter().map(|path| Doubt { path, predicted: owned(&entry.manager), server: None }));
    }
    for entry in &said {
        let more = entry.fields.difference(&of(&predicted, entry));
        doubts.extend(more.paths().into_iter().map(|path| Doubt { path, predicted: None, server: owned(&entry.manager) }));
    }
    doubts
}
