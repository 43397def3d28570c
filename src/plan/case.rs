//! One desired object on its way to a decision: what is there, what was predicted, what the server said of it so far, and what
//! to ask next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::merge::Precedents;
use crate::resource::{
    Desired, Diagnostic, Diagnostics, FieldManager, FieldPath, GroupKind, GroupVersionKind, Object, ObjectKey, Prior, StackIdentity,
};

use super::configuration::{self, Configuration};
use super::predict::{self, Kind};
use super::touched::Written;
use super::{Answer, Ask, Asking, Change, Conflict, Decided, Doubt, Known, Mutators, Propagation, Types, doubt};

/// How often a question is asked again because the object changed meanwhile.
const ATTEMPTS: u32 = 6;

/// What a case must know of everything else.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub identity: Option<StackIdentity>,
    pub served: BTreeMap<GroupVersionKind, bool>,
    /// The names of kinds in paths.
    pub plurals: BTreeMap<GroupKind, String>,
    /// Kinds that definitions of the stack itself define.
    pub defined: BTreeSet<GroupKind>,
    /// Namespaces of the stack itself.
    pub namespaces: BTreeSet<String>,
    pub absent_namespaces: BTreeSet<String>,
    pub ending_namespaces: BTreeSet<String>,
    /// Namespaces as they stand, where something depends on that.
    pub standing_namespaces: BTreeMap<String, Object>,
    pub mutators: Arc<Mutators>,
    pub asking: Asking,
    pub take_ownership: bool,
}

impl Surroundings {
    /// What of mutating admission could touch an object when it is written.
    pub fn touching(&self, object: &Object, operation: &str) -> Option<&str> {
        let plural = self.plurals.get(&object.gvk().group_kind())?;
        let namespace = object.namespace().and_then(|name| self.standing_namespaces.get(name));
        self.mutators.touch(Written { object, plural, namespace, operation })
    }
}

/// What is to become of an object.
#[derive(Clone, Debug, Default)]
pub(super) enum Decision {
    /// Not known yet.
    #[default]
    Open,
    /// It stays as it is.
    Unchanged(Decided),
    /// It changes.
    Change(Box<Change>),
    /// The server refuses it for now; should the plan itself cure that, this is what would happen.
    Refused {
        finding: Box<Diagnostic>,
        message: String,
        predicted: Box<Change>,
        /// It is refused as things are, and not as they will be.
        curable: bool,
    },
    /// It can't be read, so nothing is known.
    Unknown,
    /// It can't be planned.
    Failed,
}

/// What is being asked.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create,
    Update {
        force: bool,
        conflicts: Vec<Conflict>,
    },
    /// By the rules it stays as it is: is it so? Asked of everything, or because admission could touch it.
    Confirm,
    /// A default left over from what it was is made ours first; the server's words if that doesn't help.
    Leftover {
        first: Object,
        leftovers: Vec<FieldPath>,
        refused: Box<Diagnostic>,
    },
}

/// What the server is asked.
#[derive(Clone, Debug)]
struct Sent {
    object: Object,
    force: bool,
    /// What it will answer, once that is worked out; None: it can't be told.
    foreseen: Arc<OnceLock<Option<Answer>>>,
}

impl Sent {
    fn foresee(&self, live: Option<&Object>, manager: &FieldManager, kind: Kind<'_>, is_secret: bool) -> Option<Answer> {
        Some(match predict::answer(live, &self.object, self.force, manager, kind)? {
            // Words about a value may hold it.
            Answer::Refused { .. } if is_secret => Answer::Refused { message: "a field is not of its type".to_owned() },
            answer => answer,
        })
    }
}

/// One desired object on its way to a decision.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub key: ObjectKey,
    pub desired: &'a Desired,
    /// What the last apply left of everything.
    pub known: &'a Known,
    pub live: Option<Object>,
    pub decision: Decision,
    pub findings: Diagnostics,
    /// What the server said beside its last answer.
    pub warnings: Vec<String>,
    /// Where the server contradicts what was predicted.
    pub doubts: Vec<Doubt>,
    /// What could change it on the way, and wasn't asked.
    pub untold: Option<String>,
    pub(super) manager: FieldManager,
    /// Its kind, if its types are known.
    pub(super) kind: Option<Kind<'a>>,
    step: Option<Step>,
    /// What the server is asked in this step.
    sent: Option<Sent>,
    asking: bool,
    attempts: u32,
    /// Everything that the server said so far was predicted.
    foreseen: bool,
    /// The server said something.
    asked: bool,
}

