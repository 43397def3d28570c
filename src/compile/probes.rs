//! Startup, readiness and liveness, made of the one probe that a port declares.

use crate::resource::Diagnostics;
use crate::stack::model::{Port, Probe};

use super::context::ServiceContext;
use super::marked::Marked;
use super::settings;

/// Puts the three probes into a container: the startup probe gives it time to start, readiness takes it out of the
/// Service, liveness restarts it only after twice as many failures (a busy container isn't a dead one).
pub(super) fn put(
    service: &ServiceContext<'_>,
    container: &mut Marked,
    path: &str,
    name: &str,
    port: &Port,
    diagnostics: &mut Diagnostics,
) {
    let Some(probe) = &port.probe else { return };
    let path = format!("{path}.{}.probe", crate::stack::node::join_path(&[name]));
    let mut seconds =
        |field: &str, text: &Option<String>| settings::seconds(service, &format!("{path}.{field}"), text.as_deref(), diagnostics);
    let period = seconds("period", &probe.period).map(|period| period.max(1));
    let timeout = seconds("timeout", &probe.timeout).map(|timeout| timeout.max(1));
    let startup = seconds("startup", &probe.startup);
    let base = |http_path: Option<&String>| {
        let mut piece = Marked::default();
        match handler(probe, name, port, http_path) {
            Handler::Http(handler) => piece.put("httpGet", handler),
            Handler::Grpc(handler) => piece.put("grpc", handler),
            Handler::Tcp(handler) => piece.put("tcpSocket", handler),
        }
        piece.set_maybe("periodSeconds", period, Some(service.origin(&format!("{path}.period"))));
        piece.set_maybe("timeoutSeconds", timeout, Some(service.origin(&format!("{path}.timeout"))));
        piece
    };
    let failures_origin = Some(service.origin(&format!("{path}.failures")));
    let liveness_path = probe.liveness_path.as_ref().or(probe.path.as_ref());

    if let Some(startup) = startup.filter(|startup| *startup > 0) {
        let mut piece = base(liveness_path);
        let period = period.unwrap_or(10);
        piece.set_from("failureThreshold", startup.div_ceil(period).max(1), Some(service.origin(&format!("{path}.startup"))));
        container.put("startupProbe", piece);
    }
    let mut readiness = base(probe.path.as_ref());
    readiness.set_maybe("failureThreshold", probe.failures.map(|failures| failures.max(1)), failures_origin);
    container.put("readinessProbe", readiness);
    let mut liveness = base(liveness_path);
    liveness.set_maybe("failureThreshold", probe.failures.map(|failures| failures.max(1).saturating_mul(2)), failures_origin);
    container.put("livenessProbe", liveness);
    // The line that asks for it, rather than that of one of its figures.
    let said = ["path", "grpc", "liveness_path", "startup"].map(|field| format!("{path}.{field}"));
    let said = said.iter().find(|path| service.instance.provenance.0.contains_key(*path)).unwrap_or(&path);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        container.mark(probe, Some(service.origin(said)));
    }
}

enum Handler {
    Http(Marked),
    Grpc(Marked),
    Tcp(Marked),
}

fn handler(probe: &Probe, name: &str, port: &Port, http_path: Option<&String>) -> Handler {
    let mut handler = Marked::default();
    if probe.grpc == Some(true) {
        // The one probe that takes no port by name.
        handler.set("port", port.port);
        // The API server writes the empty service's name itself.
        handler.set("service", "");
        return Handler::Grpc(handler);
    }
    handler.set("port", name);
    match http_path {
        Some(path) => {
            handler.set("path", path.as_str());
            handler.set("scheme", "HTTP");
            Handler::Http(handler)
        }
        None => Handler::Tcp(handler),
    }
}
