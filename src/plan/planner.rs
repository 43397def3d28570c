//! The fold: takes what the cluster holds, asks what only the server can tell, and gives the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::ResourceGraph;
use crate::resource::{
    Desired, Diagnostic, Diagnostics, FieldManager, GroupKind, GroupVersionKind, KeyRef, Object, ObjectKey, Origin, StackIdentity,
};
use crate::stack::model::CountOrPercent;
use crate::stack::parallel::side_by_side;

use super::case::{Case, Decision, Surroundings};
use super::removal::{self, Removal};
use super::rights::Needs;
use super::wanted::{self, One, Settled, Wanted};
use super::{Answer, Ask, Asking, Filter, Known, Limits, Mutators, OpenNamespaces, Plan, Question, Rights, Sieve, Sifted, Target, Types};

/// So few cases aren't worth a thread.
const FEW: usize = 64;

/// So few answers aren't: they take longer.
const FEW_ANSWERS: usize = 8;

/// What a plan is made of, besides what the cluster holds.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// Whose.
    pub identity: &'a StackIdentity,
    /// Where.
    pub target: Target,
    /// What shall be.
    pub desired: &'a Arc<Vec<Desired>>,
    /// In which order.
    pub graph: &'a ResourceGraph,
    /// What the last apply left.
    pub known: &'a Known,
    /// The kinds that the stack may have objects of, as the cluster's inventory says.
    pub inventory: BTreeSet<GroupKind>,
    /// The kinds that the cluster serves, in all their versions, and whether their objects live in namespaces.
    pub served: BTreeMap<GroupVersionKind, bool>,
    /// What these kinds are called in paths: `deployments`.
    pub plurals: BTreeMap<GroupKind, String>,
    /// The types of the kinds that the stack has objects of.
    pub types: &'a Arc<Types>,
    /// What could change objects on the way to where they are stored.
    pub mutators: Arc<Mutators>,
    /// What the server is asked.
    pub asking: Asking,
    /// How many deletes need no consent; None: [`super::consents::DEFAULT_SHARE`].
    pub max_deletes: Option<CountOrPercent>,
    /// Renames.
    pub moved: &'a [(String, String, Origin)],
    /// What it is narrowed to.
    pub filter: &'a Filter,
    /// Fields of other managers are taken where somebody consents; otherwise they are errors.
    pub take_ownership: bool,
}

/// An object to read: one that the lists didn't have, or had in another version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    /// Which.
    pub key: ObjectKey,
    /// In which version of its API; None: any.
    pub version: Option<String>,
}

/// A plan in the making: give it what its [`Self::sieve`] leaves of the pages of all [`Self::kinds`], then answers to
/// [`Self::lookups`] and to [`Self::questions`] until there are none, then [`Self::finish`].
#[derive(Debug)]
pub struct Planner<'a> {
    pub(super) input: PlanInput<'a>,
    pub(super) manager: FieldManager,
    pub(super) wanted: Wanted<'a>,
    /// What the last apply left, and the stack no longer wants.
    pub(super) unwanted: Vec<&'a ObjectKey>,
    /// What is spai's own, and not the stack's.
    own: [ObjectKey; 3],
    pub(super) live: BTreeMap<ObjectKey, Object>,
    pub(super) absent: BTreeSet<ObjectKey>,
    /// Wanted, and as they are wanted.
    pub(super) settled: Settled,
    /// Kinds and objects that we may not read, and why.
    pub(super) closed: BTreeMap<GroupKind, String>,
    pub(super) unreadable: BTreeMap<ObjectKey, String>,
    /// Rights to ask that we haven't.
    pub(super) missing_rights: BTreeSet<String>,
    /// Read in the version of the desired object.
    in_version: BTreeSet<ObjectKey>,
    /// What cases must know of each other, once everything is read.
    around: Surroundings,
    pub(super) cases: Vec<Case<'a>>,
    /// What stays as it is, of what the filter names.
    pub(super) unchanged: Vec<ObjectKey>,
    pub(super) removals: Vec<Removal<'a>>,
    /// Resources of the definitions that go.
    pub(super) counts: BTreeMap<GroupKind, Option<usize>>,
    /// What the filter doesn't name and what it names needs: each with what needs it.
    pub(super) included: BTreeMap<ObjectKey, ObjectKey>,
    pub(super) asked: BTreeSet<ObjectKey>,
    pub(super) findings: Diagnostics,
    /// What binds its namespaces.
    pub(super) limits: Limits,
    /// What is needed to carry it out, and what of it isn't allowed.
    pub(super) rights: (Needs, Rights),
    begun: bool,
}

