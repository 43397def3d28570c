//! Workloads: what keeps a service's pods running.

use serde_json::json;

use crate::resource::{Desired, Diagnostics, FieldPath, HandOver};
use crate::stack::model::{CountOrPercent, WorkloadKind};

use super::context::ServiceContext;
use super::marked::Marked;
use super::volumes::Volumes;
use super::{jobs, labels, pod, scaling, settings, sizing, slo};

/// The workload of a service, and the claims that its pods share.
pub(super) fn objects(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Desired> {
    let (template, volumes) = pod::template(service, diagnostics);
    let Volumes { templates, claims, .. } = volumes;
    let spec = match service.kind() {
        WorkloadKind::Deployment => deployment(service, template, diagnostics),
        WorkloadKind::StatefulSet => stateful_set(service, template, templates, diagnostics),
        WorkloadKind::DaemonSet => daemon_set(service, template, diagnostics),
        WorkloadKind::Job => jobs::spec(service, template, diagnostics),
        WorkloadKind::CronJob => jobs::cron_spec(service, template, diagnostics),
    };
    let mut body = Marked::default();
    body.put("spec", spec);
    let (api_version, kind) = service.workload_type();
    let mut objects = claims;
    if let Some(mut object) = service.object_with(api_version, kind, &service.name(), slo::annotations(service), body) {
        hand_over(service, &mut object);
        objects.push(object);
    }
    objects
}

/// The autoscaler's from the moment it is there.
fn hand_over(service: &ServiceContext<'_>, object: &mut Desired) {
    if let Some(autoscaler) = scaling::key(service) {
        let replicas = sizing::replicas(service);
        let path = FieldPath::fields(&["spec", "replicas"]);
        object.declared.fields.insert(path.clone(), replicas.origin.clone());
        object.hand_overs.push(HandOver { path, initial: replicas.count.into(), to: autoscaler });
    }
}

fn deployment(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let rollout = &service.spec().rollout;
    let mut spec = base(service, template, diagnostics);
    put_replicas(service, &mut spec);
    let mut strategy = Marked::default();
    if rollout.recreate == Some(true) {
        strategy.set_from("type", "Recreate", Some(service.origin("rollout.recreate")));
    } else {
        strategy.set("type", "RollingUpdate");
        put_rolling(service, &mut strategy);
    }
    spec.put("strategy", strategy);
    let deadline = settings::seconds(service, "rollout.progress_deadline", rollout.progress_deadline.as_deref(), diagnostics);
    spec.set_maybe("progressDeadlineSeconds", deadline, Some(service.origin("rollout.progress_deadline")));
    spec
}

fn stateful_set(
    service: &ServiceContext<'_>,
    template: Marked,
    templates: Vec<serde_json::Value>,
    diagnostics: &mut Diagnostics,
) -> Marked {
    let mut spec = base(service, template, diagnostics);
    put_replicas(service, &mut spec);
    if !service.spec().ports.is_empty() {
        spec.set("serviceName", super::exposure::peers_name(service));
    }
    if !templates.is_empty() {
        let templates: Vec<_> = templates
            .into_iter()
            .map(|mut template| {
                // The list is owned as a whole, so what the API server fills in is said here.
                template["apiVersion"] = json!("v1");
                template["kind"] = json!("PersistentVolumeClaim");
                template["spec"]["volumeMode"] = json!("Filesystem");
                template
            })
            .collect();
        spec.set_from("volumeClaimTemplates", templates, Some(service.origin("volumes")));
    }
    spec
}

fn daemon_set(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let mut spec = base(service, template, diagnostics);
    let mut strategy = Marked::default();
    strategy.set("type", "RollingUpdate");
    put_rolling(service, &mut strategy);
    spec.put("updateStrategy", strategy);
    spec
}

/// What every kind that keeps pods running has.
fn base(service: &ServiceContext<'_>, template: Marked, diagnostics: &mut Diagnostics) -> Marked {
    let rollout = &service.spec().rollout;
    let mut spec = Marked::default();
    spec.set("selector", json!({"matchLabels": labels::selector(service)}));
    spec.put("template", template);
    let min_ready = settings::seconds(service, "rollout.min_ready", rollout.min_ready.as_deref(), diagnostics);
    // The API server doesn't store a zero here.
    spec.set_maybe("minReadySeconds", min_ready.filter(|seconds| *seconds > 0), Some(service.origin("rollout.min_ready")));
    spec.set_maybe("revisionHistoryLimit", rollout.history, Some(service.origin("rollout.history")));
    spec
}

fn put_replicas(service: &ServiceContext<'_>, spec: &mut Marked) {
    if scaling::key(service).is_none() {
        let replicas = sizing::replicas(service);
        spec.set_from("replicas", replicas.count, Some(replicas.origin));
    }
}

fn put_rolling(service: &ServiceContext<'_>, strategy: &mut Marked) {
    let rollout = &service.spec().rollout;
    let mut rolling = Marked::default();
    let figures: [(&str, &str, &Option<CountOrPercent>); 2] =
        [("maxSurge", "rollout.max_surge", &rollout.max_surge), ("maxUnavailable", "rollout.max_unavailable", &rollout.max_unavailable)];
    for (name, path, figure) in figures {
        rolling.set_maybe(name, figure.as_ref().map(settings::count_or_percent), Some(service.origin(path)));
    }
    if !rolling.is_empty() {
        strategy.put("rollingUpdate", rolling);
    }
}
