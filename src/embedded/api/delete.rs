//! DELETE: preconditions, propagation, grace, finalizers; of one and of many.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::answer::Reply;
use super::write::put;
use super::{Call, Failure, FieldError, Selector};
use crate::embedded::admit;
use crate::embedded::catalog::Resource;
use crate::embedded::clock::seconds;
use crate::embedded::crd;
use crate::embedded::rights::User;
use crate::embedded::store::{Change, Event, Place};
use crate::embedded::world::State;

const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What a delete says.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Who asks.
    user: User,
    dry: bool,
    propagation: Option<String>,
    grace: Option<i64>,
    uid: Option<String>,
    version: Option<String>,
}

impl Options {
    /// From the body and the query.
    pub fn of(call: &Call, user: &User) -> Result<Self, Failure> {
        let body: Value = if call.body.is_empty() {
            Value::Null
        } else {
            super::route::body_value(call).map_err(|message| Failure::bad_request(format!("couldn't get version/kind; {message}")))?
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut dry = call.dry_run()?;
        for value in body["dryRun"].as_array().into_iter().flatten() {
            if value != "All" {
                let error = FieldError::unsupported("dryRun", value, &["All"]);
                return Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
            }
            dry = true;
        }
        let propagation = text(&body["propagationPolicy"]).or_else(|| call.query("propagationPolicy").map(str::to_owned));
        let propagation = match (propagation, body["orphanDependents"].as_bool()) {
            (None, Some(orphan)) => Some(if orphan { "Orphan" } else { "Background" }.to_owned()),
            (propagation, _) => propagation,
        };
        if let Some(policy) = propagation.as_deref()
            && !matches!(policy, "Foreground" | "Background" | "Orphan")
        {
            let error = FieldError::unsupported("propagationPolicy", &policy.into(), &["Foreground", "Background", "Orphan", "nil"]);
            return Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
        }
        let grace = body["gracePeriodSeconds"].as_i64().or_else(|| call.query("gracePeriodSeconds")?.parse().ok());
        let conditions = &body["preconditions"];
        Ok(Self {
            user: user.clone(),
            dry,
            propagation,
            grace,
            uid: text(&conditions["uid"]),
            version: text(&conditions["resourceVersion"]),
        })
    }
}

/// Whether a delete doesn't say what becomes of dependents.
pub(super) fn says_nothing(call: &Call) -> bool {
    Options::of(call, &User::administrator()).is_ok_and(|options| options.propagation.is_none())
}

/// DELETE of one object.
pub(super) fn delete(state: &mut State, resource: &Arc<Resource>, place: &Place, options: &Options) -> Result<Reply, Failure> {
    let old = state.store.get(place).cloned().ok_or_else(|| Failure::not_found(resource, &place.name))?;
    admit::may_delete(resource, place)?;
    crd::of_kept(state, resource, &old)?;
    check(resource, place, &old, options)?;
    let mut told = Vec::new();
    admitted(state, resource, (&place.namespace, &place.name), &old, options, &mut told)?;
    let (object, gone) = begin(state, resource, place, &old, options)?;
    if gone && !answers_with_object(resource) {
        let mut details = resource.details(&place.name);
        details["uid"] = object["metadata"]["uid"].clone();
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        return Ok(Reply { warnings: told, ..Reply::json(status) });
    }
    Ok(Reply { warnings: told, ..Reply::json(crate::embedded::convert::out(resource, &object)) })
}

/// DELETE of all that a selector matches.
pub(super) fn delete_many(
    state: &mut State,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
    selector: &Selector,
    options: &Options,
) -> Result<Reply, Failure> {
    let version = state.store.version();
    let objects = state.store.at_version(&resource.storage, namespace, version).unwrap_or_default();
    objects.iter().try_for_each(|object| crd::of_kept(state, resource, object))?;
    let (mut items, mut told) = (Vec::new(), Vec::new());
    for object in objects.into_iter().filter(|object| selector.matches(object)) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let place = Place { resource: Arc::clone(&resource.storage), namespace: text("namespace"), name: text("name") };
        check(resource, &place, &object, options)?;
        admitted(state, resource, (&place.namespace, ""), &object, options, &mut told)?;
        begin(state, resource, &place, &object, options)?;
        // As it was when it was listed.
        let mut item = Value::clone(&object);
        if let Some(item) = item.as_object_mut().filter(|_| resource.custom.is_none()) {
            item.remove("apiVersion");
            item.remove("kind");
        }
        items.push(item);
    }
    let mut metadata = json!({"resourceVersion": state.store.version().to_string()});
    if resource.custom.is_some() {
        metadata["continue"] = "".into();
    }
    let kind = format!("{}List", resource.kind);
    let list = json!({"kind": kind, "apiVersion": resource.api_version(), "metadata": metadata, "items": items});
    Ok(Reply { warnings: told, ..Reply::json(list) })
}

/// Asks policies and webhooks about a delete. Of many at once, none is named.
fn admitted(
    state: &mut State,
    resource: &Arc<Resource>,
    (namespace, name): (&str, &str),
    old: &Value,
    options: &Options,
    told: &mut Vec<String>,
) -> Result<(), Failure> {
    if !admit::is_asked(state) {
        return Ok(());
    }
    let shown = crate::embedded::convert::out(resource, old);
    let asked = admit::Asked {
        resource,
        subresource: "",
        operation: "DELETE",
        namespace,
        name,
        object: None,
        old: Some(&shown),
        user: &options.user,
        dry: options.dry,
    };
    admit::mutate(state, &asked)?;
    admit::validate(state, &asked, told)
}

