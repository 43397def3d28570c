//! What is sent for an object: what the stack says, less what it doesn't touch once the object exists.

use std::borrow::Cow;

use serde_json::Value;

use crate::merge::{self, Deduced, FieldSet, ManagedFields, Precedents};
use crate::resource::{Desired, FieldManager, FieldPath, Object, Tape, Tree};
use crate::schema::{self, ListKind, Shape, TypeRef};

use super::Write;
use super::fields::{IDENTITY, LAST_APPLIED};

/// Managers whose updates are those of kubectl's client-side apply.
const CLIENT_SIDE: [&str; 2] = ["before-first-apply", "kubectl-client-side-apply"];

/// What is sent for an object.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// What is applied.
    pub send: Object,
    /// What leaves our entry of managedFields: after the apply of an object that is made, before that of one that is there.
    pub release: Vec<FieldPath>,
    /// What is asked of the server: like `send`, with the values of what would be released before.
    pub ask: Object,
}

impl Configuration {
    /// For an object that isn't there. `keep` is one that goes before: what isn't ours to change keeps its value.
    pub fn to_create(desired: &Desired, keep: Option<&Object>, of: Option<TypeRef<'_>>) -> Self {
        let mut send = in_the_servers_form(&desired.object, of);
        let mut release = Vec::new();
        for hand_over in &desired.hand_overs {
            let kept = keep.and_then(|live| hand_over.path.get(live.value()));
            let begins_with = kept.unwrap_or(&hand_over.initial);
            // What the server sets of itself is nobody's from the start: there is nothing to send, and nothing to give away.
            if of.is_some_and(|of| default_at(&send, &hand_over.path, of).as_ref() == Some(begins_with)) {
                continue;
            }
            if merge::set(send.value_mut(), &hand_over.path, begins_with.clone()) {
                release.push(hand_over.path.clone());
            }
        }
        for path in &desired.lifecycle.ignore_changes {
            if let Some(kept) = keep.and_then(|live| path.get(live.value())) {
                merge::set(send.value_mut(), path, kept.clone());
            }
            if path.get(send.value()).is_some() && is_no_identity(path) {
                release.push(path.clone());
            }
        }
        Self { ask: send.clone(), send, release }
    }

    /// For an object that is there.
    pub fn to_update(desired: &Desired, live: &Object, manager: &FieldManager, of: Option<TypeRef<'_>>) -> Self {
        let mut send = in_the_servers_form(&desired.object, of);
        let not_sent: Vec<&FieldPath> = not_sent(desired).collect();
        for path in &not_sent {
            merge::remove(send.value_mut(), path);
        }
        let ours = if not_sent.is_empty() { FieldSet::default() } else { owned(live, manager) };
        let release: Vec<FieldPath> = not_sent.into_iter().filter(|path| ours.touches(path)).cloned().collect();
        let mut ask = send.clone();
        for path in &release {
            if let Some(value) = path.get(live.value()) {
                merge::set(ask.value_mut(), path, value.clone());
            }
        }
        Self { send, release, ask }
    }

    /// The writes that make the object.
    pub fn creating(&self) -> Vec<Write> {
        let apply = Write::Apply { object: self.send.clone(), force: false, creates: true };
        std::iter::once(apply).chain(self.releasing()).collect()
    }

    /// The write that gives fields away, if there are any.
    pub fn releasing(&self) -> Option<Write> {
        (!self.release.is_empty()).then(|| Write::Release { paths: self.release.clone() })
    }
}

/// What is left to whoever has it, once the object is there.
fn not_sent(desired: &Desired) -> impl Iterator<Item = &FieldPath> {
    let ignored = desired.lifecycle.ignore_changes.iter().filter(|path| is_no_identity(path));
    desired.hand_overs.iter().map(|hand_over| &hand_over.path).chain(ignored)
}

/// Whether applying what is wanted would change nothing, as far as the object and its owners tell.
/// `precedents` has what was found of other objects of the same page.
pub(super) fn changes_nothing<'p>(
    desired: &'p Desired,
    live: Tree<'p>,
    manager: &FieldManager,
    of: TypeRef<'_>,
    precedents: &mut Precedents<'p>,
) -> bool {
    let (fields, in_lists): (Vec<&FieldPath>, Vec<&FieldPath>) = not_sent(desired).partition(|path| path.is_of_fields());
    let holds = |wanted: &Tape| merge::unchanged(live, wanted.tree(), &fields, manager.as_str(), of) == merge::Verdict::Unchanged;
    // Most of what a stack wants is in the server's form already: then there is nothing to copy.
    let in_lists: Vec<&FieldPath> = in_lists.into_iter().filter(|path| path.get(desired.object.value()).is_some()).collect();
    if in_lists.is_empty() {
        let is_unchanged = match desired.object.tape() {
            Cow::Borrowed(tape) => {
                let verdict = merge::unchanged_by(precedents, live, tape.tree(), &fields, manager.as_str(), of);
                verdict == merge::Verdict::Unchanged
            }
            Cow::Owned(tape) => holds(&tape),
        };
        if is_unchanged {
            return true;
        }
    }
    let mut settled = desired.object.value().clone();
    for path in &in_lists {
        merge::remove(&mut settled, path);
    }
    if !in_lists.is_empty() && holds(&Tape::from(&settled)) {
        return true;
    }
    let before = settled.clone();
    settle(&mut settled, of);
    settled != before && holds(&Tape::from(&settled))
}

