//! What the parts of the compiler know: the stack in its environment, the place, the service in it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::resource::{Desired, Diagnostic, Diagnostics, Edge, EdgeReason, Object, ObjectKey, Origin, Scope};
use crate::stack::model::{Service, Tier, WorkloadKind};
use crate::stack::naming::kubernetes_name;
use crate::stack::node::join_path;
use crate::stack::{Instance, Place, PlaceKind, Resolved};

use super::labels;
use super::marked::Marked;
use super::names;

/// A namespace that services run in.
#[derive(Clone, Copy)]
pub(super) struct PlaceContext<'a> {
    pub resolved: &'a Resolved,
    pub place: &'a Place,
}

/// A service in a place.
#[derive(Clone, Copy)]
pub(super) struct ServiceContext<'a> {
    pub at: PlaceContext<'a>,
    pub instance: &'a Instance,
    /// Its objects' labels, where they have been written already.
    labels: Option<&'a Map<String, Value>>,
}

impl<'a> PlaceContext<'a> {
    /// The tenant's name, where the place is one's.
    pub fn tenant(&self) -> Option<&'a str> {
        match &self.place.kind {
            PlaceKind::Tenant { name, .. } => Some(name),
            PlaceKind::Tier { .. } | PlaceKind::Environment => None,
        }
    }

    /// The tier's name, where the place has one.
    pub fn tier_name(&self) -> Option<&'a str> {
        match &self.place.kind {
            PlaceKind::Tenant { tier, .. } => Some(tier),
            PlaceKind::Tier { name, .. } => Some(name),
            PlaceKind::Environment => None,
        }
    }

    /// The tier, where the place has one.
    pub fn tier(&self) -> Option<&'a Tier> {
        self.resolved.tiers.get(self.tier_name()?)
    }

    /// What tells this place from others, for names that people read: the tenant, the tier, the environment.
    pub fn title(&self) -> String {
        match &self.place.kind {
            PlaceKind::Tenant { name, .. } => format!("tenant `{name}`"),
            PlaceKind::Tier { name, .. } => format!("tier `{name}`"),
            PlaceKind::Environment => format!("environment `{}`", self.resolved.identity.environment),
        }
    }

    /// Which part of the stack objects of the place itself belong to.
    pub fn scope(&self) -> Scope {
        Scope { tenant: self.tenant().map(str::to_owned), tier: self.tier_name().map(str::to_owned), service: None }
    }

    /// The line that a field of the place (`limits.cpu`) comes from.
    pub fn origin(&self, path: &str) -> &'a Origin {
        self.place.provenance.winner(path).unwrap_or(&self.place.origin)
    }

    /// A namespaced object of the place itself.
    pub fn object(&self, api_version: &str, kind: &str, name: &str, body: Marked) -> Option<Desired> {
        let labels = labels::of_place(self);
        let draft = Draft {
            api_version,
            kind,
            namespace: Some(&self.place.namespace),
            name,
            labels,
            annotations: labels::texts(&self.place.annotations),
            body,
        };
        draft.finish(self.place.origin.clone(), self.scope())
    }

    /// All services of the place.
    pub fn services(self) -> impl Iterator<Item = ServiceContext<'a>> {
        self.place.services.values().map(move |instance| ServiceContext::new(self, instance))
    }
}

impl<'a> ServiceContext<'a> {
    pub fn new(at: PlaceContext<'a>, instance: &'a Instance) -> Self {
        Self { at, instance, labels: None }
    }

    /// The same, for who makes several objects: their labels are written once.
    pub fn with_labels(self, labels: &'a Map<String, Value>) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// The labels of its objects.
    pub fn labels(&self) -> Cow<'a, Map<String, Value>> {
        self.labels.map_or_else(|| Cow::Owned(labels::of_service(self)), Cow::Borrowed)
    }

