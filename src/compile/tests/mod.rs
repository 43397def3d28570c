//! Whole small stacks, from their texts to the objects that they mean.

mod alike;
mod concerns;
mod manifests;
mod numbers;
mod pods;
mod shipped;

use serde_json::Value;

use crate::resource::{Desired, Diagnostic, Diagnostics, FieldPath, ObjectKey};
use crate::stack::{ResolveOptions, Resolved, Sources, Stack};

use super::compile;

/// One tier, one tenant in it, and an environment.
const LEAST: [(&str, &str); 3] = [
    ("stack.toml", "name = 'shop'\n[tiers.basic]\ncpu = '500m'\nmemory = '512Mi'\nreplicas = 3"),
    ("environments/dev.toml", "cluster = { context = '*' }\nnamespace = 'shop'\ndomain = 'shop.test'"),
    ("tenants/acme.toml", "tier = 'basic'"),
];

/// A service with one port.
const WEB: &str = "image = { repository = 'web', tag = '1' }\n[ports.http]\nport = 8080\n";

fn resolve(texts: &[(&str, &str)]) -> Resolved {
    let missing = LEAST.into_iter().filter(|(path, _)| !texts.iter().any(|(given, _)| given == path));
    let sources = Sources::of(missing.chain(texts.iter().copied()).map(|(path, text)| (path.to_owned(), text.to_owned())));
    let (stack, diagnostics) = Stack::load(sources);
    assert!(!diagnostics.has_errors(), "{diagnostics:#?}");
    let (resolved, diagnostics) = stack.unwrap().resolve(&ResolveOptions { environment: "dev".to_owned(), ..ResolveOptions::default() });
    resolved.unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

/// The objects of a stack that has nothing wrong with it.
fn objects(texts: &[(&str, &str)]) -> Vec<Desired> {
    let (objects, diagnostics) = compile(&resolve(texts));
    assert_eq!(diagnostics, Diagnostics::default());
    objects
}

/// The one thing that is wrong.
fn wrong(texts: &[(&str, &str)]) -> Diagnostic {
    let (_, diagnostics) = compile(&resolve(texts));
    assert_eq!(diagnostics.0.len(), 1, "{diagnostics:#?}");
    diagnostics.0.into_iter().next().unwrap()
}

/// `Deployment shop-acme/web`.
fn find<'o>(objects: &'o [Desired], key: &str) -> &'o Desired {
    objects.iter().find(|desired| desired.key().to_string() == key).unwrap_or_else(|| panic!("no {key} among {:#?}", names(objects)))
}

fn names(objects: &[Desired]) -> Vec<String> {
    objects.iter().map(|desired| desired.key().to_string()).collect()
}

/// The value at a path.
fn at<'o>(desired: &'o Desired, path: &str) -> &'o Value {
    static NOTHING: Value = Value::Null;
    path.parse::<FieldPath>().unwrap().get(desired.object.value()).unwrap_or(&NOTHING)
}

/// Where a diagnostic's labels stand.
fn places(diagnostic: &Diagnostic) -> Vec<String> {
    diagnostic.labels.iter().map(|label| label.origin.to_string()).collect()
}

/// What an object comes after because the stack says so.
fn after(desired: &Desired) -> Vec<ObjectKey> {
    desired.edges.iter().map(|edge| edge.to.clone()).collect()
}
