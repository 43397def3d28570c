//! A dry-run sees the cluster as it is, not as the plan will have made it: what is refused today for a reason that the
//! plan itself takes away is predicted instead.

use std::collections::BTreeSet;

use crate::graph::ResourceGraph;
use crate::resource::{EdgeReason, ObjectKey};

/// What of this plan takes the reason for a refusal away: `changed` holds everything that is created, changed or replaced.
pub(super) fn cure(key: &ObjectKey, message: &str, changed: &BTreeSet<ObjectKey>, graph: &ResourceGraph) -> Option<ObjectKey> {
    let before: Vec<_> = graph.dependencies(key).into_iter().filter(|edge| changed.contains(edge.to)).collect();
    // A changed definition changes what its resources may say.
    if let Some(definition) = before.iter().find(|edge| edge.reason == EdgeReason::Definition) {
        return Some(definition.to.clone());
    }
    let here = |kind: &str| {
        let found = changed.iter().find(|other| other.kind == kind && other.namespace == key.namespace);
        found.cloned()
    };
    if message.contains("exceeded quota") || message.contains("failed quota") {
        return here("ResourceQuota").or_else(|| here("LimitRange"));
    }
    if message.contains("violates PodSecurity") {
        return changed.iter().find(|other| other.kind == "Namespace" && Some(&other.name) == key.namespace.as_ref()).cloned();
    }
    if ["minimum", "maximum", "limit to request ratio"].iter().any(|word| message.contains(word)) && message.contains("usage per") {
        return here("LimitRange");
    }
    // A missing or unfit object that the refusal names: `serviceaccount "x" not found`, a policy, a class.
    let named = |other: &ObjectKey| mentions(message, &other.name);
    if let Some(edge) = before.iter().find(|edge| named(edge.to)) {
        return Some(edge.to.clone());
    }
    let admission = |other: &&ObjectKey| {
        other.group == "admissionregistration.k8s.io"
            || ["PriorityClass", "RuntimeClass", "StorageClass", "IngressClass"].contains(&other.kind.as_str())
    };
    changed.iter().filter(admission).find(|other| named(other)).cloned()
}

/// Whether a message has this name as a word of its own.
fn mentions(message: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    message.match_indices(name).any(|(start, _)| {
        let before = message[..start].chars().next_back();
        let mut after = message[start + name.len()..].chars();
        let next = after.next();
        // A full stop at the end of a sentence is no part of a name.
        let goes_on = next.is_some_and(part) && (next != Some('.') || after.next().is_some_and(|c| c.is_ascii_alphanumeric()));
        !before.is_some_and(part) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        assert!(mentions(r#"serviceaccount "web" not found"#, "web"));
        assert!(mentions("no PriorityClass with name web was found", "web"));
        assert!(mentions("it needs web.", "web"));
        assert!(!mentions("webhook denied it", "web"));
        assert!(!mentions("my-web is bad", "web"));
    }
}
