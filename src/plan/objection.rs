//! Why an object can't be planned at all: it is somebody else's, or is going, or the cluster has no place for it.

use crate::resource::{Diagnostic, Object, StackIdentity};

use super::case::{Case, Surroundings};

impl Case<'_> {
    /// Why the object that is there can't be planned with.
    pub(super) fn objection(&self, live: &Object, around: &Surroundings) -> Option<Diagnostic> {
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
    pub(super) fn unserved(&self, around: &Surroundings) -> Option<Diagnostic> {
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
}
