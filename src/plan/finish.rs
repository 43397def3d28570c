//! From decisions on single objects to the plan as a whole: cures, triggered replaces, order, consents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::graph::{self, ResourceGraph};
use crate::resource::{Diagnostic, Diagnostics, Edge, Object, ObjectKey, Origin, Quantity};

use super::case::{Case, Decision};
use super::planner::Planner;
use super::removal::{self, Removal};
use super::{Action, Change, Decided, Plan, PlanInput, consents, cure, doubt, limits, moved, notes, sight, standing};

/// The plan.
pub(super) fn finish(mut planner: Planner<'_>) -> Plan {
    let told = sight::findings(&planner);
    planner.findings.extend(Diagnostics(told));
    let mut standing = standing::objects(&planner);
    let Planner {
        input,
        mut cases,
        mut unchanged,
        removals,
        counts,
        included,
        asked,
        wanted,
        settled,
        unreadable,
        mut findings,
        limits,
        rights,
        live,
        ..
    } = planner;
    for case in &mut cases {
        findings.extend(std::mem::take(&mut case.findings));
    }
    warnings(&cases, &mut findings);
    let by_cure = cures(&mut cases, input.graph, &mut findings);
    triggered(&mut cases, input.graph);

    let is_there = |case: &&Case<'_>| case.live.is_some() || wanted.get(&case.key).is_some_and(|one| settled.has(one.place));
    let known = input.known.keys().len().max(unchanged.len() + cases.iter().filter(is_there).count() + removals.len());
    let mut changes = Vec::new();
    let mut unknown: BTreeSet<ObjectKey> = unreadable.into_keys().collect();
    let (mut confirmed, mut doubts) = (BTreeMap::new(), BTreeMap::new());
    for case in cases {
        if !case.doubts.is_empty() {
            // A refusal says so itself.
            if !matches!(case.decision, Decision::Failed | Decision::Refused { .. }) {
                findings.push(doubt::finding(&case.key, &case.doubts, case.desired.declared.object.as_ref()));
            }
            doubts.insert(case.key.clone(), case.doubts);
        }
        match case.decision {
            Decision::Unchanged(decided) => {
                if decided != Decided::Merge {
                    confirmed.insert(case.key.clone(), decided);
                }
                unchanged.push(case.key);
                standing.extend(case.live);
            }
            Decision::Change(change) => changes.push(*change),
            Decision::Unknown => {
                unknown.insert(case.key);
            }
            Decision::Refused { .. } | Decision::Failed | Decision::Open => {}
        }
    }
    for change in &mut changes {
        annotate(change, input.graph, &included, &by_cure);
        if let Some(from) = moved::from(input.moved, &change.key, &change.scope).filter(|_| change.action == Action::Create) {
            change.notes.push(format!("moved from {from}: made first, then the old one goes"));
        }
    }
    for removal in &removals {
        if removal.deletes() && removal.prior.is_some_and(|prior| prior.prevent_destroy) {
            findings.push(prevented(&removal.key, removal.prior.and_then(|prior| prior.origin.as_ref()), "the stack no longer has it"));
        }
    }
    for change in changes.iter().filter(|change| change.action == Action::Replace) {
        if change.desired.as_ref().is_some_and(|desired| desired.lifecycle.prevent_destroy) {
            findings.push(prevented(&change.key, change.origin.as_ref(), &change.replace_reasons.join("; ")));
        }
    }
    order(&mut changes, removals, input.graph, &input);
    let server = minor(&input.target.server_version);
    findings.extend(limits::check(limits::Scene { changes: &changes, standing: &standing, others: &live, limits: &limits, server }));
    findings.extend(rights.0.findings(&rights.1));

    let consents = consents::consents(
        &changes,
        input.max_deletes.as_ref(),
        known,
        |change| moved::to(input.moved, &change.key, &change.scope).is_some(),
        |change| change.live.as_ref().and_then(removal::defined_by).and_then(|kind| counts.get(&kind).copied().flatten()),
    );
    findings.sort();
    unchanged.sort();
    Plan {
        identity: input.identity.clone(),
        target: input.target,
        revision: input.known.revision(),
        changes,
        unchanged,
        confirmed,
        unknown: unknown.into_iter().collect(),
        doubts,
        asking: input.asking,
        findings,
        consents,
        narrowed: !input.filter.is_empty(),
        asked: asked.len(),
    }
}