impl<'a> Planner<'a> {
    /// A plan of these.
    ///
    /// # Errors
    /// The filter names what isn't there.
    pub fn new(input: PlanInput<'a>) -> Result<Self, Diagnostics> {
        let mut findings = Diagnostics::default();
        let own = own(&input);
        let is_own = |desired: &Desired| {
            let key = desired.object.key_ref();
            own.iter().any(|own| own.name == key.name && own.as_ref() == key)
        };
        let wanted = Wanted::of(input.desired.iter().enumerate().filter(|(_, desired)| !is_own(desired)));
        for desired in input.desired.iter().filter(|desired| is_own(desired)) {
            let key = desired.key();
            findings.push(
                Diagnostic::error("plan::spais_own", format!("{key} is spai's own: it holds its inventory and lease"))
                    .at_maybe(desired.declared.object.as_ref(), "declared here")
                    .help("leave it out of the stack, or give the environment another root namespace"),
            );
        }
        let unwanted = wanted.missing(input.known.keys());
        super::scope::check_filter(&input)?;
        let manager = input.identity.field_manager();
        Ok(Self {
            input,
            manager,
            wanted,
            unwanted,
            own,
            live: BTreeMap::new(),
            absent: BTreeSet::new(),
            settled: Settled::default(),
            closed: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            missing_rights: BTreeSet::new(),
            in_version: BTreeSet::new(),
            around: Surroundings::default(),
            cases: Vec::new(),
            unchanged: Vec::new(),
            removals: Vec::new(),
            counts: BTreeMap::new(),
            included: BTreeMap::new(),
            asked: BTreeSet::new(),
            findings,
            limits: Limits::default(),
            rights: (Needs::default(), Rights::default()),
            begun: false,
        })
    }

    /// The kinds to list, by the stack's labels.
    pub fn kinds(&self) -> BTreeMap<GroupKind, Option<String>> {
        listed(self.input.desired, self.input.known, &self.input.inventory, &self.input.served)
    }

    /// The kinds that it would list, and that the cluster doesn't serve.
    pub fn unserved(&self) -> Vec<GroupKind> {
        let served = self.served_kinds();
        let wanted = wanted::kinds(self.input.desired).map(|gvk| gvk.group_kind()).chain(self.input.known.kinds());
        let all: BTreeSet<GroupKind> = wanted.chain(self.input.inventory.iter().cloned()).collect();
        all.into_iter().filter(|kind| !served.contains(kind)).collect()
    }

    fn served_kinds(&self) -> BTreeSet<GroupKind> {
        self.input.served.keys().map(GroupVersionKind::group_kind).collect()
    }

    /// What is to be taken out of the pages of live objects before they are given to [`Self::page`].
    pub fn sieve(&self) -> Sieve {
        Sieve::new(&self.input, &self.manager, self.wanted.came_sorted())
    }

    /// What a sieve left of objects that carry the stack's labels.
    pub fn page(&mut self, sifted: Sifted) {
        self.settled.add(sifted.settled);
        for object in sifted.rest {
            let key = object.key();
            if !self.own.contains(&key) {
                self.live.insert(key, object);
            }
        }
    }

