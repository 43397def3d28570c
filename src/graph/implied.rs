//! Edges that objects imply of themselves: a namespace before its content, what pods read before the pods, …
//!
//! Two choices among them. A disruption budget comes before the workload: it selects pods by labels, so it needs none to
//! be there, and no pod is ever without it. An autoscaler comes after its target: before, it would only complain, and a
//! replica count is handed over once the workload stands. It doesn't wait until the target is ready: it may be what makes
//! it so.
//!
//! What constrains a whole namespace (quotas, a default-deny policy) would need an edge to each of its workloads, which
//! grows with the product; such constraints and workloads meet at a *gate* instead.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::resource::{EdgeReason, Object, PodReferences, pod_spec};

use super::nodes::{Gate, Nodes};

/// A selector that finds more workloads than this is taken for one that finds all of the namespace's.
const FEW: usize = 64;

/// Who waits for whom, as found in the objects.
pub(super) trait Sink<'o> {
    /// `from` comes after `to`.
    fn edge(&mut self, from: usize, to: usize, reason: EdgeReason);
    /// What passes the gate comes after `object`.
    fn guard(&mut self, object: usize, gate: Gate<'o>);
    /// `object` comes after what stands at the gate.
    fn pass(&mut self, object: usize, gate: Gate<'o>);
}

/// Finds all implied edges.
pub(super) fn find<'o, S: Sink<'o>>(nodes: &Nodes<'o>, sink: &mut S) {
    let mut finder = Finder { nodes, sink, pods: PodIndex::of(nodes), bindings: bindings_of_accounts(nodes) };
    for index in 0..nodes.len() {
        finder.of_object(index);
    }
}

struct Finder<'n, 'o, S> {
    nodes: &'n Nodes<'o>,
    sink: &'n mut S,
    pods: PodIndex<'o>,
    /// Bindings by the service account (namespace, name) that they give rights to.
    bindings: HashMap<(&'o str, &'o str), Vec<usize>>,
}

impl<'o, S: Sink<'o>> Finder<'_, 'o, S> {
    fn of_object(&mut self, index: usize) {
        let (object, key) = (self.nodes.object(index), self.nodes.key_ref(index));
        let (group, kind) = (key.group, key.kind);
        if let Some(namespace) = key.namespace {
            self.after(index, "", "Namespace", None, namespace, EdgeReason::Containment);
        }
        for crd in self.nodes.definitions(group, kind) {
            self.sink.edge(index, *crd, EdgeReason::Definition);
        }
        if self.pods.is_workload(index) {
            self.of_workload(index, object);
        }
        match (group, kind) {
            ("", "ResourceQuota") => {
                self.guard_namespace(index);
                if let Some(namespace) = key.namespace {
                    self.sink.guard(index, Gate::Counted(namespace));
                }
            }
            ("", "LimitRange") => self.guard_namespace(index),
            ("networking.k8s.io", "NetworkPolicy") => self.before_selected(index, &object.part(&["spec", "podSelector"])),
            ("policy", "PodDisruptionBudget") => self.before_selected(index, &object.part(&["spec", "selector"])),
            ("", "Service") => {
                self.counted(index);
                self.before_selected_exactly(index, &object.part(&["spec", "selector"]));
            }
            ("", "ConfigMap") => self.counted(index),
            ("", "Secret") => self.of_secret(index, object),
            ("", "PersistentVolumeClaim") => {
                self.counted(index);
                let spec = object.part(&["spec"]);
                self.class(index, "storage.k8s.io", "StorageClass", &spec["storageClassName"]);
                if let Some(volume) = text(&spec["volumeName"]) {
                    self.after(index, "", "PersistentVolume", None, volume, EdgeReason::Use);
                }
            }
            ("", "PersistentVolume") => {
                self.class(index, "storage.k8s.io", "StorageClass", &object.part(&["spec", "storageClassName"]));
            }
            ("", "ServiceAccount") => self.of_service_account(index, object),
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => self.of_binding(index, object),
            ("networking.k8s.io", "Ingress") => self.of_ingress(index, object),
            ("gateway.networking.k8s.io", _) => self.of_gateway_api(index, object),
            ("admissionregistration.k8s.io", kind) => self.of_admission(index, object, kind),
            ("apiregistration.k8s.io", "APIService") => self.behind_service(index, &object.part(&["spec", "service"])),
            ("discovery.k8s.io", "EndpointSlice") => {
                if let Some(service) = object.label("kubernetes.io/service-name") {
                    self.after(index, "", "Service", object.namespace(), service, EdgeReason::Target);
                }
            }
            ("", "Endpoints") => self.after(index, "", "Service", object.namespace(), object.name(), EdgeReason::Target),
            _ => {}
        }
        for service in self.nodes.api_services(object) {
            self.sink.edge(index, *service, EdgeReason::Definition);
        }
        // Autoscalers of all makes.
        let target = object.part(&["spec", "scaleTargetRef"]);
        if let Some(name) = text(&target["name"]) {
            let kind = text(&target["kind"]).unwrap_or("Deployment");
            let group = text(&target["apiVersion"]).map_or("apps", group_of);
            self.after(index, group, kind, key.namespace, name, EdgeReason::Scaling);
        }
    }

    fn of_workload(&mut self, index: usize, object: &'o Object) {
        let namespace = self.nodes.key_ref(index).namespace;
        self.sink.pass(index, Gate::Namespace(namespace.unwrap_or_default()));
        self.sink.pass(index, Gate::Cluster);
        let key = self.nodes.key_ref(index);
        let tape = object.tape();
        let tree = tape.tree();
        // What pods say of themselves; without it they run as everybody does.
        let references = pod_spec(tree, key.group, key.kind).map(PodReferences::of).unwrap_or_default();
        let references = references.with_claims(tree.at(&["spec", "volumeClaimTemplates"]));
        for (kind, reads) in [("ConfigMap", &references.config_maps), ("Secret", &references.secrets)] {
            for (name, _) in reads {
                self.after(index, "", kind, namespace, name, EdgeReason::Use);
            }
        }
        for name in &references.pull_secrets {
            self.after(index, "", "Secret", namespace, name, EdgeReason::Use);
        }
        for name in &references.claims {
            self.after(index, "", "PersistentVolumeClaim", namespace, name, EdgeReason::Use);
        }
        let classes =
            [("scheduling.k8s.io", "PriorityClass", references.priority_class), ("node.k8s.io", "RuntimeClass", references.runtime_class)];
        for (group, kind, name) in classes {
            if let Some(name) = name {
                self.after(index, group, kind, None, name, EdgeReason::Use);
            }
        }
        for name in &references.storage_classes {
            self.after(index, "storage.k8s.io", "StorageClass", None, name, EdgeReason::Use);
        }
        let account = references.service_account.unwrap_or("default");
        self.after(index, "", "ServiceAccount", namespace, account, EdgeReason::Use);
        if let Some(bindings) = self.bindings.get(&(namespace.unwrap_or_default(), account)) {
            for binding in bindings {
                self.sink.edge(index, *binding, EdgeReason::Use);
            }
        }
        if object.kind() == "StatefulSet"
            && let Some(service) = text(&object.part(&["spec", "serviceName"]))
        {
            self.after(index, "", "Service", namespace, service, EdgeReason::Use);
        }
    }

    fn of_secret(&mut self, index: usize, object: &'o Object) {
        self.counted(index);
        if *object.part(&["type"]) == "kubernetes.io/service-account-token"
            && let Some(account) = object.annotation("kubernetes.io/service-account.name")
        {
            self.after(index, "", "ServiceAccount", object.namespace(), account, EdgeReason::Use);
        }
    }

    fn of_service_account(&mut self, index: usize, object: &'o Object) {
        for list in ["secrets", "imagePullSecrets"] {
            for name in items(&object.part(&[list])).filter_map(|item| text(&item["name"])) {
                self.after(index, "", "Secret", object.namespace(), name, EdgeReason::Use);
            }
        }
    }

    fn of_binding(&mut self, index: usize, object: &'o Object) {
        let role = &object.value()["roleRef"];
        if let Some((kind, name)) = text(&role["kind"]).zip(text(&role["name"])) {
            let namespace = if kind == "Role" { object.namespace() } else { None };
            self.after(index, "rbac.authorization.k8s.io", kind, namespace, name, EdgeReason::Use);
        }
        for (namespace, name) in accounts_of(object) {
            self.after(index, "", "ServiceAccount", Some(namespace), name, EdgeReason::Use);
        }
    }

    fn of_ingress(&mut self, index: usize, object: &'o Object) {
        let spec = &object.value()["spec"];
        self.class(index, "networking.k8s.io", "IngressClass", &spec["ingressClassName"]);
        let paths = items(&spec["rules"]).flat_map(|rule| items(&rule["http"]["paths"])).map(|path| &path["backend"]);
        for backend in paths.chain([&spec["defaultBackend"]]) {
            if let Some(service) = text(&backend["service"]["name"]) {
                self.after(index, "", "Service", object.namespace(), service, EdgeReason::Target);
            }
        }
        for secret in items(&spec["tls"]).filter_map(|tls| text(&tls["secretName"])) {
            self.after(index, "", "Secret", object.namespace(), secret, EdgeReason::Use);
        }
    }

    fn of_gateway_api(&mut self, index: usize, object: &'o Object) {
        let spec = &object.value()["spec"];
        let own = object.namespace();
        self.class(index, "gateway.networking.k8s.io", "GatewayClass", &spec["gatewayClassName"]);
        let certificates = items(&spec["listeners"]).flat_map(|listener| items(&listener["tls"]["certificateRefs"]));
        for (references, group, kind, reason) in [
            (items(&spec["parentRefs"]).collect::<Vec<_>>(), "gateway.networking.k8s.io", "Gateway", EdgeReason::Target),
            (items(&spec["rules"]).flat_map(|rule| items(&rule["backendRefs"])).collect(), "", "Service", EdgeReason::Target),
            (certificates.collect(), "", "Secret", EdgeReason::Use),
        ] {
            for reference in references {
                let Some(name) = text(&reference["name"]) else { continue };
                let group = reference["group"].as_str().unwrap_or(group);
                let kind = text(&reference["kind"]).unwrap_or(kind);
                self.after(index, group, kind, text(&reference["namespace"]).or(own), name, reason);
            }
        }
    }

    /// Policies before what they judge; a webhook after the workload that answers for it, for until then it refuses all.
    fn of_admission(&mut self, index: usize, object: &'o Object, kind: &str) {
        let spec = &object.value()["spec"];
        match kind {
            "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => self.sink.guard(index, Gate::Cluster),
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
                let policy = kind.trim_end_matches("Binding");
                if let Some(name) = text(&spec["policyName"]) {
                    self.after(index, "admissionregistration.k8s.io", policy, None, name, EdgeReason::Use);
                }
                self.sink.guard(index, Gate::Cluster);
            }
            _ => {
                for webhook in items(&object.value()["webhooks"]) {
                    self.behind_service(index, &webhook["clientConfig"]["service"]);
                }
            }
        }
    }

    /// After a Service, and after the workloads that it leads to.
    fn behind_service(&mut self, index: usize, reference: &Value) {
        let (namespace, Some(name)) = (text(&reference["namespace"]), text(&reference["name"])) else { return };
        let Some(service) = self.nodes.find("", "Service", namespace, name) else { return };
        self.sink.edge(index, service, EdgeReason::Use);
        let selector = self.nodes.object(service).part(&["spec", "selector"]);
        for workload in self.pods.selected(namespace.unwrap_or_default(), &selector).unwrap_or_default() {
            self.sink.edge(index, workload, EdgeReason::Use);
        }
    }

    /// Before the workloads whose pods a label selector finds.
    fn before_selected(&mut self, index: usize, selector: &Value) {
        let labels = &selector["matchLabels"];
        let plain = selector.get("matchExpressions").is_none();
        match self.pods.selected(self.namespace(index), labels).filter(|_| plain) {
            Some(found) => found.into_iter().for_each(|workload| self.sink.edge(workload, index, EdgeReason::Constraint)),
            None => self.guard_namespace(index),
        }
    }

    /// The same for a Service: one without a selector leads to nobody.
    fn before_selected_exactly(&mut self, index: usize, selector: &Value) {
        if selector.as_object().is_none_or(Map::is_empty) {
            return;
        }
        match self.pods.selected(self.namespace(index), selector) {
            Some(found) => found.into_iter().for_each(|workload| self.sink.edge(workload, index, EdgeReason::Use)),
            None => self.guard_namespace(index),
        }
    }

    /// Its namespace; empty for what has none.
    fn namespace(&self, index: usize) -> &'o str {
        self.nodes.key_ref(index).namespace.unwrap_or_default()
    }

    fn guard_namespace(&mut self, index: usize) {
        if let Some(namespace) = self.nodes.key_ref(index).namespace {
            self.sink.guard(index, Gate::Namespace(namespace));
        }
    }

    /// A quota counts it.
    fn counted(&mut self, index: usize) {
        if let Some(namespace) = self.nodes.key_ref(index).namespace {
            self.sink.pass(index, Gate::Counted(namespace));
        }
    }

    fn class(&mut self, index: usize, group: &str, kind: &str, name: &Value) {
        if let Some(name) = text(name) {
            self.after(index, group, kind, None, name, EdgeReason::Use);
        }
    }

    fn after(&mut self, index: usize, group: &str, kind: &str, namespace: Option<&str>, name: &str, reason: EdgeReason) {
        if let Some(to) = self.nodes.find(group, kind, namespace, name).filter(|to| *to != index) {
            self.sink.edge(index, to, reason);
        }
    }
}

