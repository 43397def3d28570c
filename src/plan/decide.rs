//! What an answer makes of a case: the change that the plan shows, and its writes.

use serde_json::Value;

use crate::merge::{self, ManagedFields, Operation};
use crate::resource::{Diagnostic, FieldManager, FieldPath, Object};
use crate::schema::TypeRef;

use super::case::{Case, Decision, Step, Surroundings, propagation};
use super::configuration::{self, Configuration};
use super::fields::Sides;
use super::{Action, Answer, Change, Conflict, Decided, Write, predict, refusal};

impl Case<'_> {
    pub(super) fn created(&mut self, predicted: &Object, decided: Decided) {
        let configuration = self.to_create(None);
        let mut change = self.change(Action::Create, decided, Some(predicted.clone()));
        change.fields = self.sides().changes(&configuration.send);
        change.writes = configuration.creating();
        if self.known.has(&self.key) {
            change.notes.push("somebody deleted it; it is made again".to_owned());
        }
        self.decision = Decision::Change(Box::new(change));
    }

    pub(super) fn updated(&mut self, mut predicted: Object, conflicts: Vec<Conflict>, around: &Surroundings) {
        let Some(live) = self.live.clone() else { return };
        let manager = &self.manager.clone();
        let adopts = !self.is_ours(&live);
        let configuration = self.to_update(&live);
        let managers = if adopts { configuration::client_side_managers(&live) } else { Vec::new() };
        let doubtful = !managers.is_empty() && configuration::take_over(&mut predicted, &managers, manager);
        let conflicts = self.judge(conflicts, &live, &managers, around);
        let fields = self.sides().changes(&predicted);
        let owns_other = owned(&live, manager) != owned(&predicted, manager);
        let action = match (adopts, fields.is_empty()) {
            (true, _) => Action::Adopt,
            (false, false) => Action::Update,
            (false, true) if owns_other || configuration.releasing().is_some() => Action::Own,
            (false, true) => {
                self.decision = Decision::Unchanged(self.decided());
                return;
            }
        };
        let decided = if doubtful { Decided::Prediction } else { self.decided() };
        let mut change = self.change(action, decided, Some(predicted));
        change.fields = fields;
        let apply = Write::Apply { object: configuration.send.clone(), force: !conflicts.is_empty(), creates: false };
        change.writes.extend((!managers.is_empty()).then_some(Write::TakeOver { managers }));
        change.writes.extend(configuration.releasing());
        change.writes.push(apply);
        change.conflicts = conflicts;
        self.decision = Decision::Change(Box::new(change));
    }

    /// Whose the fields were: drift, what adoption takes along, or somebody else's. Without consent for the latter, a finding.
    fn judge(&mut self, conflicts: Vec<Conflict>, live: &Object, taken_over: &[String], around: &Surroundings) -> Vec<Conflict> {
        let adopts = !self.is_ours(live);
        let managed = ManagedFields::of(live);
        let applies = |conflict: &Conflict| {
            let owners = managed.others_at(&conflict.path, &self.manager);
            owners.iter().any(|entry| entry.manager == conflict.manager && entry.operation == Operation::Apply)
        };
        let mut judged = Vec::new();
        for mut conflict in conflicts.into_iter().filter(|conflict| !taken_over.contains(&conflict.manager)) {
            let of = self.of().unwrap_or(TypeRef::any());
            conflict.ours_before = self.prior().is_some_and(|prior| merge::value_at(of, &conflict.path, prior.applied.value()).is_some());
            let taken_along = adopts && !applies(&conflict);
            if !conflict.ours_before && !taken_along && !around.take_ownership {
                let since = conflict.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
                let text =
                    format!("{}: {} is owned by `{}`{since}, and the stack wants another value", self.key, conflict.path, conflict.manager);
                let origin = self.desired.declared.origin_of(&conflict.path);
                self.findings.push(
                    Diagnostic::error("plan::conflict", text)
                        .at_maybe(origin, "")
                        .help("`--take-ownership` takes it; or leave it out of the stack; or `ignore_changes` in `[lifecycle]`"),
                );
            }
            judged.push(conflict);
        }
        judged.sort_by(|a, b| (&a.path, &a.manager).cmp(&(&b.path, &b.manager)));
        judged
    }

    /// First the leftovers become ours, then they go. The server checks the first step; the second one is predicted on it.
    pub(super) fn in_two_steps(&mut self, first: Object, leftovers: &[FieldPath]) {
        let Some(live) = self.live.clone() else { return };
        let configuration = self.to_update(&live);
        let owning = self.after(Some(&live), &first).unwrap_or_else(|| live.clone());
        let predicted = self.after(Some(&owning), &configuration.ask).unwrap_or_else(|| {
            let mut rough = configuration::roughly(&live, &configuration.ask, &self.manager, self.of());
            for path in leftovers {
                merge::remove(rough.value_mut(), path);
            }
            rough
        });
        let mut change = self.change(Action::Update, Decided::Prediction, Some(predicted.clone()));
        change.fields = self.sides().changes(&predicted);
        change.writes.push(Write::Apply { object: first, force: false, creates: false });
        change.writes.extend(configuration.releasing());
        change.writes.push(Write::Apply { object: configuration.send, force: false, creates: false });
        let names: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        change.notes.push(format!("two steps: the server's own {} is made ours, so that it can go", names.join(", ")));
        self.decision = Decision::Change(Box::new(change));
    }

    pub(super) fn invalid(&mut self, causes: &[(String, String)], message: &str, step: &Step) {
        if let (Step::Update { .. }, Some(live)) = (step, self.live.clone()) {
            if let Some(reasons) = refusal::immutable(causes, message) {
                let change = self.replacing(&live, reasons);
                self.decision = Decision::Change(Box::new(change));
                return;
            }
            let leftovers = refusal::leftovers(causes, &self.to_update(&live).ask, &live, &self.manager, self.of());
            if !leftovers.is_empty()
                && let Some(first) = refusal::owning(&leftovers, &live, &self.manager)
            {
                let refused = Box::new(self.words(message));
                return self.ask(Step::Leftover { first, leftovers, refused });
            }
        }
        self.refused(message.to_owned(), step);
    }

    /// The object goes and comes again.
    pub(super) fn replacing(&self, live: &Object, reasons: Vec<String>) -> Change {
        let configuration = self.to_create(Some(live));
        let after = configuration::roughly(live, &configuration.send, &self.manager, self.of());
        let mut change = self.change(Action::Replace, Decided::Prediction, Some(configuration.send.clone()));
        change.fields = self.sides().changes(&after);
        change.replace_reasons = reasons;
        change.writes.push(Write::Delete { propagation: propagation(&self.key) });
        change.writes.extend(configuration.creating());
        change
    }

    pub(super) fn refused(&mut self, message: String, step: &Step) {
        let finding = Box::new(self.words(&message));
        let mut predicted = if let (Some(live), Step::Update { .. }) = (&self.live, step) {
            let configuration = self.to_update(live);
            let after = self
                .after(Some(live), &configuration.ask)
                .unwrap_or_else(|| configuration::roughly(live, &configuration.ask, &self.manager, self.of()));
            let mut change = self.change(Action::Update, Decided::Prediction, Some(after.clone()));
            change.fields = self.sides().changes(&after);
            change.writes.extend(configuration.releasing());
            change.writes.push(Write::Apply { object: configuration.send, force: false, creates: false });
            change
        } else {
            self.created(&self.to_create(None).send, Decided::Prediction);
            let Decision::Change(change) = std::mem::take(&mut self.decision) else { return };
            *change
        };
        predicted.decided = Decided::Prediction;
        let curable = !(self.decided() == Decided::Prediction && self.kind.is_some_and(|kind| kind.is_new));
        self.decision = Decision::Refused { finding, message, predicted: Box::new(predicted), curable };
    }

    /// What an apply of this makes of an object, if that can be told and isn't refused.
    fn after(&self, live: Option<&Object>, configuration: &Object) -> Option<Object> {
        match predict::answer(live, configuration, false, &self.manager, self.kind?)? {
            Answer::Applied { object, .. } => Some(object),
            _ => None,
        }
    }

    /// The kind's type, if it is known.
    pub(super) fn of(&self) -> Option<TypeRef<'_>> {
        self.kind.map(|kind| kind.of)
    }

    fn to_create(&self, keep: Option<&Object>) -> Configuration {
        Configuration::to_create(self.desired, keep, self.of())
    }

    fn to_update(&self, live: &Object) -> Configuration {
        Configuration::to_update(self.desired, live, &self.manager, self.of())
    }

    /// Whether it is the stack's: spai applied it, or the state knows it.
    pub(super) fn is_ours(&self, live: &Object) -> bool {
        ManagedFields::of(live).applied(&self.manager).is_some() || self.prior().is_some_and(|prior| live.uid() == Some(prior.uid.as_str()))
    }

    pub(super) fn sides(&self) -> Sides<'_> {
        Sides { desired: self.desired, prior: self.prior(), live: self.live.as_ref(), manager: &self.manager, of: self.of() }
    }

    /// A change of this object with nothing said about it yet.
    fn change(&self, action: Action, decided: Decided, predicted: Option<Object>) -> Change {
        Change {
            key: self.key.clone(),
            action,
            scope: self.desired.scope.clone(),
            origin: self.desired.declared.object.clone(),
            wave: 0,
            ready_by: 0,
            fields: Vec::new(),
            conflicts: Vec::new(),
            replace_reasons: Vec::new(),
            writes: Vec::new(),
            desired: Some(self.desired.clone()),
            live: self.live.clone(),
            predicted,
            prior: self.prior().cloned(),
            decided,
            notes: Vec::new(),
        }
    }
}

/// What a manager applied: in which version, and which fields.
fn owned<'o>(object: &'o Object, manager: &FieldManager) -> Option<(&'o Value, &'o Value)> {
    merge::our_entry(object, manager).map(|entry| (&entry["apiVersion"], &entry["fieldsV1"]))
}
