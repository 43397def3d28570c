//! GET: one object, or many, page by page, at a version.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};

use super::answer::Reply;
use super::{Call, Failure, Selector, Target, table};
use crate::embedded::catalog::Resource;
use crate::embedded::convert;
use crate::embedded::crd;
use crate::embedded::world::State;

/// Objects of a list at one moment.
pub(super) struct Page {
    pub objects: Vec<Arc<Value>>,
    pub version: u64,
    token: Option<String>,
    remaining: Option<usize>,
}

/// GET of one object.
pub(super) fn get(state: &State, resource: &Arc<Resource>, target: &Target, call: &Call) -> Result<Reply, Failure> {
    let name = target.name.as_deref().unwrap_or_default();
    if let Some(asked) = call.query("resourceVersion") {
        let asked = version(asked)?;
        not_ahead(asked, state.store.version())?;
    }
    let found = state.store.find(&resource.storage, target.namespace.as_deref().unwrap_or_default(), name);
    let object = found.ok_or_else(|| Failure::not_found(resource, name))?;
    crd::of_kept(state, resource, object)?;
    let object = convert::out(resource, object);
    match table::wanted(call) {
        Some(form) => Ok(Reply::json(form.single(state, resource, &object, call))),
        None => Ok(Reply::json(object)),
    }
}

/// GET of many objects.
pub(super) fn list(state: &State, resource: &Arc<Resource>, target: &Target, call: &Call) -> Result<(Page, Arc<Resource>), Failure> {
    let selector = selector(resource, target, call)?;
    let limit = match call.query("limit") {
        Some(text) => {
            text.parse::<usize>().map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))?
        }
        None => 0,
    };
    let asked = call.query("resourceVersion").map(version).transpose()?.unwrap_or(0);
    let exact = check_match(call)?;
    let now = state.store.version();
    not_ahead(asked, now)?;
    let (at, after) = match call.query("continue") {
        Some(token) => {
            if asked != 0 {
                return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
            }
            read_token(token)?
        }
        None if exact && asked != 0 => (asked, None),
        None if limit > 0 && asked != 0 && call.query("resourceVersionMatch").is_none() => (asked, None),
        None => (now, None),
    };
    // A token that lost its moment goes on with what there is now.
    let (at, after) = if at == u64::MAX { (now, after) } else { (at, after) };
    let Some(mut objects) = state.store.at_version(&resource.storage, target.namespace.as_deref(), at) else {
        return Err(too_old(resource, at, after.as_ref()));
    };
    if let Some((namespace, name)) = &after {
        objects.retain(|object| key(object) > (namespace.as_str(), name.as_str()));
    }
    objects.iter().try_for_each(|object| crd::of_kept(state, resource, object))?;
    if !selector.is_empty() {
        objects.retain(|object| selector.matches(object));
    }
    let (mut token, mut remaining) = (None, None);
    if limit > 0 && objects.len() > limit {
        let rest = objects.len() - limit;
        objects.truncate(limit);
        token = objects.last().map(|last| write_token(at, key(last)));
        remaining = selector.is_empty().then_some(rest);
    }
    Ok((Page { objects, version: at, token, remaining }, Arc::clone(resource)))
}

/// The answer that a page is; not under the lock, for it may be long.
pub(super) fn answer(page: &Page, resource: &Resource, call: &Call, columns: &table::Columns) -> Reply {
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if resource.custom.is_some() {
        // Lists of custom resources always say it.
        metadata["continue"] = "".into();
    }
    if let Some(token) = &page.token {
        metadata["continue"] = token.as_str().into();
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    if let Some(form) = table::wanted(call) {
        return Reply::json(form.many(columns, resource, &page.objects, metadata, call));
    }
    // Written piece by piece: a copy of all objects as one value would be as large again.
    let head = json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(), "metadata": metadata}).to_string();
    let mut bytes = head.into_bytes();
    bytes.pop();
    bytes.extend_from_slice(b",\"items\":[");
    for (index, object) in page.objects.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        // Items of built-in lists don't say what they are.
        let written = if resource.custom.is_some() {
            serde_json::to_writer(&mut bytes, &convert::out(resource, object))
        } else if convert::is_kept_so(resource) {
            serde_json::to_writer(&mut bytes, &Untyped(object))
        } else {
            serde_json::to_writer(&mut bytes, &Untyped(&convert::out(resource, object)))
        };
        // Writing JSON into memory can't fail.
        drop(written);
    }
    bytes.extend_from_slice(b"]}");
    Reply::bytes(bytes, "application/json")
}

