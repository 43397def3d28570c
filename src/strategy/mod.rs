//! How a change of a workload reaches its pods. There is one way so far: rolling, by the workload's own controller.

use std::collections::BTreeSet;

use crate::resource::{Diagnostic, Diagnostics};
use crate::stack::Resolved;
use crate::stack::model::Strategy;

/// Strategies that a service asks for and that aren't there, each with the line that asks.
pub fn check(resolved: &Resolved) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let mut told = BTreeSet::new();
    for instance in resolved.places.iter().flat_map(|place| place.services.values()) {
        let Some(strategy) = instance.spec.strategy.filter(|strategy| *strategy != Strategy::Rolling) else { continue };
        let origin = instance.provenance.winner("strategy").unwrap_or(&instance.origin);
        if !told.insert((origin.clone(), strategy.to_string())) {
            continue;
        }
        diagnostics.push(
            Diagnostic::error("strategy::unavailable", format!("the strategy `{strategy}` of `{}` isn't there yet", instance.service))
                .at(origin, "asked for here")
                .help("`rolling` is what there is: pods are replaced a few at a time, and a failure rolls everything back"),
        );
    }
    diagnostics.sort();
    diagnostics
}
