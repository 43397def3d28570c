//! What is to be done, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{budget, claim, collector, cron, daemon, deployment, endpoints, job, kubelet, namespace, quota, replicas, scaler, stateful};
use crate::embedded::crd;
use crate::embedded::store::{Change, Event, Place};
use crate::embedded::world::State;

/// Who looks at an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Eye {
    /// Namespaces come to life, and end.
    Namespace,
    /// Definitions are established.
    Definition,
    /// Deployments make ReplicaSets.
    Deployment,
    /// ReplicaSets make pods.
    ReplicaSet,
    /// StatefulSets make pods, one after the other.
    StatefulSet,
    /// DaemonSets make a pod for each node.
    DaemonSet,
    /// Jobs make pods that end.
    Job,
    /// CronJobs make Jobs.
    CronJob,
    /// Pods are placed and run.
    Kubelet,
    /// Services find their pods.
    Endpoints,
    /// Budgets count pods.
    Budget,
    /// Autoscalers keep their bounds.
    Scaler,
    /// Claims get volumes.
    Claim,
    /// Quotas count what is there.
    Quota,
    /// What nobody owns any more goes.
    Collector,
}

type Key = (Eye, String, String);

/// What is to be done.
#[derive(Debug, Default)]
pub struct Work {
    due: BTreeSet<(Timestamp, Key)>,
    when: BTreeMap<Key, Timestamp>,
    /// Who is owned by whom: the owner's uid, and the places of what it owns.
    owned: BTreeMap<String, BTreeSet<Place>>,
}

impl Work {
    /// Has somebody look at an object, at once or later.
    pub fn add(&mut self, eye: Eye, namespace: &str, name: &str, at: Timestamp) {
        let key = (eye, namespace.to_owned(), name.to_owned());
        match self.when.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.due.remove(&(*later, key.clone()));
            }
            None => {}
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key));
    }

    /// When the next thing is to be done.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    fn take(&mut self, now: Timestamp) -> Option<Key> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        self.when.remove(&key);
        Some(key)
    }

    /// The places of what an object owns.
    pub fn owned(&self, uid: &str) -> Vec<Place> {
        self.owned.get(uid).into_iter().flatten().cloned().collect()
    }
}

/// Takes notice of a write: whoever it concerns will look.
pub fn noticed(state: &mut State, event: &Event) {
    note_owners(state, event);
    let (now, place) = (state.now, &event.place);
    let object = &event.object;
    let resource = &*place.resource;
    let mut look = |eye: Eye, namespace: &str, name: &str| state.work.add(eye, namespace, name, now);
    let own = match resource {
        "namespaces" => Some(Eye::Namespace),
        "customresourcedefinitions.apiextensions.k8s.io" => Some(Eye::Definition),
        "deployments.apps" => Some(Eye::Deployment),
        "replicasets.apps" => Some(Eye::ReplicaSet),
        "statefulsets.apps" => Some(Eye::StatefulSet),
        "daemonsets.apps" => Some(Eye::DaemonSet),
        "jobs.batch" => Some(Eye::Job),
        "cronjobs.batch" => Some(Eye::CronJob),
        "pods" => Some(Eye::Kubelet),
        "services" => Some(Eye::Endpoints),
        "poddisruptionbudgets.policy" => Some(Eye::Budget),
        "horizontalpodautoscalers.autoscaling" => Some(Eye::Scaler),
        "persistentvolumeclaims" => Some(Eye::Claim),
        "resourcequotas" => Some(Eye::Quota),
        _ => None,
    };
    if let Some(eye) = own {
        look(eye, &place.namespace, &place.name);
    }
    for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter(|owner| owner["controller"] == true) {
        let eye = match owner["kind"].as_str() {
            Some("Deployment") => Eye::Deployment,
            Some("ReplicaSet") => Eye::ReplicaSet,
            Some("StatefulSet") => Eye::StatefulSet,
            Some("DaemonSet") => Eye::DaemonSet,
            Some("Job") => Eye::Job,
            Some("CronJob") => Eye::CronJob,
            _ => continue,
        };
        look(eye, &place.namespace, owner["name"].as_str().unwrap_or_default());
    }
    if resource == "pods" {
        let of = |state: &State, resource: &str| -> Vec<String> {
            state.store.within(resource, &place.namespace).filter_map(|one| Some(one["metadata"]["name"].as_str()?.to_owned())).collect()
        };
        for (resource, eye) in [("services", Eye::Endpoints), ("poddisruptionbudgets.policy", Eye::Budget)] {
            for name in of(state, resource) {
                state.work.add(eye, &place.namespace, &name, now);
            }
        }
    }
    if matches!(resource, "deployments.apps" | "statefulsets.apps" | "replicasets.apps") && event.change != Change::Modified {
        let scalers: Vec<String> = state
            .store
            .within("horizontalpodautoscalers.autoscaling", &place.namespace)
            .filter_map(|one| Some(one["metadata"]["name"].as_str()?.to_owned()))
            .collect();
        for name in scalers {
            state.work.add(Eye::Scaler, &place.namespace, &name, now);
        }
    }
    if resource == "nodes" {
        let all: Vec<(String, String)> = state.store.all("daemonsets.apps").map(|set| names(set)).collect();
        for (namespace, name) in all {
            state.work.add(Eye::DaemonSet, &namespace, &name, now);
        }
    }
    if event.change == Change::Deleted {
        if resource == "customresourcedefinitions.apiextensions.k8s.io" {
            state.work.add(Eye::Definition, "", &place.name, now);
        }
        // Who watches over a namespace that ends sees it get empty.
        if !place.namespace.is_empty() {
            let ending =
                state.store.find("namespaces", "", &place.namespace).is_some_and(|one| one["metadata"]["deletionTimestamp"].is_string());
            if ending {
                state.work.add(Eye::Namespace, "", &place.namespace, now);
            }
        }
    }
    if collector::concerns(state, event) {
        let name = format!("{resource}/{}", place.name);
        state.work.add(Eye::Collector, &place.namespace, &name, now);
    }
    if event.change == Change::Deleted {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        for dependent in state.work.owned(&uid) {
            let name = format!("{}/{}", dependent.resource, dependent.name);
            state.work.add(Eye::Collector, &dependent.namespace, &name, now);
        }
        // Whoever waits for its dependents to be gone looks again.
        collector::owners_look(state, object, now);
    }
}