/// An object as it is sent: values as the server writes them. Of a kind that isn't known it stays as it is.
fn in_the_servers_form(object: &Object, of: Option<TypeRef<'_>>) -> Object {
    let mut object = object.clone();
    if let Some(of) = of {
        settle(object.value_mut(), of);
    }
    object
}

/// What the server sets a field to that the object doesn't say.
fn default_at(object: &Object, path: &FieldPath, of: TypeRef<'_>) -> Option<Value> {
    let mut value = object.value().clone();
    merge::remove(&mut value, path);
    schema::complete(&mut value, of);
    path.get(&value).cloned()
}

/// Writes values as the server does, and fills in its defaults where they are ours anyway: in what is owned as a whole, and for
/// a null that means "as usual".
fn settle(value: &mut Value, of: TypeRef<'_>) {
    // What can't be written so stays as it is: the server says what is wrong with it.
    schema::canonical(value, of);
    complete_owned(value, of);
}

fn complete_owned(value: &mut Value, of: TypeRef<'_>) {
    match (of.shape(), &mut *value) {
        (Shape::Map { atomic: true, .. } | Shape::List { kind: ListKind::Atomic, .. }, value) => schema::complete(value, of),
        (Shape::Map { .. }, Value::Object(map)) => {
            for (name, value) in map {
                let default = of.known_field(name).filter(|field| !of.of(field.of).nullable()).and_then(|field| field.default.as_ref());
                if let (true, Some(default)) = (value.is_null(), default) {
                    *value = default.clone();
                }
                if let Some(of) = of.field(name) {
                    complete_owned(value, of);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            let item = of.of(*item);
            for value in items {
                complete_owned(value, item);
            }
        }
        _ => {}
    }
}

/// What this manager applied.
pub(super) fn owned(live: &Object, manager: &FieldManager) -> FieldSet {
    merge::our_entry(live, manager).and_then(|entry| FieldSet::parse(&entry["fieldsV1"]).ok()).unwrap_or_default()
}

/// The managers of kubectl's client-side apply that wrote to the object.
pub(super) fn client_side_managers(live: &Object) -> Vec<String> {
    let written = ManagedFields::of(live);
    let mut managers: Vec<String> = written
        .0
        .iter()
        .filter(|entry| entry.operation == merge::Operation::Update && entry.subresource.is_none())
        .filter(|entry| CLIENT_SIDE.contains(&entry.manager.as_str()))
        .map(|entry| entry.manager.clone())
        .collect();
    managers.sort();
    managers.dedup();
    managers
}

/// What an apply does after these managers' fields became ours: what they had set, and neither the stack nor anybody else
/// has, goes. `applied` is what it does without. Whether anything more goes.
pub(super) fn take_over(applied: &mut Object, managers: &[String], ours: &FieldManager) -> bool {
    let written = ManagedFields::of(applied);
    let (mut theirs, mut kept) = (FieldSet::default(), FieldSet::default());
    for entry in &written.0 {
        let is_theirs = entry.operation == merge::Operation::Update && entry.subresource.is_none() && managers.contains(&entry.manager);
        let set = if is_theirs { &mut theirs } else { &mut kept };
        *set = set.union(&entry.fields);
    }
    if written.applied(ours).is_none() {
        return false;
    }
    theirs.insert(&FieldPath::fields(&["metadata", "annotations", LAST_APPLIED]));
    let mut removed = false;
    for path in theirs.difference(&kept).paths() {
        if !kept.touches(&path) {
            removed |= merge::remove(applied.value_mut(), &path).is_some();
        }
    }
    removed
}

/// What will be there, where neither the server can be asked nor it can be worked out: what we had and don't say any more
/// goes, what we say is set.
pub(super) fn roughly(live: &Object, send: &Object, manager: &FieldManager, of: Option<TypeRef<'_>>) -> Object {
    let told = Deduced::of([live].into_iter().filter(|_| of.is_none()));
    let of = of.unwrap_or(told.as_type());
    let mut after = live.clone();
    for path in owned(live, manager).leaves() {
        if path.get(send.value()).is_none() {
            merge::remove(after.value_mut(), &path);
        }
    }
    for (path, value) in merge::leaves(of, &FieldPath::root(), send.value()) {
        merge::set(after.value_mut(), &path, value);
    }
    after
}

fn is_no_identity(path: &FieldPath) -> bool {
    !path.0.is_empty() && !IDENTITY.iter().any(|identity| path.covers(identity))
}
