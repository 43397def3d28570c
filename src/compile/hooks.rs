//! Hooks: Jobs that run before a service's workload changes, or once it is ready.

use std::collections::BTreeMap;

use crate::resource::{Desired, Diagnostics, EdgeReason, ObjectKey};
use crate::stack::model::Hook;

use super::context::{ServiceContext, edge};
use super::marked::Marked;
use super::{container, jobs, names, pod, settings};

/// The hooks' Jobs. Those before the workload run one after the other in the order of their names, so do those after it.
pub(super) fn objects(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let hooks = &service.spec().hooks;
    let mut objects = chain(service, "before", &hooks.before, None, diagnostics);
    objects.extend(chain(service, "after", &hooks.after, Some(service.workload_key()), diagnostics));
    objects
}

/// The last of the hooks before the workload: what the workload comes after.
pub(super) fn last_before<'a>(service: &ServiceContext<'a>) -> Option<(ObjectKey, &'a str)> {
    let name = service.spec().hooks.before.keys().next_back()?;
    Some((key(service, name), name))
}

fn chain(
    service: &ServiceContext<'_>,
    when: &str,
    hooks: &BTreeMap<String, Hook>,
    mut after: Option<ObjectKey>,
    diagnostics: &mut Diagnostics,
) -> Vec<Desired> {
    let mut objects = Vec::new();
    for (name, hook) in hooks {
        let path = ["hooks", when, name.as_str()];
        let origin = service.origin_at(&path);
        let template = pod::hook_template(
            service,
            name,
            |mounts, diagnostics| container::hook(service, &path, name, hook, mounts, diagnostics),
            diagnostics,
        );
        let shown = crate::stack::node::join_path(&path);
        let mut spec = Marked::default();
        spec.put("template", template);
        spec.set_maybe("backoffLimit", hook.retries, Some(service.origin(&format!("{shown}.retries"))));
        let deadline = settings::seconds(service, &format!("{shown}.deadline"), hook.deadline.as_deref(), diagnostics);
        spec.set_maybe("activeDeadlineSeconds", deadline, Some(service.origin(&format!("{shown}.deadline"))));
        let mut body = Marked::default();
        body.put("spec", spec);
        let key = key(service, name);
        let Some(mut object) = service.object("batch/v1", "Job", &key.name, body) else { continue };
        object.declared.object = Some(origin.clone());
        object.edges.extend(after.take().map(|before| edge(before, EdgeReason::After, origin)));
        jobs::wants_digest(&mut object);
        after = Some(object.key());
        objects.push(object);
    }
    objects
}

pub(super) fn key(service: &ServiceContext<'_>, hook: &str) -> ObjectKey {
    let name = names::limited(&names::joined(&[&service.instance.service, hook]), names::MAX_WORKLOAD);
    ObjectKey::new("batch", "Job", Some(service.namespace()), &name)
}
