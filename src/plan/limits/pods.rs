//! Pods that a namespace won't take: for its Pod Security, its limit ranges, or for what its quotas want stated.

use std::collections::BTreeSet;

use crate::admission::limit_range::{LimitRange, claim_of, joined};
use crate::admission::pod_security::{Level, Policy};
use crate::admission::quota::{Counted, Quota};
use crate::admission::{Amounts, pod_of};
use crate::resource::{Diagnostic, Diagnostics, FieldPath, Object, ObjectKey};

use super::{Here, brings_pods, copies};
use crate::plan::{Action, Change};

/// Finds what is refused, and says so. What was refused is given back.
pub(super) fn check<'p>(here: &Here<'p>, findings: &mut Diagnostics) -> BTreeSet<&'p ObjectKey> {
    let mut refused = BTreeSet::new();
    for change in &here.changes {
        let Some(after) = after(change) else { continue };
        let found = if after.kind() == "PersistentVolumeClaim" && after.gvk().group.is_empty() {
            claim(here, change, after)
        } else if brings_pods(change) {
            pods(here, change, after)
        } else {
            continue;
        };
        if let Some(finding) = found {
            refused.insert(&change.key);
            findings.push(finding);
        }
    }
    refused
}

/// What is there once it is changed.
pub(super) fn after(change: &Change) -> Option<&Object> {
    match change.action {
        Action::Delete | Action::Forget => None,
        _ => change.predicted.as_ref().or(change.desired.as_ref().map(|desired| &desired.object)).or(change.live.as_ref()),
    }
}

/// Where a thing is declared.
fn at(finding: Diagnostic, change: &Change, path: &[&str]) -> Diagnostic {
    let declared = change.desired.as_ref().and_then(|desired| desired.declared.origin_of(&FieldPath::fields(path)));
    finding.at_maybe(declared.or(change.origin.as_ref()), "declared here")
}

fn pods(here: &Here<'_>, change: &Change, after: &Object) -> Option<Diagnostic> {
    let mut pod = pod_of(after)?;
    complete(here, &mut pod, Some(change.wave));
    // A pod itself is asked about by its dry-run, unless that couldn't see its namespace.
    if after.kind() == "Pod" && !here.is_new {
        return None;
    }
    let whose = if after.kind() == "Pod" { format!("{} is", change.key) } else { format!("the pods of {} are", change.key) };
    let found = secured(here, change, &pod, &whose)
        .or_else(|| crossed(here, change, &pod, &whose))
        .or_else(|| bounded(here, change, &pod, &whose))
        .or_else(|| stated(here, change, &pod, &whose))?;
    let later = after.kind() == "CronJob" || copies::wanted(after, change.live.as_ref()) == 0 && after.kind() != "DaemonSet";
    // Nothing waits for pods that come some day.
    Some(if later { Diagnostic { severity: crate::resource::Severity::Warning, ..found } } else { found })
}

/// What its classes give a pod that is made in this wave (None: that was made before), and then the limit ranges.
pub(super) fn complete(here: &Here<'_>, pod: &mut Object, wave: Option<usize>) {
    here.classes(wave).complete(pod);
    for range in ranges(here) {
        range.complete(pod);
    }
}

fn secured(here: &Here<'_>, change: &Change, pod: &Object, whose: &str) -> Option<Diagnostic> {
    let (policy, _) = Policy::of(here.namespace?);
    if policy.enforce.level == Level::Privileged {
        return None;
    }
    let words = policy.on_pod(pod, None, here.server).refused?;
    let text = format!("{whose} refused by the namespace {}: {words}", here.name);
    // A server may exempt classes of pods, and nobody can see whether it does.
    let finding = if pod.value()["spec"]["runtimeClassName"].is_string() {
        Diagnostic::warning("plan::pod_security", text)
    } else {
        Diagnostic::error("plan::pod_security", text)
    };
    Some(at(finding, change, &["spec", "template", "spec"]).help(format!(
        "change the pods' security context as the words say; or let the namespace enforce less (its label pod-security.kubernetes.io/enforce is `{}`)",
        policy.enforce
    )))
}