impl<'a> Case<'a> {
    pub fn new(key: ObjectKey, desired: &'a Desired, known: &'a Known, manager: FieldManager, kind: Option<Kind<'a>>) -> Self {
        Self {
            key,
            desired,
            known,
            live: None,
            decision: Decision::Open,
            findings: Diagnostics::default(),
            warnings: Vec::new(),
            doubts: Vec::new(),
            untold: None,
            manager,
            kind,
            step: None,
            sent: None,
            asking: false,
            attempts: 0,
            foreseen: true,
            asked: false,
        }
    }

    /// What the last apply left of it.
    pub fn prior(&self) -> Option<&'a Prior> {
        self.known.get(&self.key)
    }

    /// Decides what can be decided by what is known, and otherwise what to ask.
    pub fn begin(&mut self, live: Option<Object>, around: &Surroundings) {
        self.live = live;
        self.decision = Decision::Open;
        (self.doubts, self.foreseen, self.asked) = (Vec::new(), true, false);
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
        if self.kind.is_some_and(|kind| {
            configuration::changes_nothing(self.desired, live.tape().tree(), &self.manager, kind.of, &mut Precedents::default())
        }) {
            let touched = around.touching(live, "UPDATE").map(str::to_owned);
            if around.asking == Asking::Everything || (around.asking == Asking::Changed && touched.is_some()) {
                return self.ask(Step::Confirm);
            }
            self.untold = touched;
            self.decision = Decision::Unchanged(Decided::Merge);
            return;
        }
        self.ask(Step::Update { force: false, conflicts: Vec::new() });
    }

    /// The next question, once.
    pub fn take_question(&mut self) -> Option<Ask> {
        let step = self.step.as_ref().filter(|_| self.asking)?;
        let sent = self.sent_for(step);
        let (object, force) = (sent.object.clone(), sent.force);
        self.sent = Some(sent);
        self.asking = false;
        Some(Ask::DryRun { object, force, live: self.live.clone() })
    }

    /// While the server is asked: what works out its answer ahead. None: nothing is asked, or nobody can tell.
    pub fn foresight(&self, types: &Arc<Types>) -> Option<impl Fn() + Send + Sync + use<>> {
        let (sent, manager, live) = (self.sent.clone()?, self.manager.clone(), self.live.clone());
        let (gvk, types, is_secret) = (self.desired.object.gvk(), Arc::clone(types), self.is_secret());
        self.kind?;
        Some(move || {
            sent.foreseen.get_or_init(|| types.kind(&gvk).and_then(|kind| sent.foresee(live.as_ref(), &manager, kind, is_secret)));
        })
    }

    /// What is applied, and whether by force.
    fn request(&self, step: &Step) -> (Object, bool) {
        let of = self.kind.map(|kind| kind.of);
        let update = |live| Configuration::to_update(self.desired, live, &self.manager, of).ask;
        match (step, &self.live) {
            (Step::Leftover { first, .. }, _) => (first.clone(), false),
            (Step::Update { force, .. }, Some(live)) => (update(live), *force),
            (Step::Confirm, Some(live)) => (update(live), false),
            _ => (Configuration::to_create(self.desired, None, of).ask, false),
        }
    }

    /// Goes on with what the server said.
    pub fn answer(&mut self, answer: Answer, around: &Surroundings) {
        let Some(step) = self.step.take() else { return };
        let sent = self.sent.take().unwrap_or_else(|| self.sent_for(&step));
        if matches!(answer, Answer::NotAllowed { .. }) {
            return self.go_on(self.predicted(sent), step, around);
        }
        self.asked = true;
        let doubts = self.foreseen(&sent).map(|predicted| doubt::between(predicted, &answer, &self.sides()));
        match doubts {
            // What others make of it on the way nobody said that we know.
            Some(doubts) if doubts.is_empty() || !self.is_touched(around) => self.doubts.extend(doubts),
            _ => self.foreseen = false,
        }
        self.go_on(answer, step, around);
    }

    /// Whether the cluster's admission could change it when it is written.
    fn is_touched(&self, around: &Surroundings) -> bool {
        match &self.live {
            Some(live) => around.touching(live, "UPDATE").is_some(),
            None => around.touching(&self.desired.object, "CREATE").is_some(),
        }
    }

    /// Goes on with what is predicted, until it is decided.
    pub fn answer_by_prediction(&mut self, around: &Surroundings) {
        while self.asking
            && let Some(step) = self.step.take()
        {
            self.asking = false;
            self.go_on(self.predicted(self.sent_for(&step)), step, around);
        }
    }

    fn sent_for(&self, step: &Step) -> Sent {
        let (object, force) = self.request(step);
        Sent { object, force, foreseen: Arc::default() }
    }

    /// What the server will answer, if that can be told; worked out at most once.
    fn foreseen<'s>(&self, sent: &'s Sent) -> Option<&'s Answer> {
        let foresee = || sent.foresee(self.live.as_ref(), &self.manager, self.kind?, self.is_secret());
        sent.foreseen.get_or_init(foresee).as_ref()
    }

    fn is_secret(&self) -> bool {
        !self.desired.sensitive.is_empty() || (self.key.group.is_empty() && self.key.kind == "Secret")
    }

    /// What the server will answer, as far as that can be told.
    fn predicted(&self, sent: Sent) -> Answer {
        self.foreseen(&sent);
        let foreseen = Arc::try_unwrap(sent.foreseen).map_or_else(|shared| shared.get().cloned(), OnceLock::into_inner);
        foreseen.flatten().unwrap_or_else(|| {
            let object = match &self.live {
                Some(live) => configuration::roughly(live, &sent.object, &self.manager, self.of()),
                None => sent.object,
            };
            Answer::Applied { object, warnings: Vec::new() }
        })
    }

    /// How what is decided now was decided.
    pub(super) fn decided(&self) -> Decided {
        match (self.asked, self.foreseen && self.doubts.is_empty()) {
            (false, _) => Decided::Prediction,
            (true, true) => Decided::Verified,
            (true, false) => Decided::DryRun,
        }
    }

    fn go_on(&mut self, answer: Answer, step: Step, around: &Surroundings) {
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
                    Step::Create => self.created(&object, self.decided()),
                    Step::Update { conflicts, .. } => self.updated(object, conflicts, around),
                    Step::Confirm => self.updated(object, Vec::new(), around),
                    Step::Leftover { first, leftovers, .. } => self.in_two_steps(first, &leftovers),
                }
            }
            (Answer::Conflict(conflicts), Step::Update { force: false, .. } | Step::Confirm) => {
                self.ask(Step::Update { force: true, conflicts });
            }
            // Nothing is written, so nothing is refused.
            (Answer::Invalid { message, .. } | Answer::Refused { message }, Step::Confirm) => self.unconfirmed(&message),
            (Answer::Invalid { .. } | Answer::Refused { .. } | Answer::Conflict(_), Step::Leftover { refused, .. }) => self.fail(*refused),
            (Answer::Invalid { causes, message }, step) => self.invalid(&causes, &message, &step),
            (Answer::Refused { message }, step) => self.refused(message, &step),
            (Answer::Conflict(_), _) => self.refused("the server reports a conflict of owners".to_owned(), &Step::Create),
            (Answer::Count(_) | Answer::NotAllowed { .. }, step) => self.step = Some(step),
        }
    }

    fn begin_create(&mut self, around: &Surroundings) {
        if let Some(finding) = self.unserved(around) {
            return self.fail(finding);
        }
        // What the plan itself makes first no dry-run can see.
        let mut unseen = !around.served.contains_key(&self.desired.object.gvk());
        if let Some(namespace) = self.key.namespace.as_deref().filter(|name| around.absent_namespaces.contains(*name)) {
            if !around.namespaces.contains(namespace) {
                let finding =
                    self.finding("plan::no_namespace", format!("{} is to be in the namespace {namespace}, which doesn't exist", self.key));
                return self.fail(finding.help("add the Namespace to the stack's manifests, or create it"));
            }
            unseen = true;
        }
        self.ask(Step::Create);
        if unseen {
            self.answer_by_prediction(around);
        }
    }

    pub(super) fn ask(&mut self, step: Step) {
        self.step = Some(step);
        self.sent = None;
        self.asking = true;
    }

    pub(super) fn fail(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
        self.decision = Decision::Failed;
    }

    pub(super) fn finding(&self, code: &str, text: String) -> Diagnostic {
        Diagnostic::error(code, text).at_maybe(self.desired.declared.object.as_ref(), "declared here")
    }

    /// The server's words about the object.
    pub(super) fn words(&self, message: &str) -> Diagnostic {
        let who = if self.asked { "the server refuses it" } else { "the server would refuse it" };
        self.finding("plan::refused", format!("{}: {who}: {message}", self.key))
    }

    /// By the rules it stays as it is, and the server refuses even that.
    fn unconfirmed(&mut self, message: &str) {
        let text = format!("{}: it stays as it is, and the server can't be asked whether admission would change it: {message}", self.key);
        let finding = Diagnostic::warning("plan::unconfirmed", text).at_maybe(self.desired.declared.object.as_ref(), "declared here");
        self.findings.push(finding.help("a webhook without `sideEffects: None` can't take part in a dry-run"));
        self.decision = Decision::Unchanged(Decided::Merge);
    }
}

/// Whose pods are to be gone before the next thing happens, goes with them; everything else goes by itself.
pub(super) fn propagation(key: &ObjectKey) -> Propagation {
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") | ("batch", "CronJob" | "Job") => Propagation::Foreground,
        _ => Propagation::Background,
    }
}
