//! What the server's refusal of an update means: a field that can't change, a default left over from what the object was,
//! or simply an error.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::admission;
use crate::merge::{self, Deduced, ManagedFields};
use crate::resource::{FieldManager, FieldPath, Object, PathElement};
use crate::schema::TypeRef;

/// What the server says where a field can't be changed once the object exists.
const IMMUTABLE: [&str; 7] =
    ["immutable", "may not change", "may not be changed", "cannot change", "cannot be changed", "updates to ", "can not be changed"];

/// What the server says where something stands that what is wanted leaves no room for.
const TOO_MANY: [&str; 3] = ["may not", "must not", "only allowed for"];

/// Structs of which one field says which of the others may be there: group, kind, the struct, the field that says it, the value
/// that the other one needs, the other one, and what the server says where both don't go together.
const UNIONS: [(&str, &str, &str, &str, &str, &str, &str); 2] = [
    (
        "apps",
        "Deployment",
        "spec.strategy",
        "type",
        "RollingUpdate",
        "rollingUpdate",
        "Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        "apps",
        "StatefulSet",
        "spec.updateStrategy",
        "type",
        "RollingUpdate",
        "rollingUpdate",
        "only allowed for updateStrategy 'RollingUpdate'",
    ),
];

/// What the server will refuse about making the live object the other one, as field and words: what can't change, and what is
/// left over beside what is wanted.
pub(super) fn foreseen(live: &Object, after: &Object) -> Vec<(String, String)> {
    let gvk = after.gvk();
    let mut causes = Vec::new();
    for (group, kind, holder, says, needs, other, words) in UNIONS {
        if (gvk.group.as_str(), gvk.kind.as_str()) != (group, kind) {
            continue;
        }
        let Some(holder_value) = holder.parse::<FieldPath>().ok().and_then(|path| path.get(after.value())) else { continue };
        if holder_value.get(other).is_some() && holder_value.get(says).is_some_and(|value| value != needs) {
            causes.push((format!("{holder}.{other}"), words.to_owned()));
        }
    }
    causes.extend(admission::immutable::refusals(live, after).into_iter().map(|refusal| (refusal.field, refusal.message)));
    causes
}

/// The reasons for a replace, if every single one of the refusal's causes is that a field can't change.
pub(super) fn immutable(causes: &[(String, String)], message: &str) -> Option<Vec<String>> {
    let says_so = |text: &str| {
        let text = text.to_lowercase();
        IMMUTABLE.iter().any(|words| text.contains(words))
    };
    if causes.is_empty() {
        return says_so(message).then(|| vec![message.to_owned()]);
    }
    if !causes.iter().all(|(_, words)| says_so(words)) {
        return None;
    }
    let mut reasons: Vec<String> = causes.iter().map(|(field, words)| reason(field, words)).collect();
    reasons.dedup();
    Some(reasons)
}

/// `spec.selector: field is immutable`, without the value that the server repeats.
fn reason(field: &str, words: &str) -> String {
    let words = match (words.strip_prefix("Invalid value: "), words.rfind(": ")) {
        (Some(_), Some(colon)) => &words[colon + 2..],
        _ => words.strip_prefix("Forbidden: ").unwrap_or(words),
    };
    if field.is_empty() || field == "<nil>" { words.to_owned() } else { format!("{field}: {words}") }
}

/// Values that are in the object only because the server once filled them in, and that what the stack wants now can't
/// stand beside: `strategy.rollingUpdate` when the type becomes `Recreate`. Nobody else owns them, so they can be owned
/// and dropped. Empty if that isn't what the refusal is about.
pub(super) fn leftovers(
    causes: &[(String, String)],
    send: &Object,
    live: &Object,
    manager: &FieldManager,
    of: Option<TypeRef<'_>>,
) -> Vec<FieldPath> {
    let told = Deduced::of([live].into_iter().filter(|_| of.is_none()));
    let of = of.unwrap_or(told.as_type());
    let owners = ManagedFields::of(live);
    let is_left = |path: &FieldPath| {
        path.get(live.value()).is_some() && path.get(send.value()).is_none() && owners.others_at(path, manager).is_empty()
    };
    let places: Option<Vec<(FieldPath, &String)>> =
        causes.iter().map(|(field, words)| Some((by_keys(&field.parse::<FieldPath>().ok()?, live, of), words))).collect();
    let mut found = BTreeSet::new();
    for (path, words) in places.iter().flatten() {
        if !TOO_MANY.iter().any(|too_many| words.contains(too_many)) {
            continue;
        }
        if is_left(path) {
            found.insert(path.clone());
            continue;
        }
        // What it complains about is what we want: then one of its neighbours is too many.
        let above = FieldPath(path.0.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default());
        let neighbours = above.get(live.value()).and_then(Value::as_object).into_iter().flatten();
        found.extend(neighbours.filter(|(_, value)| value.is_object()).map(|(name, _)| above.field(name)).filter(is_left));
    }
    // Everything that it says must be about them: what is too many, or what is missing in what is left of it.
    let explained = |(path, words): &(FieldPath, &String)| {
        TOO_MANY.iter().any(|too_many| words.contains(too_many)) || found.iter().any(|leftover| leftover.covers(path))
    };
    if places.is_some_and(|places| places.iter().all(explained)) { found.into_iter().collect() } else { Vec::new() }
}

/// What makes leftovers ours and changes no value: what we own already, with its live values, and them.
pub(super) fn owning(leftovers: &[FieldPath], live: &Object, manager: &FieldManager) -> Option<Object> {
    let mut value = super::configuration::owned(live, manager).extract(live.value()).unwrap_or_else(|| serde_json::json!({}));
    for path in &*super::fields::IDENTITY {
        if let Some(found) = path.get(live.value()) {
            merge::set(&mut value, path, found.clone());
        }
    }
    for path in leftovers {
        merge::set(&mut value, path, path.get(live.value())?.clone());
    }
    Object::try_from(value).ok()
}

/// The path with indices of keyed lists turned into keys: the server's words count items.
fn by_keys(path: &FieldPath, live: &Object, of: TypeRef<'_>) -> FieldPath {
    let mut keyed: Vec<PathElement> = Vec::new();
    let (mut at, mut of) = (live.value(), of);
    for element in &path.0 {
        let element = match (element, at.as_array()) {
            (PathElement::Index(index), Some(items)) => merge::element_of(of, items, *index),
            (element, _) => element.clone(),
        };
        // The last step may lead to what isn't there (yet).
        at = element.get(at).unwrap_or(&Value::Null);
        of = merge::below(of, &element);
        keyed.push(element);
    }
    FieldPath(keyed)
}
