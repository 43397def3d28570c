//! What the stack no longer has: deleted if it is certainly ours, else forgotten.

use std::collections::BTreeSet;

use crate::merge;
use crate::resource::{Diagnostic, GroupKind, Object, ObjectKey, Prior, Scope, StackIdentity};

use super::planner::Planner;
use super::{Action, Change, Decided, Write, case};

/// Something that the stack no longer has.
#[derive(Debug)]
pub(super) struct Removal<'a> {
    pub key: ObjectKey,
    pub prior: Option<&'a Prior>,
    pub live: Option<Object>,
    /// It is only forgotten, and this is why.
    pub forget: Option<String>,
}

/// Everything that the stack no longer has, of what the lists showed and of what the last apply left; narrowed by the filter.
pub(super) fn removals<'a>(planner: &mut Planner<'a>) -> Vec<Removal<'a>> {
    let labelled = planner.live.iter().filter(|(_, object)| planner.input.identity.labels_match(object)).map(|(key, _)| key);
    // What can't be read is not gone.
    let goes = |key: &&ObjectKey| !planner.wanted.has(key) && !planner.unreadable.contains_key(*key);
    let keys: BTreeSet<ObjectKey> = labelled.chain(planner.unwanted.iter().copied()).filter(goes).cloned().collect();
    let mut removals = Vec::new();
    for key in keys {
        let prior = planner.input.known.get(&key);
        let live = planner.live.remove(&key);
        let scope = scope(prior, live.as_ref());
        if !planner.input.filter.selects(&key, &scope) {
            continue;
        }
        let Some(removal) = judge(planner, key, prior, live) else { continue };
        removals.push(removal);
    }
    removals
}

fn judge<'a>(planner: &mut Planner<'a>, key: ObjectKey, prior: Option<&'a Prior>, live: Option<Object>) -> Option<Removal<'a>> {
    let forget = match &live {
        None => Some("it is gone already".to_owned()),
        Some(object) => {
            let applied = merge::our_entry(object, &planner.manager).is_some();
            let same = prior.is_some_and(|prior| object.uid() == Some(prior.uid.as_str()));
            if !applied && !same {
                if prior.is_none() {
                    // Somebody, or a controller, copied the labels.
                    if !object.has_controller() {
                        planner.findings.push(
                            Diagnostic::warning(
                                "plan::labels_only",
                                format!("{key} carries this stack's labels, but spai never applied it"),
                            )
                            .help("it is left alone; take the labels away if it is none of the stack's"),
                        );
                    }
                    return None;
                }
                Some("another object has its name, which spai didn't make; it is left alone".to_owned())
            } else if let Some(other) = StackIdentity::of(object).filter(|other| other != planner.input.identity) {
                Some(format!("it belongs to another stack now: {other}"))
            } else if !planner.input.identity.labels_match(object) {
                Some("somebody took the stack's labels away from it; it is left alone".to_owned())
            } else if object.has_controller() {
                Some("a controller owns it now; it is left alone".to_owned())
            } else if object.is_being_deleted() {
                Some("it is being deleted already".to_owned())
            } else {
                None
            }
        }
    };
    if forget.is_some() && prior.is_none() {
        return None;
    }
    Some(Removal { key, prior, live, forget })
}

impl Removal<'_> {
    /// Which part of the stack it belonged to.
    pub fn scope(&self) -> Scope {
        scope(self.prior, self.live.as_ref())
    }

    /// Whether it is deleted.
    pub fn deletes(&self) -> bool {
        self.forget.is_none()
    }

    /// The kind that goes with it, if it is a definition that is deleted.
    pub fn defined_kind(&self) -> Option<GroupKind> {
        if self.deletes() { defined_by(self.live.as_ref()?) } else { None }
    }

    /// It as a change.
    pub fn into_change(self) -> Change {
        let deletes = self.deletes();
        Change {
            action: if deletes { Action::Delete } else { Action::Forget },
            scope: self.scope(),
            origin: self.prior.and_then(|prior| prior.origin.clone()),
            wave: 0,
            ready_by: 0,
            fields: Vec::new(),
            conflicts: Vec::new(),
            replace_reasons: Vec::new(),
            writes: if deletes { vec![Write::Delete { propagation: case::propagation(&self.key) }] } else { Vec::new() },
            desired: None,
            live: self.live,
            predicted: None,
            prior: self.prior.cloned(),
            decided: Decided::Record,
            notes: self.forget.into_iter().collect(),
            key: self.key,
        }
    }
}

/// The kind that a CustomResourceDefinition defines.
pub(super) fn defined_by(object: &Object) -> Option<GroupKind> {
    if object.kind() != "CustomResourceDefinition" || object.gvk().group != "apiextensions.k8s.io" {
        return None;
    }
    let spec = &object.value()["spec"];
    Some(GroupKind::new(spec["group"].as_str()?, spec["names"]["kind"].as_str()?))
}

fn scope(prior: Option<&Prior>, live: Option<&Object>) -> Scope {
    if let Some(prior) = prior {
        return prior.scope.clone();
    }
    let label = |name: &str| live.and_then(|live| live.label(name)).map(str::to_owned);
    Scope { tenant: label(StackIdentity::TENANT), tier: label(StackIdentity::TIER), service: label(StackIdentity::SERVICE) }
}
