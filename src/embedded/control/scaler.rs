//! HorizontalPodAutoscalers: without metrics they keep their bounds, and say that they know no more.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::status::{MANAGER, condition, event, write};
use crate::embedded::api::{Failure, Part, Write};
use crate::embedded::clock::seconds;
use crate::embedded::world::State;

/// Brings what an autoscaler scales within its bounds.
pub(super) fn look(state: &mut State, scaler: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let spec = &scaler["spec"];
    let reference = &spec["scaleTargetRef"];
    let namespace = scaler["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let (kind, name) = (reference["kind"].as_str().unwrap_or_default(), reference["name"].as_str().unwrap_or_default());
    let resource = state.catalog.of_kind(reference["apiVersion"].as_str().unwrap_or_default(), kind).cloned();
    let target = resource.as_ref().and_then(|resource| state.store.find(&resource.storage, &namespace, name).cloned());
    let mut next = Value::clone(scaler);
    let now = state.now;
    let mut status = json!({"currentMetrics": null, "desiredReplicas": 0});
    if scaler["status"]["conditions"].is_array() {
        status["conditions"] = scaler["status"]["conditions"].clone();
    }
    let Some(target) = target else {
        let message = format!("the HPA controller was unable to get the target's current scale: {kind} \"{name}\" not found");
        condition(&mut status, "AbleToScale", "False", "FailedGetScale", &message, now, false);
        next["status"] = status;
        write(state, scaler, next, MANAGER)?;
        return Ok(Some(SignedDuration::from_secs(15)));
    };
    let current = target["spec"]["replicas"].as_i64().unwrap_or(1);
    let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(1));
    // Zero means that it is switched off.
    let desired = if current == 0 { 0 } else { current.clamp(least, most) };
    if desired != current {
        if let Some(resource) = resource {
            Write::internal(state, resource, Part::Scale, MANAGER).scale_to(&target, desired)?;
        }
        status["lastScaleTime"] = seconds(now).into();
        let bound = if desired == least { "below Spec.MinReplicas" } else { "above Spec.MaxReplicas" };
        let message = format!("New size: {desired}; reason: Current number of replicas {bound}");
        event(state, scaler, "Normal", "SuccessfulRescale", &message, "horizontal-pod-autoscaler");
    } else if !scaler["status"]["lastScaleTime"].is_null() {
        status["lastScaleTime"] = scaler["status"]["lastScaleTime"].clone();
    }
    status["currentReplicas"] = target["status"]["replicas"].as_i64().unwrap_or(0).into();
    status["desiredReplicas"] = desired.into();
    condition(
        &mut status,
        "AbleToScale",
        "True",
        "SucceededGetScale",
        "the HPA controller was able to get the target's current scale",
        now,
        false,
    );
    let message = "the HPA was unable to compute the replica count: there are no metrics in the embedded cluster";
    condition(&mut status, "ScalingActive", "False", "FailedGetResourceMetric", message, now, false);
    next["status"] = status;
    write(state, scaler, next, MANAGER)?;
    Ok(None)
}