/// Workloads by the labels of their pods.
struct PodIndex<'o> {
    by_namespace: HashMap<&'o str, Workloads<'o>>,
    /// By position: whether an object is one.
    is_workload: Vec<bool>,
}

/// Names and values.
type Labels<'o> = Vec<(&'o str, &'o str)>;

/// The workloads of a namespace.
#[derive(Default)]
struct Workloads<'o> {
    /// Each with the labels of its pods.
    all: Vec<(usize, Labels<'o>)>,
    /// Those that have a label, as places in `all`; written where they are many.
    by_label: HashMap<(&'o str, &'o str), Vec<usize>>,
}

impl<'o> PodIndex<'o> {
    fn of(nodes: &Nodes<'o>) -> Self {
        let mut by_namespace: HashMap<&str, Workloads<'o>> = HashMap::new();
        let mut is_workload = vec![false; nodes.len()];
        for (index, is_workload) in is_workload.iter_mut().enumerate() {
            let (object, key) = (nodes.object(index), nodes.key_ref(index));
            let Some(labels) = object.pod_labels(key.group, key.kind) else { continue };
            *is_workload = true;
            by_namespace.entry(key.namespace.unwrap_or_default()).or_default().all.push((index, labels));
        }
        for workloads in by_namespace.values_mut().filter(|workloads| workloads.all.len() > FEW) {
            for (place, (_, labels)) in workloads.all.iter().enumerate() {
                for label in labels {
                    workloads.by_label.entry(*label).or_default().push(place);
                }
            }
        }
        Self { by_namespace, is_workload }
    }

