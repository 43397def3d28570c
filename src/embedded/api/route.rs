//! From a request to what answers it.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use super::answer::{Body, Reply};
use super::write::Patch;
use super::{Call, Failure, FieldError, Part, Target, Validation, Write, delete, discovery, list, reviews, scale, table, tokens, watch};
use crate::embedded::catalog::Resource;
use crate::embedded::convert;
use crate::embedded::faults::{Mishap, Stage};
use crate::embedded::rights::{self, User};
use crate::embedded::rules;
use crate::embedded::tokens::authenticate;
use crate::embedded::typed;
use crate::embedded::world::{State, World};

const WRITTEN: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml, application/apply-patch+cbor";

const CUSTOM_PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// Answers a request.
///
/// # Errors
/// The connection is to break off: a fault that was asked for.
pub async fn handle(world: &Arc<World>, request: Request<Bytes>) -> Result<Response<Body>, std::io::Error> {
    let call = Call::of(request);
    let mishaps = world.faults.lock().unwrap_or_else(PoisonError::into_inner).strike(&call);
    let broken = || Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer"));
    for mishap in &mishaps {
        match mishap {
            Mishap::Latency(time) => tokio::time::sleep(*time).await,
            Mishap::Reset => return broken(),
            Mishap::Refuse(failure) => return Ok(Reply::from(failure.clone()).into_response()),
            Mishap::LostAnswer => {}
        }
    }
    let mut reply = answer(world, &call).unwrap_or_else(Reply::from);
    if reply.code != 405
        && !(call.method == Method::PATCH && reply.code == 415)
        && let Some(note) = notes(&call)
    {
        reply.warnings.insert(0, note);
    }
    if mishaps.iter().any(|mishap| mishap.stage() == Stage::After) {
        return broken();
    }
    Ok(reply.into_response())
}

fn answer(world: &Arc<World>, call: &Call) -> Result<Reply, Failure> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let own = identity(&world.lock(), call)?;
    match path.as_slice() {
        ["version"] => return Ok(Reply::json(discovery::server_version())),
        ["readyz" | "livez" | "healthz", ..] => return Ok(Reply::text("ok")),
        ["api"] => return Ok(discovery::root(&world.lock(), call, true)),
        ["apis"] => return Ok(discovery::root(&world.lock(), call, false)),
        ["openid", "v1", "jwks"] => return Ok(Reply::json(world.lock().signer.keys())),
        [".well-known", "openid-configuration"] => return Ok(Reply::json(discovery::issuer(call))),
        ["openapi", "v3", rest @ ..] => return discovery::openapi(&world.lock(), rest),
        ["api", version] => return discovery::version(&world.lock(), "", version),
        ["apis", group] => return discovery::group(&world.lock(), group),
        ["apis", group, version] => return discovery::version(&world.lock(), group, version),
        [] => {
            return Ok(Reply::json(
                serde_json::json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}),
            ));
        }
        _ => {}
    }
    let Some(target) = call.target() else {
        // Not a Status: what isn't under /api or /apis answers as any web server does.
        return Ok(Reply::text("404 page not found\n").code(404));
    };
    let mut state = world.lock();
    let user = impersonated(&state, own, call, &target)?;
    let Some(resource) = state.catalog.find(&target.group, &target.version, &target.plural).cloned() else {
        if !state.catalog.serves(&target.group, &target.version) {
            return Ok(Reply::text("404 page not found\n").code(404));
        }
        return Err(Failure::no_such_path());
    };
    // A namespaced resource's object has a namespace in its path, and no other has.
    let misplaced = match (&target.namespace, resource.namespaced) {
        (Some(_), false) => true,
        (None, true) => target.name.is_some(),
        _ => false,
    };
    if misplaced {
        return Err(Failure::no_such_path());
    }
    allow(&state, &user, call, &resource, &target)?;
    if target.subresource.is_none() && call.method == Method::GET {
        return read(world, state, &resource, &target, call);
    }
    let reply = written(&mut state, &resource, &target, call, user);
    drop(state);
    reply
}

fn read(
    world: &Arc<World>,
    state: std::sync::MutexGuard<'_, State>,
    resource: &Arc<Resource>,
    target: &Target,
    call: &Call,
) -> Result<Reply, Failure> {
    if !resource.verbs.iter().any(|verb| verb == "get" || verb == "list") {
        return Err(Failure::method_not_allowed());
    }
    if call.says("watch") {
        return watch::watch(world, &state, resource, target, call);
    }
    if target.name.is_some() {
        return list::get(&state, resource, target, call);
    }
    let (page, resource) = list::list(&state, resource, target, call)?;
    let columns = table::Columns::of(&state, &resource);
    drop(state);
    Ok(list::answer(&page, &resource, call, &columns))
}

