//! What binds a whole plan and no dry-run sees: the quotas that its objects and their pods use up together, and the limit
//! ranges and Pod Security of the pods that its workloads make.
//!
//! A dry-run of a workload asks nobody about its pods, and each dry-run finds all of a quota free. So the plan is counted
//! step by step, wave by wave, against what is used now.

mod copies;
mod ledger;
mod pods;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::admission::Classes;
use crate::admission::quota::Quota;
use crate::resource::{Diagnostic, Diagnostics, FieldPath, GroupKind, Object, ObjectKey, pod_template_path};
use crate::stack::parallel::side_by_side;

use super::case::{Case, Decision};
use super::{Action, Change};

/// So few namespaces aren't worth a thread.
const FEW: usize = 2;

/// What a cluster has that binds the objects of some namespaces, the stack's own among it.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Every ResourceQuota of these namespaces.
    pub quotas: Vec<Object>,
    /// Every LimitRange of them.
    pub ranges: Vec<Object>,
    /// Every RuntimeClass and PriorityClass: they give pods what quotas count, and go by.
    pub classes: Vec<Object>,
    /// Which of these kinds couldn't be read, and why.
    pub unread_classes: BTreeMap<String, String>,
    /// How the cluster calls the resources of a kind, where a rule doesn't tell: `count/things.example.com`. The plan's own.
    pub(super) plurals: BTreeMap<GroupKind, String>,
    /// Namespaces that couldn't be looked into, and why.
    pub unread: BTreeMap<String, String>,
}

impl Limits {
    /// What of it binds these namespaces.
    #[must_use]
    pub fn of(mut self, namespaces: &BTreeSet<String>) -> Self {
        if namespaces.is_empty() {
            return Self::default();
        }
        for objects in [&mut self.quotas, &mut self.ranges] {
            objects.retain(|object| object.namespace().is_some_and(|namespace| namespaces.contains(namespace)));
        }
        self.unread.retain(|namespace, _| namespaces.contains(namespace));
        self
    }
}

/// Where something may change that isn't decided yet.
#[derive(Clone, Debug, Default)]
pub struct OpenNamespaces {
    /// The namespaces of all of it.
    pub changing: BTreeSet<String>,
    /// Those whose quotas and limit ranges may matter to it.
    pub bound: BTreeSet<String>,
}

