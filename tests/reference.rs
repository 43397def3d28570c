//! The generated pages of the book are what the program would generate: `SPAI_BLESS=1 cargo test --test reference`
//! writes them anew. And the plan's JSON is what its published schema says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spai::stack::shape::{FileKind, describe};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name)
}

#[track_caller]
fn is_generated(name: &str, text: &str) {
    let path = page(name);
    if std::env::var_os("SPAI_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "docs/reference/{name} isn't what the program generates: SPAI_BLESS=1 cargo test --test reference");
}

#[test]
fn commands_and_flags() {
    is_generated("commands.md", &spai::cli::reference());
}

#[test]
fn the_stack_language() {
    let mut text = String::from(
        "# What the files of a stack may say\n\n<!-- Generated from the model's types: SPAI_BLESS=1 cargo test --test reference -->\n\n\
         The same as `spai schema stack|environment|tenant|service`; with `--output json` each is a JSON Schema for editors.\n",
    );
    for kind in FileKind::ALL {
        let lines: Vec<String> = describe(kind).lines().map(|line| line.trim_end().to_owned()).collect();
        write!(text, "\n## {}\n\n```text\n{}\n```\n", kind.place(), lines.join("\n").trim_end()).unwrap();
    }
    is_generated("stack-language.md", &text);
}

#[test]
fn every_verb_has_a_man_page() {
    let pages = spai::cli::man_pages();
    for name in ["spai.1", "spai-plan.1", "spai-apply.1", "spai-state-recover.1", "spai-lock-break.1"] {
        assert!(pages.iter().any(|(page, text)| page == name && text.contains(".TH")), "{name}");
    }
}

/// Every key of the value stands in the schema, and every required key of the schema in the value.
fn conforms(value: &Value, schema: &Value, root: &Value, at: &str, wrong: &mut String) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere"),
        None => schema,
    };
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = |option: &Value| {
            let mut found = String::new();
            conforms(value, option, root, at, &mut found);
            found.is_empty()
        };
        if !options.iter().any(fits) {
            writeln!(wrong, "{at}: fits nothing of anyOf: {value}").unwrap();
        }
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(many) => many.iter().any(|one| one == kind),
        _ => true,
    };
    if !allowed {
        writeln!(wrong, "{at}: is {kind}, should be {}", schema["type"]).unwrap();
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        writeln!(wrong, "{at}: {value} is none of {words:?}").unwrap();
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(of) => conforms(inner, of, root, &format!("{at}.{key}"), wrong),
            None if schema["properties"].is_object() => writeln!(wrong, "{at}.{key}: the schema doesn't have it").unwrap(),
            None => {}
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(key).is_none() {
            writeln!(wrong, "{at}.{key}: is missing").unwrap();
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(item, &schema["items"], root, &format!("{at}[{index}]"), wrong);
    }
}

#[test]
fn the_plans_json_is_as_its_schema_says() {
    use spai::plan::{
        Action, Asking, Cause, Change, Conflict, Consent, ConsentKind, Decided, Doubt, FieldChange, Plan, Propagation, Shown, Target, Write,
    };
    use spai::resource::{Diagnostic, Diagnostics, FieldPath, ObjectKey, Origin, Scope, StackIdentity};

    let schema: Value = serde_json::from_str(&fs::read_to_string(page("plan.schema.json")).unwrap()).unwrap();
    let origin = Origin { file: "services/web.toml".into(), line: 1, column: 1, start: 0, end: 1 };
    let key = ObjectKey::new("apps", "Deployment", Some("acme"), "web");
    let path = FieldPath::fields(&["spec", "x"]);
    let drift = Cause::Drift { by: Some("kubectl".into()), since: None };
    let field = |before, after, cause| FieldChange { path: path.clone(), before, after, cause, origin: Some(origin.clone()) };
    let change = Change {
        key: key.clone(),
        action: Action::Update,
        scope: Scope { tenant: Some("acme".into()), tier: None, service: None },
        origin: Some(origin.clone()),
        wave: 0,
        ready_by: 1,
        fields: vec![
            field(Some(Shown::Secret), Some(Shown::Secret), Cause::Intended),
            field(None, Some(Shown::Value(Value::Null)), drift),
            field(Some(Shown::Value(1.into())), None, Cause::Server),
            field(None, Some(Shown::KnownAfterApply), Cause::Server),
        ],
        conflicts: vec![Conflict { manager: "kubectl".into(), since: None, path: path.clone(), ours_before: false }],
        replace_reasons: vec!["immutable".into()],
        writes: vec![
            Write::Release { paths: vec![path.clone()] },
            Write::TakeOver { managers: vec!["kubectl".into()] },
            Write::Delete { propagation: Propagation::Foreground },
        ],
        desired: None,
        live: None,
        predicted: None,
        prior: None,
        decided: Decided::DryRun,
        notes: vec!["restarts 2 pods".into()],
    };
    let doubtful = ObjectKey::new("", "ConfigMap", Some("acme"), "c");
    let doubt = Doubt { path: path.clone(), predicted: Some(Shown::Value(1.into())), server: None };
    let plan = Plan {
        identity: StackIdentity::new("shop", "production"),
        target: Target {
            context: "c".into(),
            server_version: "v1.36.3".into(),
            cluster_uid: "u".into(),
            root_namespace: "shop".into(),
            chosen_by: vec![],
        },
        revision: 1,
        changes: vec![change],
        unchanged: vec![key.clone(), doubtful.clone()],
        confirmed: [(doubtful.clone(), Decided::Verified)].into(),
        unknown: vec![key.clone()],
        doubts: [(doubtful, vec![doubt.clone()]), (key.clone(), vec![doubt])].into(),
        asking: Asking::Changed,
        findings: Diagnostics(vec![Diagnostic::error("a::b", "c").at(&origin, "d").help("e")]),
        consents: vec![Consent { kind: ConsentKind::Replace, objects: vec![key], text: "t".into() }],
        narrowed: false,
        asked: 1,
    };
    let mut wrong = String::new();
    conforms(&spai::report::plan_json(&plan), &schema, &schema, "plan", &mut wrong);
    assert!(wrong.is_empty(), "\n{wrong}");
}
