//! Autoscalers.
//!
//! A Deployment is created at the autoscaler's minimum, then its `spec.replicas` is handed over. Where minimum and maximum
//! are the same (the tier's figure at the service's maximum) there is one all the same: it keeps the number, and raising
//! the maximum later is a change of one field, not of who owns the replicas.

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostics, ObjectKey};

use super::context::ServiceContext;
use super::marked::Marked;
use super::{settings, sizing};

/// The identity of a service's autoscaler, if it has one.
pub(super) fn key(service: &ServiceContext<'_>) -> Option<ObjectKey> {
    let replicas = sizing::replicas(service);
    (replicas.count > 0 && replicas.scales)
        .then(|| ObjectKey::new("autoscaling", "HorizontalPodAutoscaler", Some(service.namespace()), &service.name()))
}

/// The autoscaler.
pub(super) fn object(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Option<Desired> {
    key(service)?;
    let scaling = service.spec().scaling.as_ref()?;
    let replicas = sizing::replicas(service);
    let (api_version, kind) = service.workload_type();
    let mut spec = Marked::default();
    spec.set("scaleTargetRef", json!({"apiVersion": api_version, "kind": kind, "name": service.name()}));
    spec.set_from("minReplicas", replicas.count, Some(replicas.origin));
    spec.set_from("maxReplicas", replicas.ceiling, Some(replicas.ceiling_origin));
    let metrics: Vec<Value> = [("cpu", scaling.cpu), ("memory", scaling.memory)]
        .into_iter()
        .filter_map(|(name, percent)| {
            let percent = percent?;
            Some(json!({"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}}}))
        })
        .collect();
    spec.set_from("metrics", metrics, Some(service.origin("scaling")));
    if let Some(window) = settings::seconds(service, "scaling.scale_down_after", scaling.scale_down_after.as_deref(), diagnostics) {
        spec.set("behavior", json!({"scaleDown": {"stabilizationWindowSeconds": window}}));
        spec.mark("behavior", Some(service.origin("scaling.scale_down_after")));
    }
    let mut body = Marked::default();
    body.put("spec", spec);
    let mut object = service.object("autoscaling/v2", "HorizontalPodAutoscaler", &service.name(), body)?;
    object.declared.object = Some(service.origin("scaling").clone());
    Some(object)
}
