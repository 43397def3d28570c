//! What a narrowed plan is about: what the filter names, and what that can't be without.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::{Diagnostic, Diagnostics, ObjectKey, Scope};

use super::Filter;
use super::planner::{PlanInput, Planner};

/// That everything the filter names is there, in the stack or in its state.
pub(super) fn check_filter(input: &PlanInput<'_>) -> Result<(), Diagnostics> {
    let mut findings = Diagnostics::default();
    if input.filter.is_empty() {
        return findings.into_result(());
    }
    let desired: Vec<(ObjectKey, &Scope)> = input.desired.iter().map(|desired| (desired.key(), &desired.scope)).collect();
    let prior = input.known.iter().map(|(key, prior)| (key.clone(), &prior.scope));
    let all: Vec<(ObjectKey, &Scope)> = desired.into_iter().chain(prior).collect();
    let names = |of: fn(&Scope) -> Option<&String>| -> BTreeSet<&String> { all.iter().filter_map(|(_, scope)| of(scope)).collect() };
    for (flag, given, known) in [
        ("service", &input.filter.services, names(|scope| scope.service.as_ref())),
        ("tenant", &input.filter.tenants, names(|scope| scope.tenant.as_ref())),
    ] {
        for name in given.iter().filter(|name| !known.contains(name)) {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            findings.push(
                Diagnostic::error("plan::nothing_selected", format!("`--{flag} {name}` names nothing in this environment"))
                    .help(if known.is_empty() { format!("it has no {flag}s") } else { format!("it has: {}", known.join(", ")) }),
            );
        }
    }
    for target in &input.filter.targets {
        if !all.iter().any(|(key, _)| super::filter::target_matches(target, key)) {
            findings.push(
                Diagnostic::error("plan::nothing_selected", format!("`--target {target}` matches no object of the stack"))
                    .help("write KIND/NAMESPACE/NAME, or KIND/NAME for what has no namespace; `*` stands for any text"),
            );
        }
    }
    findings.into_result(())
}

/// What the filter leaves out although what it names comes after it, and it isn't there yet: with what needs it.
pub(super) fn needed(planner: &Planner<'_>) -> BTreeMap<ObjectKey, ObjectKey> {
    let filter: &Filter = planner.input.filter;
    let mut included = BTreeMap::new();
    if filter.is_empty() {
        return included;
    }
    let selects = |key: &ObjectKey| planner.wanted.get(key).is_some_and(|one| filter.selects(key, &one.desired.scope));
    let mut open: Vec<ObjectKey> = planner.wanted.iter().map(|one| one.key.to_key()).filter(|key| selects(key)).collect();
    open.reverse();
    while let Some(key) = open.pop() {
        for edge in planner.input.graph.dependencies(&key) {
            let is_there = planner.is_there(edge.to);
            if !is_there && planner.wanted.has(edge.to) && !selects(edge.to) && !included.contains_key(edge.to) {
                included.insert(edge.to.clone(), key.clone());
                open.push(edge.to.clone());
            }
        }
    }
    included
}
