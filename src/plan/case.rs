//! One desired object on its way to a decision: what is there, what the server said of it so far, and what to ask next.

use std::collections::{BTreeMap, BTreeSet};

use crate::merge::{self, ManagedFields, Operation};
use crate::resource::{
    Desired, Diagnostic, Diagnostics, FieldManager, FieldPath, GroupKind, GroupVersionKind, Object, ObjectKey, Prior, StackIdentity,
};

use super::configuration::{self, Configuration};
use super::fields::Sides;
use super::{Action, Answer, Ask, Change, Conflict, Decided, Propagation, Write, record, refusal};

/// How often a question is asked again because the object changed meanwhile.
const ATTEMPTS: u32 = 6;

/// What a case must know of everything else.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub identity: Option<StackIdentity>,
    pub served: BTreeMap<GroupVersionKind, bool>,
    /// Kinds that definitions of the stack itself define.
    pub defined: BTreeSet<GroupKind>,
    /// Namespaces of the stack itself.
    pub namespaces: BTreeSet<String>,
    pub absent_namespaces: BTreeSet<String>,
    pub ending_namespaces: BTreeSet<String>,
    pub take_ownership: bool,
}

/// What is to become of an object.
#[derive(Clone, Debug, Default)]
pub(super) enum Decision {
    /// Not known yet.
    #[default]
    Open,
    /// It stays as it is.
    Unchanged,
    /// It changes.
    Change(Box<Change>),
    /// The server refuses it for now; should the plan itself cure that, this is what would happen.
    Refused { finding: Box<Diagnostic>, message: String, predicted: Box<Change> },
    /// It can't be planned.
    Failed,
}

/// What is being asked.
#[derive(Clone, Debug)]
enum Step {
    Create,
    Update {
        force: bool,
        conflicts: Vec<Conflict>,
    },
    /// A default left over from what it was is made ours first; the server's words if that doesn't help.
    Leftover {
        first: Object,
        leftovers: Vec<FieldPath>,
        refused: Box<Diagnostic>,
    },
}

/// One desired object on its way to a decision.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub key: ObjectKey,
    pub desired: &'a Desired,
    pub prior: Option<&'a Prior>,
    pub live: Option<Object>,
    pub decision: Decision,
    pub findings: Diagnostics,
    /// What the server said beside its last answer.
    pub warnings: Vec<String>,
    manager: FieldManager,
    step: Option<Step>,
    asking: bool,
    attempts: u32,
}

impl<'a> Case<'a> {
    pub fn new(key: ObjectKey, desired: &'a Desired, prior: Option<&'a Prior>, manager: FieldManager) -> Self {
        Self {
            key,
            desired,
            prior,
            live: None,
            decision: Decision::Open,
            findings: Diagnostics::default(),
            warnings: Vec::new(),
            manager,
            step: None,
            asking: false,
            attempts: 0,
        }
    }

    /// Decides what can be decided by what is known, and otherwise what to ask.
    pub fn begin(&mut self, live: Option<Object>, around: &Surroundings) {
        self.live = live;
        self.decision = Decision::Open;
        if let Some(namespace) = self.key.namespace.as_deref().filter(|name| around.ending_namespaces.contains(*name)) {
            if around.namespaces.contains(namespace) {
                // The namespace says so, once for all that is in it.
                self.decision = Decision::Failed;
                return;
            }
            let text = format!("{} is to be in the namespace {namespace}, which is being deleted", self.key);
            return self.fail(self.finding("plan::being_deleted", text).help("plan again once it is gone or made again"));
        }
        let Some(live) = &self.live else { return self.begin_create(around) };
        if let Some(finding) = self.objection(live, around) {
            return self.fail(finding);
        }
        if self.prior.is_some_and(|prior| record::holds(prior, self.desired, live, &self.manager)) {
            self.decision = Decision::Unchanged;
            return;
        }
        self.ask(Step::Update { force: false, conflicts: Vec::new() });
    }

