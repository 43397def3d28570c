//! The Pod Security Standards, as the API server enforces them: which pods a namespace takes, which it warns of.

mod baseline;
mod policy;
mod restricted;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pod::items;
use crate::resource::Object;

pub use policy::{LabelError, Policy};

/// How strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything goes.
    Privileged,
    /// Known ways out of a container are closed.
    Baseline,
    /// Hardened.
    Restricted,
}

/// As of which release: `v1.N`, or the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `v1.N`.
    Minor(u32),
    /// `latest`.
    Latest,
}

/// A level as of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// How strict.
    pub level: Level,
    /// As of when.
    pub version: Version,
}

/// What a pod does that a standard forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What: `privileged`, `hostPort`.
    pub reason: String,
    /// Where: `container "a" must not set securityContext.privileged=true`.
    pub detail: String,
}

/// What the server does with a pod, or with what makes pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// It refuses it, with these words.
    pub refused: Option<String>,
    /// It warns of it.
    pub warning: Option<String>,
    /// It notes it in the audit log.
    pub audited: Option<String>,
}

impl Standard {
    /// Everything that a pod (or a pod template: what has a `spec` and perhaps `metadata`) does and shouldn't, in the
    /// server's order. `server` is its minor version: what it calls `latest`, and no standard is newer than it.
    pub fn violations(self, pod: &Value, server: u32) -> Vec<Violation> {
        let minor = match self.version {
            Version::Minor(minor) => minor.min(server),
            Version::Latest => server,
        };
        match self.level {
            Level::Privileged => Vec::new(),
            Level::Baseline => baseline::CHECKS.iter().filter_map(|(_, check)| check(pod, minor)).collect(),
            Level::Restricted => {
                let kept = baseline::CHECKS.iter().filter(|(id, _)| !restricted::overrides(id, minor));
                kept.chain(&restricted::CHECKS).filter_map(|(_, check)| check(pod, minor)).collect()
            }
        }
    }

    fn words(self, verb: &str, pod: &Value, server: u32) -> Option<String> {
        let found = self.violations(pod, server);
        if found.is_empty() {
            return None;
        }
        let each: Vec<String> = found.iter().map(|violation| format!("{} ({})", violation.reason, violation.detail)).collect();
        Some(format!("{verb} PodSecurity \"{self}\": {}", each.join(", ")))
    }
}

impl Policy {
    /// What becomes of a pod: `old` is what it was, for an update (of which only new images and containers are looked at).
    pub fn on_pod(&self, pod: &Object, old: Option<&Object>, server: u32) -> Verdict {
        if old.is_some_and(|old| !matters(&pod.value()["spec"], &old.value()["spec"])) {
            return Verdict::default();
        }
        let refused = self.enforce.words("violates", pod.value(), server);
        let warning = if refused.is_some() { None } else { self.warn.words("would violate", pod.value(), server) };
        Verdict { refused, warning, audited: self.audit.words("would violate", pod.value(), server) }
    }

    /// What the server says of what makes pods: it warns, and refuses only the pods.
    pub fn on_template(&self, object: &Object, server: u32) -> Verdict {
        let Some(template) = object.pod_template() else { return Verdict::default() };
        Verdict {
            refused: None,
            warning: self.warn.words("would violate", template, server),
            audited: self.audit.words("would violate", template, server),
        }
    }
}

