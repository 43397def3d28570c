//! Pods that a controller wants to create and the server refuses: quota, limits, Pod Security, policies, webhooks.

use super::Trouble;
use crate::resource::Quantity;

/// A refusal, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In words, without the made-up name of the pod.
    pub text: String,
    pub trouble: Trouble,
}

/// Reads a controller's words like `Error creating: pods "backend-7d9f-" is forbidden: exceeded quota: …`. `in_motion`: pods of
/// the same namespace are on their way out, so that quota is about to come free.
pub(super) fn read(message: &str, in_motion: bool) -> Refusal {
    let words = without_pod_name(message);
    let passing = |text: String| Refusal { text, trouble: Trouble::Passing };
    let last = |text: String| Refusal { text, trouble: Trouble::Final };
    if let Some(quota) = words.split_once("exceeded quota: ").map(|(_, rest)| rest) {
        let text = format!("its pods don't fit in the quota {}", quota.trim());
        return if in_motion && !never_fits(quota) { passing(text) } else { last(text) };
    }
    if words.contains("failed quota: ") {
        return last(format!("its pods say no requests or limits, which the quota demands: {words}"));
    }
    if let Some((_, violations)) = words.split_once("violates PodSecurity ") {
        return last(format!("Pod Security refuses its pods: violates {violations}"));
    }
    if words.contains("denied request: ") || words.contains("denied the request") {
        return last(format!("a policy refuses its pods: {words}"));
    }
    if words.contains("failed calling webhook") || words.contains("error looking up service account") || words.contains("not yet ready") {
        return passing(format!("its pods can't be created: {words}"));
    }
    let by_limits = ["maximum ", "minimum "].iter().any(|word| words.contains(word)) && words.contains(" usage per ");
    if by_limits {
        return last(format!("the namespace's limit range refuses its pods: {words}"));
    }
    if words.contains(" is invalid: ") {
        return last(format!("its pods are invalid: {words}"));
    }
    passing(format!("its pods can't be created: {words}"))
}

/// Without `Error creating: ` and `pods "x-abc12" is forbidden: `, so that all pods' refusals read the same.
fn without_pod_name(message: &str) -> String {
    let mut words = message.trim();
    for prefix in ["Error creating: ", "create Pod ", "Internal error occurred: "] {
        words = words.strip_prefix(prefix).unwrap_or(words);
    }
    // A StatefulSet's: `create Pod x-0 in StatefulSet x failed error: pods "x-0" is forbidden: …`.
    if let Some((_, rest)) = words.split_once("failed error: ") {
        words = rest;
    }
    if let Some((_, rest)) = words.strip_prefix("pods \"").and_then(|rest| rest.split_once("\" is forbidden: ")) {
        words = rest;
    }
    words.to_owned()
}

/// `compute, requested: limits.cpu=4, used: limits.cpu=0, limited: limits.cpu=2`: more is asked for than there is in all.
fn never_fits(quota: &str) -> bool {
    let part = |name: &str| {
        let (_, rest) = quota.split_once(&format!("{name}: "))?;
        Some(rest.split_once(": ").map_or(rest, |(values, _)| values.rsplit_once(", ").map_or(values, |(values, _)| values)))
    };
    let (Some(requested), Some(limited)) = (part("requested"), part("limited")) else { return false };
    let amount = |list: &str, wanted: &str| {
        list.split(',').filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == wanted)?.1.parse::<Quantity>().ok()
    };
    requested.split(',').filter_map(|pair| pair.trim().split_once('=')).any(|(name, value)| {
        match (value.parse::<Quantity>(), amount(limited, name)) {
            (Ok(value), Some(limit)) => value > limit,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: &str = r#"Error creating: pods "backend-7d9f-x2x" is forbidden: exceeded quota: compute, requested: limits.cpu=1,limits.memory=1Gi, used: limits.cpu=4,limits.memory=1Gi, limited: limits.cpu=4,limits.memory=8Gi"#;

    #[test]
    fn quota_is_waited_for_only_while_something_is_going() {
        let refusal = read(QUOTA, false);
        assert_eq!(refusal.trouble, Trouble::Final);
        assert!(refusal.text.starts_with("its pods don't fit in the quota compute, requested: limits.cpu=1"), "{}", refusal.text);
        assert_eq!(read(QUOTA, true).trouble, Trouble::Passing);
        assert_eq!(read(&QUOTA.replace("limits.cpu=1", "limits.cpu=4500m"), true).trouble, Trouble::Final);
        assert_eq!(read(&QUOTA.replace("limits.memory=1Gi, used", "limits.memory=9Gi, used"), true).trouble, Trouble::Final);
    }

    #[test]
    fn what_refuses_every_pod_alike_is_final() {
        for (message, trouble, part) in [
            (
                r#"Error creating: pods "a-b" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
                Trouble::Final,
                "Pod Security refuses",
            ),
            (
                r#"create Pod a-0 in StatefulSet a failed error: pods "a-0" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#,
                Trouble::Final,
                "a policy refuses its pods: ValidatingAdmissionPolicy 'p'",
            ),
            (
                r#"Error creating: pods "a-b" is forbidden: [maximum cpu usage per Container is 1, but limit is 2]"#,
                Trouble::Final,
                "limit range",
            ),
            (
                r#"Error creating: pods "a-b" is forbidden: error looking up service account n/s: serviceaccount "s" not found"#,
                Trouble::Passing,
                "serviceaccount",
            ),
            (r#"Error creating: Internal error occurred: failed calling webhook "w": timeout"#, Trouble::Passing, "webhook"),
            (r#"Error creating: admission webhook "w" denied the request: no"#, Trouble::Final, "a policy"),
        ] {
            let refusal = read(message, false);
            assert_eq!(refusal.trouble, trouble, "{message}");
            assert!(refusal.text.contains(part) && !refusal.text.contains("a-b"), "{}", refusal.text);
        }
    }
}