    /// The next question, once.
    pub fn take_question(&mut self) -> Option<Ask> {
        let step = self.step.as_ref().filter(|_| self.asking)?;
        let (object, force) = match (step, &self.live) {
            (Step::Leftover { first, .. }, _) => (first.clone(), false),
            (Step::Update { force, .. }, Some(live)) => (Configuration::to_update(self.desired, live, &self.manager).ask, *force),
            _ => (Configuration::to_create(self.desired, None).ask, false),
        };
        self.asking = false;
        Some(Ask::DryRun { object, force, live: self.live.clone() })
    }

    /// Goes on with what the server said.
    pub fn answer(&mut self, answer: Answer, around: &Surroundings) {
        let Some(step) = self.step.take() else { return };
        match (answer, step) {
            (Answer::Moved(live), _) => {
                self.attempts += 1;
                if self.attempts >= ATTEMPTS {
                    let text = format!("{} keeps changing while it is planned", self.key);
                    return self.fail(self.finding("plan::restless", text).help("somebody else writes to it again and again; plan later"));
                }
                self.begin(live, around);
            }
            (Answer::Applied { object, warnings }, step) => {
                self.warnings = warnings;
                match step {
                    Step::Create => self.created(&object, Decided::DryRun),
                    Step::Update { conflicts, .. } => self.updated(object, conflicts, around),
                    Step::Leftover { first, leftovers, .. } => self.in_two_steps(first, &leftovers),
                }
            }
            (Answer::Conflict(conflicts), Step::Update { force: false, .. }) => self.ask(Step::Update { force: true, conflicts }),
            (Answer::Invalid { .. } | Answer::Refused { .. } | Answer::Conflict(_), Step::Leftover { refused, .. }) => self.fail(*refused),
            (Answer::Invalid { causes, message }, step) => self.invalid(&causes, &message, &step),
            (Answer::Refused { message }, step) => self.refused(message, &step),
            (Answer::Conflict(_), _) => self.refused("the server reports a conflict of owners".to_owned(), &Step::Create),
            (Answer::Count(_), step) => self.step = Some(step),
        }
    }

