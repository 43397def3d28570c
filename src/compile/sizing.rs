//! Numbers: how many replicas there are, how many there may be, and what one of them may use.
//!
//! The tier's figures hold; the service's own bound the replicas and replace the resources.

use std::collections::BTreeMap;

use crate::resource::{Diagnostics, Fraction, Origin, Quantity};
use crate::stack::model::{Amounts, Resources, Scaling, WorkloadKind};

use super::context::ServiceContext;
use super::marked::Marked;

/// How many replicas there are and may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replicas<'a> {
    /// At the start, and the autoscaler's minimum.
    pub count: u32,
    /// The autoscaler's maximum.
    pub ceiling: u32,
    /// Whether there is an autoscaler: one is said, for a kind that can have one.
    pub scales: bool,
    /// The line that decided the count.
    pub origin: &'a Origin,
    /// The line that decided the ceiling.
    pub ceiling_origin: &'a Origin,
}

/// `clamp(tier.replicas, min, max)`; for a best-effort tier `min(tier.replicas, max)`; without a tier the minimum.
pub(super) fn replicas<'a>(service: &ServiceContext<'a>) -> Replicas<'a> {
    let bounds = &service.spec().replicas;
    let tier = service.at.tier();
    let (mut count, mut origin) = match tier.and_then(|tier| tier.replicas) {
        Some(count) => (count, service.at.origin("tier.replicas")),
        None => (bounds.min.unwrap_or(1), service.origin("replicas.min")),
    };
    let best_effort = tier.is_some_and(|tier| tier.best_effort);
    if let Some(min) = bounds.min.filter(|min| *min > count && !best_effort) {
        (count, origin) = (min, service.origin("replicas.min"));
    }
    if let Some(max) = bounds.max.filter(|max| *max < count) {
        (count, origin) = (max, service.origin("replicas.max"));
    }
    let scaling = scaling(service);
    let (ceiling, ceiling_origin) = scaling.map_or((count, service.origin("scaling")), |scaling| ceiling(service, scaling, count));
    Replicas { count, ceiling, scales: scaling.is_some(), origin, ceiling_origin }
}

/// The autoscaler's settings, where there is one.
fn scaling<'a>(service: &ServiceContext<'a>) -> Option<&'a Scaling> {
    let scales = matches!(service.kind(), WorkloadKind::Deployment | WorkloadKind::StatefulSet);
    let said = |scaling: &&Scaling| scales && scaling.enabled != Some(false) && (scaling.cpu.is_some() || scaling.memory.is_some());
    service.spec().scaling.as_ref().filter(said)
}

fn ceiling<'a>(service: &ServiceContext<'a>, scaling: &Scaling, count: u32) -> (u32, &'a Origin) {
    if let Some(max) = service.spec().replicas.max {
        return (max.max(count), service.origin("replicas.max"));
    }
    let headroom = scaling.headroom.and_then(Fraction::of_decimal);
    let ceiling = headroom.map_or(u64::from(count), |headroom| headroom.of_count(u64::from(count)));
    (u32::try_from(ceiling).unwrap_or(u32::MAX).max(count), service.origin("scaling.headroom"))
}

