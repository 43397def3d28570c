//! What the objects of a namespace need at most: counted from the objects themselves, after patches and manifests.
//!
//! Workloads count at their autoscalers' ceilings plus what a roll-out brings: pods that come (the surge) and as many again
//! that still end, which a quota counts until they are gone. A pod counts as the scheduler counts it: its containers and
//! sidecars together, or an init container with the sidecars before it, whichever is more.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use crate::resource::{Desired, Items, KeyRef, Object, Quantity, Tape, Tree, pod_spec, pod_template_path};

use super::settings;

/// CPU of a container that says nothing: the namespace's limit range gives it that.
pub(super) const SMALL_CPU: &str = "100m";
/// Memory of a container that says nothing.
pub(super) const SMALL_MEMORY: &str = "128Mi";

/// Amounts by resource name.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// What a namespace needs at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand<'o> {
    pub pods: u64,
    pub requests: Amounts,
    pub limits: Amounts,
    pub services: u64,
    pub config_maps: u64,
    pub secrets: u64,
    pub claims: u64,
    pub storage: Quantity,
    /// The largest limit of one container.
    pub largest: Amounts,
    /// The largest claim.
    pub largest_claim: Quantity,
    /// What each workload adds to the limits, for messages.
    pub workloads: Vec<Share<'o>>,
    /// DaemonSets of which nobody said on how many nodes they run at most.
    pub unbounded: Vec<&'o Desired>,
}

/// A workload's share.
#[derive(Clone, Debug)]
pub(super) struct Share<'o> {
    pub workload: &'o Desired,
    pub pods: u64,
    pub storage: Quantity,
    pod: Rc<Pod>,
}

impl Share<'_> {
    /// The limit of all its pods together.
    pub fn limit(&self, name: &str) -> Quantity {
        self.pod.limits.get(name).map(|amount| amount.times(self.pods)).unwrap_or_default()
    }
}

/// What pods need, for who counts one namespace after the other: workloads of one name mostly need the same in all of them.
#[derive(Default)]
pub(super) struct Needs<'o>(HashMap<&'o str, (KeyRef<'o>, Cow<'o, Tape>, Rc<Pod>)>);

impl<'o> Needs<'o> {
    /// None: it runs no pods.
    fn of(&mut self, key: KeyRef<'o>, object: &'o Object) -> Option<Rc<Pod>> {
        pod_template_path(key.group, key.kind)?;
        let tape = object.tape();
        let spec = pod_spec(tape.tree(), key.group, key.kind).unwrap_or_default();
        if let Some((other, of, pod)) = self.0.get(key.name)
            && pod_spec(of.tree(), other.group, other.kind).is_some_and(|other| needs_same(other, spec))
        {
            return Some(Rc::clone(pod));
        }
        let pod = Rc::new(Pod::of(&spec.to_value()));
        self.0.insert(key.name, (key, tape, Rc::clone(&pod)));
        Some(pod)
    }
}

/// Whether pods say the same of what [`Pod::of`] reads.
fn needs_same(a: Tree<'_>, b: Tree<'_>) -> bool {
    fn same(a: Option<Tree<'_>>, b: Option<Tree<'_>>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a.is(b),
            (None, None) => true,
            _ => false,
        }
    }
    fn list<'t>(spec: Tree<'t>, name: &str) -> Items<'t> {
        spec.get(name).map(Tree::list).unwrap_or_default()
    }
    let alike = |(a, b): (Tree<'_>, Tree<'_>)| ["resources", "restartPolicy"].iter().all(|name| same(a.get(name), b.get(name)));
    let lists = |name: &&str| list(a, name).len() == list(b, name).len() && list(a, name).zip(list(b, name)).all(alike);
    ["containers", "initContainers"].iter().all(lists) && same(a.get("overhead"), b.get("overhead"))
}

/// What the objects of one namespace need. `nodes` tells on how many nodes a DaemonSet runs at most.
pub(super) fn of<'o>(objects: &[(KeyRef<'o>, &'o Desired)], nodes: impl Fn(&Desired) -> Option<u64>, needs: &mut Needs<'o>) -> Demand<'o> {
    let ceilings: BTreeMap<(String, String), u64> = objects.iter().filter_map(|(key, desired)| ceiling(*key, &desired.object)).collect();
    let mut demand = Demand::default();
    for (key, desired) in objects {
        let object = &desired.object;
        match (key.group, key.kind) {
            ("", "Service") => demand.services += 1,
            ("", "ConfigMap") => demand.config_maps += 1,
            ("", "Secret") => demand.secrets += 1,
            ("", "PersistentVolumeClaim") => {
                demand.add_claims(&object.part(&["spec"]), 1);
            }
            _ => {}
        }
        let Some(pod) = needs.of(*key, object) else { continue };
        let Some(copies) = copies(*key, desired, &ceilings, &nodes) else {
            demand.unbounded.push(desired);
            continue;
        };
        demand.add_pods(desired, pod, &copies);
    }
    demand
}

