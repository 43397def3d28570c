//! Services.

use serde_json::{Value, json};

use super::{items, one_of, port, text};
use crate::embedded::api::FieldError;
use crate::embedded::rules::dns_label;

pub(super) fn check(service: &Value, errors: &mut Vec<FieldError>) {
    let spec = &service["spec"];
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let count = spec["ports"].as_array().map_or(0, Vec::len);
    if kind == "ExternalName" {
        if text(&spec["externalName"]).is_empty() {
            errors.push(FieldError::required("spec.externalName", ""));
        }
    } else if count == 0 && spec["clusterIP"] != "None" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    for (index, one) in items(&spec["ports"]) {
        let at = format!("spec.ports[{index}]");
        let name = text(&one["name"]);
        if name.is_empty() && count > 1 {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        } else if !name.is_empty() {
            errors.extend(dns_label(name).iter().map(|problem| FieldError::invalid(format!("{at}.name"), &one["name"], problem)));
        }
        let number = if one["port"].is_null() { &json!(0) } else { &one["port"] };
        port(number, &format!("{at}.port"), errors);
        one_of(&one["protocol"], &["SCTP", "TCP", "UDP"], &format!("{at}.protocol"), errors);
        port(&one["targetPort"], &format!("{at}.targetPort"), errors);
        if matches!(kind, "ClusterIP" | "ExternalName") && one["nodePort"].as_i64().is_some_and(|number| number != 0) {
            errors.push(FieldError::forbidden(format!("{at}.nodePort"), &format!("may not be used when `type` is '{kind}'")));
        }
    }
    doubles(spec, errors);
    one_of(&spec["type"], &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], "spec.type", errors);
    one_of(&spec["sessionAffinity"], &["ClientIP", "None"], "spec.sessionAffinity", errors);
    let address = text(&spec["clusterIP"]);
    if !address.is_empty() && address != "None" && address.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &spec["clusterIP"], detail));
    }
}

/// A port is there once for each protocol.
fn doubles(spec: &Value, errors: &mut Vec<FieldError>) {
    let key = |one: &Value| (one["port"].clone(), one["protocol"].as_str().unwrap_or("TCP").to_owned());
    let all = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, one) in all.iter().enumerate() {
        if all[..index].iter().any(|other| key(other) == key(one)) {
            // In the words of the server's own type.
            let shown =
                json!({"Name": "", "Protocol": key(one).1, "AppProtocol": null, "Port": one["port"], "TargetPort": 0, "NodePort": 0});
            errors.push(FieldError::duplicate(format!("spec.ports[{index}]"), &shown));
        }
        let name = text(&one["name"]);
        if !name.is_empty() && all[..index].iter().any(|other| text(&other["name"]) == name) {
            errors.push(FieldError::duplicate(format!("spec.ports[{index}].name"), &one["name"]));
        }
    }
}