    /// A kind can't be listed: objects of it that the stack no longer has aren't found, the others are looked up.
    pub fn closed(&mut self, kind: GroupKind, why: String) {
        self.closed.insert(kind, why);
    }

    /// A looked-up object can't be read: it isn't known whether it is there.
    pub fn unreadable(&mut self, key: ObjectKey, why: String) {
        self.unreadable.insert(key, why);
    }

    /// Whether it is known to be there.
    pub(super) fn is_there(&self, key: &ObjectKey) -> bool {
        self.live.contains_key(key) || self.is_settled(key)
    }

    /// Whether it is wanted, and as it is wanted.
    fn is_settled(&self, key: &ObjectKey) -> bool {
        self.wanted.get(key).is_some_and(|one| self.settled.has(one.place))
    }

    /// What is to be read on its own; empty once all is known. Namespaces come first: nothing is in one that isn't there.
    pub fn lookups(&mut self) -> Vec<Lookup> {
        let mut lookups = BTreeSet::new();
        let (mut absent, mut in_version) = (Vec::new(), Vec::new());
        let served = self.served_kinds();
        let open = self.wanted.iter().filter(|one| !self.settled.has(one.place)).map(|one| (one.key.to_key(), Some(one.desired)));
        let all: Vec<(ObjectKey, Option<&Desired>)> = open.chain(self.unwanted.iter().map(|key| ((*key).clone(), None))).collect();
        for (key, desired) in &all {
            if self.absent.contains(key) || self.unreadable.contains_key(key) {
                continue;
            }
            let version = desired.and_then(|desired| self.version_of(desired));
            if let Some(live) = self.live.get(key) {
                let same = version.as_ref().is_none_or(|version| live.gvk().version == *version);
                if !same && !self.in_version.contains(key) {
                    in_version.push(key.clone());
                    lookups.insert(Lookup { key: key.clone(), version });
                }
                continue;
            }
            if !served.contains(&key.group_kind()) {
                absent.push(key.clone());
                continue;
            }
            let namespace = key.namespace.as_deref().map(namespace_key);
            match namespace {
                Some(namespace) if self.absent.contains(&namespace) => absent.push(key.clone()),
                Some(namespace) if !self.is_there(&namespace) && !self.unreadable.contains_key(&namespace) => {
                    lookups.insert(Lookup { key: namespace, version: None });
                }
                _ => {
                    lookups.insert(Lookup { key: key.clone(), version });
                }
            }
        }
        self.absent.extend(absent);
        self.in_version.extend(in_version);
        lookups.into_iter().collect()
    }

    /// The version in which the stack writes an object, if it is served.
    fn version_of(&self, desired: &Desired) -> Option<String> {
        let gvk = desired.object.gvk();
        self.input.served.contains_key(&gvk).then_some(gvk.version)
    }

    /// What a lookup found.
    pub fn found(&mut self, key: &ObjectKey, object: Option<Object>) {
        if let Some(object) = object {
            self.absent.remove(key);
            self.live.insert(key.clone(), object);
        } else {
            self.live.remove(key);
            self.absent.insert(key.clone());
        }
    }