/// How many pods, and how many of them stay (and have claims).
struct Copies {
    pods: u64,
    lasting: u64,
}

impl<'o> Demand<'o> {
    fn add_pods(&mut self, workload: &'o Desired, pod: Rc<Pod>, copies: &Copies) {
        self.pods += copies.pods;
        for (amounts, total) in [(&pod.requests, &mut self.requests), (&pod.limits, &mut self.limits)] {
            for (name, amount) in amounts {
                add(total, name, &amount.times(copies.pods));
            }
        }
        raise(&mut self.largest, &pod.largest);
        let mut share = Share { workload, pods: copies.pods, storage: Quantity::ZERO, pod };
        for template in items(&workload.object.part(&["spec", "volumeClaimTemplates"])) {
            let storage = self.add_claims(&template["spec"], copies.lasting);
            share.storage = share.storage.plus(&storage);
        }
        self.workloads.push(share);
    }

    /// Counts claims, and returns their storage.
    fn add_claims(&mut self, spec: &Value, count: u64) -> Quantity {
        self.claims += count;
        let size = Quantity::from_json(&spec["resources"]["requests"]["storage"]).unwrap_or_default();
        let added = size.times(count);
        self.storage = self.storage.plus(&added);
        self.largest_claim = self.largest_claim.clone().max(size);
        added
    }
}

/// An autoscaler's target and ceiling.
fn ceiling(key: KeyRef<'_>, object: &Object) -> Option<((String, String), u64)> {
    if key.kind != "HorizontalPodAutoscaler" {
        return None;
    }
    let (target, most) = (object.part(&["spec", "scaleTargetRef"]), object.part(&["spec", "maxReplicas"]));
    Some(((target["kind"].as_str()?.to_owned(), target["name"].as_str()?.to_owned()), most.as_u64()?))
}

fn copies(
    key: KeyRef<'_>,
    desired: &Desired,
    ceilings: &BTreeMap<(String, String), u64>,
    nodes: &impl Fn(&Desired) -> Option<u64>,
) -> Option<Copies> {
    let spec = |name: &str| desired.object.part(&["spec", name]);
    let handed_over = desired.hand_overs.iter().find_map(|hand_over| hand_over.initial.as_u64());
    let replicas = || {
        let now = spec("replicas").as_u64().or(handed_over).unwrap_or(1);
        ceilings.get(&(key.kind.to_owned(), key.name.to_owned())).map_or(now, |ceiling| now.max(*ceiling))
    };
    let steady = |count| Copies { pods: count, lasting: count };
    Some(match key.kind {
        "Deployment" => {
            let count = replicas();
            Copies { pods: count + 2 * surge(&spec("strategy"), count, "25%"), lasting: count }
        }
        "DaemonSet" => {
            let count = nodes(desired)?;
            Copies { pods: count + 2 * surge(&spec("updateStrategy"), count, "0"), lasting: count }
        }
        "StatefulSet" | "ReplicaSet" | "ReplicationController" => steady(replicas()),
        "Job" => steady(at_once(&desired.object.part(&["spec"]))),
        // The run before may still go on: with `Allow` more of them, but two are what a schedule is made for.
        "CronJob" => steady(at_once(&spec("jobTemplate")["spec"]) * if *spec("concurrencyPolicy") == "Forbid" { 1 } else { 2 }),
        "PodTemplate" => steady(0),
        _ => steady(1),
    })
}

fn surge(strategy: &Value, count: u64, default: &str) -> u64 {
    if matches!(strategy["type"].as_str(), Some("Recreate" | "OnDelete")) {
        return 0;
    }
    let said = &strategy["rollingUpdate"]["maxSurge"];
    let said = if said.is_null() { Value::from(default) } else { said.clone() };
    settings::of_whole(&said, count, true).unwrap_or(0)
}

fn at_once(spec: &Value) -> u64 {
    let parallel = spec["parallelism"].as_u64().unwrap_or(1);
    spec["completions"].as_u64().map_or(parallel, |wanted| wanted.min(parallel))
}

/// What one pod needs.
#[derive(Debug)]
struct Pod {
    requests: Amounts,
    limits: Amounts,
    largest: Amounts,
}

impl Pod {
    fn of(spec: &Value) -> Self {
        let of = |list: &str| -> Vec<(Amounts, Amounts, &Value)> {
            let completed = |container| {
                let (requests, limits) = container_amounts(container);
                (requests, limits, container)
            };
            items(&spec[list]).map(completed).collect()
        };
        let (containers, first) = (of("containers"), of("initContainers"));
        let mut largest = Amounts::new();
        for (_, limits, _) in containers.iter().chain(&first) {
            raise(&mut largest, limits);
        }
        let overhead = amounts(&spec["overhead"]);
        let requests = total(containers.iter().map(|of| &of.0), first.iter().map(|of| (&of.0, of.2)), &overhead);
        let limits = total(containers.iter().map(|of| &of.1), first.iter().map(|of| (&of.1, of.2)), &overhead);
        Self { requests, limits, largest }
    }
}

