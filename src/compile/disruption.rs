//! Disruption budgets: how many replicas a drain may take away at once.
//!
//! A budget must leave a drain a way: one that allows no replica to go blocks every node upgrade until somebody deletes it.
//! So without a word of the service one replica may be away, which for a service with one replica means that it can be
//! moved at all; it keeps its budget, for its autoscaler may bring more. Replicas that aren't ready never hold up a drain.

use serde_json::Value;

use crate::resource::{Desired, Diagnostic, Diagnostics};
use crate::stack::model::WorkloadKind;

use super::context::ServiceContext;
use super::marked::Marked;
use super::{labels, settings, sizing};

/// The budget. DaemonSets have none (drains pass them over), Jobs neither (they end by themselves).
pub(super) fn object(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Option<Desired> {
    if !matches!(service.kind(), WorkloadKind::Deployment | WorkloadKind::StatefulSet) {
        return None;
    }
    let said = service.spec().disruption.as_ref();
    if said.is_some_and(|said| said.enabled == Some(false)) {
        return None;
    }
    let mut spec = Marked::default();
    let (name, path, value) = match said {
        // The built-in default is `max_unavailable`: whoever says `min_available` means that.
        Some(said) if said.min_available.is_some() => ("minAvailable", "disruption.min_available", said.min_available.as_ref()),
        Some(said) => ("maxUnavailable", "disruption.max_unavailable", said.max_unavailable.as_ref()),
        None => ("maxUnavailable", "disruption.max_unavailable", None),
    };
    let value = value.map_or_else(|| Value::from(1), settings::count_or_percent);
    check(service, name, path, &value, diagnostics);
    spec.set_from(name, value, Some(service.origin(path)));
    spec.set("selector", serde_json::json!({"matchLabels": labels::selector(service)}));
    spec.set("unhealthyPodEvictionPolicy", "AlwaysAllow");
    let mut body = Marked::default();
    body.put("spec", spec);
    let mut object = service.object("policy/v1", "PodDisruptionBudget", &service.name(), body)?;
    object.declared.object = Some(service.origin("disruption").clone());
    Some(object)
}

fn check(service: &ServiceContext<'_>, name: &str, path: &str, value: &Value, diagnostics: &mut Diagnostics) {
    let count = u64::from(sizing::replicas(service).count);
    let Some(amount) = settings::of_whole(value, count, true) else {
        let help = "write a count like `1`, or a percentage like `\"25%\"`";
        service.error(diagnostics, "compile::budget", path, format!("{value} is neither a count nor a percentage"), help);
        return;
    };
    let blocks = if name == "minAvailable" { amount >= count && count > 0 } else { amount == 0 };
    if blocks {
        let message =
            format!("the disruption budget of {} lets none of its {count} replicas go, so nodes can't be drained", service.title());
        diagnostics.push(
            Diagnostic::error("compile::budget_blocks_drains", message)
                .at(service.origin(path), "")
                .help("let at least one be away: `disruption.max_unavailable = 1`; or have more replicas; or `disruption.enabled = false`"),
        );
    }
}