impl OpenNamespaces {
    /// Of the cases that the server is asked about.
    pub(super) fn of(cases: &[Case<'_>], absent: &BTreeSet<ObjectKey>) -> Self {
        let mut open = Self::default();
        let mut creates: BTreeSet<&str> = BTreeSet::new();
        for case in cases.iter().filter(|case| matches!(case.decision, Decision::Open)) {
            let Some(namespace) = case.key.namespace.as_deref() else { continue };
            if absent.contains(&super::planner::namespace_key(namespace)) {
                continue;
            }
            open.changing.insert(namespace.to_owned());
            let again = case.live.is_none() && !creates.insert(namespace);
            if again || is_charged(&case.key) || pod_template_path(&case.key.group, &case.key.kind).is_some() {
                open.bound.insert(namespace.to_owned());
            }
        }
        open
    }
}

/// Whether quotas count the object itself, whatever is in it.
fn is_charged(key: &ObjectKey) -> bool {
    matches!((key.group.as_str(), key.kind.as_str()), ("", "Service" | "PersistentVolumeClaim" | "ResourceQuota"))
}

/// The namespaces whose quotas and limit ranges matter to the plan: pods, claims or services change in them, or several
/// objects come.
pub(super) fn namespaces(cases: &[Case<'_>], absent: &BTreeSet<ObjectKey>) -> BTreeSet<String> {
    let mut creates: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for case in cases {
        let (Decision::Change(change), Some(namespace)) = (&case.decision, case.key.namespace.as_deref()) else { continue };
        if absent.contains(&super::planner::namespace_key(namespace)) || matches!(change.action, Action::Own | Action::Forget) {
            continue;
        }
        let count = creates.entry(namespace).or_default();
        *count += usize::from(change.action == Action::Create);
        if is_charged(&case.key) || brings_pods(change) || *count > 1 {
            found.insert(namespace.to_owned());
        }
    }
    found
}

/// A plan, and what it is to be held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'p> {
    /// Everything that changes, with its wave.
    pub changes: &'p [Change],
    /// What stays as it is.
    pub standing: &'p [Object],
    /// Namespaces that are there, and aren't the stack's.
    pub others: &'p BTreeMap<ObjectKey, Object>,
    /// What binds it.
    pub limits: &'p Limits,
    /// The server's minor version.
    pub server: u32,
}

/// What the server or its controllers will refuse, though no dry-run says so.
pub(super) fn check(scene: Scene<'_>) -> Diagnostics {
    let mut findings = Diagnostics::default();
    for (namespace, why) in &scene.limits.unread {
        findings.push(
            Diagnostic::warning("plan::limits_unread", format!("the quotas and limit ranges of {namespace} can't be read: {why}"))
                .help("whether the whole plan fits in them is not known; give the right to list resourcequotas and limitranges"),
        );
    }
    let namespaces = scene.namespaces();
    let each = |number: usize| {
        let (here, mut findings) = (&namespaces[number], Diagnostics::default());
        here.tell_unread_classes(&mut findings);
        // What is refused for itself is not counted: it says so once.
        let refused = pods::check(here, &mut findings);
        ledger::check(here, &refused, &mut findings);
        findings
    };
    for found in side_by_side(namespaces.len(), FEW, each) {
        findings.extend(found);
    }
    findings
}

/// One namespace of it.
#[derive(Debug)]
struct Here<'p> {
    name: &'p str,
    namespace: Option<&'p Object>,
    /// The plan makes it.
    is_new: bool,
    changes: Vec<&'p Change>,
    standing: Vec<&'p Object>,
    quotas: Vec<&'p Object>,
    ranges: Vec<&'p Object>,
    limits: &'p Limits,
    /// What the plan makes of RuntimeClasses and PriorityClasses.
    classes: Vec<&'p Change>,
    server: u32,
}

impl<'p> Scene<'p> {
    /// The namespaces in which something changes.
    fn namespaces(self) -> Vec<Here<'p>> {
        let mut changes: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        let mut made: BTreeMap<ObjectKey, &Change> = BTreeMap::new();
        for change in self.changes.iter().filter(|change| change.action != Action::Forget) {
            match &change.key.namespace {
                Some(namespace) => changes.entry(namespace).or_default().push(change),
                None => drop(made.insert(change.key.clone(), change)),
            }
        }
        let mut standing = inside(self.standing);
        let (mut quotas, mut ranges) = (inside(&self.limits.quotas), inside(&self.limits.ranges));
        let still: BTreeMap<ObjectKey, &Object> =
            self.standing.iter().filter(|object| object.namespace().is_none()).map(|object| (object.key(), object)).collect();
        let classes: Vec<&Change> = made.values().copied().filter(|change| is_class(&change.key)).collect();
        let one = |(name, changes): (&'p str, Vec<&'p Change>)| {
            let key = super::planner::namespace_key(name);
            let own = made.get(&key);
            let namespace = own
                .and_then(|change| change.predicted.as_ref().or(change.live.as_ref()))
                .or_else(|| still.get(&key).copied())
                .or_else(|| self.others.get(&key));
            Here {
                name,
                namespace,
                is_new: own.is_some_and(|change| change.live.is_none()),
                changes,
                standing: standing.remove(name).unwrap_or_default(),
                quotas: quotas.remove(name).unwrap_or_default(),
                ranges: ranges.remove(name).unwrap_or_default(),
                limits: self.limits,
                classes: classes.clone(),
                server: self.server,
            }
        };
        changes.into_iter().map(one).collect()
    }
}

