//! Ways in and out: routes, rules of the network, where metrics are scraped.

use std::net::IpAddr;

use crate::resource::Diagnostics;
use crate::stack::model::{Route, RouteVia};
use crate::stack::names;
use crate::stack::naming::is_dns_label;

use super::subject::Subject;

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    for (name, route) in &subject.spec.routes {
        check_route(subject, name, route, diagnostics);
    }
    check_metrics(subject, diagnostics);
    for name in subject.spec.network.keys() {
        check_rule(subject, name, diagnostics);
    }
}

fn check_route(subject: &Subject<'_>, name: &str, route: &Route, diagnostics: &mut Diagnostics) {
    let at = |key: &'static str| ["routes", name, key];
    if route.host.is_empty() {
        let help = format!("say which name it answers to: `host = \"api.${{environment.domain}}\"` in `[routes.{name}]`");
        subject.wrong(diagnostics, "stack::route", &["routes", name], (format!("route `{name}` has no host"), "`host` is missing"), help);
    } else if !is_host(&route.host) {
        let label = if route.host.contains("://") || route.host.contains('/') {
            "only the name: no `https://`, no path"
        } else {
            "can't be a host's name"
        };
        let help = "lower-case letters, digits and dashes, parted by dots, at most 253 characters; `*.` may stand in front";
        subject.wrong(diagnostics, "stack::route", &at("host"), (format!("`{}` is no host", route.host), label), help);
    }
    if let Some(path) = route.path.as_ref().filter(|path| !path.starts_with('/')) {
        subject.wrong(
            diagnostics,
            "stack::route",
            &at("path"),
            (format!("`{path}` is no path"), "doesn't begin with `/`"),
            format!("write `path = \"/{path}\"`"),
        );
    }
    check_port(subject, &at("port"), &["routes", name], route.port.as_deref(), "route", diagnostics);
    match (route.via, &route.gateway) {
        (RouteVia::Gateway, None) => {
            let help = "name the Gateway: `gateway = \"NAMESPACE/NAME\"`, or let it be an Ingress: `via = \"ingress\"`";
            subject.wrong(
                diagnostics,
                "stack::route",
                &at("via"),
                (format!("route `{name}` goes through a Gateway, but which?"), "`gateway` is missing"),
                help,
            );
        }
        (_, Some(gateway)) => {
            let parts: Vec<&str> = gateway.split('/').collect();
            if parts.len() != 2 || !parts.iter().all(|part| is_dns_label(part)) {
                subject.wrong(
                    diagnostics,
                    "stack::route",
                    &at("gateway"),
                    (format!("`{gateway}` names no Gateway"), "not NAMESPACE/NAME"),
                    "write `gateway = \"NAMESPACE/NAME\"`",
                );
            }
        }
        _ => {}
    }
}

fn check_metrics(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let Some(metrics) = &subject.spec.metrics else { return };
    check_port(subject, &["metrics", "port"], &["metrics"], metrics.port.as_deref(), "metrics", diagnostics);
    if let Some(path) = metrics.path.as_ref().filter(|path| !path.starts_with('/')) {
        subject.wrong(
            diagnostics,
            "stack::metrics",
            &["metrics", "path"],
            (format!("`{path}` is no path"), "doesn't begin with `/`"),
            format!("write `path = \"/{path}\"`"),
        );
    }
}

/// A port's name, or none where there is only one port.
fn check_port(subject: &Subject<'_>, at: &[&str], above: &[&str], named: Option<&str>, what: &str, diagnostics: &mut Diagnostics) {
    let known: Vec<&str> = subject.spec.ports.keys().map(String::as_str).collect();
    match (named, &known[..]) {
        (Some(name), _) if known.contains(&name) => {}
        (Some(name), _) => {
            let unknown = names::unknown("port", name, subject.at(at), known.iter().copied());
            let help = if known.is_empty() {
                format!("service `{}` has no ports: add `[ports.{name}]`", subject.name)
            } else {
                format!("service `{}` has: {}", subject.name, names::listed(&known))
            };
            diagnostics.push(unknown.help(help));
        }
        (None, []) => {
            let help = "give the service a port: `[ports.http]` with `port = 8080`";
            subject.wrong(
                diagnostics,
                "stack::no_port",
                above,
                (format!("{what} needs a port, and there is none"), "no `[ports.…]`"),
                help,
            );
        }
        (None, [_]) => {}
        (None, several) => {
            let message = format!("{what} needs a port, and there are {}", several.len());
            let help = format!("say which: `port = \"{}\"`; there are: {}", several[0], names::listed(several));
            subject.wrong(diagnostics, "stack::no_port", above, (message, "which port?"), help);
        }
    }
}

