//! Versions of a definition that a webhook turns into one another. Nothing runs in this cluster that could answer it: what is asked
//! for in another version than it is kept in fails, as it does where the webhook's pods are down.

use serde_json::{Value, json};

use crate::embedded::admit;
use crate::embedded::api::{Failure, FieldError};
use crate::embedded::catalog::Resource;
use crate::embedded::rules::names;
use crate::embedded::world::State;

const KNOWN: [&str; 2] = ["v1", "v1beta1"];

/// Refuses to turn what is in one version into another, where that takes a webhook.
///
/// # Errors
/// It does.
pub fn between(state: &State, resource: &Resource, from: &str, to: &str) -> Result<(), Failure> {
    if from == to {
        return Ok(());
    }
    let Some(conversion) = state.definitions.conversion(resource).filter(|conversion| conversion["strategy"] == "Webhook") else {
        return Ok(());
    };
    let (url, why) = admit::unreachable(state, &conversion["webhook"]["clientConfig"]);
    let message = format!("conversion webhook for {from}, Kind={} failed: Post \"{url}?timeout=30s\": {why}", resource.kind);
    Err(Failure { code: 500, reason: "", message, details: None })
}

/// The same for an object that is kept.
///
/// # Errors
/// As [`between`].
pub fn of_kept(state: &State, resource: &Resource, object: &Value) -> Result<(), Failure> {
    match object["apiVersion"].as_str() {
        Some(kept) if resource.custom.is_some() => between(state, resource, kept, &resource.api_version()),
        _ => Ok(()),
    }
}

/// What a definition is refused for that says how its versions are converted.
pub fn refused(crd: &Value) -> Vec<FieldError> {
    let conversion = &crd["spec"]["conversion"];
    let at = |rest: &str| format!("spec.conversion.{rest}");
    let mut errors = Vec::new();
    // As the server's own types have it: what is in `webhook` is beside the strategy there.
    let (client, versions) = (&conversion["webhook"]["clientConfig"], conversion["webhook"]["conversionReviewVersions"].as_array());
    let versions = versions.map(Vec::as_slice).unwrap_or_default();
    match conversion["strategy"].as_str() {
        None | Some("None") => {
            if client.is_object() {
                errors.push(FieldError::forbidden(at("webhookClientConfig"), "should not be set when strategy is not set to Webhook"));
            }
            if !versions.is_empty() {
                errors.push(FieldError::forbidden(at("conversionReviewVersions"), "should not be set when strategy is not set to Webhook"));
            }
            return errors;
        }
        Some("Webhook") => {}
        Some("") => {
            errors.push(FieldError::required(at("strategy"), ""));
            return errors;
        }
        Some(other) => {
            errors.push(FieldError::unsupported(at("strategy"), &other.into(), &["None", "Webhook"]));
            return errors;
        }
    }
    let place = at("webhookClientConfig");
    if client.is_object() {
        match (client["url"].as_str(), client["service"].is_object()) {
            (Some(url), false) => errors.extend(url_errors(&format!("{place}.url"), url)),
            (None, true) => errors.extend(service_errors(&format!("{place}.service"), &client["service"])),
            _ => errors.push(FieldError::required(place, "exactly one of url or service is required")),
        }
    } else {
        errors.push(FieldError::required(place, "required when strategy is set to Webhook"));
    }
    let place = at("conversionReviewVersions");
    if versions.is_empty() {
        errors.push(FieldError::required(place, ""));
        return errors;
    }
    let mut seen = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if seen.contains(&version) {
            errors.push(FieldError::invalid(place, version, "duplicate version"));
            continue;
        }
        seen.push(version);
        errors.extend(names::dns1035_label(text(version)).into_iter().map(|why| FieldError::invalid(place.clone(), version, &why)));
    }
    if !versions.iter().any(|version| KNOWN.contains(&text(version))) {
        errors.push(FieldError::invalid(place, &json!(versions), "must include at least one of v1, v1beta1"));
    }
    errors
}

fn url_errors(place: &str, url: &str) -> Vec<FieldError> {
    const FORM: &str = "; desired format: https://host[/path]";
    let mut errors = Vec::new();
    let mut wrong = |value: &str, detail: &str| errors.push(FieldError::invalid(place, &value.into(), detail));
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if scheme != "https" {
        wrong(scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        wrong(host, &format!("host must be specified{FORM}"));
    }
    if !user.is_empty() {
        wrong(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL");
    }
    errors
}

fn service_errors(place: &str, service: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    // The server takes the one for the other.
    for (missing, told) in [("namespace", "name"), ("name", "namespace")] {
        if text(&service[missing]).is_empty() {
            errors.push(FieldError::required(format!("{place}.{told}"), ""));
        }
    }
    if let Some(port) = service["port"].as_i64().filter(|port| !(1..=65_535).contains(port)) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(format!("{place}.port"), &port.into(), detail));
    }
    let Some(path) = service["path"].as_str() else { return errors };
    let mut wrong = |detail: &str| errors.push(FieldError::invalid(format!("{place}.path"), &path.into(), detail));
    let Some(segments) = path.strip_prefix('/').or_else(|| {
        wrong("must start with a '/'");
        // The server goes on as if the first letter were one.
        path.get(1..)
    }) else {
        return errors;
    };
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    if segments.is_empty() {
        return errors;
    }
    for (index, segment) in segments.split('/').enumerate() {
        if segment.is_empty() {
            wrong(&format!("segment[{index}] may not be empty"));
            continue;
        }
        for why in names::dns_subdomain(segment) {
            wrong(&format!("segment[{index}]: {why}"));
        }
    }
    errors
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