/// What the server says to a namespace that comes or changes: warnings of the pods in it that would be refused now.
///
/// # Errors
/// Labels that say nothing, unless they said so before.
pub fn on_namespace(new: &Object, old: Option<&Object>, pods: &[Object], server: u32) -> Result<Vec<String>, Vec<LabelError>> {
    let (policy, errors) = Policy::of(new);
    let before = old.map(Policy::of);
    if !errors.is_empty() && before.as_ref().is_none_or(|(_, known)| *known != errors) {
        return Err(errors);
    }
    let Some((before, _)) = before else { return Ok(Vec::new()) };
    let (was, is) = (before.enforce, policy.enforce);
    if is.level == Level::Privileged || is.version == was.version && is.level <= was.level {
        return Ok(Vec::new());
    }
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in pods {
        let reasons: Vec<String> = is.violations(pod.value(), server).into_iter().map(|violation| violation.reason).collect();
        if !reasons.is_empty() {
            found.entry(reasons.join(", ")).or_default().push(pod.name());
        }
    }
    let mut warnings: Vec<String> = found
        .into_iter()
        .map(|(reasons, names)| {
            let first = names.iter().min().copied().unwrap_or_default();
            match names.len() {
                1 => format!("{first}: {reasons}"),
                2 => format!("{first} (and 1 other pod): {reasons}"),
                more => format!("{first} (and {} other pods): {reasons}", more - 1),
            }
        })
        .collect();
    warnings.sort();
    if !warnings.is_empty() {
        let name = new.name();
        warnings.insert(0, format!("existing pods in namespace \"{name}\" violate the new PodSecurity enforce level \"{is}\""));
    }
    Ok(warnings)
}

/// Whether an update of a pod brings in something new to look at.
fn matters(new: &Value, old: &Value) -> bool {
    let images = |spec: &Value, list: &str| items(&spec[list]).map(|container| container["image"].clone()).collect::<Vec<_>>();
    let ephemeral = |new: &Value| {
        items(&new["ephemeralContainers"]).any(|container| {
            let before = items(&old["ephemeralContainers"]).find(|other| other["name"] == container["name"]);
            before.is_none_or(|before| before["image"] != container["image"])
        })
    };
    ["containers", "initContainers"].iter().any(|list| images(new, list) != images(old, list)) || ephemeral(new)
}

/// A check: of a pod, as of a release.
type Check = (&'static str, fn(&Value, u32) -> Option<Violation>);

fn violation(reason: impl Into<String>, detail: impl Into<String>) -> Violation {
    Violation { reason: reason.into(), detail: detail.into() }
}

/// All containers, those that run first being first.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(&pod["spec"][list]))
}

/// The names of the containers of which this holds.
fn names(pod: &Value, holds: impl Fn(&Value) -> bool) -> Vec<String> {
    containers(pod).filter(|container| holds(container)).map(|container| text(&container["name"]).to_owned()).collect()
}

/// `pod and containers "a", "b"`, of those that say something bad; None if none does.
fn setters(pod_says: bool, containers: &[String]) -> Option<String> {
    let mut setters: Vec<String> = Vec::new();
    setters.extend(pod_says.then(|| "pod".to_owned()));
    setters.extend((!containers.is_empty()).then(|| named("container", containers)));
    (!setters.is_empty()).then(|| setters.join(" and "))
}

/// `container "a"`, `containers "a", "b"`.
fn named(noun: &str, names: &[String]) -> String {
    format!("{} {}", plural(noun, names.len()), quoted(names))
}

fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn uses(count: usize) -> &'static str {
    if count == 1 { "uses" } else { "use" }
}

fn quoted<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// What a pod and its containers say at one place of their security context: that of the pod, and each container's.
fn said<'v>(pod: &'v Value, field: &'static str) -> (&'v Value, Vec<(&'v str, &'v Value)>) {
    let each = containers(pod).map(|container| (text(&container["name"]), &container["securityContext"][field])).collect();
    (&pod["spec"]["securityContext"][field], each)
}

/// Values that aren't allowed, and who sets them.
fn bad_values(
    pod: &Value,
    field: &'static str,
    key: &'static str,
    allowed: impl Fn(&str) -> bool,
) -> (bool, Vec<String>, BTreeSet<String>) {
    let (of_pod, of_containers) = said(pod, field);
    let mut values = BTreeSet::new();
    let mut bad = |holder: &Value| {
        let value = text(&holder[key]);
        let bad = holder.is_object() && !allowed(value);
        values.extend(bad.then(|| value.to_owned()));
        bad
    };
    let pod_is_bad = bad(of_pod);
    let containers = of_containers.into_iter().filter(|(_, holder)| bad(holder)).map(|(name, _)| name.to_owned()).collect();
    (pod_is_bad, containers, values)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