fn written(state: &mut State, resource: &Arc<Resource>, target: &Target, call: &Call, user: User) -> Result<Reply, Failure> {
    let part = match target.subresource.as_deref() {
        None => Part::Main,
        Some("status") if resource.has_status() => Part::Status,
        Some("scale") if scale::is_scaled(resource) => Part::Scale,
        Some("finalize") if resource.is("", "Namespace") => Part::Finalize,
        Some("approval") if rules::is_request(resource) => Part::Approval,
        Some("token") if resource.is("", "ServiceAccount") => Part::Token,
        Some(other) => return special(state, resource, target, call, &user, other),
    };
    let verb = match call.method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if target.name.is_some() => "delete",
        Method::DELETE => "deletecollection",
        _ => "get",
    };
    if resource.custom.is_some() && call.method == Method::PATCH && target.name.is_none() {
        return Err(Failure::bad_request("name must be provided"));
    }
    if reviews::is_review(resource) && target.name.is_some() {
        return Err(Failure::no_such_path());
    }
    let verbs = target.subresource.as_deref().and_then(|sub| resource.subresource(sub)).map_or(&resource.verbs, |sub| &sub.verbs);
    if !verbs.iter().any(|known| known == verb) {
        return Err(Failure::method_not_allowed());
    }
    // A POST has no name in its path, a PUT and a PATCH have one; custom resources don't mind a POST's.
    let named_post = (resource.custom.is_some() || part == Part::Token) && call.method == Method::POST;
    if !named_post && (call.method == Method::POST) == target.name.is_some() && call.method != Method::DELETE && call.method != Method::GET
    {
        return Err(Failure::method_not_allowed());
    }
    let namespace = target.namespace.as_deref();
    if call.method == Method::DELETE {
        let options = delete::Options::of(call, &user)?;
        let Some(name) = &target.name else {
            let selector = list::selector(resource, target, call)?;
            return delete::delete_many(state, resource, namespace, &selector, &options);
        };
        let place = crate::embedded::store::Place {
            resource: Arc::clone(&resource.storage),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: name.clone(),
        };
        return delete::delete(state, resource, &place, &options);
    }
    // A body that isn't read here is said first.
    if call.method == Method::PATCH {
        patch_of(call, resource)?;
    }
    let manager = call.manager();
    check_manager(call)?;
    let spoken = if part == Part::Token { Arc::new(tokens::requested(resource)) } else { Arc::clone(resource) };
    let mut write = Write {
        resource: spoken,
        part,
        manager,
        user,
        dry: call.dry_run()?,
        validation: Validation::of(call)?,
        warnings: Vec::new(),
        internal: false,
        admitted: false,
        state,
    };
    let answered = if write.part == Part::Token {
        let name = target.name.as_deref().unwrap_or_default();
        Some(tokens::create(&mut write, call, resource, namespace.unwrap_or_default(), name))
    } else {
        reviews::is_review(resource).then(|| reviews::answer(&mut write, call, namespace))
    };
    if let Some(answered) = answered {
        return Ok(Reply { warnings: std::mem::take(&mut write.warnings), ..answered.unwrap_or_else(Reply::from) });
    }
    let place = write.place(namespace, target.name.as_deref().unwrap_or_default());
    let form = table::wanted(call);
    let outcome = match (call.method.as_str(), &write.part) {
        ("GET", Part::Scale) => return scale::get(&write, &place),
        ("GET", _) => return list::get(write.state, resource, target, call),
        ("POST", _) => {
            let (body, doubled) = body(call, resource)?;
            write.create(namespace, body, &doubled).map(|object| (object, true))
        }
        ("PUT", Part::Scale) => {
            let (body, _) = body(call, resource)?;
            return scale::replace(&mut write, &place, &body);
        }
        ("PUT", _) => {
            let (body, doubled) = body(call, resource)?;
            write.replace(&place, body, &doubled)
        }
        (_, Part::Scale) => {
            let patch = patch_of(call, resource)?;
            return scale::patch(&mut write, &place, &patch);
        }
        _ => {
            let patch = patch_of(call, resource)?;
            write.patch(&place, patch)
        }
    };
    let warnings = std::mem::take(&mut write.warnings);
    let (object, created) = match outcome {
        Ok(written) => written,
        // What was to be told is told with a refusal, too.
        Err(failure) => return Ok(Reply { warnings, ..Reply::from(failure) }),
    };
    let object = convert::out(resource, &object);
    let content = match form {
        Some(form) => form.single(write.state, resource, &object, call),
        None => object,
    };
    let code = if created { 201 } else { 200 };
    Ok(Reply { warnings, ..Reply::json(content).code(code) })
}

