//! The fields of a change: what stands there, what will, and whose doing it is.

use std::sync::LazyLock;

use serde_json::Value;

use crate::merge::{self, Deduced, ManagedFields};
use crate::resource::{Desired, FieldManager, FieldPath, Object, Prior};
use crate::schema::TypeRef;

use super::{Cause, FieldChange, Shown, allotted};

/// kubectl's record of what it applied from the client: for a Secret, the secret.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One object, as far as the causes of its changes depend on it.
pub(super) struct Sides<'a> {
    pub desired: &'a Desired,
    pub prior: Option<&'a Prior>,
    pub live: Option<&'a Object>,
    pub manager: &'a FieldManager,
    /// The kind's type, if it is known.
    pub of: Option<TypeRef<'a>>,
}

impl Sides<'_> {
    /// All fields that differ between what is there and what will be, but for what the server alone keeps, each with its
    /// cause; sorted by path.
    pub fn changes(&self, after: &Object) -> Vec<FieldChange> {
        // Where the type isn't known, those who own the fields tell some of it.
        let told = Deduced::of(self.live.into_iter().chain([after]).filter(|_| self.of.is_none()));
        let of = self.of.unwrap_or(told.as_type());
        let leaves_at = |path: &FieldPath, value: &Value| merge::leaves(path.0.iter().fold(of, merge::below), path, value);
        let after = after.without_server_fields();
        let differences = if let Some(live) = self.live {
            merge::diff(of, live.without_server_fields().value(), after.value())
        } else {
            let leaves = leaves_at(&FieldPath::root(), after.value()).into_iter().filter(|(path, _)| !IDENTITY.contains(path));
            leaves.map(|(path, value)| merge::FieldDiff { path, before: None, after: Some(value) }).collect()
        };
        let managed = self.live.map(ManagedFields::of).unwrap_or_default();
        let mut changes = Vec::new();
        for difference in differences {
            let merge::FieldDiff { path, before, after } = difference;
            match (before, after) {
                (None, Some(value)) => {
                    for (path, value) in leaves_at(&path, &value) {
                        changes.push(self.change(of, &managed, path, None, Some(value)));
                    }
                }
                (Some(value), None) => {
                    for (path, value) in leaves_at(&path, &value) {
                        changes.push(self.change(of, &managed, path, Some(value), None));
                    }
                }
                (before, after) => changes.push(self.change(of, &managed, path, before, after)),
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    fn change(
        &self,
        of: TypeRef<'_>,
        managed: &ManagedFields,
        path: FieldPath,
        before: Option<Value>,
        after: Option<Value>,
    ) -> FieldChange {
        let shown = |value: Option<Value>| value.map(|value| self.shown(&path, value));
        let cause = self.cause(of, managed, &path);
        let origin = after.as_ref().and_then(|_| self.desired.declared.origin_of(&path)).cloned();
        let after = if self.is_drawn(of, &path, after.as_ref()) { Some(Shown::KnownAfterApply) } else { shown(after) };
        FieldChange { before: shown(before), after, cause, origin, path }
    }

    /// Whether the server draws what will stand there.
    fn is_drawn(&self, of: TypeRef<'_>, path: &FieldPath, after: Option<&Value>) -> bool {
        let wanted = &self.desired.object;
        after.is_some_and(|after| merge::value_at(of, path, wanted.value()).is_none() && allotted::is_drawn(&wanted.gvk(), path, after))
    }

    /// A value at `path` as it may be shown.
    pub fn shown(&self, path: &FieldPath, value: Value) -> Shown {
        if self.is_secret(path) { Shown::Secret } else { Shown::Value(value) }
    }

    /// Whether a value at `path` could tell a secret.
    fn is_secret(&self, path: &FieldPath) -> bool {
        let object = &self.desired.object;
        if object.kind() == "Secret" && object.gvk().group.is_empty() {
            let hidden: [&[&str]; 3] = [&["data"], &["stringData"], &["metadata", "annotations", LAST_APPLIED]];
            if hidden.iter().any(|fields| related(&FieldPath::fields(fields), path)) {
                return true;
            }
        }
        self.desired.sensitive.iter().any(|secret| related(secret, path))
    }

    /// Why the value at `path` changes.
    fn cause(&self, of: TypeRef<'_>, managed: &ManagedFields, path: &FieldPath) -> Cause {
        let Some(prior) = self.prior else { return Cause::Intended };
        let (wanted, applied) = (self.desired.object.value(), prior.applied.value());
        match (merge::value_at(of, path, wanted), merge::value_at(of, path, applied)) {
            (Some(now), Some(then)) if now == then => self.drift(managed, path),
            (None, None) => match self.atomic_above(managed, path) {
                // A part of a value that is ours as a whole.
                Some(whole) if whole.get(wanted).is_some() && whole.get(wanted) == whole.get(applied) => self.drift(managed, &whole),
                Some(whole) if whole.get(wanted) != whole.get(applied) => Cause::Intended,
                _ => Cause::Server,
            },
            _ => Cause::Intended,
        }
    }

    /// The nearest value above `path` that the stack gives as a whole: a list without keys, or an atomic map.
    fn atomic_above(&self, managed: &ManagedFields, path: &FieldPath) -> Option<FieldPath> {
        if let Some(whole) = managed.applied(self.manager).and_then(|entry| entry.fields.atomic_above(path)) {
            return Some(whole);
        }
        // Somebody else took it: then their entry has it as a whole.
        managed.others_at(path, self.manager).into_iter().find_map(|entry| entry.fields.atomic_above(path))
    }

    fn drift(&self, managed: &ManagedFields, path: &FieldPath) -> Cause {
        // Who owns the very value is the one who wrote it; else whoever wrote a part of it last.
        let others = managed.others_at(path, self.manager);
        let writer = others.iter().find(|entry| entry.fields.owns(path)).or_else(|| others.first());
        Cause::Drift { by: writer.map(|entry| entry.manager.clone()), since: writer.and_then(|entry| entry.time.clone()) }
    }
}

/// What every object has, and what is no field of its own.
pub(super) static IDENTITY: LazyLock<[FieldPath; 4]> = LazyLock::new(|| {
    let fields: [&[&str]; 4] = [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];
    fields.map(FieldPath::fields)
});

fn related(a: &FieldPath, b: &FieldPath) -> bool {
    a.covers(b) || b.covers(a)
}
