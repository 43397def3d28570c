//! A plan for programs: everything that any rendering shows, in a versioned shape (docs/reference/plan.schema.json).
//! Secrets are never in it.

use serde_json::{Value, json};

use crate::plan::{Change, Conflict, Doubt, FieldChange, Plan, Shown, Write};
use crate::resource::ObjectKey;

/// The shape's name and version: it changes when a reader would have to.
pub const PLAN_FORMAT: &str = "spai.plan/1";

/// A plan as JSON.
pub fn plan_json(plan: &Plan) -> Value {
    json!({
        "format": PLAN_FORMAT,
        "stack": plan.identity.stack,
        "environment": plan.identity.environment,
        "target": plan.target,
        "revision": plan.revision,
        "empty": plan.is_empty(),
        "narrowed": plan.narrowed,
        "asked": plan.asked,
        "asking": plan.asking,
        "decided": plan.decided(),
        "in_doubt": plan.doubts.len(),
        "summary": plan.summary(),
        "changes": plan.changes.iter().map(|of| change(plan, of)).collect::<Vec<_>>(),
        "unchanged": plan.unchanged.iter().map(|key| unchanged(plan, key)).collect::<Vec<_>>(),
        "unknown": plan.unknown,
        "consents": plan.consents.iter().map(|consent| json!({
            "kind": consent.kind, "flag": consent.kind.flag(), "text": consent.text, "objects": consent.objects,
        })).collect::<Vec<_>>(),
        "findings": plan.findings.0,
    })
}

/// Its identity, and how it was decided that it stays as it is.
fn unchanged(plan: &Plan, key: &ObjectKey) -> Value {
    let mut value = json!(key);
    value["decided"] = json!(plan.decided_unchanged(key));
    if let Some(found) = plan.doubts.get(key) {
        value["doubts"] = doubts(found);
    }
    value
}

fn change(plan: &Plan, change: &Change) -> Value {
    json!({
        "key": change.key,
        "action": change.action,
        "scope": change.scope,
        "origin": change.origin,
        "wave": change.wave,
        "ready_by": change.ready_by,
        "decided": change.decided,
        "doubts": doubts(plan.doubts.get(&change.key).map_or(&[], Vec::as_slice)),
        "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
        "conflicts": change.conflicts.iter().map(conflict).collect::<Vec<_>>(),
        "replace_reasons": change.replace_reasons,
        "notes": change.notes,
        "writes": change.writes.iter().map(write).collect::<Vec<_>>(),
    })
}

fn doubts(doubts: &[Doubt]) -> Value {
    let doubt = |doubt: &Doubt| {
        json!({
            "path": doubt.path.to_string(),
            "predicted": doubt.predicted.as_ref().map(shown),
            "server": doubt.server.as_ref().map(shown),
        })
    };
    doubts.iter().map(doubt).collect()
}

fn field(field: &FieldChange) -> Value {
    json!({
        "path": field.path.to_string(),
        "before": field.before.as_ref().map(shown),
        "after": field.after.as_ref().map(shown),
        "cause": field.cause,
        "origin": field.origin,
    })
}

/// `{"value": …}`, `"secret"`, or `"known-after-apply"`: so a field that isn't there (null) and one that holds null are told apart.
fn shown(shown: &Shown) -> Value {
    match shown {
        Shown::Value(value) => json!({"value": value}),
        Shown::Secret => json!("secret"),
        Shown::KnownAfterApply => json!("known-after-apply"),
    }
}

fn conflict(conflict: &Conflict) -> Value {
    json!({
        "manager": conflict.manager,
        "since": conflict.since,
        "path": conflict.path.to_string(),
        "ours_before": conflict.ours_before,
    })
}

/// What is sent, without the object: it may hold secrets, and its fields stand in the change.
fn write(write: &Write) -> Value {
    match write {
        Write::Apply { force, creates, .. } => json!({"write": "apply", "force": force, "creates": creates}),
        Write::Release { paths } => {
            json!({"write": "release", "paths": paths.iter().map(ToString::to_string).collect::<Vec<_>>()})
        }
        Write::TakeOver { managers } => json!({"write": "take-over", "managers": managers}),
        Write::Delete { propagation } => json!({"write": "delete", "propagation": format!("{propagation:?}").to_lowercase()}),
    }
}
