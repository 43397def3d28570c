//! Quotas and limit ranges: as much as the namespace's objects need at most, checked against what the tenant or tier may use.

use serde_json::{Map, Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics, KeyRef, Quantity};
use crate::stack::PlaceKind;
use crate::stack::model::Limits;

use super::context::PlaceContext;
use super::demand::{self, Demand, Needs, SMALL_CPU, SMALL_MEMORY};
use super::marked::Marked;

/// Every namespace has the cluster's root certificate as a ConfigMap.
const OF_THE_CLUSTER: u64 = 1;
/// Room for the small objects that operators and the next version of the stack add (certificates, releases, a renamed
/// service beside the one it replaces).
const SPARE: u64 = 10;

/// The quota and the limit range of a place, given all its other objects.
pub(super) fn objects<'o>(
    at: PlaceContext<'_>,
    content: &[(KeyRef<'o>, &'o Desired)],
    needs: &mut Needs<'o>,
    diagnostics: &mut Diagnostics,
) -> Vec<Desired> {
    let limits = limits(&at);
    let quota = at.place.tenancy.quota;
    let bounded = [&limits.cpu, &limits.memory, &limits.storage].iter().any(|limit| limit.is_some()) || limits.pods.is_some();
    if !quota && !bounded {
        return Vec::new();
    }
    let demand = demand::of(content, |desired| nodes(&at, desired), needs);
    for desired in &demand.unbounded {
        diagnostics.push(
            Diagnostic::error(
                "compile::unbounded",
                format!("nobody says on how many nodes {} runs at most, so the quota of {} can't be computed", desired.key(), at.title()),
            )
            .at_maybe(desired.declared.object.as_ref(), "")
            .help("say it in the service: `replicas.max = 20`; or leave the namespace without a quota: `tenancy.quota = false`"),
        );
    }
    check(&at, &limits, &demand, diagnostics);
    if !quota {
        return Vec::new();
    }
    let origin = at.origin("tenancy.quota");
    let mut objects = Vec::new();
    let bodies = [("ResourceQuota", "quota", quota_body(&at, &demand)), ("LimitRange", "limits", limit_range_body(&demand))];
    for (kind, name, body) in bodies {
        if let Some(mut object) = at.object("v1", kind, name, body) {
            object.declared.object = Some(origin.clone());
            objects.push(object);
        }
    }
    objects
}

/// On how many nodes a service's DaemonSet runs at most.
fn nodes(at: &PlaceContext<'_>, desired: &Desired) -> Option<u64> {
    let service = desired.scope.service.as_ref()?;
    at.place.services.get(service)?.spec.replicas.max.map(u64::from)
}

/// What the place may use.
fn limits(at: &PlaceContext<'_>) -> Limits {
    match &at.place.kind {
        PlaceKind::Tenant { tenant, .. } => tenant.limits.clone(),
        PlaceKind::Tier { .. } => at.tier().map(|tier| tier.limits.clone()).unwrap_or_default(),
        PlaceKind::Environment => Limits::default(),
    }
}

fn quota_body(at: &PlaceContext<'_>, demand: &Demand<'_>) -> Marked {
    let mut hard: Map<String, Value> = Map::new();
    let mut set = |name: &str, amount: &Quantity| hard.insert(name.to_owned(), Value::from(amount.to_string()));
    for name in ["cpu", "memory"] {
        set(&format!("requests.{name}"), demand.requests.get(name).unwrap_or(&Quantity::ZERO));
        set(&format!("limits.{name}"), demand.limits.get(name).unwrap_or(&Quantity::ZERO));
    }
    // Devices: a quota knows their requests alone.
    for (name, amount) in demand.requests.iter().filter(|(name, _)| name.contains('/')) {
        set(&format!("requests.{name}"), amount);
    }
    set("pods", &Quantity::count(demand.pods));
    let external = at.place.secrets.values().filter(|secret| secret.values.is_none()).count() as u64;
    set("services", &Quantity::count(demand.services + SPARE));
    set("configmaps", &Quantity::count(demand.config_maps + OF_THE_CLUSTER + SPARE));
    set("secrets", &Quantity::count(demand.secrets + external + SPARE));
    set("persistentvolumeclaims", &Quantity::count(demand.claims));
    set("requests.storage", &demand.storage);
    let mut body = Marked::default();
    body.set("spec", json!({"hard": hard}));
    body
}