    /// What it is.
    pub fn spec(&self) -> &'a Service {
        &self.instance.spec
    }

    /// What runs its pods.
    pub fn kind(&self) -> WorkloadKind {
        self.spec().kind.unwrap_or_default()
    }

    /// Its name in Kubernetes.
    pub fn name(&self) -> Cow<'a, str> {
        let plain = &self.instance.service;
        if plain.len() <= names::MAX_WORKLOAD && !plain.contains('_') {
            return Cow::Borrowed(plain);
        }
        Cow::Owned(names::limited(&kubernetes_name(plain), names::MAX_WORKLOAD))
    }

    /// Its namespace.
    pub fn namespace(&self) -> &'a str {
        &self.at.place.namespace
    }

    /// `service `backend` of tenant `acme``: how messages name it.
    pub fn title(&self) -> String {
        format!("service `{}` of {}", self.instance.service, self.at.title())
    }

    /// The line that a field (`replicas.min`) comes from.
    pub fn origin(&self, path: &str) -> &'a Origin {
        self.instance.provenance.winner(path).unwrap_or(&self.instance.origin)
    }

    /// The line that a field comes from whose path has keys that may need quotes: `["config", "LOG_LEVEL"]`.
    pub fn origin_at(&self, keys: &[&str]) -> &'a Origin {
        self.origin(&join_path(keys))
    }

    /// Which part of the stack its objects belong to.
    pub fn scope(&self) -> Scope {
        Scope { service: Some(self.instance.service.clone()), ..self.at.scope() }
    }

    /// API version and kind of its workload.
    pub fn workload_type(&self) -> (&'static str, &'static str) {
        match self.kind() {
            WorkloadKind::Deployment => ("apps/v1", "Deployment"),
            WorkloadKind::StatefulSet => ("apps/v1", "StatefulSet"),
            WorkloadKind::DaemonSet => ("apps/v1", "DaemonSet"),
            WorkloadKind::Job => ("batch/v1", "Job"),
            WorkloadKind::CronJob => ("batch/v1", "CronJob"),
        }
    }

    /// The identity of its workload (before a Job's name gets its digest).
    pub fn workload_key(&self) -> ObjectKey {
        let (api_version, kind) = self.workload_type();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        ObjectKey::new(group, kind, Some(self.namespace()), &self.name())
    }

    /// Whether pods of it stay and are reached by others: neither a Job nor a CronJob.
    pub fn is_serving(&self) -> bool {
        !matches!(self.kind(), WorkloadKind::Job | WorkloadKind::CronJob)
    }

    /// An object of the service in its namespace.
    pub fn object(&self, api_version: &str, kind: &str, name: &str, body: Marked) -> Option<Desired> {
        self.object_with(api_version, kind, name, std::iter::empty(), body)
    }

    /// The same with annotations of its own.
    pub fn object_with(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        annotations: impl IntoIterator<Item = (String, String)>,
        body: Marked,
    ) -> Option<Desired> {
        let labels = self.labels().into_owned();
        let mut all = labels::texts(&self.at.place.annotations);
        labels::put_all(&mut all, &self.spec().annotations);
        all.extend(annotations.into_iter().map(|(name, text)| (name, Value::from(text))));
        let draft = Draft { api_version, kind, namespace: Some(self.namespace()), name, labels, annotations: all, body };
        let mut desired = draft.finish(self.instance.origin.clone(), self.scope())?;
        for (table, names) in [("labels", self.spec().labels.keys()), ("annotations", self.spec().annotations.keys())] {
            for name in names {
                let path = crate::resource::FieldPath::fields(&["metadata", table, name]);
                desired.declared.fields.insert(path, self.origin_at(&[table, name]).clone());
            }
        }
        desired.lifecycle.prevent_destroy = self.spec().lifecycle.prevent_destroy == Some(true);
        Some(desired)
    }

    /// Notes an error of this service at a field's line.
    pub fn error(&self, diagnostics: &mut Diagnostics, code: &str, path: &str, message: String, help: impl Into<String>) {
        diagnostics.push(Diagnostic::error(code, message).at(self.origin(path), "").help(help));
    }
}

/// An object about to be made.
pub(super) struct Draft<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    pub labels: Map<String, Value>,
    pub annotations: Map<String, Value>,
    pub body: Marked,
}

impl Draft<'_> {
    /// The object. None only if its name were empty.
    pub fn finish(self, origin: Origin, scope: Scope) -> Option<Desired> {
        let (mut fields, marks) = self.body.into_parts();
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), Value::from(self.name));
        if let Some(namespace) = self.namespace {
            metadata.insert("namespace".to_owned(), Value::from(namespace));
        }
        metadata.insert("labels".to_owned(), Value::Object(self.labels));
        if !self.annotations.is_empty() {
            metadata.insert("annotations".to_owned(), Value::Object(self.annotations));
        }
        fields.insert("apiVersion".to_owned(), Value::from(self.api_version));
        fields.insert("kind".to_owned(), Value::from(self.kind));
        fields.insert("metadata".to_owned(), Value::Object(metadata));
        let object = Object::try_from(Value::Object(fields)).ok()?;
        let mut desired = Desired::new(object, Some(origin));
        desired.declared.fields = marks;
        desired.scope = scope;
        Some(desired)
    }
}

/// An edge that a line of the stack makes.
pub(super) fn edge(to: ObjectKey, reason: EdgeReason, origin: &Origin) -> Edge {
    Edge { to, reason, origin: Some(origin.clone()) }
}
