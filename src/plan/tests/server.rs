//! What a test plans with: objects as a server would hold them, and a planner that is fed with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::graph::ResourceGraph;
use crate::merge::{self, FieldSet};
use crate::plan::{Answer, Ask, Asking, Filter, Known, Mutators, Plan, PlanInput, Planner, Question, Target, Types, record};
use crate::resource::{
    Desired, Diagnostic, Edge, EdgeReason, FieldManager, FieldPath, GroupVersionKind, Object, ObjectKey, Origin, PriorSet, StackIdentity,
    Tape, Tree,
};
use crate::schema::{Catalog, MINORS, TypeRef};

pub(super) fn identity() -> StackIdentity {
    StackIdentity::new("hello", "test")
}

fn manager() -> FieldManager {
    identity().field_manager()
}

/// An object of the stack, in its namespace if its kind has one.
pub(super) fn object(api_version: &str, kind: &str, name: &str, content: Value) -> Object {
    let labels = json!({StackIdentity::STACK: "hello", StackIdentity::ENVIRONMENT: "test"});
    let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}});
    if kind != "Namespace" {
        value["metadata"]["namespace"] = "ns".into();
    }
    for (field, part) in content.as_object().unwrap() {
        value[field] = part.clone();
    }
    Object::try_from(value).unwrap()
}

pub(super) fn config_map(name: &str, data: Value) -> Object {
    object("v1", "ConfigMap", name, json!({"data": data}))
}

/// A Deployment of three; `image` and `selector` as given.
pub(super) fn deployment(name: &str, given: Value) -> Object {
    let spec = json!({
        "replicas": 3,
        "selector": {"matchLabels": {"app": given["selector"].as_str().unwrap_or(name)}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": {"spec": {"containers": [{"name": "app", "image": given["image"]}]}},
    });
    object("apps/v1", "Deployment", name, json!({"spec": spec}))
}

pub(super) fn desired(object: Object) -> Desired {
    Desired::new(object, Some(Origin { file: "services/web.toml".into(), line: 4, column: 1, start: 0, end: 1 }))
}

pub(super) fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey::new("", kind, Some("ns"), name)
}

pub(super) fn edge(to: &ObjectKey, reason: EdgeReason) -> Edge {
    Edge { to: to.clone(), reason, origin: None }
}

impl Question {
    /// What would be sent.
    pub(super) fn sent(&self) -> &Object {
        let Ask::DryRun { object, .. } = &self.ask else { panic!("a count") };
        object
    }

    /// Whether others' fields would be taken.
    pub(super) fn force(&self) -> bool {
        matches!(self.ask, Ask::DryRun { force: true, .. })
    }
}