/// Kinds whose delete answers with the object even when it is gone.
fn answers_with_object(resource: &Resource) -> bool {
    matches!(
        (resource.group.as_str(), resource.kind.as_str()),
        (
            "",
            "Pod"
                | "ServiceAccount"
                | "Namespace"
                | "PersistentVolumeClaim"
                | "PersistentVolume"
                | "Service"
                | "ResourceQuota"
                | "PodTemplate"
        ) | ("policy", "PodSecurityPolicy")
            | ("storage.k8s.io", _)
    ) && resource.custom.is_none()
}

fn check(resource: &Resource, place: &Place, old: &Value, options: &Options) -> Result<(), Failure> {
    let text = |field: &str| old["metadata"][field].as_str().unwrap_or_default();
    // By its kind, where everything else names the resource.
    let refused = |why: String| {
        let mut named = resource.clone();
        named.plural.clone_from(&resource.kind);
        Err(Failure::conflict(&named, &place.name, &why))
    };
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != text("uid")) {
        return refused(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            text("uid")
        ));
    }
    if let Some(version) = options.version.as_deref().filter(|version| *version != text("resourceVersion")) {
        return refused(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
            text("resourceVersion")
        ));
    }
    Ok(())
}

/// Deletes, or begins to. The object's last form, and whether it is gone.
fn begin(
    state: &mut State,
    resource: &Arc<Resource>,
    place: &Place,
    old: &Arc<Value>,
    options: &Options,
) -> Result<(Arc<Value>, bool), Failure> {
    let mut object = Value::clone(old);
    let mut finalizers: Vec<Value> = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    // Whoever deletes a Job or a ReplicationController and says no more leaves its pods.
    let orphans = options.propagation.is_none() && (resource.is("batch", "Job") || resource.is("", "ReplicationController"));
    let already = old["metadata"]["deletionTimestamp"].is_string();
    let wanted = match options.propagation.as_deref() {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        Some(_) => Some(""),
        None if orphans => Some("orphan"),
        None => None,
    };
    if let Some(wanted) = wanted {
        finalizers.retain(|one| one != "foregroundDeletion" && one != "orphan");
        if !wanted.is_empty() {
            finalizers.push(wanted.into());
        }
    }
    // A definition's objects go before it.
    if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") && !finalizers.iter().any(|one| one == CLEANUP) {
        finalizers.push(CLEANUP.into());
    }
    let grace = grace(resource, old, options);
    let namespace_holds = resource.is("", "Namespace") && object["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if finalizers.is_empty() && grace == 0 && !namespace_holds {
        let last = resource.is("", "Pod").then(|| {
            let meta = &mut object["metadata"];
            meta["deletionTimestamp"] = seconds(state.now).into();
            meta["deletionGracePeriodSeconds"] = 0.into();
            if let Some(generation) = meta["generation"].as_i64() {
                meta["generation"] = (generation + 1).into();
            }
            object
        });
        if options.dry {
            return Ok((last.map_or_else(|| Arc::clone(old), Arc::new), true));
        }
        let last = remove_now(state, place, last)?.unwrap_or_else(|| Arc::clone(old));
        return Ok((last, true));
    }
    let meta = &mut object["metadata"];
    if finalizers.is_empty() {
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("finalizers");
        }
    } else {
        meta["finalizers"] = finalizers.into();
    }
    let shorter = old["metadata"]["deletionGracePeriodSeconds"].as_i64().is_some_and(|before| grace < before);
    if !already || shorter {
        let when = state.now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(state.now);
        if !already {
            meta["deletionTimestamp"] = seconds(when).into();
        }
        meta["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = meta["generation"].as_i64().filter(|_| !already) {
            meta["generation"] = (generation + 1).into();
        }
    }
    if resource.is("", "Namespace") {
        object["status"]["phase"] = "Terminating".into();
    }
    if object == **old {
        return Ok((Arc::clone(old), false));
    }
    if options.dry {
        return Ok((Arc::new(object), false));
    }
    Ok((put(state, place, object)?, false))
}

/// How long it is waited for: pods that run get time to end.
fn grace(resource: &Resource, old: &Value, options: &Options) -> i64 {
    if !resource.is("", "Pod") {
        return 0;
    }
    let mut grace = options.grace.or(old["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30).max(0);
    let phase = old["status"]["phase"].as_str().unwrap_or_default();
    // Nothing runs there, or no longer.
    if old["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() || matches!(phase, "Succeeded" | "Failed") {
        grace = 0;
    }
    grace
}

/// Takes an object out of the store, and tells the controllers. `last`: its last form, if that isn't what is in the store.
pub fn remove_now(state: &mut State, place: &Place, last: Option<Value>) -> Result<Option<Arc<Value>>, Failure> {
    let broken = |error: std::io::Error| Failure::internal(format!("the write can't be kept: {error}"));
    let before = state.store.get(place).cloned();
    let Some(object) = state.store.remove(place, last).map_err(broken)? else { return Ok(None) };
    let event =
        Event { version: state.store.version(), change: Change::Deleted, place: place.clone(), object: Arc::clone(&object), before };
    crate::embedded::control::noticed(state, &event);
    admit::gone(state, place, &object);
    Ok(Some(object))
}
