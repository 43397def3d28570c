//! Ports and probes.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::model::{Port, Probe, Protocol};

use super::subject::{Subject, below};

/// The longest name of a port.
const LONGEST: usize = 15;

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    // All containers of a pod share one network: names and numbers of ports are the pod's.
    let mut all: Vec<(Vec<&str>, &Port)> = Vec::new();
    for (name, port) in &subject.spec.ports {
        all.push((vec!["ports", name], port));
    }
    for (path, container) in subject.containers().filter(|(path, _)| path[0] == "sidecars") {
        for (name, port) in &container.ports {
            all.push((below(&path, &["ports", name]), port));
        }
    }
    let mut names: BTreeMap<&str, &Origin> = BTreeMap::new();
    let mut numbers: BTreeMap<(u16, &str), &Origin> = BTreeMap::new();
    for (path, port) in &all {
        let name = path.last().copied().unwrap_or_default();
        check_name(subject, path, name, diagnostics);
        if let Some(first) = names.insert(name, subject.key_at(path)) {
            twice(subject, format!("two ports are called `{name}`"), subject.key_at(path), first, "rename one", diagnostics);
        }
        if port.port == 0 {
            let (message, help) = (
                format!("port `{name}` has no number"),
                format!("say which port the container listens on: `port = 8080` in `[{}]`", Subject::path(path)),
            );
            diagnostics.push(
                Diagnostic::error("stack::port", format!("service `{}`: {message}", subject.name))
                    .at(subject.key_at(path), "`port` is missing")
                    .help(help),
            );
            continue;
        }
        let number = subject.at(&below(path, &["port"]));
        if let Some(first) = numbers.insert((port.port, protocol(port)), number) {
            let message = format!("two ports have the number {} ({})", port.port, protocol(port));
            twice(
                subject,
                message,
                number,
                first,
                "all containers of a pod share one network: give one of them another number",
                diagnostics,
            );
        }
        if let Some(probe) = &port.probe {
            check_probe(subject, path, port, probe, diagnostics);
        }
    }
    let mut of_service: BTreeMap<(u16, &str), &Origin> = BTreeMap::new();
    for (name, port) in subject.spec.ports.iter().filter(|(_, port)| port.port > 0) {
        let path = ["ports", name.as_str(), if port.service_port.is_some() { "service_port" } else { "port" }];
        let number = port.service_port.unwrap_or(port.port);
        if number == 0 {
            subject.wrong(
                diagnostics,
                "stack::out_of_range",
                &path,
                ("`service_port` is from 1 to 65535, this is 0".to_owned(), "out of range"),
                "leave it out to use the container's port",
            );
        }
        if let Some(first) = of_service.insert((number, protocol(port)), subject.at(&path)) {
            let same_port = *first == *subject.at(&path) || numbers.len() < all.len();
            if !same_port {
                twice(
                    subject,
                    format!("two ports of its Service have the number {number}"),
                    subject.at(&path),
                    first,
                    "give one of them another `service_port`",
                    diagnostics,
                );
            }
        }
    }
}

fn twice(subject: &Subject<'_>, message: String, again: &Origin, first: &Origin, help: &str, diagnostics: &mut Diagnostics) {
    let diagnostic = Diagnostic::error("stack::port", format!("service `{}`: {message}", subject.name));
    diagnostics.push(diagnostic.at(again, "again here").at(first, "once here").help(help));
}

fn protocol(port: &Port) -> &'static str {
    match port.protocol {
        None | Some(Protocol::TCP) => "TCP",
        Some(Protocol::UDP) => "UDP",
        Some(Protocol::SCTP) => "SCTP",
    }
}

fn check_name(subject: &Subject<'_>, path: &[&str], name: &str, diagnostics: &mut Diagnostics) {
    let allowed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let label = if name.len() > LONGEST {
        format!("{} characters", name.chars().count())
    } else if name.is_empty() || !allowed {
        "has other characters".to_owned()
    } else if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        "has no letter".to_owned()
    } else if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        "a dash stands at an end, or two in a row".to_owned()
    } else {
        return;
    };
    let diagnostic = Diagnostic::error("stack::port_name", format!("service `{}`: `{name}` can't be a port's name", subject.name));
    let help = format!("lower-case letters, digits and single dashes between them, at least one letter, at most {LONGEST} characters");
    diagnostics.push(diagnostic.at(subject.key_at(path), label).help(help));
}

fn check_probe(subject: &Subject<'_>, path: &[&str], port: &Port, probe: &Probe, diagnostics: &mut Diagnostics) {
    let at = |key: &'static str| below(path, &["probe", key]);
    for (key, value) in [("path", &probe.path), ("liveness_path", &probe.liveness_path)] {
        if let Some(value) = value.as_ref().filter(|value| !value.starts_with('/')) {
            let message = format!("`{value}` is no path of a probe");
            subject.wrong(
                diagnostics,
                "stack::probe",
                &at(key),
                (message, "doesn't begin with `/`"),
                format!("write `{key} = \"/{value}\"`"),
            );
        }
    }
    let mut wrong = |key: &'static str, message: &str, label: &str, help: &str| {
        subject.wrong(diagnostics, "stack::probe", &at(key), (message.to_owned(), label.to_owned()), help);
    };
    if probe.grpc == Some(true) && probe.path.is_some() {
        wrong("grpc", "a probe asks by gRPC or by an HTTP path, not both", "and there is a `path`", "remove one of them");
    }
    if probe.liveness_path.is_some() && probe.path.is_none() {
        wrong(
            "liveness_path",
            "a path for liveness alone leaves readiness without one",
            "no `path`",
            "say `path` too: it is asked for startup and readiness",
        );
    }
    if probe.failures == Some(0) {
        wrong("failures", "a probe fails after one failure at least", "never would", "say 1 or more");
    }
    if protocol(port) != "TCP" {
        wrong("path", "the kubelet can ask TCP ports only", "a port that isn't TCP", "put the probe on a TCP port");
    }
}
