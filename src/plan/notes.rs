//! What a change means for what runs, in words.

use serde_json::Value;

use crate::resource::{FieldPath, Object};

use super::{Action, Change};

/// Kinds that run pods of a template.
const WORKLOADS: [&str; 3] = ["DaemonSet", "Deployment", "StatefulSet"];

/// What becomes of the pods of a workload.
pub(super) fn restarts(change: &Change) -> Option<String> {
    if !WORKLOADS.contains(&change.key.kind.as_str()) || change.key.group != "apps" {
        return None;
    }
    let live = change.live.as_ref()?;
    let pods = pods(live);
    if pods == 0 {
        return None;
    }
    let all = format!("{pods} {}", if pods == 1 { "pod" } else { "pods" });
    match change.action {
        Action::Delete => return Some(format!("stops {all}")),
        Action::Replace => return Some(format!("stops {all}, then starts them again")),
        Action::Update | Action::Adopt => {}
        _ => return None,
    }
    let template = FieldPath::fields(&["spec", "template"]);
    if !change.fields.iter().any(|field| template.covers(&field.path)) {
        return None;
    }
    let after = change.predicted.as_ref().unwrap_or(live);
    Some(match at_a_time(after, pods) {
        Pace::AtOnce(n) if n >= pods => format!("restarts {all}{}", if pods == 1 { "" } else { ", all at once" }),
        Pace::AtOnce(n) => format!("restarts {all}, {n} at a time"),
        Pace::WhenDeleted => format!("restarts {all} only once somebody deletes them (OnDelete)"),
    })
}

enum Pace {
    AtOnce(u64),
    WhenDeleted,
}

fn pods(live: &Object) -> u64 {
    let value = live.value();
    let count = if live.kind() == "DaemonSet" { &value["status"]["desiredNumberScheduled"] } else { &value["spec"]["replicas"] };
    count.as_u64().unwrap_or(0)
}

fn at_a_time(after: &Object, pods: u64) -> Pace {
    let spec = &after.value()["spec"];
    let strategy = if after.kind() == "Deployment" { &spec["strategy"] } else { &spec["updateStrategy"] };
    if strategy["type"] == "Recreate" {
        return Pace::AtOnce(pods);
    }
    if strategy["type"] == "OnDelete" {
        return Pace::WhenDeleted;
    }
    let rolling = &strategy["rollingUpdate"];
    let (surge, unavailable) = (share(&rolling["maxSurge"], pods, true), share(&rolling["maxUnavailable"], pods, false));
    Pace::AtOnce((surge.unwrap_or(0) + unavailable.unwrap_or(u64::from(surge.is_none()))).max(1))
}

/// A count, or a percentage of the pods: a surge is rounded up, what may be away down.
fn share(value: &Value, pods: u64, up: bool) -> Option<u64> {
    if let Some(count) = value.as_u64() {
        return Some(count);
    }
    let percent: u64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let hundredths = pods.saturating_mul(percent);
    Some(if up { hundredths.div_ceil(100) } else { hundredths / 100 })
}