fn note_owners(state: &mut State, event: &Event) {
    let owners = |object: &Value| -> BTreeSet<String> {
        let all = object["metadata"]["ownerReferences"].as_array();
        all.into_iter().flatten().filter_map(|owner| Some(owner["uid"].as_str()?.to_owned())).collect()
    };
    let was = event.before.as_deref().map(owners).unwrap_or_default();
    let is = if event.change == Change::Deleted { BTreeSet::new() } else { owners(&event.object) };
    for uid in was.difference(&is) {
        if let Some(places) = state.work.owned.get_mut(uid) {
            places.remove(&event.place);
            if places.is_empty() {
                state.work.owned.remove(uid);
            }
        }
    }
    for uid in is.difference(&was) {
        state.work.owned.entry(uid.clone()).or_default().insert(event.place.clone());
    }
}

/// Everything that is there is looked at once: a process before this one may have ended in the middle.
pub fn start(state: &mut State) {
    for resource in state.store.resources() {
        let objects: Vec<Arc<Value>> = state.store.all(&resource).cloned().collect();
        for object in objects {
            let (namespace, name) = names(&object);
            let place = Place { resource: Arc::clone(&resource), namespace, name };
            let event = Event { version: 0, change: Change::Added, place, object, before: None };
            noticed(state, &event);
        }
    }
    crd::served(state);
}

/// Does what is due, so many things at the most. Whether there may be more.
pub fn run(state: &mut State, most: usize) -> bool {
    for _ in 0..most {
        let Some((eye, namespace, name)) = state.work.take(state.now) else { return false };
        let done = look(state, eye, &namespace, &name);
        let again = match done {
            Ok(again) => again,
            Err(failure) => {
                tracing::debug!("{eye:?} {namespace}/{name}: {}", failure.message);
                Some(SignedDuration::from_secs(1))
            }
        };
        if let Some(later) = again {
            let at = state.now.saturating_add(later).unwrap_or(state.now);
            state.work.add(eye, &namespace, &name, at);
        }
    }
    true
}

type Looked = Result<Option<SignedDuration>, crate::embedded::api::Failure>;

fn look(state: &mut State, eye: Eye, namespace: &str, name: &str) -> Looked {
    let find = |state: &State, resource: &str| state.store.find(resource, namespace, name).cloned();
    let resource = match eye {
        Eye::Collector => return collector::look(state, namespace, name),
        Eye::Definition => return definition(state, name),
        Eye::Namespace => "namespaces",
        Eye::Deployment => "deployments.apps",
        Eye::ReplicaSet => "replicasets.apps",
        Eye::StatefulSet => "statefulsets.apps",
        Eye::DaemonSet => "daemonsets.apps",
        Eye::Job => "jobs.batch",
        Eye::CronJob => "cronjobs.batch",
        Eye::Kubelet => "pods",
        Eye::Endpoints => "services",
        Eye::Budget => "poddisruptionbudgets.policy",
        Eye::Scaler => "horizontalpodautoscalers.autoscaling",
        Eye::Claim => "persistentvolumeclaims",
        Eye::Quota => "resourcequotas",
    };
    let Some(object) = find(state, resource) else {
        return if eye == Eye::Endpoints { endpoints::gone(state, namespace, name) } else { Ok(None) };
    };
    let ending = object["metadata"]["deletionTimestamp"].is_string();
    match eye {
        Eye::Namespace => namespace::look(state, &object),
        Eye::Kubelet => kubelet::look(state, &object),
        Eye::Claim if ending => claim::ends(state, &object),
        _ if ending => Ok(None),
        Eye::Deployment => deployment::look(state, &object),
        Eye::ReplicaSet => replicas::look(state, &object),
        Eye::StatefulSet => stateful::look(state, &object),
        Eye::DaemonSet => daemon::look(state, &object),
        Eye::Job => job::look(state, &object),
        Eye::CronJob => cron::look(state, &object),
        Eye::Endpoints => endpoints::look(state, &object),
        Eye::Budget => budget::look(state, &object),
        Eye::Scaler => scaler::look(state, &object),
        Eye::Claim => claim::look(state, &object),
        Eye::Quota => quota::look(state, &object),
        Eye::Collector | Eye::Definition => Ok(None),
    }
}

/// A definition gets its conditions, and is served from then on; one that is gone is no more, nor is what it defined.
fn definition(state: &mut State, name: &str) -> Looked {
    let place = crd::place(name);
    let Some(object) = state.store.get(&place).cloned() else {
        crd::served(state);
        return Ok(None);
    };
    if object["metadata"]["deletionTimestamp"].is_string() {
        return namespace::definition_ends(state, &place, &object);
    }
    if let Some(established) = crd::establish(&object, state.now) {
        super::status::write(state, &object, established, "kube-apiserver")?;
    }
    crd::served(state);
    Ok(None)
}

fn names(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