/// No container larger than the largest there is; one that says nothing gets little.
fn limit_range_body(demand: &Demand<'_>) -> Marked {
    let mut max = Map::new();
    let mut default = Map::new();
    for (name, small) in [("cpu", SMALL_CPU), ("memory", SMALL_MEMORY)] {
        let Ok(mut small) = small.parse::<Quantity>() else { continue };
        if let Some(largest) = demand.largest.get(name) {
            max.insert(name.to_owned(), Value::from(largest.to_string()));
            small = small.min(largest.clone());
        }
        default.insert(name.to_owned(), Value::from(small.to_string()));
    }
    let mut container = json!({"type": "Container", "default": default, "defaultRequest": default});
    if !max.is_empty() {
        container["max"] = Value::Object(max);
    }
    let mut items = vec![container];
    if !demand.largest_claim.is_zero() {
        items.push(json!({"type": "PersistentVolumeClaim", "max": {"storage": demand.largest_claim.to_string()}}));
    }
    let mut body = Marked::default();
    body.set("spec", json!({"limits": items}));
    body
}

fn check(at: &PlaceContext<'_>, limits: &Limits, demand: &Demand<'_>, diagnostics: &mut Diagnostics) {
    let zero = Quantity::ZERO;
    let pods = limits.pods.map(|pods| pods.to_string());
    let figures: [(&str, &Option<String>, Quantity, &str); 4] = [
        ("cpu", &limits.cpu, demand.limits.get("cpu").unwrap_or(&zero).clone(), "of CPU"),
        ("memory", &limits.memory, demand.limits.get("memory").unwrap_or(&zero).clone(), "of memory"),
        ("pods", &pods, Quantity::count(demand.pods), "pods"),
        ("storage", &limits.storage, demand.storage.clone(), "of storage"),
    ];
    for (name, limit, needed, unit) in figures {
        let Some(limit) = limit else { continue };
        let path = format!("limits.{name}");
        let allowed = match limit.parse::<Quantity>() {
            Ok(allowed) => allowed,
            Err(error) => {
                diagnostics.push(
                    Diagnostic::error("compile::quantity", error.to_string())
                        .at(at.origin(&path), "")
                        .help("write an amount like `40` or `64Gi`"),
                );
                continue;
            }
        };
        if needed > allowed {
            diagnostics.push(
                Diagnostic::error("compile::beyond_limits", format!("{} may use {allowed} {unit}, its services need {needed} at most", at.title()))
                    .at(at.origin(&path), "the limit")
                    .help(format!(
                        "at the autoscalers' ceilings, with what a roll-out adds: {}. Raise the limit, or lower `replicas.max` or `resources.limits` there",
                        largest(demand, name)
                    )),
            );
        }
    }
}

/// Who needs most of it.
fn largest(demand: &Demand<'_>, name: &str) -> String {
    let amount = |share: &demand::Share<'_>| match name {
        "pods" => Quantity::count(share.pods),
        "storage" => share.storage.clone(),
        _ => share.limit(name),
    };
    let shares = demand.workloads.iter().map(|share| (amount(share), share.workload.key().to_string()));
    let mut shares: Vec<(Quantity, String)> = shares.filter(|(amount, _)| !amount.is_zero()).collect();
    shares.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let shown = shares.iter().take(3).map(|(amount, name)| format!("{name} {amount}")).collect::<Vec<_>>().join(", ");
    if shares.len() > 3 { format!("{shown} and {} more", shares.len() - 3) } else { shown }
}