fn inside(objects: &[Object]) -> BTreeMap<&str, Vec<&Object>> {
    let mut by_namespace: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for object in objects {
        if let Some(namespace) = object.namespace() {
            by_namespace.entry(namespace).or_default().push(object);
        }
    }
    by_namespace
}

fn is_class(key: &ObjectKey) -> bool {
    matches!((key.group.as_str(), key.kind.as_str()), ("node.k8s.io", "RuntimeClass") | ("scheduling.k8s.io", "PriorityClass"))
}

impl Here<'_> {
    /// The classes that pods find which are made in this wave; None: as things are. Pods are made after what they come of, so that
    /// a class of the same wave is there before them.
    fn classes(&self, wave: Option<usize>) -> Classes {
        let changed: Vec<&&Change> = self.classes.iter().filter(|change| wave.is_some_and(|wave| change.wave <= wave)).collect();
        let stays = |object: &&Object| !changed.iter().any(|change| change.key == object.key());
        let others = self.limits.classes.iter().filter(stays);
        Classes::of(others.chain(changed.iter().filter_map(|change| pods::after(change))))
    }

    /// What can't be known of the plan's pods, since their classes can't be read.
    fn tell_unread_classes(&self, findings: &mut Diagnostics) {
        if self.limits.unread_classes.is_empty() {
            return;
        }
        let specs: Vec<&Value> = (self.changes.iter().filter(|change| brings_pods(change)))
            .filter_map(|change| pods::after(change)?.pod_template())
            .map(|template| &template["spec"])
            .collect();
        let quotas: Vec<Quota> = pods::quotas(self).collect();
        for (kind, why) in &self.limits.unread_classes {
            let matters = match kind.as_str() {
                "RuntimeClass" => !quotas.is_empty() && specs.iter().any(|spec| spec["runtimeClassName"].is_string()),
                _ => quotas.iter().any(Quota::goes_by_priority) && specs.iter().any(|spec| !spec["priorityClassName"].is_string()),
            };
            if matters {
                let text = format!("what a {kind} gives the pods of {} can't be read: {why}", self.name);
                findings.push(
                    Diagnostic::warning("plan::limits_unread", text)
                        .help("whether they fit in its quotas is not certain; give the right to list runtimeclasses and priorityclasses"),
                );
            }
        }
    }

    /// The name of an object's resource.
    fn plural(&self, object: &Object) -> String {
        let kind = object.gvk().group_kind();
        self.limits.plurals.get(&kind).cloned().unwrap_or_else(|| plural(&kind.kind))
    }
}

/// A kind's resource, by the rule that all built-in kinds follow.
pub(super) fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    match name.strip_suffix('y') {
        _ if name == "endpoints" => name,
        Some(stem) => format!("{stem}ies"),
        None if name.ends_with('s') => format!("{name}es"),
        None => format!("{name}s"),
    }
}

/// Whether it makes pods that weren't there, or others in their place.
fn brings_pods(change: &Change) -> bool {
    let Some(after) = change.predicted.as_ref().or(change.desired.as_ref().map(|desired| &desired.object)) else { return false };
    if after.pod_template().is_none() {
        return false;
    }
    match change.action {
        Action::Create | Action::Replace => true,
        Action::Update | Action::Adopt => changes_template(change) || more_copies(change, after),
        Action::Delete | Action::Own | Action::Forget => false,
    }
}

fn changes_template(change: &Change) -> bool {
    let templates = [FieldPath::fields(&["spec", "template"]), FieldPath::fields(&["spec", "jobTemplate", "spec", "template"])];
    change.fields.iter().any(|field| templates.iter().any(|template| template.covers(&field.path)))
}

fn more_copies(change: &Change, after: &Object) -> bool {
    change.live.as_ref().is_some_and(|live| copies::wanted(after, Some(live)) > copies::wanted(live, Some(live)))
}
