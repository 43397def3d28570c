//! Service level objectives: annotations for people, and a rule file for Prometheus.
//!
//! The rules expect what most HTTP libraries count: `http_requests_total` with a `code`, and the histogram
//! `http_request_duration_seconds`. They burn the budget in two windows, as the SRE workbook has it: a fast one that
//! wakes somebody, a slow one that makes a ticket.

use serde_json::json;

use crate::resource::{Desired, Diagnostic, Diagnostics};
use crate::stack::duration;
use crate::stack::model::Slo;

use super::context::ServiceContext;
use super::marked::Marked;
use super::names;

/// The label by which Prometheus' sidecar finds rule files.
const RULES_LABEL: &str = "spai.dev/prometheus-rules";

/// Annotations of the workload.
pub(super) fn annotations(service: &ServiceContext<'_>) -> Vec<(String, String)> {
    let Some((name, slo)) = objective(service) else { return Vec::new() };
    let mut annotations = vec![("spai.dev/slo".to_owned(), name.to_owned())];
    if let Some(availability) = slo.availability {
        annotations.push(("spai.dev/slo-availability".to_owned(), format!("{availability}%")));
    }
    for (name, text) in [("spai.dev/slo-latency-p95", &slo.latency_p95), ("spai.dev/slo-window", &slo.window)] {
        annotations.extend(text.as_ref().map(|text| (name.to_owned(), text.clone())));
    }
    annotations
}

/// The ConfigMap with the rules, where metrics are scraped at all.
pub(super) fn rules(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Option<Desired> {
    let name = service.spec().slo.as_deref()?;
    if !service.at.resolved.slos.contains_key(name) {
        diagnostics.push(
            Diagnostic::error("compile::unknown_slo", format!("there is no objective `{name}`"))
                .at(service.origin("slo"), "")
                .help(format!("declare it in stack.toml: `[slos.{name}]` with `availability`, `latency_p95`, `window`")),
        );
        return None;
    }
    let (_, slo) = objective(service)?;
    service.spec().metrics.as_ref()?;
    let rules = groups(service, slo, diagnostics);
    if rules.is_empty() {
        return None;
    }
    let mut body = Marked::default();
    // JSON is YAML, and has one way to be printed.
    let file = json!({"groups": [{"name": format!("{}/{}", service.namespace(), service.name()), "rules": rules}]});
    body.set("data", json!({"rules.yaml": format!("{file:#}\n")}));
    let mut object = service.object("v1", "ConfigMap", &names::joined(&[&service.instance.service, "slo"]), body)?;
    object.object.set_label(RULES_LABEL, "true");
    object.declared.object = Some(service.origin("slo").clone());
    Some(object)
}

fn objective<'a>(service: &ServiceContext<'a>) -> Option<(&'a str, &'a Slo)> {
    let name = service.spec().slo.as_deref()?;
    Some((name, service.at.resolved.slos.get(name)?))
}

fn groups(service: &ServiceContext<'_>, slo: &Slo, diagnostics: &mut Diagnostics) -> Vec<serde_json::Value> {
    let matchers = format!("namespace=\"{}\",service=\"{}\"", service.namespace(), service.name());
    let labels = |severity: &str| json!({"severity": severity, "namespace": service.namespace(), "service": service.name()});
    let mut rules = Vec::new();
    if let Some(availability) = slo.availability.filter(|availability| *availability < 100.0) {
        let errors = |window: &str| {
            format!(
                "sum(rate(http_requests_total{{{matchers},code=~\"5..\"}}[{window}])) / sum(rate(http_requests_total{{{matchers}}}[{window}]))"
            )
        };
        // Printed with few digits: 99.95 leaves 0.0005, not 0.0004999999999999716.
        let budget = format!("{:.6}", (100.0 - availability) / 100.0);
        let budget = budget.trim_end_matches('0');
        for (burn, long, short, severity) in [("14.4", "1h", "5m", "page"), ("6", "6h", "30m", "ticket")] {
            rules.push(json!({
                "alert": format!("ErrorBudgetBurn{}", if severity == "page" { "Fast" } else { "Slow" }),
                "expr": format!("({}) > {burn} * {budget} and ({}) > {burn} * {budget}", errors(long), errors(short)),
                "labels": labels(severity),
                "annotations": {"summary": format!("{} fails more requests than {availability} % availability allows", service.title())},
            }));
        }
    }
    if let Some(text) = &slo.latency_p95 {
        match duration::parse(text) {
            Ok(limit) => rules.push(json!({
                "alert": "LatencyAboveObjective",
                "expr": format!(
                    "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{{{matchers}}}[5m]))) > {}",
                    limit.as_secs_f64()
                ),
                "for": "10m",
                "labels": labels("ticket"),
                "annotations": {"summary": format!("5 % of the requests to {} take longer than {text}", service.title())},
            })),
            Err(error) => diagnostics.push(
                Diagnostic::error("compile::duration", error.to_string()).at(service.origin("slo"), "the objective").help(duration::HELP),
            ),
        }
    }
    rules
}
