//! CertificateSigningRequests. Who asks for a certificate is what the server knows of them, not what they say; what is asked for
//! stays as it is; whoever decides writes conditions alone, and whoever signs the rest of the status.

use std::collections::BTreeSet;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{dns_label, dns_subdomain, x509};
use crate::embedded::api::{FieldError, Part};
use crate::embedded::catalog::Resource;
use crate::embedded::clock::seconds;
use crate::embedded::rights::User;

/// What certificates may be for.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// The decision, which is for those who approve.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];

/// The signer of before there were signers.
const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// Whether a resource is of requests for certificates.
pub fn is_request(resource: &Resource) -> bool {
    resource.is("certificates.k8s.io", "CertificateSigningRequest")
}

/// What bytes a field has.
pub fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok()).unwrap_or_default()
}

/// Before a request is kept: whose it is.
pub(super) fn prepare_create(request: &mut Value, user: &User) {
    if let Some(spec) = request["spec"].as_object_mut() {
        spec.retain(|field, _| !matches!(field.as_str(), "username" | "uid" | "groups" | "extra"));
        if let Value::Object(shown) = user.shown() {
            spec.extend(shown);
        }
    }
    request["status"] = json!({});
}

/// Before a request is replaced: only what a part is for changes.
pub(super) fn prepare_update(part: &Part, old: &Value, new: &mut Value, now: Timestamp) {
    let keep = |new: &mut Value, field: &str| {
        let Some(map) = new.as_object_mut() else { return };
        match old.get(field) {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    };
    keep(new, "spec");
    match part {
        Part::Status => {
            for decision in DECISIONS {
                preserve(old, new, decision);
            }
            stamp(old, new, now);
        }
        Part::Approval => {
            stamp(old, new, now);
            let conditions = new.pointer_mut("/status/conditions").map(Value::take).unwrap_or_default();
            keep(new, "status");
            if conditions.as_array().is_some_and(|conditions| !conditions.is_empty()) {
                new["status"]["conditions"] = conditions;
            } else if let Some(status) = new["status"].as_object_mut() {
                status.remove("conditions");
            }
        }
        _ => keep(new, "status"),
    }
    if !new["status"].is_object() {
        new["status"] = json!({});
    }
}

fn conditions(request: &Value) -> &[Value] {
    request["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn conditions_mut(request: &mut Value) -> impl Iterator<Item = &mut Value> {
    request.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten()
}

fn of_type<'c>(request: &'c Value, kind: &'c str) -> impl Iterator<Item = &'c Value> {
    conditions(request).iter().filter(move |condition| condition["type"] == kind)
}

/// As many conditions of a type as there were are those that there were.
fn preserve(old: &Value, new: &mut Value, kind: &str) {
    let before: Vec<&Value> = of_type(old, kind).collect();
    if before.len() != of_type(new, kind).count() {
        return;
    }
    for (condition, before) in conditions_mut(new).filter(|condition| condition["type"] == kind).zip(before) {
        condition.clone_from(before);
    }
}

/// Times that aren't said.
fn stamp(old: &Value, new: &mut Value, now: Timestamp) {
    for condition in conditions_mut(new) {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = seconds(now).into();
        }
        if condition["lastTransitionTime"].is_null() {
            let same = |before: &&Value| {
                before["type"] == condition["type"] && before["status"] == condition["status"] && before["lastTransitionTime"].is_string()
            };
            let before = conditions(old).iter().find(same).map(|before| before["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = before.unwrap_or_else(|| seconds(now).into());
        }
    }
}

/// What is wrong with a request, or with a change of it.
pub fn request_errors(resource: &Resource, part: &Part, old: Option<&Value>, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_request(resource) {
        return errors;
    }
    spec(&new["spec"], old.map(|old| &old["spec"]), &mut errors);
    status(new, old, &mut errors);
    if let Some(old) = old {
        change(part, old, new, &mut errors);
    }
    errors
}

/// `old`: what was wrong before may stay so.
fn spec(spec: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Err(why) = x509::organizations(&bytes(&spec["request"])) {
        errors.push(FieldError::invalid("spec.request", &spec["request"], &why));
    }
    let usages = spec["usages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if usages.is_empty() {
        errors.push(FieldError::required("spec.usages", ""));
    }
    if old.is_none() {
        let mut seen = BTreeSet::new();
        for (index, usage) in usages.iter().enumerate() {
            let (at, name) = (format!("spec.usages[{index}]"), usage.as_str().unwrap_or_default());
            if !USAGES.contains(&name) {
                errors.push(FieldError::unsupported(at.clone(), usage, &USAGES));
            }
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(at, usage));
            }
        }
    }
    let signer = spec["signerName"].as_str().unwrap_or_default();
    if signer == LEGACY && old.is_none() {
        let detail = "the legacy signerName is not allowed via this API version";
        errors.push(FieldError::invalid("spec.signerName", &signer.into(), detail));
    } else {
        signer_errors(signer, errors);
    }
    let time = &spec["expirationSeconds"];
    if time.as_i64().is_some_and(|seconds| seconds < 600) {
        errors.push(FieldError::invalid("spec.expirationSeconds", time, "may not specify a duration less than 600 seconds (10 minutes)"));
    }
}

/// A signer is called by a domain and a path: `example.com/signer`.
fn signer_errors(signer: &str, errors: &mut Vec<FieldError>) {
    let at = "spec.signerName";
    if signer.is_empty() {
        errors.push(FieldError::required(at, ""));
        return;
    }
    let [domain, path] = signer.split('/').collect::<Vec<_>>()[..] else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid(at, &signer.into(), detail));
        return;
    };
    let too_long = |most: usize| FieldError {
        reason: "FieldValueTooLong",
        field: at.to_owned(),
        message: format!("Too long: may not be more than {most} bytes"),
    };
    let mut labels = |of: &str, rules: fn(&str) -> Vec<String>| {
        // The first that is wrong is told, all that is wrong with it.
        let wrong = of.split('.').map(|label| (label, rules(label))).find(|(_, wrong)| !wrong.is_empty());
        let Some((label, wrong)) = wrong else { return };
        errors.extend(wrong.iter().map(|why| FieldError::invalid(at, &of.into(), &format!("validating label {label:?}: {why}"))));
    };
    labels(domain, dns_label);
    labels(path, dns_subdomain);
    if domain.len() > 253 {
        errors.push(too_long(253));
    }
    if !domain.contains('.') {
        errors.push(FieldError::invalid(at, &domain.into(), "should be a domain with at least two segments separated by dots"));
    }
    if path.len() > 253 + 63 + 1 {
        errors.push(too_long(253 + 63 + 1));
    }
}