/// A limit that comes from a range may be less than what the container asks for.
fn crossed(here: &Here<'_>, change: &Change, pod: &Object, whose: &str) -> Option<Diagnostic> {
    let range = ranges(here).next()?;
    let spec = &pod.value()["spec"];
    let words = ["containers", "initContainers"].into_iter().find_map(|list| {
        spec[list].as_array().into_iter().flatten().enumerate().find_map(|(index, container)| {
            let (asked, limits) = (Amounts::of(&container["resources"]["requests"]), Amounts::of(&container["resources"]["limits"]));
            let (name, amount) = asked.beyond(&limits).iter().next().map(|(name, amount)| (name.to_owned(), amount.clone()))?;
            let limit = limits.get(&name)?;
            let field = format!("spec.{list}[{index}].resources.requests");
            Some(format!("{field}: Invalid value: \"{amount}\": must be less than or equal to {name} limit of {limit}"))
        })
    })?;
    let text = format!("{whose} refused in {}, where the limit range {} gives what isn't stated: {words}", here.name, range.name);
    Some(
        at(Diagnostic::error("plan::limit_range", text), change, &["spec", "template", "spec", "containers"])
            .help("state a limit too, or change the limit range"),
    )
}

fn bounded(here: &Here<'_>, change: &Change, pod: &Object, whose: &str) -> Option<Diagnostic> {
    let (range, words) = ranges(here)
        .find_map(|range| Some(range.refuses_pod(pod)).filter(|found| !found.is_empty()).map(|found| (range, joined(&found))))?;
    let finding =
        Diagnostic::error("plan::limit_range", format!("{whose} refused by the limit range {} of {}: {words}", range.name, here.name));
    Some(at(finding, change, &["spec", "template", "spec", "containers"]).help("change their requests and limits, or the limit range"))
}

fn stated(here: &Here<'_>, change: &Change, pod: &Object, whose: &str) -> Option<Diagnostic> {
    let counted = Counted { object: pod, plural: "pods" };
    let words =
        quotas(here).find_map(|quota| quota.settled().charge(counted, None).err().filter(|words| words.starts_with("failed quota")))?;
    let finding = Diagnostic::error("plan::quota_unstated", format!("{whose} refused in {}: {words}", here.name));
    Some(
        at(finding, change, &["spec", "template", "spec", "containers"])
            .help("state them for each container, or give the namespace a LimitRange with defaults"),
    )
}

fn claim(here: &Here<'_>, change: &Change, after: &Object) -> Option<Diagnostic> {
    if !here.is_new {
        return None;
    }
    let (range, words) = ranges(here)
        .find_map(|range| Some(range.refuses_claim(after)).filter(|found| !found.is_empty()).map(|found| (range, joined(&found))))?;
    let text = format!("{} is refused by the limit range {} of {}: {words}", change.key, range.name, here.name);
    Some(at(Diagnostic::error("plan::limit_range", text), change, &["spec", "resources"]).help("change its size, or the limit range"))
}

/// Claims that a workload makes with its pods: so many of each template.
pub(super) fn claims(object: &Object) -> Vec<Object> {
    let templates = object.value()["spec"]["volumeClaimTemplates"].as_array();
    templates.into_iter().flatten().filter_map(|template| claim_of(template, object.namespace())).collect()
}

/// The limit ranges that hold once the plan is carried out.
fn ranges<'h>(here: &'h Here<'_>) -> impl Iterator<Item = LimitRange> + 'h {
    planned(here, "LimitRange", &here.ranges).map(LimitRange::of)
}

/// The quotas that hold then.
pub(super) fn quotas<'h>(here: &'h Here<'_>) -> impl Iterator<Item = Quota> + 'h {
    planned(here, "ResourceQuota", &here.quotas).map(Quota::of)
}

/// Objects of a kind as the plan leaves them: its own, and those of others that are there.
fn planned<'h>(here: &'h Here<'_>, kind: &'h str, live: &'h [&Object]) -> impl Iterator<Item = &'h Object> {
    let is_changed = move |object: &&&Object| !here.changes.iter().any(|change| change.key == object.key());
    let own =
        here.changes.iter().filter(move |change| change.key.kind == kind && change.key.group.is_empty()).filter_map(|change| after(change));
    own.chain(live.iter().filter(is_changed).copied())
}
