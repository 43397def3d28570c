//! Jobs and CronJobs: services that run to their end, once or again and again.
//!
//! A Job's template can't be changed, and what was run once isn't run again: so the name of a Job of spai's making ends
//! in a digest of what it runs. Anything else to run is another Job, and the old one goes.

use std::collections::BTreeMap;

use crate::resource::{Desired, Diagnostic, Diagnostics, Digest, Object, ObjectKey};
use serde_json::json;

use super::context::ServiceContext;
use super::marked::Marked;
use super::{names, settings};

/// The annotation that says that a Job's name still wants its digest; it never gets to the cluster.
const PENDING: &str = "spai.dev/name-wants-digest";

/// A Job's spec.
pub(super) fn spec(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let job = &service.spec().job;
    let mut spec = figures(service, template, diagnostics);
    if let Some(keep) = settings::seconds(service, "job.keep", job.keep.as_deref(), diagnostics) {
        diagnostics.push(
            Diagnostic::warning("compile::job_comes_back", format!("{} runs again with the first apply after it is gone", service.title()))
                .at(service.origin("job.keep"), "it is deleted this long after its end")
                .help("leave `job.keep` out: a Job that has run stays as the record of it, and doesn't run again until it changes"),
        );
        spec.set_from("ttlSecondsAfterFinished", keep, Some(service.origin("job.keep")));
    }
    spec
}

/// A CronJob's spec.
pub(super) fn cron_spec(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let job = &service.spec().job;
    let mut run = figures(service, template, diagnostics);
    let keep = settings::seconds(service, "job.keep", job.keep.as_deref(), diagnostics);
    run.set_maybe("ttlSecondsAfterFinished", keep, Some(service.origin("job.keep")));
    let mut metadata = Marked::default();
    metadata.set("labels", service.labels().into_owned());
    let mut run_template = Marked::default();
    run_template.put("metadata", metadata);
    run_template.put("spec", run);

    let mut spec = Marked::default();
    spec.set_maybe("schedule", job.schedule.as_deref(), Some(service.origin("job.schedule")));
    spec.set_maybe("timeZone", job.time_zone.as_deref(), Some(service.origin("job.time_zone")));
    spec.set_maybe("concurrencyPolicy", job.concurrency.map(|policy| format!("{policy:?}")), Some(service.origin("job.concurrency")));
    spec.set_maybe("suspend", job.suspend, Some(service.origin("job.suspend")));
    spec.put("jobTemplate", run_template);
    spec
}

fn figures(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let job = &service.spec().job;
    let mut spec = Marked::default();
    spec.put("template", template);
    spec.set_maybe("completions", job.completions, Some(service.origin("job.completions")));
    spec.set_maybe("parallelism", job.parallelism, Some(service.origin("job.parallelism")));
    spec.set_maybe("backoffLimit", job.retries, Some(service.origin("job.retries")));
    let deadline = settings::seconds(service, "job.deadline", job.deadline.as_deref(), diagnostics);
    spec.set_maybe("activeDeadlineSeconds", deadline, Some(service.origin("job.deadline")));
    spec
}

/// Notes that a Job's name shall end in its digest, once all else about it is settled.
pub(super) fn wants_digest(object: &mut Desired) {
    object.object.set_annotation(PENDING, "");
}

/// Gives Jobs their digests, and tells the edges that name them; whether there were any.
pub(super) fn settle_names(objects: &mut [Desired]) -> bool {
    let mut renamed: BTreeMap<ObjectKey, ObjectKey> = BTreeMap::new();
    for desired in objects.iter_mut() {
        if desired.object.annotation(PENDING).is_none() {
            continue;
        }
        let before = desired.key();
        remove_annotation(&mut desired.object, PENDING);
        let digest = Digest::of(&desired.object.value()["spec"]);
        let name = names::limited(&before.name, names::MAX_WORKLOAD);
        let name = format!("{name}-{}", digest.short().get(..8).unwrap_or_default());
        desired.object.value_mut()["metadata"]["name"] = json!(name);
        desired.object.pack();
        renamed.insert(before, desired.key());
    }
    if renamed.is_empty() {
        return false;
    }
    for desired in objects {
        for edge in &mut desired.edges {
            if let Some(name) = renamed.get(&edge.to) {
                edge.to = name.clone();
            }
        }
    }
    true
}

fn remove_annotation(object: &mut Object, name: &str) {
    let Some(metadata) = object.value_mut().get_mut("metadata").and_then(serde_json::Value::as_object_mut) else { return };
    if let Some(annotations) = metadata.get_mut("annotations").and_then(serde_json::Value::as_object_mut) {
        annotations.remove(name);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}