fn check_rule(subject: &Subject<'_>, name: &str, diagnostics: &mut Diagnostics) {
    let Some(rule) = subject.spec.network.get(name) else { return };
    let at = |key: &'static str| ["network", name, key];
    match (&rule.cidr, &rule.peer) {
        (None, None) => {
            let help = "say `cidr = \"10.8.0.0/16\"` or `peer = { namespace = \"…\" }`";
            subject.wrong(
                diagnostics,
                "stack::network",
                &["network", name],
                (format!("network rule `{name}` lets nobody through"), "neither `cidr` nor `peer`"),
                help,
            );
        }
        (Some(_), Some(_)) => {
            let help = "remove one, or make two rules of it";
            subject.wrong(
                diagnostics,
                "stack::network",
                &at("cidr"),
                (format!("network rule `{name}` says both `cidr` and `peer`"), "and there is a `peer`"),
                help,
            );
        }
        (None, Some(peer)) if !is_dns_label(&peer.namespace) => {
            let message = format!("network rule `{name}`: `{}` is no namespace", peer.namespace);
            subject.wrong(
                diagnostics,
                "stack::network",
                &["network", name, "peer"],
                (message, "whose pods?"),
                "say `peer = { namespace = \"…\" }`",
            );
        }
        _ => {}
    }
    let range = rule.cidr.as_ref().and_then(|cidr| read_range(subject, &at("cidr"), cidr, diagnostics));
    for except in &rule.except {
        let inner = read_range(subject, &at("except"), except, diagnostics);
        if rule.cidr.is_none() {
            subject.wrong(
                diagnostics,
                "stack::network",
                &at("except"),
                (format!("network rule `{name}` leaves something out of nothing"), "no `cidr`"),
                "`except` takes ranges out of `cidr`: say both",
            );
        } else if let (Some(range), Some(inner)) = (range, inner)
            && !contains(range, inner)
        {
            let message = format!("`{except}` isn't part of `{}`", rule.cidr.as_deref().unwrap_or_default());
            subject.wrong(
                diagnostics,
                "stack::network",
                &at("except"),
                (message, "left out of a range that doesn't have it"),
                "Kubernetes wants each `except` inside `cidr`",
            );
        }
    }
    if rule.ports.contains(&0) {
        subject.wrong(
            diagnostics,
            "stack::out_of_range",
            &at("ports"),
            ("a port is from 1 to 65535, this is 0".to_owned(), "out of range"),
            "leave `ports` out to allow all",
        );
    }
}

fn read_range(subject: &Subject<'_>, at: &[&str], text: &str, diagnostics: &mut Diagnostics) -> Option<(IpAddr, u8)> {
    match parse_range(text) {
        Ok(range) => Some(range),
        Err(label) => {
            subject.wrong(
                diagnostics,
                "stack::network",
                at,
                (format!("`{text}` is no address range"), label),
                "an address, `/`, and the number of leading bits: `\"10.8.0.0/16\"`, `\"192.0.2.7/32\"` for one host",
            );
            None
        }
    }
}

fn parse_range(text: &str) -> Result<(IpAddr, u8), String> {
    let (address, bits) = text.split_once('/').ok_or("no `/` and number of bits")?;
    let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no address"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(|| format!("the number of bits is from 0 to {most}"))?;
    let masked = mask(address, bits);
    if masked != address {
        return Err(format!("the range begins at {masked}/{bits}"));
    }
    Ok((address, bits))
}

fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into()),
    }
}

fn contains(range: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    range.0.is_ipv4() == inner.0.is_ipv4() && inner.1 >= range.1 && mask(inner.0, range.1) == range.0
}

/// Whether it can be a host's name in DNS; `*.` may stand in front.
pub(super) fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    name.len() <= 253 && name.split('.').all(|part| part.len() <= 63 && is_dns_label(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_compared() {
        let range = |text| parse_range(text).unwrap();
        assert!(contains(range("0.0.0.0/0"), range("10.0.0.0/8")));
        assert!(!contains(range("10.0.0.0/8"), range("0.0.0.0/0")));
        assert!(contains(range("fd00::/8"), range("fd00:1::/32")));
        assert!(!contains(range("::/0"), range("10.0.0.0/8")));
        assert_eq!(parse_range("10.0.0.1/8").unwrap_err(), "the range begins at 10.0.0.0/8");
        assert_eq!(parse_range("10.0.0.0/33").unwrap_err(), "the number of bits is from 0 to 32");
        assert_eq!(parse_range("10.0.0/8").unwrap_err(), "`10.0.0` is no address");
    }

    #[test]
    fn hosts() {
        assert!(is_host("api.acme.example") && is_host("*.acme.example") && is_host("localhost"));
        assert!(!is_host("Api.example") && !is_host("a..b") && !is_host("https://x") && !is_host(&"a".repeat(64)));
    }
}
