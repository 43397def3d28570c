//! Renames: Kubernetes has none, so what is called otherwise is made under its new name and then goes under its old one;
//! the plan says that the two are one.

use crate::resource::{ObjectKey, Origin, Scope};

/// What one end of a rename names.
fn names(text: &str, key: &ObjectKey, scope: &Scope) -> bool {
    if let Some(service) = text.strip_prefix("service.") {
        return scope.service.as_deref() == Some(service);
    }
    if let Some(tenant) = text.strip_prefix("tenant.") {
        return scope.tenant.as_deref() == Some(tenant);
    }
    text.parse::<ObjectKey>().is_ok_and(|wanted| {
        wanted.kind == key.kind
            && (wanted.group.is_empty() || wanted.group == key.group)
            && wanted.namespace == key.namespace
            && wanted.name == key.name
    })
}

/// Where an object that goes has moved to.
pub(super) fn to<'m>(moved: &'m [(String, String, Origin)], key: &ObjectKey, scope: &Scope) -> Option<&'m str> {
    moved.iter().find(|(from, _, _)| names(from, key, scope)).map(|(_, to, _)| to.as_str())
}

/// Where an object that comes has moved from.
pub(super) fn from<'m>(moved: &'m [(String, String, Origin)], key: &ObjectKey, scope: &Scope) -> Option<&'m str> {
    moved.iter().find(|(_, to, _)| names(to, key, scope)).map(|(from, _, _)| from.as_str())
}