/// What containers take together, or those that run before them, whichever is more.
fn total<'a>(
    containers: impl Iterator<Item = &'a Amounts>,
    first: impl Iterator<Item = (&'a Amounts, &'a Value)>,
    overhead: &Amounts,
) -> Amounts {
    let mut sum = Amounts::new();
    for own in containers {
        add_all(&mut sum, own);
    }
    let mut beside = Amounts::new();
    let mut most = Amounts::new();
    for (own, container) in first {
        if container["restartPolicy"] == "Always" {
            add_all(&mut beside, own);
            raise(&mut most, &beside);
        } else {
            let mut with = beside.clone();
            add_all(&mut with, own);
            raise(&mut most, &with);
        }
    }
    add_all(&mut sum, &beside);
    raise(&mut sum, &most);
    add_all(&mut sum, overhead);
    sum
}

/// Requests and limits of a container, completed as the API server and the namespace's limit range complete them.
fn container_amounts(container: &Value) -> (Amounts, Amounts) {
    let said = amounts(&container["resources"]["limits"]);
    let mut requests = amounts(&container["resources"]["requests"]);
    for (name, amount) in &said {
        requests.entry(name.clone()).or_insert_with(|| amount.clone());
    }
    let mut limits = said;
    for (name, small) in [("cpu", SMALL_CPU), ("memory", SMALL_MEMORY)] {
        let Ok(small) = small.parse::<Quantity>() else { continue };
        limits.entry(name.to_owned()).or_insert_with(|| small.clone());
        requests.entry(name.to_owned()).or_insert(small);
    }
    (requests, limits)
}

fn amounts(value: &Value) -> Amounts {
    value.as_object().into_iter().flatten().filter_map(|(name, amount)| Some((name.clone(), Quantity::from_json(amount).ok()?))).collect()
}

fn add(total: &mut Amounts, name: &str, amount: &Quantity) {
    let sum = total.entry(name.to_owned()).or_default();
    *sum = sum.plus(amount);
}

fn add_all(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        add(total, name, amount);
    }
}

fn raise(total: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let held = total.entry(name.clone()).or_default();
        *held = held.clone().max(amount.clone());
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn demand(objects: Vec<Value>) -> Demand<'static> {
        let objects: Vec<Desired> = objects.into_iter().map(|value| Desired::new(Object::try_from(value).unwrap(), None)).collect();
        let objects: &'static [Desired] = objects.leak();
        let keyed: Vec<_> = objects.iter().map(|desired| (desired.object.key_ref(), desired)).collect();
        of(&keyed, |_| Some(3), &mut Needs::default())
    }

    fn shown(amounts: &Amounts) -> String {
        amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_deployment_counts_at_its_ceiling_with_its_surge() {
        let resources = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "250m"}});
        let found = demand(vec![
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
                "template": {"spec": {"containers": [{"name": "c", "resources": resources}]}}}}),
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {
                "maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": "a"}}}),
        ]);
        // 6 and 2 that come and 2 that end.
        assert_eq!((found.pods, shown(&found.limits)), (10, "cpu=10 memory=10Gi".to_owned()));
        assert_eq!(shown(&found.requests), "cpu=2500m memory=10Gi");
        assert_eq!(shown(&found.largest), "cpu=1 memory=1Gi");
    }

    #[test]
    fn init_containers_and_sidecars_count_as_the_scheduler_counts_them() {
        let container = |name: &str, cpu: &str, policy: Option<&str>| {
            let mut value = json!({"name": name, "resources": {"limits": {"cpu": cpu, "memory": "1Mi"}}});
            if let Some(policy) = policy {
                value["restartPolicy"] = json!(policy);
            }
            value
        };
        let found = demand(vec![json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {
            "containers": [container("c", "1", None)],
            "initContainers": [container("early", "100m", Some("Always")), container("big", "2", None), container("late", "300m", Some("Always"))]}})]);
        // While `big` runs beside `early`: 2.1; then 1 + 0.1 + 0.3.
        assert_eq!(found.limits["cpu"].to_string(), "2100m");
    }

    #[test]
    fn claims_jobs_and_daemon_sets_count_too() {
        let template = json!({"spec": {"containers": [{"name": "c"}]}});
        let claim = json!({"resources": {"requests": {"storage": "10Gi"}}});
        let found = demand(vec![
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {"replicas": 3, "template": template, "volumeClaimTemplates": [{"spec": claim}]}}),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "b"}, "spec": claim}),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "c"}, "spec": {"parallelism": 4, "completions": 2, "template": template}}),
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"}, "spec": {"template": template}}),
        ]);
        assert_eq!((found.pods, found.claims, found.storage.to_string()), (3 + 2 + 3, 4, "40Gi".to_owned()));
        assert_eq!(found.limits["cpu"].to_string(), "800m");
    }
}