    fn is_workload(&self, index: usize) -> bool {
        self.is_workload[index]
    }

    /// The workloads whose pods have these labels; None where they are all or many.
    fn selected<'p>(&'p self, namespace: &str, labels: &'p Value) -> Option<Vec<usize>> {
        let labels: Vec<(&'p str, &'p str)> =
            labels.as_object()?.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
        if labels.is_empty() {
            return None;
        }
        let Some(workloads) = self.by_namespace.get(namespace) else { return Some(Vec::new()) };
        let has_all = |pod: &Labels<'_>| labels.iter().all(|label| pod.contains(label));
        if workloads.all.len() <= FEW {
            return Some(workloads.all.iter().filter(|(_, pod)| has_all(pod)).map(|(index, _)| *index).collect());
        }
        let of = |label: &(&'p str, &'p str)| workloads.by_label.get(label).map_or(&[][..], Vec::as_slice);
        let candidates = labels.iter().map(of).min_by_key(|found| found.len())?;
        if candidates.len() > FEW {
            return None;
        }
        let candidates = candidates.iter().map(|place| &workloads.all[*place]);
        Some(candidates.filter(|(_, pod)| has_all(pod)).map(|(index, _)| *index).collect())
    }
}

fn bindings_of_accounts<'o>(nodes: &Nodes<'o>) -> HashMap<(&'o str, &'o str), Vec<usize>> {
    let mut bindings: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for index in 0..nodes.len() {
        if matches!(nodes.key_ref(index).kind, "RoleBinding" | "ClusterRoleBinding") {
            for account in accounts_of(nodes.object(index)) {
                bindings.entry(account).or_default().push(index);
            }
        }
    }
    bindings
}

/// The service accounts that a binding gives rights to, by namespace and name.
fn accounts_of(binding: &Object) -> impl Iterator<Item = (&str, &str)> {
    let own = binding.namespace().unwrap_or_default();
    let accounts = items(&binding.value()["subjects"]).filter(|subject| subject["kind"] == "ServiceAccount");
    accounts.filter_map(move |subject| Some((text(&subject["namespace"]).unwrap_or(own), text(&subject["name"])?)))
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