/// Requests and limits of the main container: its own figures, else the tier's.
pub(super) fn main_resources(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Marked {
    let tier = service.at.tier();
    let of_tier =
        Amounts { cpu: tier.and_then(|tier| tier.cpu.clone()), memory: tier.and_then(|tier| tier.memory.clone()), ..Amounts::default() };
    let resources = &service.spec().resources;
    if service.at.place.tenancy.quota {
        for (what, own, tiers) in [("cpu", &resources.limits.cpu, &of_tier.cpu), ("memory", &resources.limits.memory, &of_tier.memory)] {
            if own.is_none() && tiers.is_none() {
                let message = format!("nothing says how much {what} {} may use", service.title());
                let example = if what == "cpu" { "500m" } else { "256Mi" };
                let help = format!(
                    "its namespace has a quota, so every pod needs a limit, and no tier gives one here: say `resources.limits.{what} = \"{example}\"` in the service"
                );
                service.error(diagnostics, "compile::no_size", "resources.limits", message, help);
            }
        }
    }
    build(service, "resources", resources, &of_tier, resources.request_share, diagnostics)
}

/// Requests and limits of a hook: the service's, without its devices.
pub(super) fn hook_resources(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Marked {
    let tier = service.at.tier();
    let fallback =
        Amounts { cpu: tier.and_then(|tier| tier.cpu.clone()), memory: tier.and_then(|tier| tier.memory.clone()), ..Amounts::default() };
    let mut resources = service.spec().resources.clone();
    resources.limits.other.clear();
    resources.requests.other.clear();
    build(service, "resources", &resources, &fallback, resources.request_share, diagnostics)
}

/// Requests and limits of a further container: its own figures only.
pub(super) fn further_resources(
    service: &ServiceContext<'_>,
    path: &str,
    resources: &Resources,
    fallback: &Amounts,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let share = resources.request_share.or(service.spec().resources.request_share);
    build(service, path, resources, fallback, share, diagnostics)
}

fn build(
    service: &ServiceContext<'_>,
    path: &str,
    resources: &Resources,
    fallback: &Amounts,
    share: Option<f64>,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let mut limits = Marked::default();
    let mut requests = Marked::default();
    let share = share.and_then(Fraction::of_decimal);
    let own_limits = entries(&resources.limits);
    let own_requests = entries(&resources.requests);
    let fallback = entries(fallback);
    let mut names: Vec<&String> = own_limits.keys().chain(own_requests.keys()).chain(fallback.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let own_limit = own_limits.get(name);
        let limit_path = format!("{path}.limits.{}", toml_name(name));
        let request_path = format!("{path}.requests.{}", toml_name(name));
        let limit = own_limit.or(fallback.get(name)).and_then(|text| parse(service, &limit_path, text, diagnostics));
        let limit_origin = if own_limit.is_some() { service.origin(&limit_path) } else { tier_origin(service, name) };
        let request = match own_requests.get(name) {
            Some(text) => parse(service, &request_path, text, diagnostics).map(|amount| (amount, service.origin(&request_path))),
            None => limit
                .as_ref()
                .zip(share)
                .filter(|_| is_divisible(name))
                .map(|(limit, share)| (share_of(name, limit, share), service.origin(&format!("{path}.request_share")))),
        };
        if let Some(limit) = &limit {
            limits.set_key_from(name, limit.to_string(), Some(limit_origin));
        }
        if let Some((request, origin)) = &request {
            requests.set_key_from(name, request.to_string(), Some(origin));
        }
    }
    let mut all = Marked::default();
    for (name, amounts) in [("limits", limits), ("requests", requests)] {
        if !amounts.is_empty() {
            all.put(name, amounts);
        }
    }
    all
}

/// The part of a limit that is reserved: whole thousandths of CPU, whole mebibytes of memory, at least one, never more than the limit.
fn share_of(name: &str, limit: &Quantity, share: Fraction) -> Quantity {
    let step = if name == "cpu" { Quantity::milli(1) } else { Quantity::bytes(1 << 20) };
    limit.part(share, &step).max(Quantity::milli(1)).min(limit.clone())
}

/// Whether a part of it can be had: CPU, memory, local storage; devices can't be shared out.
fn is_divisible(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

fn tier_origin<'a>(service: &ServiceContext<'a>, name: &str) -> &'a Origin {
    service.at.origin(&format!("tier.{}", toml_name(name)))
}

fn toml_name(name: &str) -> String {
    match name {
        "ephemeral-storage" => "ephemeral_storage".to_owned(),
        "cpu" | "memory" => name.to_owned(),
        other => format!("other.{}", crate::stack::node::join_path(&[other])),
    }
}

fn parse(service: &ServiceContext<'_>, path: &str, text: &str, diagnostics: &mut Diagnostics) -> Option<Quantity> {
    match text.parse::<Quantity>() {
        Ok(quantity) if quantity.is_negative() => {
            service.error(
                diagnostics,
                "compile::quantity",
                path,
                format!("`{text}` is less than nothing"),
                "give a positive amount, like `500m` or `256Mi`",
            );
            None
        }
        // Resource lists hold nothing finer than a thousandth.
        Ok(quantity) => Some(quantity.in_resource_list()),
        Err(error) => {
            service.error(
                diagnostics,
                "compile::quantity",
                path,
                error.to_string(),
                "write an amount like `500m`, `2`, `256Mi` or `1.5Gi`",
            );
            None
        }
    }
}

fn entries(amounts: &Amounts) -> BTreeMap<String, String> {
    let mut all = amounts.other.clone();
    for (name, amount) in [("cpu", &amounts.cpu), ("memory", &amounts.memory), ("ephemeral-storage", &amounts.ephemeral_storage)] {
        if let Some(amount) = amount {
            all.insert(name.to_owned(), amount.clone());
        }
    }
    all
}