fn status(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    const AT: &str = "status.conditions";
    // What was so before may stay so.
    let was = |wrong: fn(&Value) -> bool| old.is_some_and(wrong);
    let both = |request: &Value| DECISIONS.iter().all(|decision| of_type(request, decision).next().is_some());
    let doubled = |request: &Value| {
        let mut seen = BTreeSet::new();
        conditions(request).iter().any(|condition| !seen.insert(condition["type"].as_str().unwrap_or_default()))
    };
    let unnamed = |request: &Value| conditions(request).iter().any(|condition| condition["type"].as_str().unwrap_or_default().is_empty());
    let (may_be_both, may_be_doubled, may_be_unnamed) = (was(both), was(doubled), was(unnamed));
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions(new).iter().enumerate() {
        let kind = condition["type"].as_str().unwrap_or_default();
        if kind.is_empty() && !may_be_unnamed {
            errors.push(FieldError::required(format!("{AT}[{index}].type"), ""));
        }
        let known: &[&str] = if matches!(kind, "Approved" | "Denied" | "Failed") { &["True"] } else { &["False", "True", "Unknown"] };
        match condition["status"].as_str().unwrap_or_default() {
            "" => errors.push(FieldError::required(format!("{AT}[{index}].status"), "")),
            said if !known.contains(&said) => {
                errors.push(FieldError::unsupported(format!("{AT}[{index}].status"), &said.into(), known));
            }
            _ => {}
        }
        let other = DECISIONS.iter().find(|decision| **decision != kind).filter(|_| DECISIONS.contains(&kind));
        if !may_be_both && other.is_some_and(|other| seen.contains(other)) {
            errors.push(FieldError::invalid(AT, &kind.into(), "Approved and Denied conditions are mutually exclusive"));
        }
        if !seen.insert(kind) && !may_be_doubled {
            errors.push(FieldError::duplicate(format!("{AT}[{index}].type"), &kind.into()));
        }
    }
    let (is, before) = (&new["status"]["certificate"], old.map_or(&Value::Null, |old| &old["status"]["certificate"]));
    let refused = |certificate: &Value| match bytes(certificate) {
        bytes if bytes.is_empty() => None,
        bytes => x509::certificates(&bytes).err(),
    };
    if is != before
        && refused(before).is_none()
        && let Some(why) = refused(is)
    {
        errors.push(FieldError::invalid("status.certificate", &"<certificate data>".into(), &why));
    }
}

/// What a change through a part may not do.
fn change(part: &Part, old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let count = |request: &Value, kind: &str| of_type(request, kind).count();
    for kind in ["Approved", "Denied", "Failed"] {
        if count(new, kind) < count(old, kind) {
            errors.push(FieldError::forbidden("status.conditions", &format!("updates may not remove a condition of type {kind:?}")));
        }
    }
    // One that is there can't be another than it was: it was put back before.
    for kind in DECISIONS.iter().filter(|_| *part != Part::Approval) {
        if count(new, kind) > count(old, kind) {
            errors.push(FieldError::forbidden("status.conditions", &format!("updates may not add a condition of type {kind:?}")));
        }
    }
    let (before, is) = (bytes(&old["status"]["certificate"]), bytes(&new["status"]["certificate"]));
    if before != is {
        if *part != Part::Status {
            errors.push(FieldError::forbidden("status.certificate", "updates may not set certificate content"));
        } else if !before.is_empty() {
            errors.push(FieldError::forbidden("status.certificate", "updates may not modify existing certificate content"));
        }
    }
}
