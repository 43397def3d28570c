//! Whole small stacks, from their texts to what they mean or what is wrong with them.

mod errors;
mod folders;
mod hostile;
mod meaning;
mod shipped;

use super::{ResolveOptions, Resolved, Sources, Stack};
use crate::resource::{Diagnostic, Diagnostics};

/// Adds what every stack needs, unless the texts have it.
fn sources(texts: &[(&str, &str)]) -> Sources {
    let least = [("stack.toml", "name = 'shop'"), ("environments/dev.toml", "cluster = { context = '*' }")];
    let missing = least.into_iter().filter(|(path, _)| !texts.iter().any(|(given, _)| given == path));
    Sources::of(missing.chain(texts.iter().copied()).map(|(path, text)| (path.to_owned(), text.to_owned())))
}

fn options(environment: &str) -> ResolveOptions {
    ResolveOptions { environment: environment.to_owned(), ..ResolveOptions::default() }
}

fn resolve_with(texts: &[(&str, &str)], options: &ResolveOptions) -> (Option<Resolved>, Diagnostics) {
    let (stack, mut diagnostics) = Stack::load(sources(texts));
    let (resolved, more) = stack.map_or((None, Diagnostics::default()), |stack| stack.resolve(options));
    diagnostics.extend(more);
    diagnostics.sort();
    let resolved = resolved.filter(|_| !diagnostics.has_errors());
    (resolved, diagnostics)
}

/// A stack that has nothing wrong with it.
fn resolve(texts: &[(&str, &str)]) -> Resolved {
    let (resolved, diagnostics) = resolve_with(texts, &options("dev"));
    assert_eq!(diagnostics, Diagnostics::default());
    resolved.unwrap()
}

/// A stack that has exactly one thing wrong with it.
fn wrong(texts: &[(&str, &str)]) -> Diagnostic {
    let (resolved, diagnostics) = resolve_with(texts, &options("dev"));
    assert!(resolved.is_none() || !diagnostics.has_errors());
    assert_eq!(diagnostics.0.len(), 1, "{diagnostics:#?}");
    diagnostics.0.into_iter().next().unwrap()
}

/// Where a diagnostic's labels stand.
fn places(diagnostic: &Diagnostic) -> Vec<String> {
    diagnostic.labels.iter().map(|label| label.origin.to_string()).collect()
}
