//! Asking a server by dry-run what it does, and reading facts out of its answers.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use serde_json::{Value, json};
use spai::resource::GroupVersionKind;
use spai::schema::{Facts, Immutable, Scalar, Shape, TypeRef, canonical, ruled};

use crate::normal::strip;
use crate::samples::samples;
use crate::server::Server;
use crate::variants::{Variant, changed, left_out, zeros};

/// Requests at once.
const PARALLEL: usize = 8;

/// How often a zero is tried in different places before it counts as refused.
const TRIES: usize = 4;

/// What was seen of a field that a struct didn't have: what the server put there, None where it put nothing.
type Seen = BTreeMap<(String, String), BTreeSet<Option<String>>>;

type Pointer = (String, String);

/// All facts of a server's minor version; `types` finds the type of a kind, without what tables say.
pub async fn facts<'t>(server: &Server, types: &(dyn Fn(&GroupVersionKind) -> Option<TypeRef<'t>> + Sync)) -> Facts {
    let mut facts = Facts::default();
    let (mut seen, mut created) = (Seen::new(), Vec::new());
    let mut zero_candidates: BTreeMap<Pointer, Vec<(Variant, Value)>> = BTreeMap::new();
    for mut sample in samples() {
        let gvk = GroupVersionKind::from_api_version(sample["apiVersion"].as_str().unwrap(), sample["kind"].as_str().unwrap());
        let Some(kind) = types(&gvk) else { continue };
        canonical(&mut sample, kind);
        let Ok(base) = server.create(&sample, true).await else { continue };
        observe(&sample, &stripped(&base), kind, &mut seen);
        for (variant, answer) in ask(server, left_out(&sample, kind)).await {
            let Ok(answer) = answer else { continue };
            observe(&variant.object, &stripped(&answer), kind, &mut seen);
            for zero in zeros(&variant.object, kind).into_iter().filter(|zero| zero.path == variant.path) {
                zero_candidates.entry(zero.field.clone()).or_default().push((zero, answer.clone()));
            }
        }
        for variant in zeros(&sample, kind) {
            let places = zero_candidates.entry(variant.field.clone()).or_default();
            if places.len() < TRIES {
                places.push((variant, base.clone()));
            }
        }
        created.push((gvk, sample, kind));
    }
    facts.defaults = defaults(seen);
    facts.omits_zero = vanishing(server, zero_candidates).await;
    // Last, for what really stands can't be created by dry-run any more.
    for (gvk, sample, kind) in created {
        let immutable = immutable(server, &sample, kind).await;
        if immutable != Immutable::default() {
            facts.immutable.entry(format!("{} {}", gvk.api_version(), gvk.kind)).or_default().add(immutable);
        }
    }
    facts.immutable.values_mut().for_each(Immutable::shorten);
    facts
}

/// Asks for all of them.
pub async fn ask(server: &Server, variants: Vec<Variant>) -> Vec<(Variant, Result<Value, Value>)> {
    let requests = variants.into_iter().map(|variant| async move {
        let answer = server.create(&variant.object, true).await;
        (variant, answer)
    });
    futures::stream::iter(requests).buffered(PARALLEL).collect().await
}

fn stripped(answer: &Value) -> Value {
    let mut answer = answer.clone();
    strip(&mut answer);
    answer
}

