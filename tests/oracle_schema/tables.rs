//! The tables of defaults, unstored zeros and immutable fields are what probing finds.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use spai::resource::GroupVersionKind;
use spai::schema::{Facts, Immutable, Schema, built_in, immutable};

use crate::normal::strip;
use crate::oracle::{completed, differences};
use crate::probe;
use crate::samples::{label, samples};
use crate::server::{Server, file, writes};
use crate::variants::{left_out, zeros};

/// What is probed every time; everything is with `SPAI_SCHEMA_TABLES=check` (minutes).
const EVERY_TIME: [&str; 10] = [
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "RoleBinding",
    "Service",
    "StatefulSet",
    "PodDisruptionBudget",
];

/// Compares (or writes) what is known of the server's minor version.
pub async fn check(server: &Server) -> Vec<String> {
    if writes() {
        let found = find(server).await;
        let name = format!("facts/{}.json", server.minor());
        println!(
            "{name}: defaults of {} types, zeros of {}, {} kinds with immutable fields",
            found.defaults.len(),
            found.omits_zero.len(),
            found.immutable.len()
        );
        std::fs::write(file(&name), serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        return Vec::new();
    }
    if std::env::var("SPAI_SCHEMA_TABLES").as_deref() == Ok("check") { everything(server).await } else { some_kinds(server).await }
}

async fn find(server: &Server) -> Facts {
    // The server's own documents, for the archive may just have been written. No tables: these are to be found.
    let mut schemas = BTreeMap::new();
    for kind in server.kinds.iter() {
        for version in &kind.versions {
            let api_version = GroupVersionKind { version: version.clone(), ..kind.gvk.clone() }.api_version();
            if let Entry::Vacant(place) = schemas.entry(api_version) {
                let path = if kind.gvk.group.is_empty() { "api" } else { "apis" };
                let document = server.get(&format!("/openapi/v3/{path}/{}", place.key())).await;
                place.insert(Schema::from_openapi(&document).unwrap());
            }
        }
    }
    probe::facts(server, &|gvk: &GroupVersionKind| schemas.get(&gvk.api_version())?.kind(gvk)).await
}

/// All tables, found anew.
async fn everything(server: &Server) -> Vec<String> {
    let (known, found) = (Facts::of(server.minor()), find(server).await);
    let (known, found) = (serde_json::to_value(known).unwrap(), serde_json::to_value(&found).unwrap());
    let mut wrong = Vec::new();
    for part in ["defaults", "omits_zero", "immutable"] {
        let (known, found) = (known[part].as_object().unwrap(), found[part].as_object().unwrap());
        for name in known.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            if known.get(name) != found.get(name) {
                wrong.push(format!("{part} of {name}: the table has {:?}, probing finds {:?}", known.get(name), found.get(name)));
            }
        }
    }
    wrong
}

/// Some kinds: each field left out, each zero put in; and what can't change.
async fn some_kinds(server: &Server) -> Vec<String> {
    let (known, mut wrong) = (built_in(server.minor()), Vec::new());
    let mut found: BTreeMap<GroupVersionKind, Immutable> = BTreeMap::new();
    let some: Vec<Value> = samples().into_iter().filter(|sample| EVERY_TIME.contains(&sample["kind"].as_str().unwrap())).collect();
    for sample in &some {
        let gvk = GroupVersionKind::from_api_version(sample["apiVersion"].as_str().unwrap(), sample["kind"].as_str().unwrap());
        let kind = known.kind(&gvk).unwrap();
        let mut variants = left_out(sample, kind);
        variants.extend(zeros(sample, kind));
        for (variant, answer) in probe::ask(server, variants).await {
            // What the server refuses tells nothing.
            let Ok(mut theirs) = answer else { continue };
            let mut ours = completed(known, &variant.object).unwrap();
            strip(&mut ours);
            strip(&mut theirs);
            differences(&ours, &theirs, &format!("{} with another {}", label(sample), variant.path), &mut wrong);
        }
    }
    for sample in &some {
        let gvk = GroupVersionKind::from_api_version(sample["apiVersion"].as_str().unwrap(), sample["kind"].as_str().unwrap());
        found.entry(gvk.clone()).or_default().add(probe::immutable(server, sample, known.kind(&gvk).unwrap()).await);
    }
    for (gvk, mut found) in found {
        found.shorten();
        let table = immutable(&gvk, server.minor()).cloned().unwrap_or_default();
        if table != found {
            wrong.push(format!("{}: the table of immutable fields has {table:?}, probing finds {found:?}", gvk.kind));
        }
    }
    wrong
}
