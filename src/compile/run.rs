//! The whole compilation, from places to sorted objects.

use std::collections::BTreeMap;

use crate::resource::{Desired, Diagnostic, Diagnostics, ObjectKey};
use crate::stack::Resolved;

use super::context::{PlaceContext, ServiceContext};
use super::{config, disruption, exposure, hooks, identity, jobs, scaling, secrets, slo, tenancy, workload};
use crate::stack::model::WorkloadKind;

/// Every object that the stack wants in this environment, sorted by identity, with everything that is wrong.
///
/// Objects are whole where there are no errors; with errors they are what could be made.
pub fn compile(resolved: &Resolved) -> (Vec<Desired>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let mut objects = Vec::new();
    for place in &resolved.places {
        let at = PlaceContext { resolved, place };
        objects.extend(tenancy::namespace(at));
        objects.extend(secrets::objects(at));
        for service in at.services() {
            objects.extend(of_service(&service, &mut diagnostics));
        }
    }
    jobs::settle_names(&mut objects);
    let objects = unique(objects, &mut diagnostics);
    diagnostics.sort();
    (objects, diagnostics)
}

/// Everything that one service in one place makes.
fn of_service(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut objects = identity::objects(service, diagnostics);
    objects.extend(config::config_map(service));
    objects.extend(config::files_map(service, diagnostics));
    objects.extend(exposure::objects(service));
    objects.extend(workload::objects(service, diagnostics));
    objects.extend(hooks::objects(service, diagnostics));
    objects.extend(scaling::object(service, diagnostics));
    objects.extend(disruption::object(service, diagnostics));
    objects.extend(slo::rules(service, diagnostics));
    if service.kind() == WorkloadKind::Job
        && let Some(job) = objects.iter_mut().find(|object| object.key() == service.workload_key())
    {
        jobs::wants_digest(job);
    }
    objects
}

/// The objects by identity; one that is there twice is an error that names both lines.
fn unique(objects: Vec<Desired>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let mut all: BTreeMap<ObjectKey, Desired> = BTreeMap::new();
    for desired in objects {
        let key = desired.key();
        if let Some(first) = all.get(&key) {
            diagnostics.push(
                Diagnostic::error("compile::object_twice", format!("{key} is made twice"))
                    .at_maybe(desired.declared.object.as_ref(), "the second")
                    .at_maybe(first.declared.object.as_ref(), "the first")
                    .help("give one of them another name, or take one out"),
            );
            continue;
        }
        all.insert(key, desired);
    }
    all.into_values().collect()
}
