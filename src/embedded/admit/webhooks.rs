//! Admission webhooks: nothing runs in this cluster that could answer them, so that a call fails, as it does where the webhook's
//! pods are down. What the webhook's failure policy says of that, holds.

use std::sync::Arc;

use serde_json::Value as Json;

use super::asked::{Asked, authorizer_types, decide, request_type};
use super::matching::matches;
use crate::embedded::api::Failure;
use crate::embedded::cel::{Environment, Rights, Type, Value, compile};
use crate::embedded::world::State;

/// Those that may change an object.
pub const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
/// Those that only look at it.
pub const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

/// Calls the webhooks of a kind.
///
/// # Errors
/// One would be called whose failure is the request's.
pub fn call(state: &State, asked: &Asked<'_>, configurations: &str) -> Result<(), Failure> {
    if asked.resource.group == "admissionregistration.k8s.io" {
        return Ok(());
    }
    let all: Vec<&Arc<Json>> = state.store.all(configurations).collect();
    for hook in all.iter().flat_map(|configuration| configuration["webhooks"].as_array().into_iter().flatten()) {
        if hook["failurePolicy"] == "Ignore" || !matches(state, asked, hook) || !is_meant(state, hook, asked) {
            continue;
        }
        let name = text(&hook["name"]);
        if asked.dry && !matches!(hook["sideEffects"].as_str(), Some("None" | "NoneOnDryRun")) {
            return Err(Failure::bad_request(format!("admission webhook \"{name}\" does not support dry run")));
        }
        let (url, why) = unreachable(state, &hook["clientConfig"]);
        let timeout = hook["timeoutSeconds"].as_u64().unwrap_or(10);
        let words = format!("failed calling webhook \"{name}\": failed to call webhook: Post \"{url}?timeout={timeout}s\": {why}");
        return Err(Failure::internal(words));
    }
    Ok(())
}

/// Whether all its conditions hold. One that fails is as bad as the webhook itself.
fn is_meant(state: &State, hook: &Json, asked: &Asked<'_>) -> bool {
    let mut environment = Environment::of([("object", Type::Dyn), ("oldObject", Type::Dyn), ("request", request_type())]);
    environment.variables.extend(authorizer_types());
    let json = |object: Option<&Json>| object.map_or(Value::Null, |object| Value::read(object, &Type::Dyn));
    let mut variables = vec![("object", json(asked.object)), ("oldObject", json(asked.old)), ("request", asked.request())];
    variables.extend(asked.authorizers());
    let authority = |question: &Rights, verb: &str| decide(state, question, verb);
    hook["matchConditions"].as_array().into_iter().flatten().all(|condition| {
        let program = compile(text(&condition["expression"]), &environment);
        !matches!(program.and_then(|program| program.run_by(&variables, Some(&authority)).value), Ok(Value::Bool(false)))
    })
}

/// Where it would be called, and why that fails.
pub fn unreachable(state: &State, client: &Json) -> (String, String) {
    if let Some(url) = client["url"].as_str() {
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(url);
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
        return (url.to_owned(), format!("dial tcp {host}: connect: connection refused"));
    }
    let service = &client["service"];
    let (namespace, name) = (text(&service["namespace"]), text(&service["name"]));
    let port = service["port"].as_u64().unwrap_or(443);
    let path = text(&service["path"]).trim_start_matches('/');
    let why = match state.store.find("services", namespace, name) {
        None => format!("service \"{name}\" not found"),
        Some(found) => format!("dial tcp {}:{port}: connect: connection refused", text(&found["spec"]["clusterIP"])),
    };
    (format!("https://{name}.{namespace}.svc:{port}/{path}"), why)
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}