/// Notes what stands in the server's answer where the object has nothing.
fn observe(object: &Value, answer: &Value, of: TypeRef<'_>, seen: &mut Seen) {
    match (of.shape(), object, answer) {
        (Shape::Map { fields, .. }, Value::Object(object), Value::Object(answer)) => {
            for field in fields {
                let (given, got) = (object.get(&field.name), answer.get(&field.name).filter(|got| !got.is_null()));
                let inner = of.of(field.of);
                let is_time = matches!(inner.shape(), Shape::Scalar(Scalar::Time | Scalar::MicroTime));
                if let (None, Some(name), false) = (given, of.name(), is_time) {
                    // A struct that comes with the answer is an empty one, and what is in it are its own defaults.
                    let put = got.map(|got| if is_struct(inner) && got.is_object() { json!({}) } else { got.clone() });
                    seen.entry((name.to_owned(), field.name.clone())).or_default().insert(put.map(|put| put.to_string()));
                }
                if let Some(got) = got {
                    observe(given.unwrap_or(&json!({})), got, inner, seen);
                }
            }
            for (name, got) in answer {
                if let (None, Some(inner), Some(given)) = (of.known_field(name), of.field(name), object.get(name)) {
                    observe(given, got, inner, seen);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(object), Value::Array(answer)) if object.len() == answer.len() => {
            for (object, answer) in object.iter().zip(answer) {
                observe(object, answer, of.of(*item), seen);
            }
        }
        _ => {}
    }
}

fn is_struct(of: TypeRef<'_>) -> bool {
    matches!(of.shape(), Shape::Map { fields, .. } if !fields.is_empty())
}

/// What was always put, and always the same. Metadata is the server's; what rules fill in is theirs.
fn defaults(seen: Seen) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut defaults: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for ((name, field), values) in seen {
        let always: Vec<&String> = values.iter().flatten().collect();
        if values.len() != 1 || always.len() != 1 || ruled(&name).contains(field.as_str()) {
            continue;
        }
        if name != "meta.v1.ObjectMeta" {
            defaults.entry(name).or_default().insert(field, serde_json::from_str(always[0]).unwrap());
        }
    }
    defaults
}

/// Fields whose zero comes back as if nothing had been there.
async fn vanishing(server: &Server, candidates: BTreeMap<Pointer, Vec<(Variant, Value)>>) -> BTreeMap<String, BTreeSet<String>> {
    let asked = candidates.into_iter().map(|(field, places)| async move {
        for (variant, base) in places {
            if let Ok(answer) = server.create(&variant.object, true).await {
                let (given, with, without) = (variant.path.get(&variant.object), variant.path.get(&answer), variant.path.get(&base));
                return (with == without && given != without).then_some(field);
            }
        }
        None
    });
    let found: Vec<Option<Pointer>> = futures::stream::iter(asked).buffer_unordered(PARALLEL).collect().await;
    let mut vanishing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, field) in found.into_iter().flatten() {
        vanishing.entry(name).or_default().insert(field);
    }
    vanishing
}

/// Creates the sample, and asks for each of its fields what would become of a change.
pub async fn immutable(server: &Server, sample: &Value, of: TypeRef<'_>) -> Immutable {
    let mut found = Immutable::default();
    let Ok(mut object) = server.create(sample, false).await else { return found };
    if sample["kind"] == "CustomResourceDefinition" {
        object = server.established(&object).await;
    }
    let asked = changed(&object, of).into_iter().map(|variant| async move {
        let answer = server.update_dry(&variant.object).await;
        (variant, answer)
    });
    let answers: Vec<_> = futures::stream::iter(asked).buffered(PARALLEL).collect().await;
    for (variant, answer) in answers {
        if let Err(status) = answer {
            read_refusal(&mut found, &variant, &status, of);
        }
    }
    found
}

/// Words that say that a field can't change.
const IMMUTABLE: [&str; 7] =
    ["immutable", "may not change", "cannot change", "can not change", "may not be changed", "updates to", "not be updated"];

/// What a refusal says of what can't change.
fn read_refusal(found: &mut Immutable, variant: &Variant, status: &Value, of: TypeRef<'_>) {
    for cause in status["details"]["causes"].as_array().into_iter().flatten() {
        let (field, message) = (cause["field"].as_str().unwrap_or_default(), cause["message"].as_str().unwrap_or_default());
        let lower = message.to_lowercase();
        let place = plain(field);
        if let Some((_, others)) = lower.split_once("fields other than").or_else(|| lower.split_once("immutable after creation except")) {
            let start = message.len() - others.len();
            // The allowed ones are listed; what follows in a new line is a difference.
            found.except.extend(
                listed(message[start..].lines().next().unwrap_or_default())
                    .into_iter()
                    .map(|name| if name.starts_with(&place) { plain(&name) } else { format!("{place}.{name}") }),
            );
            found.fields.insert(place);
        } else if IMMUTABLE.iter().any(|words| lower.contains(words)) {
            // A few refusals name no field, or one that isn't there.
            let there = place.split('.').try_fold(of, |of, name| match of.shape() {
                Shape::List { item, .. } => of.of(*item).field(name),
                _ => of.field(name),
            });
            let changed = plain(&variant.path.to_string());
            // A field and the list of the same (`clusterIP`, `clusterIPs`) are told of as one.
            if there.is_none() || place.starts_with("metadata") || place.strip_prefix(&changed) == Some("s") {
                found.fields.insert(changed);
            }
            if there.is_some() && !place.starts_with("metadata") {
                found.fields.insert(place);
            }
        }
    }
}

/// Names in quotes of any kind, or words where there are none.
fn listed(text: &str) -> Vec<String> {
    let quote = text.chars().find(|c| matches!(c, '\'' | '`'));
    match quote {
        Some(quote) => text.split(quote).skip(1).step_by(2).map(str::to_owned).collect(),
        None => text.split_whitespace().take_while(|word| *word != "for").filter(|word| *word != "and").map(str::to_owned).collect(),
    }
}

/// A path without what tells items of lists apart: `spec.containers[0].image` is `spec.containers.image`.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for c in path.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}
