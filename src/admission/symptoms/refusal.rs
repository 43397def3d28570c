//! Pods that a controller wants to create and the server refuses: quota, limits, Pod Security, policies, webhooks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Trouble;
use crate::resource::{Object, Quantity};

/// A refusal, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In words, without the made-up name of the pod.
    pub text: String,
    pub trouble: Trouble,
}

/// Reads a controller's words like `Error creating: pods "backend-7d9f-" is forbidden: exceeded quota: …`. `in_motion`: pods of
/// the same namespace are on their way out, so that quota is about to come free. `quotas`: those of the namespace as
/// they are now, None if they couldn't be read.
pub(super) fn read(message: &str, in_motion: bool, quotas: Option<&[Object]>) -> Refusal {
    let words = without_pod_name(message);
    let passing = |text: String| Refusal { text, trouble: Trouble::Passing };
    let last = |text: String| Refusal { text, trouble: Trouble::Final };
    if let Some(quota) = words.split_once("exceeded quota: ").map(|(_, rest)| rest) {
        let text = format!("its pods don't fit in the quota {}", quota.trim());
        return match room(quota, quotas) {
            Room::Never => last(text),
            Room::NotNow if !in_motion => last(text),
            Room::NotNow | Room::Now => passing(text),
        };
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

/// Whether what was refused has room by now.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    /// It has: the controller has only to try again.
    Now,
    /// Not until something else goes.
    NotNow,
    /// More is asked for than there is in all.
    Never,
}

/// Of `compute, requested: limits.cpu=4,pods=1, used: limits.cpu=0,pods=3, limited: limits.cpu=2,pods=3`, whether the request
/// fits in that quota as it is now; as it was then, if that isn't known.
fn room(refusal: &str, quotas: Option<&[Object]>) -> Room {
    let requested = amounts(refusal, "requested");
    let name = refusal.split(',').next().unwrap_or_default().trim();
    let (hard, used) = match quotas {
        Some(quotas) => match quotas.iter().find(|quota| quota.name() == name) {
            Some(quota) => (table(&quota.value()["status"]["hard"]), table(&quota.value()["status"]["used"])),
            // It was taken away meanwhile.
            None => return Room::Now,
        },
        None => (amounts(refusal, "limited"), amounts(refusal, "used")),
    };
    let limited = || requested.iter().filter_map(|(resource, amount)| Some((resource, amount, hard.get(resource)?)));
    if limited().any(|(_, amount, hard)| amount > hard) {
        return Room::Never;
    }
    let full = limited().any(|(resource, amount, hard)| amount.plus(used.get(resource).unwrap_or(&Quantity::ZERO)) > *hard);
    if full { Room::NotNow } else { Room::Now }
}

/// One of the lists of a refusal: `requested: limits.cpu=4,pods=1`.
fn amounts(refusal: &str, list: &str) -> BTreeMap<String, Quantity> {
    let Some((_, rest)) = refusal.split_once(&format!("{list}: ")) else { return BTreeMap::new() };
    let list = rest.split_once(", ").map_or(rest, |(list, _)| list);
    let pair = |pair: &str| {
        let (resource, amount) = pair.trim().split_once('=')?;
        Some((resource.to_owned(), amount.parse().ok()?))
    };
    list.split(',').filter_map(pair).collect()
}

fn table(value: &Value) -> BTreeMap<String, Quantity> {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(resource, amount)| Some((resource.clone(), Quantity::from_json(amount).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: &str = r#"Error creating: pods "backend-7d9f-x2x" is forbidden: exceeded quota: compute, requested: limits.cpu=1,limits.memory=1Gi, used: limits.cpu=4,limits.memory=1Gi, limited: limits.cpu=4,limits.memory=8Gi"#;

    #[test]
    fn quota_is_waited_for_only_while_something_is_going() {
        let refusal = read(QUOTA, false, None);
        assert_eq!(refusal.trouble, Trouble::Final);
        assert!(refusal.text.starts_with("its pods don't fit in the quota compute, requested: limits.cpu=1"), "{}", refusal.text);
        assert_eq!(read(QUOTA, true, None).trouble, Trouble::Passing);
        assert_eq!(read(&QUOTA.replace("limits.cpu=1", "limits.cpu=4500m"), true, None).trouble, Trouble::Final);
        assert_eq!(read(&QUOTA.replace("limits.memory=1Gi, used", "limits.memory=9Gi, used"), true, None).trouble, Trouble::Final);
    }

    #[test]
    fn the_quota_as_it_is_now_counts() {
        let quota = |hard: &str, used: &str| {
            let value = serde_json::json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"},
                "status": {"hard": {"limits.cpu": hard, "limits.memory": "8Gi"}, "used": {"limits.cpu": used, "limits.memory": "1Gi"}}});
            [Object::try_from(value).unwrap()]
        };
        assert_eq!(read(QUOTA, false, Some(&quota("4", "4"))).trouble, Trouble::Final);
        assert_eq!(read(QUOTA, false, Some(&quota("4", "3500m"))).trouble, Trouble::Final);
        assert_eq!(read(QUOTA, false, Some(&quota("4", "3"))).trouble, Trouble::Passing, "something went");
        assert_eq!(read(QUOTA, false, Some(&quota("8", "4"))).trouble, Trouble::Passing, "it was raised");
        assert_eq!(read(QUOTA, false, Some(&[])).trouble, Trouble::Passing, "it was taken away");
        assert_eq!(read(QUOTA, true, Some(&quota("500m", "0"))).trouble, Trouble::Final, "it was lowered");
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
            let refusal = read(message, false, None);
            assert_eq!(refusal.trouble, trouble, "{message}");
            assert!(refusal.text.contains(part) && !refusal.text.contains("a-b"), "{}", refusal.text);
        }
    }
}
