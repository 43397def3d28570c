//! Who is where: the instance of a service that another one talks to.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, EdgeReason, Origin};
use crate::stack::PlaceKind;
use crate::stack::Resolved;

use super::context::{PlaceContext, ServiceContext};

/// All places of the stack, to find services in.
pub(super) struct Neighbours<'a> {
    resolved: &'a Resolved,
    /// Index of the tier's place, by the tier's name.
    tiers: BTreeMap<&'a str, usize>,
    /// Index of the environment's place.
    environment: Option<usize>,
}

/// Another service that a service talks to.
pub(super) struct Neighbour<'a> {
    pub service: ServiceContext<'a>,
    pub reason: EdgeReason,
    pub origin: &'a Origin,
}

impl<'a> Neighbours<'a> {
    pub fn of(resolved: &'a Resolved) -> Self {
        let mut tiers = BTreeMap::new();
        let mut environment = None;
        for (index, place) in resolved.places.iter().enumerate() {
            match &place.kind {
                PlaceKind::Tenant { .. } => {}
                PlaceKind::Tier { name, .. } => {
                    tiers.insert(name.as_str(), index);
                }
                PlaceKind::Environment => environment = Some(index),
            }
        }
        Self { resolved, tiers, environment }
    }

    /// The instance that serves a place: in the place itself, its tier's, the environment's.
    pub fn find(&self, from: &PlaceContext<'a>, service: &str) -> Option<ServiceContext<'a>> {
        let tier = from.tier_name().and_then(|tier| self.tiers.get(tier)).map(|index| &self.resolved.places[*index]);
        let environment = self.environment.map(|index| &self.resolved.places[index]);
        [Some(from.place), tier, environment].into_iter().flatten().find_map(|place| {
            let instance = place.services.get(service)?;
            Some(ServiceContext::new(PlaceContext { resolved: self.resolved, place }, instance))
        })
    }

    /// What a service talks to: its `needs`, then what else its values refer to. Itself is left out.
    pub fn needed(&self, from: &ServiceContext<'a>, diagnostics: &mut Diagnostics) -> Vec<Neighbour<'a>> {
        let needs = from.spec().needs.iter().enumerate();
        let needs = needs.map(|(index, name)| (name, EdgeReason::Needs, needs_origin(from, index)));
        let references = from.instance.references.iter().map(|(name, origin)| (name, EdgeReason::Reference, origin));
        let mut found: BTreeMap<&str, Neighbour<'a>> = BTreeMap::new();
        for (name, reason, origin) in needs.chain(references) {
            if *name == from.instance.service || found.contains_key(name.as_str()) {
                continue;
            }
            match self.find(&from.at, name) {
                Some(service) => {
                    found.insert(name, Neighbour { service, reason, origin });
                }
                None => diagnostics.push(
                    Diagnostic::error("compile::service_absent", format!("{} needs `{name}`, which doesn't run for it", from.title()))
                        .at(origin, "")
                        .help(format!("let `{name}` run in the same tier, or once for the environment: `scope = \"environment\"`")),
                ),
            }
        }
        found.into_values().collect()
    }
}

/// Layers may keep the line of each item, or of the list.
fn needs_origin<'a>(from: &ServiceContext<'a>, index: usize) -> &'a Origin {
    let item = format!("needs.{index}");
    if from.instance.provenance.0.contains_key(&item) { from.origin(&item) } else { from.origin("needs") }
}
