//! `serviceaccounts/NAME/token`: a token of an account.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::answer::Reply;
use super::write::Write;
use super::{Call, Failure, FieldError};
use crate::embedded::admit;
use crate::embedded::catalog::Resource;
use crate::embedded::clock::seconds;
use crate::embedded::tokens::ISSUER;

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";

/// How long a token is good if nobody says.
const HOUR: i64 = 60 * 60;

/// What tokens of pods are made for by default: they live on for a year, and whoever uses them longer than they say is noted.
const WARN_ONLY: i64 = 60 * 60 + 7;
const EXTENDED: i64 = 365 * 24 * 60 * 60;

/// The resource that a request speaks of the account's, as its types have it.
pub(super) fn requested(accounts: &Resource) -> Resource {
    Resource { group: GROUP.to_owned(), version: "v1".to_owned(), kind: KIND.to_owned(), ..accounts.clone() }
}

/// POST. `write`: of the resource that [`requested`] gives.
pub(super) fn create(write: &mut Write<'_>, call: &Call, accounts: &Arc<Resource>, namespace: &str, name: &str) -> Result<Reply, Failure> {
    let (mut body, doubled) = super::route::body(call, &write.resource)?;
    if body.is_object() && (body["spec"].is_object() || body["spec"].is_null()) && body["spec"]["expirationSeconds"].is_null() {
        body["spec"]["expirationSeconds"] = HOUR.into();
    }
    // What is empty is somebody's all the same, for the type has it always.
    let nobody = body["spec"]["audiences"].as_array().is_some_and(Vec::is_empty);
    let mut request = write.received(Some(namespace), body, &doubled, |request| {
        if nobody {
            request["spec"]["audiences"] = json!([]);
        }
    })?;
    if let Some(owned) = request.pointer_mut("/metadata/managedFields/0/fieldsV1/f:spec/f:boundObjectRef").and_then(Value::as_object_mut) {
        // As null it was there before.
        owned.remove(".");
    }
    admit::lifecycle(write.state, accounts, namespace, name)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said = text(&request["metadata"]["name"]);
    if !said.is_empty() && said != name {
        let error = FieldError::invalid("metadata.name", &said.into(), "must match the service account name if specified");
        return Err(Failure::invalid(GROUP, KIND, name, &[error]));
    }
    let account = write.state.store.find("serviceaccounts", namespace, name).cloned().ok_or_else(|| Failure::not_found(accounts, name))?;
    let uid = text(&account["metadata"]["uid"]);
    let said = text(&request["metadata"]["uid"]);
    if !said.is_empty() && said != uid {
        let why = format!("the UID in the token request ({said}) does not match the UID of the service account ({uid})");
        return Err(conflict(GROUP, KIND, name, &why));
    }
    if request["spec"]["audiences"].as_array().is_none_or(Vec::is_empty) {
        request["spec"]["audiences"] = json!([ISSUER]);
    }
    for (field, value) in [("name", name), ("namespace", namespace), ("uid", &uid), ("creationTimestamp", &seconds(write.state.now))] {
        request["metadata"][field] = value.into();
    }
    check(&request["spec"])?;
    let bound = bound(write, namespace, name, &request["spec"]["boundObjectRef"])?;
    let lasts = request["spec"]["expirationSeconds"].as_i64().unwrap_or_default();
    let status = status(write, &request, bound, lasts)?;
    if request["spec"]["boundObjectRef"].is_null() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    request["status"] = status;
    Ok(Reply::json(request).code(201))
}

fn check(spec: &Value) -> Result<(), Failure> {
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or_default();
    let detail = match seconds {
        ..600 => "may not specify a duration less than 10 minutes",
        0x1_0000_0001.. => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    Err(Failure::invalid(GROUP, KIND, "", &[FieldError::invalid("spec.expirationSeconds", &seconds.into(), detail)]))
}

/// What a token goes with, as its claims: it is good for as long as that is there.
fn bound(write: &Write<'_>, namespace: &str, account: &str, reference: &Value) -> Result<Value, Failure> {
    if reference.is_null() {
        return Ok(json!({}));
    }
    let said = |field: &str| reference[field].as_str().unwrap_or_default();
    let (group, version) = said("apiVersion").rsplit_once('/').unwrap_or(("", said("apiVersion")));
    let (plural, within) = match (group, said("kind")) {
        ("", "Pod") => ("pods", namespace),
        ("", "Secret") => ("secrets", namespace),
        ("", "Node") => ("nodes", ""),
        (_, kind) => return Err(Failure::bad_request(format!("cannot bind token to object of type {group}/{version}, Kind={kind}"))),
    };
    let (state, name, kind) = (&*write.state, said("name"), said("kind"));
    let resource = state.catalog.find("", "v1", plural).ok_or_else(Failure::no_such_path)?;
    let found = state.store.find(plural, within, name).ok_or_else(|| Failure::not_found(resource, name))?;
    if kind == "Pod" && found["spec"]["serviceAccountName"] != account {
        let message = format!("cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name.");
        return Err(Failure::bad_request(message));
    }
    let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
    if !said("uid").is_empty() && said("uid") != uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            said("uid")
        );
        return Err(conflict("", kind, name, &why));
    }
    let mut claims = json!({kind.to_lowercase(): {"name": name, "uid": uid}});
    if let Some(node) = found["spec"]["nodeName"].as_str().filter(|node| kind == "Pod" && !node.is_empty()) {
        claims["node"] = json!({"name": node});
        if let Some(found) = state.store.find("nodes", "", node) {
            claims["node"]["uid"] = found["metadata"]["uid"].clone();
        }
    }
    Ok(claims)
}

fn status(write: &mut Write<'_>, request: &Value, bound: Value, lasts: i64) -> Result<Value, Failure> {
    let (now, meta) = (write.state.now, &request["metadata"]);
    let audiences = &request["spec"]["audiences"];
    let mut private = bound;
    private["namespace"] = meta["namespace"].clone();
    private["serviceaccount"] = json!({"name": meta["name"], "uid": meta["uid"]});
    let is_own = audiences.as_array().is_some_and(|all| all.iter().all(|one| one == ISSUER));
    let mut end = lasts;
    if private["pod"].is_object() && lasts == WARN_ONLY && is_own {
        private["warnafter"] = (now.as_second() + lasts).into();
        end = EXTENDED;
    }
    let account =
        format!("system:serviceaccount:{}:{}", meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default());
    let claims = json!({
        "aud": audiences, "exp": now.as_second() + end, "iat": now.as_second(), "iss": ISSUER, "jti": write.state.random.uid(),
        "kubernetes.io": private, "nbf": now.as_second(), "sub": account,
    });
    let token = write.state.signer.sign(&claims).map_err(|error| Failure::internal(format!("failed to generate token: {error}")))?;
    let expires = now.saturating_add(SignedDuration::from_secs(lasts)).unwrap_or(jiff::Timestamp::MAX);
    Ok(json!({"token": token, "expirationTimestamp": seconds(expires)}))
}

/// As the server has it: by kinds, where others go by resources.
fn conflict(group: &str, kind: &str, name: &str, why: &str) -> Failure {
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let mut details = json!({"name": name, "group": group, "kind": kind});
    super::trim(&mut details);
    let message = format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}");
    Failure { code: 409, reason: "Conflict", message, details: Some(details) }
}