    /// Why the object that is there can't be planned with.
    fn objection(&self, live: &Object, around: &Surroundings) -> Option<Diagnostic> {
        if let Some(other) = StackIdentity::of(live).filter(|other| Some(other) != around.identity.as_ref()) {
            let finding = self.finding("plan::another_stack", format!("{} belongs to another stack: {other}", self.key));
            return Some(
                finding.help(
                    "spai never takes an object from another stack; give it another name or namespace here, or remove it there first",
                ),
            );
        }
        if live.is_being_deleted() {
            let since = live.value()["metadata"]["deletionTimestamp"].as_str().unwrap_or_default();
            let finding = self.finding("plan::being_deleted", format!("{} is being deleted, since {since}", self.key));
            let finalizers: Vec<&str> =
                live.value()["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
            let held = if finalizers.is_empty() { String::new() } else { format!("; its finalizers hold it: {}", finalizers.join(", ")) };
            return Some(finding.help(format!("plan again once it is gone{held}")));
        }
        self.unserved(around)
    }

    /// That neither the cluster nor the stack itself has the kind, in this version, or that it has no such place.
    fn unserved(&self, around: &Surroundings) -> Option<Diagnostic> {
        let (kind, gvk) = (self.key.group_kind(), self.desired.object.gvk());
        if around.served.get(&gvk).is_some_and(|namespaced| *namespaced != self.key.namespace.is_some()) {
            return Some(if self.key.namespace.is_some() {
                self.finding("plan::no_place", format!("{} says a namespace, and {kind} is of the whole cluster", self.key))
                    .help("take `metadata.namespace` out")
            } else {
                self.finding("plan::no_place", format!("{} is to be in a namespace, and doesn't say in which", self.key))
                    .help("add `metadata.namespace`")
            });
        }
        if around.served.contains_key(&gvk) || around.defined.contains(&kind) {
            return None;
        }
        let versions: Vec<&str> =
            around.served.keys().filter(|served| served.group_kind() == kind).map(|served| served.version.as_str()).collect();
        let finding =
            self.finding("plan::no_such_kind", format!("the cluster has no kind {kind} in {}", self.desired.object.api_version()));
        Some(if versions.is_empty() {
            finding.help("install what defines it, or add its CustomResourceDefinition to the stack's manifests")
        } else {
            finding.help(format!("it serves it in {}", versions.join(", ")))
        })
    }

    fn begin_create(&mut self, around: &Surroundings) {
        if let Some(finding) = self.unserved(around) {
            return self.fail(finding);
        }
        if !around.served.contains_key(&self.desired.object.gvk()) {
            return self.created(&Configuration::to_create(self.desired, None).send, Decided::Prediction);
        }
        if let Some(namespace) = self.key.namespace.as_deref().filter(|name| around.absent_namespaces.contains(*name)) {
            if around.namespaces.contains(namespace) {
                return self.created(&Configuration::to_create(self.desired, None).send, Decided::Prediction);
            }
            let finding =
                self.finding("plan::no_namespace", format!("{} is to be in the namespace {namespace}, which doesn't exist", self.key));
            return self.fail(finding.help("add the Namespace to the stack's manifests, or create it"));
        }
        self.ask(Step::Create);
    }

    fn created(&mut self, predicted: &Object, decided: Decided) {
        let configuration = Configuration::to_create(self.desired, None);
        let mut change = self.change(Action::Create, decided, Some(predicted.clone()));
        change.fields = self.sides().changes(&configuration.send);
        change.writes = configuration.creating();
        if self.prior.is_some() {
            change.notes.push("somebody deleted it; it is made again".to_owned());
        }
        self.decision = Decision::Change(Box::new(change));
    }

    fn updated(&mut self, mut predicted: Object, conflicts: Vec<Conflict>, around: &Surroundings) {
        let Some(live) = self.live.clone() else { return };
        let manager = &self.manager.clone();
        let adopts = !self.is_ours(&live);
        let configuration = Configuration::to_update(self.desired, &live, manager);
        let managers = if adopts { configuration::client_side_managers(&live) } else { Vec::new() };
        let doubtful = !managers.is_empty() && configuration::take_over(&mut predicted, &managers, manager);
        let conflicts = self.judge(conflicts, &live, &managers, around);
        let fields = self.sides().changes(&predicted);
        let owns_other = owned_digest(&live, manager) != owned_digest(&predicted, manager);
        let action = match (adopts, fields.is_empty()) {
            (true, _) => Action::Adopt,
            (false, false) => Action::Update,
            (false, true) if owns_other || configuration.releasing().is_some() => Action::Own,
            (false, true) => {
                self.decision = Decision::Unchanged;
                return;
            }
        };
        let decided = if doubtful { Decided::Prediction } else { Decided::DryRun };
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
            conflict.ours_before = self.prior.is_some_and(|prior| conflict.path.get(prior.applied.value()).is_some());
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

    /// First the leftovers become ours, then they go: the server has checked the first step.
    fn in_two_steps(&mut self, first: Object, leftovers: &[FieldPath]) {
        let Some(live) = self.live.clone() else { return };
        let configuration = Configuration::to_update(self.desired, &live, &self.manager);
        let mut predicted = configuration::predict(&live, &configuration.ask, &self.manager);
        for path in leftovers {
            merge::remove(predicted.value_mut(), path);
        }
        let mut change = self.change(Action::Update, Decided::Prediction, Some(predicted.clone()));
        change.fields = self.sides().changes(&predicted);
        change.writes.push(Write::Apply { object: first, force: false, creates: false });
        change.writes.extend(configuration.releasing());
        change.writes.push(Write::Apply { object: configuration.send, force: false, creates: false });
        let names: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        change.notes.push(format!("two steps: the server's own {} is made ours, so that it can go", names.join(", ")));
        self.decision = Decision::Change(Box::new(change));
    }

    fn invalid(&mut self, causes: &[(String, String)], message: &str, step: &Step) {
        if let (Step::Update { .. }, Some(live)) = (step, self.live.clone()) {
            if let Some(reasons) = refusal::immutable(causes, message) {
                let change = self.replacing(&live, reasons);
                self.decision = Decision::Change(Box::new(change));
                return;
            }
            let configuration = Configuration::to_update(self.desired, &live, &self.manager);
            let leftovers = refusal::leftovers(causes, &configuration.ask, &live, &self.manager);
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
    pub fn replacing(&self, live: &Object, reasons: Vec<String>) -> Change {
        let configuration = Configuration::to_create(self.desired, Some(live));
        let predicted = configuration::predict(live, &configuration.send, &self.manager);
        let mut change = self.change(Action::Replace, Decided::Prediction, Some(configuration.send.clone()));
        change.fields = self.sides().changes(&predicted);
        change.replace_reasons = reasons;
        change.writes.push(Write::Delete { propagation: propagation(&self.key) });
        change.writes.extend(configuration.creating());
        change
    }

    fn refused(&mut self, message: String, step: &Step) {
        let finding = Box::new(self.words(&message));
        let mut predicted = if let (Some(live), Step::Update { .. }) = (&self.live, step) {
            let configuration = Configuration::to_update(self.desired, live, &self.manager);
            let after = configuration::predict(live, &configuration.ask, &self.manager);
            let mut change = self.change(Action::Update, Decided::Prediction, Some(after.clone()));
            change.fields = self.sides().changes(&after);
            change.writes.extend(configuration.releasing());
            change.writes.push(Write::Apply { object: configuration.send, force: false, creates: false });
            change
        } else {
            self.created(&Configuration::to_create(self.desired, None).send, Decided::Prediction);
            let Decision::Change(change) = std::mem::take(&mut self.decision) else { return };
            *change
        };
        predicted.decided = Decided::Prediction;
        self.decision = Decision::Refused { finding, message, predicted: Box::new(predicted) };
    }

    /// Whether it is the stack's: spai applied it, or the state knows it.
    pub fn is_ours(&self, live: &Object) -> bool {
        ManagedFields::of(live).applied(&self.manager).is_some() || self.prior.is_some_and(|prior| live.uid() == Some(prior.uid.as_str()))
    }

    fn sides(&self) -> Sides<'_> {
        Sides { desired: self.desired, prior: self.prior, live: self.live.as_ref(), manager: &self.manager }
    }

    /// A change of this object with nothing said about it yet.
    fn change(&self, action: Action, decided: Decided, predicted: Option<Object>) -> Change {
        Change {
            key: self.key.clone(),
            action,
            scope: self.desired.scope.clone(),
            origin: self.desired.declared.object.clone(),
            wave: 0,
            fields: Vec::new(),
            conflicts: Vec::new(),
            replace_reasons: Vec::new(),
            writes: Vec::new(),
            desired: Some(self.desired.clone()),
            live: self.live.clone(),
            predicted,
            prior: self.prior.cloned(),
            decided,
            notes: Vec::new(),
        }
    }

    fn ask(&mut self, step: Step) {
        self.step = Some(step);
        self.asking = true;
    }

    fn fail(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
        self.decision = Decision::Failed;
    }

    fn finding(&self, code: &str, text: String) -> Diagnostic {
        Diagnostic::error(code, text).at_maybe(self.desired.declared.object.as_ref(), "declared here")
    }

    /// The server's words about the object.
    fn words(&self, message: &str) -> Diagnostic {
        self.finding("plan::refused", format!("{}: the server refuses it: {message}", self.key))
    }
}

/// The digest of what a manager owns.
fn owned_digest(object: &Object, manager: &FieldManager) -> Option<crate::resource::Digest> {
    merge::our_entry(object, manager).map(merge::entry_digest)
}

/// Whose pods are to be gone before the next thing happens, goes with them; everything else goes by itself.
pub(super) fn propagation(key: &ObjectKey) -> Propagation {
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") | ("batch", "CronJob" | "Job") => Propagation::Foreground,
        _ => Propagation::Background,
    }
}
