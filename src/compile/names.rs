//! What generated objects are called.
//!
//! | object | name |
//! |---|---|
//! | workload, Service, ServiceAccount, Role, RoleBinding, HorizontalPodAutoscaler, PodDisruptionBudget | `<service>` |
//! | ConfigMap of `[config]`, of `[files]`, of the SLO's rules | `<service>`, `<service>-files`, `<service>-slo` |
//! | headless Service of a StatefulSet | `<service>-peers` |
//! | claim of a volume | `<service>-<volume>` |
//! | Ingress, HTTPRoute | `<service>-<route>` |
//! | Job of a hook, of a service of kind Job | `<service>-<hook>-<digest>`, `<service>-<digest>` |
//! | NetworkPolicy of an edge: at the callee, at the caller | `<callee>-from-<caller>`, `<caller>-to-<callee>` |
//! | NetworkPolicy of the gateway, monitoring, the Kubernetes API, a `[network.<rule>]` | `<service>-from-gateway`, `<service>-from-monitoring`, `<service>-to-kubernetes`, `<service>-network-<rule>` |
//! | a namespace's own | `default-deny`, `allow-dns`, `quota`, `limits` |
//!
//! `_` of the stack's names becomes `-`. A name that would be longer than allowed keeps its beginning and gets a digest
//! of the whole as its end, so it stays the same from run to run and unlike every other.

use crate::resource::Digest;
use crate::stack::naming::kubernetes_name;

/// What a name may be long at most, where nothing shorter is asked for.
pub(super) const MAX: usize = 63;

/// What a workload's name may be long at most so that what controllers append to it (a revision's hash, a time) still fits a label.
pub(super) const MAX_WORKLOAD: usize = 52;

/// A name from its parts.
pub(super) fn joined(parts: &[&str]) -> String {
    let mut name = String::with_capacity(MAX);
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            name.push('-');
        }
        name.push_str(&kubernetes_name(part));
    }
    if name.len() <= MAX { name } else { limited(&name, MAX) }
}

/// A name, shortened if it is too long.
pub(super) fn limited(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let digest = Digest::of_bytes(name.as_bytes());
    let mut kept = max.saturating_sub(9);
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}-{}", name[..kept].trim_end_matches('-'), digest.short().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        assert_eq!(joined(&["tenant_management", "to", "auth"]), "tenant-management-to-auth");
        let (a, b) = (joined(&[&"a".repeat(60), "to", "b"]), joined(&[&"a".repeat(60), "to", "c"]));
        assert!(a.len() <= MAX && b.len() <= MAX && a != b, "{a} {b}");
    }
}