/// An object without `kind` and `apiVersion`.
struct Untyped<'v>(&'v Value);

impl serde::Serialize for Untyped<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.as_object().into_iter().flatten().filter(|(key, _)| *key != "kind" && *key != "apiVersion");
        serializer.collect_map(fields)
    }
}

/// The selectors of a request; the name in its path is one.
pub(super) fn selector(resource: &Resource, target: &Target, call: &Call) -> Result<Selector, Failure> {
    let fields = match (&target.name, call.query("fieldSelector")) {
        (Some(name), _) => Some(format!("metadata.name={name}")),
        (None, fields) => fields.map(str::to_owned),
    };
    Selector::read(call.query("labelSelector"), fields.as_deref(), resource)
}

/// A resourceVersion's number.
pub(super) fn version(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| {
        Failure::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })
}

/// Refuses a version that is yet to come.
pub(super) fn not_ahead(asked: u64, now: u64) -> Result<(), Failure> {
    if asked <= now {
        return Ok(());
    }
    let message = format!("Too large resource version: {asked}, current: {now}");
    let details =
        json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
    Err(Failure { code: 504, reason: "Timeout", message: format!("Timeout: {message}"), details: Some(details) })
}

/// Whether exactly the version that is asked for is wanted.
fn check_match(call: &Call) -> Result<bool, Failure> {
    let Some(kind) = call.query("resourceVersionMatch") else { return Ok(false) };
    let forbidden = |detail: &str| {
        let error = super::FieldError::forbidden("resourceVersionMatch", detail);
        Err(Failure::invalid("meta.k8s.io", "ListOptions", "", &[error]))
    };
    if call.query("resourceVersion").is_none() {
        return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if call.query("continue").is_some() {
        return forbidden("resourceVersionMatch is forbidden when continue is provided");
    }
    match kind {
        "Exact" if call.query("resourceVersion") == Some("0") => {
            forbidden("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
        }
        "Exact" => Ok(true),
        "NotOlderThan" => Ok(false),
        other => {
            let error = super::FieldError::unsupported("resourceVersionMatch", &Value::from(other), &["Exact", "NotOlderThan", ""]);
            Err(Failure::invalid("meta.k8s.io", "ListOptions", "", &[error]))
        }
    }
}

fn too_old(resource: &Resource, at: u64, after: Option<&(String, String)>) -> Failure {
    match after {
        None => Failure::expired(format!("The resourceVersion for the provided list is too old: {at} of {}", resource.plural)),
        Some((namespace, name)) => {
            let mut failure = Failure::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
            );
            failure.details = Some(json!({}));
            failure.details = Some(json!({"continue": write_token(u64::MAX, (namespace, name))}));
            failure
        }
    }
}

fn write_token(at: u64, last: (&str, &str)) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": if at == u64::MAX { -1 } else { i64::try_from(at).unwrap_or(i64::MAX) }, "start": format!("{}/{}", last.0, last.1)});
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token.to_string())
}

type After = Option<(String, String)>;

fn read_token(token: &str) -> Result<(u64, After), Failure> {
    let bad = || Failure::bad_request("invalid continue token: continue key is not valid: illegal base64 data at input byte 0");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|_| bad())?;
    let token: Value = serde_json::from_slice(&bytes).map_err(|_| {
        let first = bytes.first().map_or(' ', |byte| char::from(*byte));
        Failure::bad_request(format!(
            "invalid continue token: continue key is not valid: invalid character '{first}' looking for beginning of value"
        ))
    })?;
    let at = match token["rv"].as_i64() {
        Some(-1) => u64::MAX,
        Some(at) => u64::try_from(at).map_err(|_| bad())?,
        None => return Err(bad()),
    };
    let (namespace, name) = token["start"].as_str().and_then(|start| start.split_once('/')).ok_or_else(bad)?;
    Ok((at, Some((namespace.to_owned(), name.to_owned()))))
}

fn key(object: &Value) -> (&str, &str) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    (text("namespace"), text("name"))
}