/// `v1.36.3` is 36; of a version that says nothing, the newest.
fn minor(version: &str) -> u32 {
    let digits = version.split('.').nth(1).map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

/// The server's warnings, each once for all objects that one line of the stack makes.
fn warnings(cases: &[Case<'_>], findings: &mut Diagnostics) {
    let mut said: BTreeMap<(Option<&Origin>, &str), Vec<&ObjectKey>> = BTreeMap::new();
    for case in cases {
        for warning in &case.warnings {
            said.entry((case.desired.declared.object.as_ref(), warning)).or_default().push(&case.key);
        }
    }
    for ((origin, warning), keys) in said {
        let more = if keys.len() > 1 { format!(" and {} more", keys.len() - 1) } else { String::new() };
        let first = keys.first().map_or_else(String::new, ToString::to_string);
        findings.push(Diagnostic::warning("plan::server_warning", format!("{first}{more}: {warning}")).at_maybe(origin, ""));
    }
}

/// Turns refusals that the plan itself takes away into predictions, the others into findings. What cures what.
fn cures(cases: &mut [Case<'_>], graph: &ResourceGraph, findings: &mut Diagnostics) -> BTreeMap<ObjectKey, ObjectKey> {
    let mut changed: BTreeSet<ObjectKey> =
        cases.iter().filter(|case| matches!(case.decision, Decision::Change(_))).map(|case| case.key.clone()).collect();
    let mut cured = BTreeMap::new();
    loop {
        let known = cured.len();
        for case in cases.iter_mut() {
            let Decision::Refused { message, predicted, curable: true, .. } = &case.decision else { continue };
            // What cures it must be done when its turn comes.
            let before: BTreeSet<ObjectKey> =
                changed.iter().filter(|other| graph.wave_of(other) < graph.wave_of(&case.key)).cloned().collect();
            if let Some(by) = cure::cure(&case.key, message, &before, graph) {
                cured.insert(case.key.clone(), by);
                changed.insert(case.key.clone());
                case.decision = Decision::Change(predicted.clone());
                // As things will be, nothing contradicts what was predicted.
                case.doubts.clear();
            }
        }
        if cured.len() == known {
            break;
        }
    }
    for case in cases {
        if let Decision::Refused { finding, .. } = &case.decision {
            findings.push((**finding).clone());
        }
    }
    cured
}

/// Replaces what is to be replaced because something else changes.
fn triggered(cases: &mut [Case<'_>], graph: &ResourceGraph) {
    let position: BTreeMap<ObjectKey, usize> = cases.iter().enumerate().map(|(index, case)| (case.key.clone(), index)).collect();
    let mut in_order: Vec<usize> = (0..cases.len()).collect();
    in_order.sort_by_key(|index| (graph.wave_of(&cases[*index].key), *index));
    for index in in_order {
        let case = &cases[index];
        if case.desired.lifecycle.replace_triggered_by.is_empty() {
            continue;
        }
        let Some(live) = case.live.as_ref().filter(|live| case.is_ours(live)) else { continue };
        let changes = |key: &&ObjectKey| {
            let trigger = position.get(*key).map(|index| &cases[*index].decision);
            matches!(trigger, Some(Decision::Change(change)) if matches!(change.action, Action::Update | Action::Replace | Action::Create))
        };
        let triggers: Vec<String> =
            case.desired.lifecycle.replace_triggered_by.iter().filter(changes).map(|key| format!("{key} changes")).collect();
        let replaced_already = matches!(&case.decision, Decision::Change(change) if change.action == Action::Replace);
        if triggers.is_empty()
            || replaced_already
            || matches!(case.decision, Decision::Failed | Decision::Unknown | Decision::Refused { .. })
        {
            continue;
        }
        let change = case.replacing(live, triggers);
        cases[index].decision = Decision::Change(Box::new(change));
    }
}

/// What a change means beyond its fields.
fn annotate(change: &mut Change, graph: &ResourceGraph, included: &BTreeMap<ObjectKey, ObjectKey>, cured: &BTreeMap<ObjectKey, ObjectKey>) {
    if let Some(by) = included.get(&change.key) {
        change.notes.push(format!("not named by the filter, but {by} needs it"));
    }
    if let Some(by) = cured.get(&change.key) {
        change.notes.push(format!("refused as things are; predicted, since {by} changes before it"));
    }
    change.notes.extend(notes::restarts(change));
    if change.action == Action::Replace {
        let dependents: BTreeSet<String> =
            graph.edges().filter(|(_, edge)| *edge.to == change.key).map(|(from, _)| from.to_string()).collect();
        if !dependents.is_empty() {
            let shown: Vec<String> = dependents.iter().take(3).cloned().collect();
            let more = if dependents.len() > 3 { format!(" and {} more", dependents.len() - 3) } else { String::new() };
            change.notes.push(format!("while it is away, missed by {}{more}", shown.join(", ")));
        }
    }
}

fn prevented(key: &ObjectKey, origin: Option<&Origin>, why: &str) -> Diagnostic {
    Diagnostic::error("plan::prevent_destroy", format!("{key} is protected by `prevent_destroy`, and would be deleted: {why}"))
        .at_maybe(origin, "declared here")
        .help("keep it in the stack as it is; or apply it once with `prevent_destroy = false`")
}

/// Whether it is a quota that gives less than before, and nothing more: in its usual place, before the workloads, it would
/// refuse the pods of a roll-out beside those that still end, and those of services that are yet to go.
fn tightens(change: &Change) -> bool {
    let (Action::Update, "ResourceQuota", Some(live), Some(desired)) =
        (change.action, change.key.kind.as_str(), &change.live, &change.desired)
    else {
        return false;
    };
    let (before, after) = (&live.value()["spec"]["hard"], &desired.object.value()["spec"]["hard"]);
    let amount = |table: &Value, name: &str| table.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Quantity>().ok());
    let Some(wanted) = after.as_object() else { return false };
    let mut lower = false;
    for name in wanted.keys() {
        match (amount(before, name), amount(after, name)) {
            (Some(before), Some(after)) if after > before => return false,
            (Some(before), Some(after)) => lower |= after < before,
            // Something that wasn't bounded before now is.
            _ => lower = true,
        }
    }
    lower
}

/// Says by which wave each has to be ready. What comes and changes: before the first wave that needs it, and before the first,
/// `closing`, that takes anything away. What goes, and what ends by itself, takes room only for a while: before the next wave.
fn readiness(changes: &mut [Change], closing: usize, graph: &ResourceGraph) {
    let coming: Vec<(&ObjectKey, usize)> =
        changes.iter().filter(|change| change.wave < closing).map(|change| (&change.key, change.wave)).collect();
    let mut needed = graph.needed_ready(&coming).into_iter();
    for change in changes {
        let next = change.wave + 1;
        let needed = if change.wave < closing { needed.next().flatten() } else { None };
        let may_stay = change.wave < closing && change.key.kind != "Job";
        change.ready_by = if may_stay { needed.unwrap_or(closing).max(next) } else { next };
    }
}

/// Numbers the waves without gaps: creates and updates in the graph's order, deletes after them all, dependents first; and
/// what only becomes tighter, when everything fits in it. Says by which wave each has to be ready. Then sorts: deletes, then by
/// wave and identity.
fn order(changes: &mut Vec<Change>, removals: Vec<Removal<'_>>, graph: &ResourceGraph, input: &PlanInput<'_>) {
    if changes.is_empty() && removals.is_empty() {
        return;
    }
    let of_graph: BTreeSet<usize> =
        changes.iter().filter(|change| !tightens(change)).map(|change| graph.wave_of(&change.key).unwrap_or(0)).collect();
    let dense: BTreeMap<usize, usize> = of_graph.into_iter().enumerate().map(|(dense, wave)| (wave, dense)).collect();
    for change in changes.iter_mut() {
        change.wave = dense.get(&graph.wave_of(&change.key).unwrap_or(0)).copied().unwrap_or(0);
    }
    let none: Vec<Edge> = Vec::new();
    let deleted: Vec<(&Object, &[Edge])> = removals
        .iter()
        .filter(|removal| removal.deletes())
        .filter_map(|removal| Some((removal.live.as_ref()?, removal.prior.map_or(none.as_slice(), |prior| prior.edges.as_slice()))))
        .collect();
    let waves: BTreeMap<ObjectKey, usize> = graph::deletion_order(&deleted)
        .into_iter()
        .enumerate()
        .flat_map(|(wave, keys)| keys.into_iter().map(move |key| (key, wave)))
        .collect();
    let first = dense.len();
    for removal in removals {
        let mut change = removal.into_change();
        change.wave = first + waves.get(&change.key).copied().unwrap_or(0);
        if change.action == Action::Delete {
            if let Some(to) = moved::to(input.moved, &change.key, &change.scope) {
                change.notes.push(format!("moved to {to}: goes once the new one is there"));
            }
            change.notes.extend(notes::restarts(&change));
        }
        changes.push(change);
    }
    let last = changes.iter().filter(|change| !tightens(change)).map(|change| change.wave + 1).max().unwrap_or(0);
    for change in changes.iter_mut().filter(|change| tightens(change)) {
        change.wave = last;
    }
    readiness(changes, first, graph);
    changes.sort_by(|a, b| {
        let rank = |change: &Change| (change.action != Action::Delete, change.wave);
        (rank(a), &a.key).cmp(&(rank(b), &b.key))
    });
}
