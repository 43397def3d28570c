//! Questions about rights: whoever asks here is the administrator, and may do everything.

use serde_json::{Value, json};

use super::answer::Reply;
use super::{Call, Failure};
use crate::embedded::rights::{self, User};
use crate::embedded::world::State;

/// A review, if the path is one. `body`: what is asked.
pub(super) fn review(
    state: &State,
    call: &Call,
    user: &User,
    group: &str,
    plural: &str,
    namespace: Option<&str>,
) -> Option<Result<Reply, Failure>> {
    let answer = match (group, plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access(state, call, Some(user.clone()), None),
        ("authorization.k8s.io", "subjectaccessreviews") => access(state, call, None, None),
        ("authorization.k8s.io", "localsubjectaccessreviews") => access(state, call, None, namespace),
        ("authorization.k8s.io", "selfsubjectrulesreviews") => rules(state, call, user),
        ("authentication.k8s.io", "selfsubjectreviews") => body(call).map(|mut review| {
            review["status"] = json!({"userInfo": {"username": user.name, "groups": user.groups}});
            review
        }),
        ("authentication.k8s.io", "tokenreviews") => body(call).map(|mut review| {
            review["status"] = json!({"user": {}, "error": "tokens are no use here"});
            review
        }),
        _ => return None,
    };
    Some(answer.map(|review| Reply::json(review).code(201)))
}

fn body(call: &Call) -> Result<Value, Failure> {
    super::route::body_value(call).map_err(Failure::bad_request)
}

fn access(state: &State, call: &Call, user: Option<User>, namespace: Option<&str>) -> Result<Value, Failure> {
    let mut review = body(call)?;
    let spec = review["spec"].clone();
    let user = user.unwrap_or_else(|| User {
        name: spec["user"].as_str().unwrap_or_default().to_owned(),
        groups: spec["groups"].as_array().into_iter().flatten().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let allowed = if spec["nonResourceAttributes"].is_object() {
        let asked = &spec["nonResourceAttributes"];
        rights::may_path(state, &user, &text(&asked["verb"]), &text(&asked["path"]))
    } else {
        let asked = &spec["resourceAttributes"];
        let within = namespace.map_or_else(|| text(&asked["namespace"]), str::to_owned);
        let resource = match text(&asked["subresource"]) {
            sub if sub.is_empty() => text(&asked["resource"]),
            sub => format!("{}/{sub}", text(&asked["resource"])),
        };
        let request = rights::Request {
            verb: &text(&asked["verb"]),
            group: &text(&asked["group"]),
            resource: &resource,
            namespace: &within,
            name: &text(&asked["name"]),
        };
        rights::may(state, &user, &request)
    };
    review["status"] = match allowed {
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    };
    Ok(review)
}

fn rules(state: &State, call: &Call, user: &User) -> Result<Value, Failure> {
    let mut review = body(call)?;
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default().to_owned();
    if namespace.is_empty() {
        return Err(Failure::bad_request("no namespace on request"));
    }
    let (resources, paths) = rights::rules(state, user, &namespace);
    review["status"] = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    Ok(review)
}
