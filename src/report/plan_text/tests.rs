//! Whole plans as text.

use serde_json::{Value, json};

use super::*;
use crate::plan::{Conflict, ConsentKind, Decided, Shown, Target, Write};
use crate::resource::{Diagnostics, FieldPath, Scope, StackIdentity};

fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        identity: StackIdentity::new("shop", "production"),
        target: Target {
            context: "prod-eu".into(),
            server_version: "v1.36.3".into(),
            cluster_uid: "uid".into(),
            root_namespace: "shop".into(),
            chosen_by: vec!["SPAI_CONTEXT=prod-eu".into()],
        },
        revision: 41,
        changes,
        unchanged: (0..4937).map(|n| ObjectKey::new("", "ConfigMap", Some("a"), &n.to_string())).collect(),
        confirmed: BTreeMap::new(),
        unknown: Vec::new(),
        doubts: BTreeMap::new(),
        asking: Asking::Changed,
        findings: Diagnostics::default(),
        consents: Vec::new(),
        narrowed: false,
        asked: 98,
    }
}

fn change(action: Action, kind: &str, namespace: &str, name: &str, fields: Vec<FieldChange>) -> Change {
    Change {
        key: ObjectKey::new("apps", kind, Some(namespace), name),
        action,
        scope: Scope::default(),
        origin: Some(Origin { file: "services/backend.toml".into(), line: 4, column: 1, start: 0, end: 1 }),
        wave: 0,
        ready_by: 0,
        fields,
        conflicts: Vec::new(),
        replace_reasons: Vec::new(),
        writes: vec![Write::Release { paths: Vec::new() }],
        desired: None,
        live: None,
        predicted: None,
        prior: None,
        decided: Decided::DryRun,
        notes: Vec::new(),
    }
}

fn field(path: &[&str], before: Option<Value>, after: Option<Value>, cause: Cause) -> FieldChange {
    FieldChange { path: FieldPath::fields(path), before: before.map(Shown::Value), after: after.map(Shown::Value), cause, origin: None }
}

#[test]
fn a_plan_reads_from_top_to_bottom() {
    let image = |from: &str| vec![field(&["spec", "image"], Some(json!(from)), Some(json!("r/b:2.4.1")), Cause::Intended)];
    let mut changes = vec![change(Action::Delete, "ConfigMap", "acme", "old-flags", vec![])];
    for tenant in ["acme", "beta", "gamma", "delta"] {
        let mut like = change(Action::Update, "Deployment", tenant, "backend", image("r/b:2.4.0"));
        like.notes = vec!["restarts 5 pods".into()];
        changes.push(like);
    }
    let mut replaced = change(Action::Replace, "StatefulSet", "acme", "ledger", vec![]);
    replaced.replace_reasons = vec!["volumeClaimTemplates is immutable".into()];
    changes.push(replaced);
    let drift = Cause::Drift { by: Some("kubectl-edit".into()), since: Some("2026-11-20T14:02:00Z".into()) };
    let drifted = vec![field(&["spec", "image"], Some(json!("r/b:debug")), Some(json!("r/b:1")), drift)];
    changes.push(change(Action::Update, "Deployment", "zeta", "auth", drifted));
    let mut taken = change(Action::Update, "Service", "acme", "web", vec![field(&["spec", "x"], None, Some(json!(1)), Cause::Intended)]);
    taken.conflicts =
        vec![Conflict { manager: "kubectl".into(), since: None, path: FieldPath::fields(&["spec", "x"]), ours_before: false }];
    changes.push(taken);
    let mut plan = plan(changes);
    plan.consents = vec![Consent {
        kind: ConsentKind::Replace,
        objects: vec![ObjectKey::new("apps", "StatefulSet", Some("acme"), "ledger")],
        text: "replaces 1 object".into(),
    }];
    let look = Look { colour: false, width: 80 };
    assert_eq!(
        plan_text(&plan, Expand::Nothing, None, look),
        "\
shop · production · cluster prod-eu (v1.36.3) · namespaces shop · revision 41 → 42
chosen by the environment: SPAI_CONTEXT=prod-eu

  - ConfigMap acme/old-flags                             services/backend.toml:4
  ~ Deployment acme/backend   restarts 5 pods            services/backend.toml:4
        spec.image: r/b:2.4.0 → r/b:2.4.1
  ~ 3 more like it (Deployment */backend)                             --expand 2
  ± StatefulSet acme/ledger   replaced                   services/backend.toml:4
      can't be changed in place: volumeClaimTemplates is immutable
  ~ Service acme/web                                     services/backend.toml:4
      + spec.x: 1

Drift, not of this plan's making; it will be set back
  ! Deployment zeta/auth                                 services/backend.toml:4
        spec.image: r/b:debug → r/b:1
        changed by kubectl-edit at 2026-11-20T14:02:00Z

Fields that others own
  ! Service acme/web
        spec.x is kubectl's
  To take them: --take-ownership

Asks for consent
  ? replaces 1 object                                            --allow-replace
      StatefulSet acme/ledger

6 to change, 1 to replace, 1 to delete; 4,937 unchanged. 98 checked by the server, 0 in doubt.
"
    );
    let all = plan_text(&plan, Expand::Group(2), None, look);
    assert_eq!(all.matches("r/b:2.4.0 → r/b:2.4.1").count(), 4);
}

#[test]
fn changes_that_differ_in_anything_are_not_folded() {
    let of = |tenant: &str, value: i32| {
        change(Action::Update, "Deployment", tenant, "web", vec![field(&["spec", "x"], None, Some(json!(value)), Cause::Intended)])
    };
    let text = plan_text(&plan((1..5).map(|n| of(&format!("t{n}"), n)).collect()), Expand::Nothing, None, Look::default());
    assert!(!text.contains("more like it"), "{text}");
}

#[test]
fn an_empty_plan_says_so() {
    let text = plan_text(&plan(Vec::new()), Expand::Nothing, None, Look::default());
    assert!(text.ends_with("\n\nNo changes: 4,937 objects are as the stack says. 98 checked by the server, 0 in doubt.\n"), "{text}");
    assert!(text.contains("revision 41\n"));
}

#[test]
fn hostile_names_and_values_move_no_cursor() {
    let evil = "\u{1b}]0;x\u{7}";
    let mut change = change(Action::Create, "ConfigMap", evil, evil, vec![field(&[evil], None, Some(json!(evil)), Cause::Server)]);
    change.notes = vec![evil.into()];
    change.replace_reasons = vec![evil.into()];
    let text = plan_text(&plan(vec![change]), Expand::All, None, Look::default());
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
}