    /// What the server is to be asked now. Empty once everything is decided.
    pub fn questions(&mut self) -> Vec<Question> {
        if !self.begun {
            self.begin();
        }
        let mut questions = Vec::new();
        for (id, case) in self.cases.iter_mut().enumerate() {
            if let Some(ask) = case.take_question() {
                self.asked.insert(case.key.clone());
                questions.push(Question { id, key: case.key.clone(), ask });
            }
        }
        let first = self.cases.len();
        for (position, (kind, count)) in self.counts.iter().enumerate() {
            if count.is_none() {
                let key = ObjectKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &kind.to_string());
                questions.push(Question { id: first + position, key, ask: Ask::Count(kind.clone()) });
            }
        }
        questions
    }

    /// The server's answers to questions.
    pub fn answers(&mut self, answers: Vec<(usize, Answer)>) {
        let mut of_cases: BTreeMap<usize, Answer> = BTreeMap::new();
        for (id, answer) in answers {
            if let Answer::Count(number) = answer {
                let position = id.saturating_sub(self.cases.len());
                if let Some(count) = self.counts.values_mut().nth(position) {
                    *count = Some(number);
                }
            } else if let Some(case) = self.cases.get(id) {
                if let Answer::NotAllowed { right } = &answer {
                    self.asked.remove(&case.key);
                    self.missing_rights.insert(right.clone());
                }
                of_cases.insert(id, answer);
            }
        }
        let cases = self.cases.iter_mut().enumerate();
        let answered: Vec<_> = cases.filter_map(|(id, case)| Some(Mutex::new((case, Some(of_cases.remove(&id)?))))).collect();
        let around = &self.around;
        // Each is held against what was predicted of it, and decided by itself.
        side_by_side(answered.len(), FEW_ANSWERS, |number| {
            let mut answered = answered[number].lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = answered.1.take() {
                answered.0.answer(answer, around);
            }
        });
    }

    /// While the server is asked: works out what it will answer, for who has nothing else to do.
    pub fn foresight(&self) -> impl FnOnce() + Send + 'static {
        let foresights: Vec<_> = self.cases.iter().filter_map(|case| case.foresight(self.input.types)).collect();
        move || {
            side_by_side(foresights.len(), FEW_ANSWERS, |number| foresights[number]());
        }
    }

    /// While the server is asked: where something may change.
    pub fn open_namespaces(&self) -> OpenNamespaces {
        OpenNamespaces::of(&self.cases, &self.absent)
    }

    /// Once all is answered: the namespaces whose quotas and limit ranges it must know.
    pub fn bound_namespaces(&self) -> BTreeSet<String> {
        super::limits::namespaces(&self.cases, &self.absent)
    }

    /// What binds them.
    pub fn limits(&mut self, limits: Limits) {
        self.limits = Limits { plurals: self.input.plurals.clone(), ..limits };
    }

    /// Once all is answered: what must be allowed to carry the plan out.
    pub fn rights_needed(&mut self) -> Rights {
        self.rights.0 = Needs::of(&self.cases, &self.removals, &self.input.plurals);
        self.rights.0.rights()
    }

    /// What of it isn't.
    pub fn missing_rights(&mut self, missing: Rights) {
        self.rights.1 = missing;
    }

    /// The plan.
    pub fn finish(mut self) -> Plan {
        if !self.begun {
            self.begin();
        }
        super::finish::finish(self)
    }

    fn begin(&mut self) {
        self.begun = true;
        self.included = super::scope::needed(self);
        self.around = self.surroundings();
        let mut begun = Vec::new();
        let wanted: Vec<_> = self.wanted.iter().map(|one| (one.key.to_key(), one)).collect();
        for (key, One { desired, place, .. }) in wanted {
            let selected = self.input.filter.is_empty() || self.input.filter.selects(&key, &desired.scope);
            if !selected && !self.included.contains_key(&key) {
                continue;
            }
            if self.settled.has(place) && !self.unreadable.contains_key(&key) && !is_ending(&key, &self.around) {
                self.unchanged.push(key);
                continue;
            }
            let types: &'a Types = self.input.types;
            let kind = types.kind(&desired.object.gvk());
            // Everything that is deleted is told by the objects that stay behind: those of the stack leave the map.
            let live = self.live.remove(&key);
            begun.push(Mutex::new(Some((Case::new(key, desired, self.input.known, self.manager.clone(), kind), live))));
        }
        let (around, unreadable, asking) = (&self.around, &self.unreadable, self.input.asking);
        // Each is decided by itself.
        let cases = side_by_side(begun.len(), FEW, |number| {
            let (mut case, live) = begun[number].lock().unwrap_or_else(PoisonError::into_inner).take()?;
            if unreadable.contains_key(&case.key) {
                case.decision = Decision::Unknown;
            } else {
                case.begin(live, around);
            }
            if asking == Asking::Nothing {
                case.answer_by_prediction(around);
            }
            Some(case)
        });
        self.cases = cases.into_iter().flatten().collect();
        self.removals = removal::removals(self);
        let served = self.served_kinds();
        for removal in &self.removals {
            if let Some(kind) = removal.defined_kind() {
                let count = if served.contains(&kind) { None } else { Some(0) };
                self.counts.insert(kind, count);
            }
        }
    }

    fn standing_namespaces(&self) -> BTreeMap<String, Object> {
        let namespaces = self.live.values().filter(|object| object.kind() == "Namespace" && object.gvk().group.is_empty());
        namespaces.map(|object| (object.name().to_owned(), object.clone())).collect()
    }

    fn surroundings(&self) -> Surroundings {
        let mut namespaces: BTreeSet<String> =
            self.wanted.iter().filter(|one| is_namespace(one.key)).map(|one| one.key.name.to_owned()).collect();
        // spai makes it before anything else.
        namespaces.insert(self.input.target.root_namespace.clone());
        Surroundings {
            identity: Some(self.input.identity.clone()),
            served: self.input.served.clone(),
            defined: self.wanted.iter().filter_map(|one| removal::defined_by(&one.desired.object)).collect(),
            absent_namespaces: self
                .absent
                .iter()
                .filter(|key| key.kind == "Namespace" && key.group.is_empty())
                .map(|key| key.name.clone())
                .collect(),
            ending_namespaces: self
                .live
                .values()
                .filter(|object| object.kind() == "Namespace" && object.gvk().group.is_empty() && object.is_being_deleted())
                .map(|object| object.name().to_owned())
                .collect(),
            namespaces,
            plurals: self.input.plurals.clone(),
            standing_namespaces: if self.input.mutators.is_empty() { BTreeMap::new() } else { self.standing_namespaces() },
            mutators: Arc::clone(&self.input.mutators),
            asking: self.input.asking,
            take_ownership: self.input.take_ownership,
        }
    }
}

