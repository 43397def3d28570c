//! A failing sequence made as small as it still fails, and told.

use std::fmt::Write as _;

use serde_json::Value;
use spai::merge;
use spai::resource::{FieldPath, PathElement};

use crate::sequences::{Failure, Sequence};
use crate::server::Server;
use crate::step::Write;

/// Runs that a smaller failure is worth.
const RUNS: usize = 150;

/// The smallest failing sequence found, and how to run the whole again.
pub async fn told(server: &Server, sequence: &Sequence, failure: &Failure) -> String {
    let (small, failure) = smallest(server, sequence.clone(), failure.clone()).await;
    let mut text = format!("\n{} differs: {}\n", small.case.kind, failure.how);
    for (index, step) in small.steps.iter().enumerate() {
        let _ = writeln!(text, "  {index}. {} in {}: {}", step.manager, step.version, shown(&step.write));
    }
    let _ = write!(text, "again: SPAI_ORACLE_REPLAY={} cargo test --test oracle_merge sequences", sequence.seed);
    text
}

fn shown(write: &Write) -> String {
    match write {
        Write::Apply { configuration, force } => format!("apply force={force} {configuration}"),
        other => format!("{other:?}"),
    }
}

async fn smallest(server: &Server, mut best: Sequence, mut failure: Failure) -> (Sequence, Failure) {
    best.steps.truncate(failure.step + 1);
    let mut runs = 0;
    loop {
        let mut smaller = false;
        for candidate in candidates(&best) {
            if runs >= RUNS {
                return (best, failure);
            }
            runs += 1;
            if let Some(found) = candidate.run(server, &format!("s{}-{runs}", best.seed)).await.failure
                && same_kind(&found.how, &failure.how)
            {
                best = candidate;
                best.steps.truncate(found.step + 1);
                failure = found;
                smaller = true;
                break;
            }
        }
        if !smaller {
            return (best, failure);
        }
    }
}

/// It still fails in the same way, if not with the same values.
fn same_kind(a: &str, b: &str) -> bool {
    let first = |text: &str| text.split_whitespace().next().map(str::to_owned);
    first(a) == first(b)
}

fn candidates(of: &Sequence) -> Vec<Sequence> {
    let mut found = Vec::new();
    for index in (0..of.steps.len().saturating_sub(1)).rev() {
        let mut fewer = of.clone();
        fewer.steps.remove(index);
        found.push(fewer);
    }
    for (index, step) in of.steps.iter().enumerate() {
        let Some(value) = content(&step.write) else { continue };
        let mut places: Vec<FieldPath> = places(value);
        places.sort_by_key(|path| path.0.len());
        for path in places {
            let mut fewer = of.clone();
            if let Some(value) = content_mut(&mut fewer.steps[index].write) {
                merge::remove(value, &path);
            }
            found.push(fewer);
        }
    }
    found
}

/// Every place within a value.
fn places(value: &Value) -> Vec<FieldPath> {
    let steps: Vec<(PathElement, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, below)| (PathElement::Field(name.clone()), below)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, below)| (PathElement::Index(index), below)).collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (element, below) in steps {
        found.extend(places(below).into_iter().map(|path| FieldPath([vec![element.clone()], path.0].concat())));
        found.push(FieldPath(vec![element]));
    }
    found
}

fn content(write: &Write) -> Option<&Value> {
    match write {
        Write::Apply { configuration, .. } | Write::ApplyStatus { configuration, .. } => Some(configuration),
        Write::Put { changes: value, .. }
        | Write::Merge(value)
        | Write::JsonPatch(value)
        | Write::Strategic(value)
        | Write::Status(value) => Some(value),
        Write::Scale(_) | Write::ForgetManagers => None,
    }
}

fn content_mut(write: &mut Write) -> Option<&mut Value> {
    match write {
        Write::Apply { configuration, .. } | Write::ApplyStatus { configuration, .. } => Some(configuration),
        Write::Put { changes: value, .. }
        | Write::Merge(value)
        | Write::JsonPatch(value)
        | Write::Strategic(value)
        | Write::Status(value) => Some(value),
        Write::Scale(_) | Write::ForgetManagers => None,
    }
}
