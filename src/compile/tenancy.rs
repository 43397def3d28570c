//! Namespaces: one for each place, guarded by Pod Security.

use crate::resource::{Desired, FieldPath};
use crate::stack::PlaceKind;
use crate::stack::model::PodSecurity;

use super::context::{Draft, PlaceContext};
use super::labels;
use super::marked::Marked;

/// The namespace of a place.
pub(super) fn namespace(at: PlaceContext<'_>) -> Option<Desired> {
    let mut labels = labels::of_place(&at);
    let level = match at.place.tenancy.pod_security {
        PodSecurity::Privileged => "privileged",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    };
    let version = at
        .resolved
        .stack
        .kubernetes
        .as_ref()
        .map_or_else(|| "latest".to_owned(), |version| format!("v{}", version.trim_start_matches('v')));
    let mut security = Vec::new();
    for mode in ["enforce", "audit", "warn"] {
        for (name, value) in [
            (format!("pod-security.kubernetes.io/{mode}"), level),
            (format!("pod-security.kubernetes.io/{mode}-version"), version.as_str()),
        ] {
            labels.insert(name.clone(), value.into());
            security.push(name);
        }
    }
    if let PlaceKind::Tenant { tenant, .. } = &at.place.kind {
        for class in &tenant.data_classes {
            labels.insert(format!("data.spai.dev/{class}"), "true".into());
        }
        if let Some(region) = &tenant.region {
            labels.insert("spai.dev/region".to_owned(), region.as_str().into());
        }
    }
    let draft = Draft {
        api_version: "v1",
        kind: "Namespace",
        namespace: None,
        name: &at.place.namespace,
        labels,
        annotations: labels::texts(&at.place.annotations),
        body: Marked::default(),
    };
    let mut object = draft.finish(at.place.origin.clone(), at.scope())?;
    for name in security {
        object.declared.fields.insert(FieldPath::fields(&["metadata", "labels", &name]), at.origin("tenancy.pod_security").clone());
    }
    Some(object)
}