/// Somebody else wrote these fields, and owns them now.
pub(super) fn written(live: &mut Object, by: &str, fields: Value) {
    let entries = live.value_mut()["metadata"]["managedFields"].as_array_mut().unwrap();
    let taken = FieldSet::parse(&fields).unwrap();
    let ours = FieldSet::parse(&entries[0]["fieldsV1"]).unwrap();
    entries[0]["fieldsV1"] = ours.difference(&taken).print();
    entries.push(json!({"manager": by, "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T14:02:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields}));
}

/// A stack, its state and its cluster.
#[derive(Clone)]
pub(super) struct Scene {
    desired: Vec<Desired>,
    prior: PriorSet,
    live: Vec<Object>,
    pub(super) take_ownership: bool,
    pub(super) asking: Asking,
    pub(super) mutators: Vec<Object>,
    pub(super) catalog: Catalog,
    /// What the last apply left can't be read.
    pub(super) unread: bool,
}

impl Scene {
    pub(super) fn of(desired: Vec<Desired>) -> Self {
        // The namespace is there, and isn't the stack's.
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "uid": "ns"}});
        Self {
            desired,
            prior: PriorSet::default(),
            catalog: Catalog::of_minor(MINORS[1]),
            live: vec![Object::try_from(namespace).unwrap()],
            take_ownership: false,
            asking: Asking::Changed,
            mutators: Vec::new(),
            unread: false,
        }
    }

    /// The object is there as the last apply left it.
    pub(super) fn applied(&mut self, desired: &Desired) -> Object {
        let mut live = desired.object.clone();
        for hand_over in &desired.hand_overs {
            merge::set(live.value_mut(), &hand_over.path, hand_over.initial.clone());
        }
        live.value_mut()["metadata"]["uid"] = json!(format!("uid-{}", live.name()));
        live.value_mut()["metadata"]["resourceVersion"] = json!("1");
        let of = self.catalog.kind(&live.gvk()).unwrap_or(TypeRef::any());
        let leaves = merge::leaves(of, &FieldPath::root(), desired.object.value()).into_iter().map(|(path, _)| path);
        let fields: FieldSet = leaves.filter(|path| !super::super::fields::IDENTITY.contains(path)).collect();
        live.value_mut()["metadata"]["managedFields"] = json!([{"manager": manager().as_str(), "operation": "Apply",
            "apiVersion": live.api_version(), "time": "2026-11-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields.print()}]);
        self.prior.objects.insert(desired.key(), record(desired, &live, &manager()).unwrap());
        self.prior.revision = 1;
        self.live.push(live.clone());
        live
    }

    /// The state is lost.
    pub(super) fn forget(&mut self) {
        self.prior = PriorSet::default();
    }

    pub(super) fn want(&mut self, desired: Desired) {
        self.desired.push(desired);
    }

    pub(super) fn live(&mut self, name: &str) -> &mut Object {
        self.live.iter_mut().find(|object| object.name() == name).unwrap()
    }

    pub(super) fn gone(&mut self, name: &str) {
        self.live.retain(|object| object.name() != name);
    }

    pub(super) fn plan(self, answer: impl Fn(&Question) -> Answer) -> Plan {
        self.plan_mut(answer)
    }

    pub(super) fn plan_mut(self, mut answer: impl FnMut(&Question) -> Answer) -> Plan {
        let served = |(api_version, kind): (&str, &str)| (GroupVersionKind::from_api_version(api_version, kind), kind != "Namespace");
        let kinds = ["Namespace", "ConfigMap", "Secret", "ResourceQuota", "PersistentVolumeClaim"].map(|kind| ("v1", kind));
        let others = [("apps/v1", "Deployment"), ("batch/v1", "Job"), ("networking.k8s.io/v1", "NetworkPolicy")];
        let graph = ResourceGraph::build(&self.desired).unwrap();
        let known = if self.unread {
            Known::lazy(1, self.prior.objects.into_keys().collect(), || Err(Diagnostic::error("test::unread", "it can't be read")))
        } else {
            Known::from(self.prior)
        };
        let (identity, filter, desired) = (identity(), Filter::default(), Arc::new(self.desired));
        let mut types = Types::of(self.catalog);
        types.define(desired.iter());
        let types = Arc::new(types);
        let plurals = kinds.iter().chain(&others).map(|(api_version, kind)| {
            (GroupVersionKind::from_api_version(api_version, *kind).group_kind(), format!("{}s", kind.to_lowercase()))
        });
        let input = PlanInput {
            identity: &identity,
            target: Target {
                context: "test".into(),
                server_version: "v1.36.3".into(),
                cluster_uid: "uid".into(),
                root_namespace: "root".into(),
                chosen_by: Vec::new(),
            },
            desired: &desired,
            graph: &graph,
            known: &known,
            inventory: BTreeSet::new(),
            served: kinds.into_iter().chain(others).map(served).collect(),
            plurals: plurals.collect(),
            types: &types,
            mutators: Arc::new(Mutators::of(&self.mutators)),
            asking: self.asking,
            max_deletes: None,
            moved: &[],
            filter: &filter,
            take_ownership: self.take_ownership,
        };
        let mut planner = Planner::new(input).unwrap();
        let listed = planner.kinds();
        let (labelled, others): (Vec<Object>, Vec<Object>) =
            self.live.into_iter().partition(|object| identity.labels_match(object) && listed.contains_key(&object.key().group_kind()));
        let sieve = planner.sieve();
        for object in labelled {
            let make = |_: Tree<'_>| Ok::<_, std::convert::Infallible>(object.clone());
            planner.page(sieve.sift(&object.key().group_kind(), std::iter::once(Tape::from(object.value()).tree()), make).unwrap());
        }
        loop {
            let lookups = planner.lookups();
            if lookups.is_empty() {
                break;
            }
            for lookup in lookups {
                let found = others.iter().find(|object| object.key() == lookup.key);
                planner.found(&lookup.key, found.cloned());
            }
        }
        loop {
            let questions = planner.questions();
            if questions.is_empty() {
                let mut plan = planner.finish();
                plan.findings.0.extend(known.failure().cloned());
                return plan;
            }
            for question in questions {
                planner.answers(vec![(question.id, answer(&question))]);
            }
        }
    }
}