/// The kinds that a plan lists, by the stack's labels: those of the stack now, of the last apply, and of the inventory, as far as
/// the cluster serves them. Each with the version that the stack writes it in, if it does.
pub fn listed(
    desired: &[Desired],
    known: &Known,
    inventory: &BTreeSet<GroupKind>,
    served: &BTreeMap<GroupVersionKind, bool>,
) -> BTreeMap<GroupKind, Option<String>> {
    let mut kinds: BTreeMap<GroupKind, Option<String>> = BTreeMap::new();
    for kind in known.kinds().chain(inventory.iter().cloned()) {
        kinds.entry(kind).or_default();
    }
    for gvk in wanted::kinds(desired) {
        kinds.entry(gvk.group_kind()).or_default().get_or_insert(gvk.version);
    }
    let served: BTreeSet<GroupKind> = served.keys().map(GroupVersionKind::group_kind).collect();
    kinds.retain(|kind, _| served.contains(kind));
    kinds
}

/// Whether it lives in a namespace that is being deleted.
fn is_ending(key: &ObjectKey, around: &Surroundings) -> bool {
    key.namespace.as_ref().is_some_and(|namespace| around.ending_namespaces.contains(namespace))
}

fn is_namespace(key: KeyRef<'_>) -> bool {
    key.kind == "Namespace" && key.group.is_empty()
}

pub(super) fn namespace_key(name: &str) -> ObjectKey {
    ObjectKey::new("", "Namespace", None, name)
}

/// Root namespace, inventory and lease: none of them is the stack's.
fn own(input: &PlanInput<'_>) -> [ObjectKey; 3] {
    let root = input.target.root_namespace.as_str();
    let lease = ObjectKey::new("coordination.k8s.io", "Lease", Some(root), &format!("spai-{}", input.identity.stack));
    [namespace_key(root), input.identity.inventory_key(root), lease]
}
