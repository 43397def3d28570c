//! What a plan couldn't see, or wasn't allowed to: told once each, with what that means.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, GroupKind, ObjectKey};

use super::case::Decision;
use super::planner::Planner;

/// So many are named.
const NAMED: usize = 3;

/// What isn't known, and what it comes to.
pub(super) fn findings(planner: &Planner<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    findings.extend(rights(planner));
    findings.extend(closed(planner));
    findings.extend(unreadable(planner));
    findings.extend(admission(planner));
    findings.extend(types(planner));
    findings
}

/// Dry-runs that we may not do.
fn rights(planner: &Planner<'_>) -> Option<Diagnostic> {
    if planner.missing_rights.is_empty() {
        return None;
    }
    let rights: Vec<&str> = planner.missing_rights.iter().map(String::as_str).collect();
    let text = format!("the server can't be asked what would become of objects that change: {}", some(&rights));
    Some(
        Diagnostic::warning("plan::read_only", format!("{text}; their changes are predicted"))
            .help("a dry-run needs the rights that the write itself needs; without them the server's own checks are not in the plan"),
    )
}

/// Kinds that can't be listed.
fn closed<'p>(planner: &'p Planner<'_>) -> impl Iterator<Item = Diagnostic> + 'p {
    planner.closed.iter().map(|(kind, why)| {
        Diagnostic::warning("plan::not_listed", format!("objects of kind {kind} can't be listed: {why}"))
            .help("those that the stack wants are read one by one; what it no longer has is not found, and stays")
    })
}

/// Objects that can't be read.
fn unreadable<'p>(planner: &'p Planner<'_>) -> impl Iterator<Item = Diagnostic> + 'p {
    let mut by_kind: BTreeMap<GroupKind, (Vec<&ObjectKey>, &str)> = BTreeMap::new();
    for (key, why) in &planner.unreadable {
        by_kind.entry(key.group_kind()).or_insert_with(|| (Vec::new(), why)).0.push(key);
    }
    by_kind.into_values().map(|(keys, why)| {
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Diagnostic::warning("plan::not_readable", format!("{} can't be read: {why}", some(&names)))
            .help("whether they are there and what would change is not known; an apply needs the right to read them")
    })
}

/// Mutating admission that couldn't be read, or that wasn't asked.
fn admission(planner: &Planner<'_>) -> Option<Diagnostic> {
    if let Some(why) = planner.input.mutators.why_unread() {
        let text = format!("mutating webhooks and policies can't be read: {why}");
        return Some(
            Diagnostic::warning("plan::admission_unread", text)
                .help("an object that stays as it is could still be changed by one of them on the next write: `--verify` asks the server"),
        );
    }
    let untold: Vec<&str> = planner
        .cases
        .iter()
        .filter(|case| matches!(case.decision, Decision::Unchanged(_)))
        .filter_map(|case| case.untold.as_deref())
        .collect();
    let first = untold.first()?;
    let objects = if untold.len() == 1 { "1 object".to_owned() } else { format!("{} objects", untold.len()) };
    let text = format!("{objects} that stay as they are could be changed by {first} on a write; the server wasn't asked");
    Some(Diagnostic::warning("plan::admission_not_asked", text).help("plan without `--offline` to ask it"))
}

/// Types that can't be had: of all kinds, or of those of a group version.
fn types(planner: &Planner<'_>) -> impl Iterator<Item = Diagnostic> {
    planner.input.types.why_missed().into_iter().map(|(version, why)| {
        let whose = version.map_or("its kinds".to_owned(), |version| format!("the kinds of {version}"));
        Diagnostic::warning("plan::no_types", format!("the server doesn't tell the types of {whose}: {why}"))
            .help("their objects can't be compared here: the server is asked about each, and predictions are rough")
    })
}

fn some(names: &[&str]) -> String {
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}
