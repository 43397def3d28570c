//! Questions about rights and about who somebody is: an object that is answered, and kept nowhere.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Reply;
use super::write::Write;
use super::{Call, Failure, FieldError};
use crate::embedded::catalog::Resource;
use crate::embedded::rights::{self, User};
use crate::embedded::tokens::{self, Rejected};
use crate::embedded::world::State;

/// The answer to a review.
pub(super) fn answer(write: &mut Write<'_>, call: &Call, namespace: Option<&str>) -> Result<Reply, Failure> {
    let resource = Arc::clone(&write.resource);
    let (body, doubled) = super::route::body(call, &resource)?;
    let mut review = write.received(namespace, body, &doubled, |_| ())?;
    match resource.kind.as_str() {
        "SelfSubjectReview" => {
            review["metadata"]["creationTimestamp"] = crate::embedded::clock::seconds(write.state.now).into();
            review["status"] = json!({"userInfo": write.user.shown()});
        }
        "TokenReview" => token(write.state, &mut review)?,
        "SelfSubjectRulesReview" => rules(write.state, &mut review, &write.user)?,
        kind => {
            check(&resource, &review, kind)?;
            let user = if kind == "SelfSubjectAccessReview" { write.user.clone() } else { asked_about(&review["spec"]) };
            review["status"] = access(write.state, &review["spec"], &user);
        }
    }
    Ok(Reply::json(review).code(201))
}

/// Whether something of these is a review: it can be made, and nothing else.
pub(super) fn is_review(resource: &Resource) -> bool {
    matches!(resource.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
        && resource.kind.ends_with("Review")
        && resource.custom.is_none()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn asked_about(spec: &Value) -> User {
    User { name: text(&spec["user"]).to_owned(), uid: text(&spec["uid"]).to_owned(), groups: strings(&spec["groups"]), ..User::default() }
}

fn check(resource: &Resource, review: &Value, kind: &str) -> Result<(), Failure> {
    let spec = &review["spec"];
    let (of_resource, of_path) = (spec["resourceAttributes"].is_object(), spec["nonResourceAttributes"].is_object());
    // As the server's own type has it.
    let path = json!({"Path": text(&spec["nonResourceAttributes"]["path"]), "Verb": text(&spec["nonResourceAttributes"]["verb"])});
    let mut errors = Vec::new();
    if of_resource && of_path {
        errors.push(FieldError::invalid("spec.nonResourceAttributes", &path, "cannot be specified in combination with resourceAttributes"));
    }
    if !of_resource && !of_path {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(FieldError::invalid("spec.resourceAttributes", &Value::Null, detail));
    }
    if kind != "SelfSubjectAccessReview" && text(&spec["user"]).is_empty() && strings(&spec["groups"]).is_empty() {
        errors.push(FieldError::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    let is_local = kind == "LocalSubjectAccessReview";
    let said = review["metadata"].as_object().into_iter().flatten();
    if said.into_iter().any(|(field, _)| field != "managedFields" && !(is_local && field == "namespace")) {
        let detail = if is_local { "must be empty except for namespace" } else { "must be empty" };
        errors.push(FieldError::invalid("metadata", &review["metadata"], detail));
    }
    if is_local {
        let (asked, own) = (text(&spec["resourceAttributes"]["namespace"]), text(&review["metadata"]["namespace"]));
        if of_resource && asked != own {
            errors.push(FieldError::invalid("spec.resourceAttributes.namespace", &asked.into(), "must match metadata.namespace"));
        }
        if of_path {
            errors.push(FieldError::invalid("spec.nonResourceAttributes", &path, "disallowed on this kind of request"));
        }
    }
    // The server names no kind here.
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid(&resource.group, "", "", &errors)) }
}

fn access(state: &State, spec: &Value, user: &User) -> Value {
    let allowed = if spec["nonResourceAttributes"].is_object() {
        let asked = &spec["nonResourceAttributes"];
        rights::may_path(state, user, text(&asked["verb"]), text(&asked["path"]))
    } else {
        let asked = &spec["resourceAttributes"];
        let resource = match text(&asked["subresource"]) {
            "" => text(&asked["resource"]).to_owned(),
            sub => format!("{}/{sub}", text(&asked["resource"])),
        };
        let request = rights::Request {
            verb: text(&asked["verb"]),
            group: text(&asked["group"]),
            resource: &resource,
            namespace: text(&asked["namespace"]),
            name: text(&asked["name"]),
        };
        rights::may(state, user, &request)
    };
    match allowed {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    }
}

fn rules(state: &State, review: &mut Value, user: &User) -> Result<(), Failure> {
    let namespace = text(&review["spec"]["namespace"]).to_owned();
    if namespace.is_empty() {
        return Err(Failure::bad_request("no namespace on request"));
    }
    let (resources, paths) = rights::rules(state, user, &namespace);
    review["status"] = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    // What was asked isn't told, nor who did.
    review["spec"] = json!({});
    if let Some(meta) = review["metadata"].as_object_mut() {
        meta.clear();
    }
    Ok(())
}

fn token(state: &State, review: &mut Value) -> Result<(), Failure> {
    let token = text(&review["spec"]["token"]).to_owned();
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    review["status"] = match tokens::authenticate(state, &token, &strings(&review["spec"]["audiences"])) {
        Ok(bearer) => json!({"authenticated": true, "user": bearer.user.shown(), "audiences": bearer.audiences}),
        Err(Rejected::Foreign) => json!({"user": {}, "error": "invalid bearer token"}),
        Err(Rejected::Bad(why)) => json!({"user": {}, "error": format!("[invalid bearer token, {why}]")}),
    };
    Ok(())
}