/// What is said of a request, whatever becomes of it.
fn notes(call: &Call) -> Option<String> {
    let target = call.target()?;
    match (target.group.as_str(), target.plural.as_str()) {
        ("", "endpoints") if target.subresource.is_none() => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()),
        ("batch", "jobs") if call.method == Method::DELETE && delete::says_nothing(call) => Some(
            "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What isn't reading and writing of objects.
fn special(state: &mut State, resource: &Arc<Resource>, target: &Target, call: &Call, user: &User, sub: &str) -> Result<Reply, Failure> {
    let name = target.name.as_deref().unwrap_or_default();
    let place = crate::embedded::store::Place {
        resource: Arc::clone(&resource.storage),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: name.to_owned(),
    };
    if resource.subresource(sub).is_none() {
        return Err(if resource.custom.is_some() { Failure::not_found(resource, name) } else { Failure::no_such_path() });
    }
    if state.store.get(&place).is_none() {
        return Err(Failure::not_found(resource, name));
    }
    match (resource.kind.as_str(), sub) {
        ("Pod", "eviction") if call.method == Method::POST => {
            crate::embedded::control::may_evict(state, &place)?;
            let options = delete::Options::of(call, user)?;
            delete::delete(state, resource, &place, &options)?;
            Ok(Reply::json(serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
                .code(201))
        }
        ("Pod", _) => Err(Failure::bad_request(format!("nothing runs in the pods of the embedded cluster: {name} has no {sub}"))),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// Managers' names are short, and printable.
fn check_manager(call: &Call) -> Result<(), Failure> {
    let Some(manager) = call.query("fieldManager") else { return Ok(()) };
    let kind = call.options();
    let mut errors = Vec::new();
    if manager.len() > 128 {
        errors.push(FieldError {
            reason: "FieldValueTooLong",
            field: "fieldManager".to_owned(),
            message: "Too long: may not be more than 128 bytes".to_owned(),
        });
    }
    if let Some(bad) = manager.chars().find(|c| c.is_control()) {
        let detail = format!("should only contain printable characters (found {bad:?})");
        errors.push(FieldError::invalid("fieldManager", &Value::from(manager), &detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::invalid("meta.k8s.io", kind, "", &errors)) }
}

/// A body as JSON, from JSON or YAML.
pub(super) fn body_value(call: &Call) -> Result<Value, String> {
    if call.body.starts_with(b"k8s\0") {
        return super::protobuf::review(&call.body).ok_or_else(|| "protobuf is read for reviews alone".to_owned());
    }
    if call.content_type().contains("yaml") {
        return serde_saphyr::from_slice(&call.body).map_err(|error| format!("error converting YAML to JSON: {error}"));
    }
    serde_json::from_slice(&call.body).map_err(|error| error.to_string())
}

/// A body, with the paths of fields that are in it twice.
pub(super) fn body(call: &Call, resource: &Resource) -> Result<(Value, Vec<String>), Failure> {
    let unrecognized = |message: String| {
        let text = String::from_utf8_lossy(&call.body);
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {message} ({})",
            resource.kind,
            text.chars().take(80).collect::<String>()
        ))
    };
    match call.content_type() {
        "application/json" | "" | "*/*" => typed::parse(&call.body).map_err(unrecognized),
        "application/vnd.kubernetes.protobuf" if reviews::is_review(resource) => {
            body_value(call).map(|value| (value, Vec::new())).map_err(Failure::bad_request)
        }
        "application/yaml" => body_value(call).map(|value| (value, Vec::new())).map_err(unrecognized),
        _ => Err(Failure::unsupported_media_type(WRITTEN)),
    }
}

fn patch_of(call: &Call, resource: &Resource) -> Result<Patch, Failure> {
    let kind = call.content_type();
    let force = call.query("force");
    if kind != "application/apply-patch+yaml" && force.is_some() {
        let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
        return Err(Failure::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let json =
        || serde_json::from_slice::<Value>(&call.body).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")));
    match kind {
        "application/json-patch+json" => Ok(Patch::Json(json()?)),
        "application/merge-patch+json" => {
            let patch = json()?;
            if !patch.is_object() {
                return Err(Failure::bad_request(
                    "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}",
                ));
            }
            Ok(Patch::Merge(patch))
        }
        "application/strategic-merge-patch+json" if resource.custom.is_none() => Ok(Patch::Strategic(json()?)),
        "application/apply-patch+yaml" => {
            if call.query("fieldManager").is_none() {
                let error = FieldError::required("fieldManager", "is required for apply patch");
                return Err(Failure::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
            }
            let config: Value =
                serde_saphyr::from_slice(&call.body).map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
            Ok(Patch::Apply { config, force: call.says("force") })
        }
        _ => {
            if resource.custom.is_some() {
                return Err(Failure::unsupported_media_type(CUSTOM_PATCHES));
            }
            let known = PATCHES;
            let message = "415: Unsupported Media Type".to_owned();
            Err(Failure { message, details: Some(serde_json::json!({})), ..Failure::unsupported_media_type(known) })
        }
    }
}

/// Whoever asks: the one whose token it is, or the administrator.
fn identity(state: &State, call: &Call) -> Result<User, Failure> {
    let Some(said) = call.headers.get(http::header::AUTHORIZATION) else { return Ok(User::administrator()) };
    let token = said.to_str().ok().and_then(|said| said.strip_prefix("Bearer ")).ok_or_else(Failure::unauthorized)?;
    authenticate(state, token.trim(), &[]).map(|bearer| bearer.user).map_err(|_| Failure::unauthorized())
}

/// Whom they stand in for, if they do and may.
fn impersonated(state: &State, own: User, call: &Call, target: &Target) -> Result<User, Failure> {
    let header = |name: &'static str| call.header(http::HeaderName::from_static(name)).to_owned();
    let name = header("impersonate-user");
    if name.is_empty() {
        return Ok(own);
    }
    let mut groups: Vec<String> =
        call.headers.get_all("impersonate-group").iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
    let account = name.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    let users = match account {
        Some((namespace, name)) => ("serviceaccounts", namespace, name),
        None => ("users", "", name.as_str()),
    };
    for (resource, namespace, name) in std::iter::once(users).chain(groups.iter().map(|group| ("groups", "", group.as_str()))) {
        let request = rights::Request { verb: "impersonate", group: "", resource, namespace, name };
        if rights::may(state, &own, &request).is_none() {
            let mode = if account.is_some() { "serviceaccount" } else { "user-info" };
            return Err(may_not(state, &own, call, target, &format!("impersonate-on:{mode}:")));
        }
    }
    if let (Some((namespace, _)), true) = (account, groups.is_empty()) {
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    groups.push("system:authenticated".to_owned());
    Ok(User { name, groups, uid: header("impersonate-uid"), ..User::default() })
}

/// What whoever may not do something is told. `as_whom`: what stands before the verb.
fn may_not(state: &State, user: &User, call: &Call, target: &Target, as_whom: &str) -> Failure {
    let Some(resource) = state.catalog.find(&target.group, &target.version, &target.plural) else { return Failure::no_such_path() };
    let asked = Wanted::of(call, resource, target);
    asked.refusal(user, resource, as_whom)
}

/// What is to be done to what, in the words of rights.
struct Wanted<'t> {
    verb: &'static str,
    resource: String,
    namespace: &'t str,
    name: &'t str,
}

impl<'t> Wanted<'t> {
    fn of(call: &Call, resource: &Resource, target: &'t Target) -> Self {
        let named = target.name.is_some();
        let verb = match call.method {
            Method::GET if call.says("watch") => "watch",
            Method::GET if named => "get",
            Method::GET => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            _ => "deletecollection",
        };
        let namespace = match (&target.namespace, resource.is("", "Namespace")) {
            (Some(namespace), _) => namespace.as_str(),
            (None, true) => target.name.as_deref().unwrap_or_default(),
            (None, false) => "",
        };
        let resource = match &target.subresource {
            Some(sub) => format!("{}/{sub}", resource.plural),
            None => resource.plural.clone(),
        };
        Self { verb, resource, namespace, name: target.name.as_deref().unwrap_or_default() }
    }

    fn refusal(&self, user: &User, resource: &Resource, as_whom: &str) -> Failure {
        let place =
            if self.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace \"{}\"", self.namespace) };
        let why = format!(
            "User \"{}\" cannot {as_whom}{} resource \"{}\" in API group \"{}\" {place}",
            user.name, self.verb, self.resource, resource.group
        );
        Failure::forbidden(resource, self.name, &why)
    }
}

fn allow(state: &State, user: &User, call: &Call, resource: &Resource, target: &Target) -> Result<(), Failure> {
    let wanted = Wanted::of(call, resource, target);
    let request = rights::Request {
        verb: wanted.verb,
        group: &resource.group,
        resource: &wanted.resource,
        namespace: wanted.namespace,
        name: wanted.name,
    };
    if rights::may(state, user, &request).is_some() { Ok(()) } else { Err(wanted.refusal(user, resource, "")) }
}
