//! What things of a stack are called in Kubernetes. One mapping, documented: `_` becomes `-`.

/// `enterprise_plus` → `enterprise-plus`.
pub fn kubernetes_name(name: &str) -> String {
    name.replace('_', "-")
}

/// A tenant's namespace: `<root>-<tenant>`.
pub fn tenant_namespace(root: &str, tenant: &str) -> String {
    format!("{root}-{}", kubernetes_name(tenant))
}

/// A pooled tier's namespace, also that of services with `scope = "tier"`: `<root>-tier-<tier>`.
pub fn tier_namespace(root: &str, tier: &str) -> String {
    format!("{root}-tier-{}", kubernetes_name(tier))
}

/// The namespace of services with `scope = "environment"`: `<root>-shared`.
pub fn shared_namespace(root: &str) -> String {
    format!("{root}-shared")
}
