//! `services/NAME.toml`: what a service is, apart from the details of its pods (`workload`).

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workload::{Container, File, Pod, Port, Resources, Volume};
use super::{CountOrPercent, When};

/// A service: image, ports, probes, scaling, configuration, needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// For people.
    pub description: Option<String>,
    /// The kind of workload.
    pub kind: Option<WorkloadKind>,
    /// One instance per tenant, per tier, or one for the environment.
    pub scope: Option<InstanceScope>,
    /// The tiers whose tenants get it: a list, or `"all"`.
    pub tiers: Option<Tiers>,
    /// Not deployed where false.
    pub enabled: Option<bool>,
    /// The image.
    pub image: Image,
    /// In place of the image's entrypoint.
    pub command: Option<Vec<String>>,
    /// In place of the image's arguments.
    pub args: Option<Vec<String>>,
    /// How many; the tier's figure, bounded by these.
    pub replicas: Replicas,
    /// CPU and memory of one replica, in place of the tier's.
    pub resources: Resources,
    /// Ports by name.
    pub ports: BTreeMap<String, Port>,
    /// Environment variables.
    pub config: BTreeMap<String, ConfigValue>,
    /// Files, by absolute path in the container.
    pub files: BTreeMap<String, File>,
    /// Services it talks to: they come first, and the network lets it through.
    pub needs: Vec<String>,
    /// Other things that come first: `service.x`, or an object `KIND/NAMESPACE/NAME`.
    pub after: Vec<String>,
    /// Regimes that it is under (`pci-dss`, `gdpr`, …): labels, and checks of the stricter ones.
    pub compliance: Vec<String>,
    /// The autoscaler.
    pub scaling: Option<Scaling>,
    /// How a new version is delivered.
    pub strategy: Option<Strategy>,
    /// The figures of a rolling update.
    pub rollout: Rollout,
    /// How many may be away at once when nodes are drained.
    pub disruption: Option<Disruption>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Containers that run first, in the order of their names.
    pub init: BTreeMap<String, Container>,
    /// Containers beside the main one.
    pub sidecars: BTreeMap<String, Container>,
    /// Jobs before and after.
    pub hooks: Hooks,
    /// Ways in from outside.
    pub routes: BTreeMap<String, Route>,
    /// What its service account may do with the Kubernetes API in its namespace.
    pub rights: Vec<Right>,
    /// Network beyond `needs`, by name.
    pub network: BTreeMap<String, NetworkRule>,
    /// Where metrics are scraped.
    pub metrics: Option<Metrics>,
    /// The name of a service level objective of stack.toml.
    pub slo: Option<String>,
    /// Details of its pods.
    pub pod: Pod,
    /// Job and CronJob: when, how often, how long.
    pub job: JobSettings,
    /// Labels for its objects.
    pub labels: BTreeMap<String, String>,
    /// Annotations for its objects.
    pub annotations: BTreeMap<String, String>,
    /// What may happen to its objects.
    pub lifecycle: LifecycleSettings,
    /// The same shape again for one environment or tier.
    pub when: When<Value>,
    /// Keys that lower layers set and that shall be gone: `["config.LOG_LEVEL"]`.
    pub unset: Vec<String>,
    /// Last-resort changes of its generated objects.
    pub patch: Vec<Patch>,
}

/// What runs the pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// Stateless replicas.
    #[default]
    Deployment,
    /// Replicas with a name and volumes of their own.
    StatefulSet,
    /// One a node.
    DaemonSet,
    /// Runs to its end once.
    Job,
    /// Runs to its end again and again.
    CronJob,
}

/// How many instances there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceScope {
    /// One for each tenant (of a dedicated tier; one for the tier where it is pooled).
    #[default]
    Tenant,
    /// One for the environment.
    Environment,
    /// One for each tier.
    Tier,
}

/// Which tiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Tiers {
    /// `"all"`.
    All(AllWord),
    /// `["enterprise", "enterprise_plus"]`.
    Named(Vec<String>),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AllWord {
    /// Every one.
    All,
}

/// An image. A digest wins over a tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// `registry.example/billing`; with `registry`, the part behind it.
    pub repository: Option<String>,
    /// The name of a registry of stack.toml.
    pub registry: Option<String>,
    /// `2.4.1`.
    pub tag: Option<String>,
    /// `sha256:…`.
    pub digest: Option<String>,
    /// When to pull.
    pub pull: Option<PullPolicy>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "Kubernetes' own three words")]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Bounds of the number of replicas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replicas {
    /// At least.
    pub min: Option<u32>,
    /// At most; also the autoscaler's ceiling. Without it the ceiling is `scaling.headroom` times the replicas.
    pub max: Option<u32>,
}

/// An environment variable's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConfigValue {
    /// A text.
    Text(String),
    /// A whole number, written as text.
    Integer(i64),
    /// A number, written as text.
    Number(f64),
    /// `true` or `false`, written as text.
    Boolean(bool),
    /// From a Secret.
    Secret(SecretKey),
    /// From the pod itself.
    Field(FieldSource),
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// The secret's name in the stack.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// The pod starts without it.
    #[serde(default)]
    pub optional: bool,
}

/// A field of the pod, like `status.podIP`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSource {
    /// The field's path: `metadata.name`, `status.podIP`, `spec.nodeName`.
    pub field: String,
}

/// The autoscaler's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scaling {
    /// No autoscaler where false.
    pub enabled: Option<bool>,
    /// Target: percent of the requested CPU.
    #[schemars(range(min = 1, max = 1000))]
    pub cpu: Option<u32>,
    /// Target: percent of the requested memory.
    #[schemars(range(min = 1, max = 1000))]
    pub memory: Option<u32>,
    /// The ceiling, in multiples of the replicas, where the service has no `replicas.max`.
    pub headroom: Option<f64>,
    /// How long a lower load must last before pods go: `"5m"`.
    pub scale_down_after: Option<String>,
}

/// How a new version is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// A few pods at a time.
    #[default]
    Rolling,
    /// A second set, then a switch.
    BlueGreen,
    /// A growing share of the traffic.
    Canary,
    /// Two versions compared.
    Ab,
}

impl fmt::Display for Strategy {
    /// As it is written: `blue-green`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
            Self::Canary => "canary",
            Self::Ab => "ab",
        })
    }
}

/// A rolling update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rollout {
    /// How many more than wanted at once: `1`, `"25%"`.
    pub max_surge: Option<CountOrPercent>,
    /// How many fewer than wanted at once.
    pub max_unavailable: Option<CountOrPercent>,
    /// A roll-out without progress for this long has failed: `"10m"`.
    pub progress_deadline: Option<String>,
    /// A pod counts as available once it was ready for this long.
    pub min_ready: Option<String>,
    /// Old ReplicaSets kept.
    pub history: Option<u32>,
    /// Delete all, then create: for workloads that can't run twice.
    pub recreate: Option<bool>,
}

/// A disruption budget. Exactly one is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["min_available", "max_unavailable"] }))]
pub struct Disruption {
    /// This many stay.
    pub min_available: Option<CountOrPercent>,
    /// This many may be away.
    pub max_unavailable: Option<CountOrPercent>,
    /// No budget where false.
    pub enabled: Option<bool>,
}

/// Jobs around a service's objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Run to their end before the workload changes, by name.
    pub before: BTreeMap<String, Hook>,
    /// Run once the workload is ready, by name.
    pub after: BTreeMap<String, Hook>,
}

/// A Job around a service's objects; a new one runs whenever what it runs changes (its name has the digest).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    /// The image; the service's own when not given.
    pub image: Image,
    /// The entrypoint.
    pub command: Option<Vec<String>>,
    /// Arguments.
    pub args: Option<Vec<String>>,
    /// Environment variables, besides the service's own.
    pub config: BTreeMap<String, ConfigValue>,
    /// It has failed after this long: `"5m"`.
    pub deadline: Option<String>,
    /// Tries after the first.
    pub retries: Option<u32>,
}

/// A way in from outside: an Ingress, or a Gateway's HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// The host name: `"api.${environment.domain}"`.
    pub host: String,
    /// The path's prefix; `/` when not given.
    pub path: Option<String>,
    /// The port's name; the only one when not given.
    pub port: Option<String>,
    /// `ingress` or `gateway`.
    pub via: RouteVia,
    /// The Ingress class.
    pub class: Option<String>,
    /// The Gateway: `NAMESPACE/NAME`.
    pub gateway: Option<String>,
    /// The Secret with the TLS certificate (Ingress).
    pub tls: Option<String>,
    /// Annotations of the route's object.
    pub annotations: BTreeMap<String, String>,
}

/// What carries a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RouteVia {
    /// networking.k8s.io/v1 Ingress.
    #[default]
    Ingress,
    /// gateway.networking.k8s.io/v1 HTTPRoute.
    Gateway,
}

/// A rule of the service's Role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["resources", "verbs"]))]
pub struct Right {
    /// API groups; the core group when empty.
    pub groups: Vec<String>,
    /// Resources, plural: `["configmaps"]`.
    pub resources: Vec<String>,
    /// Names, if only some.
    pub names: Vec<String>,
    /// Verbs: `["get", "list"]`. `*` is refused: least privilege.
    pub verbs: Vec<String>,
}

/// Traffic that a network policy lets through, besides `needs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkRule {
    /// `egress` (from the service; the default) or `ingress` (to it).
    pub direction: Direction,
    /// An address range: `"10.8.0.0/16"`.
    pub cidr: Option<String>,
    /// Ranges left out of it.
    pub except: Vec<String>,
    /// Pods of a namespace.
    pub peer: Option<super::Peer>,
    /// Ports; all when empty.
    pub ports: Vec<u16>,
    /// `TCP` when not given.
    pub protocol: Option<super::Protocol>,
}

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the service.
    #[default]
    Egress,
    /// To the service.
    Ingress,
}

/// Where metrics are scraped: the `prometheus.io/…` annotations, and a hole in the network policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// The port's name; the only one when not given.
    pub port: Option<String>,
    /// `/metrics` when not given.
    pub path: Option<String>,
}

/// Job and CronJob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobSettings {
    /// CronJob: `"*/5 * * * *"`.
    pub schedule: Option<String>,
    /// CronJob: the time zone of the schedule, `"Europe/Berlin"`.
    pub time_zone: Option<String>,
    /// CronJob: what a run does while the last one still runs.
    pub concurrency: Option<Concurrency>,
    /// CronJob: no new runs.
    pub suspend: Option<bool>,
    /// Successes wanted.
    pub completions: Option<u32>,
    /// Pods at once.
    pub parallelism: Option<u32>,
    /// Tries after the first.
    pub retries: Option<u32>,
    /// It has failed after this long.
    pub deadline: Option<String>,
    /// It is deleted this long after its end.
    pub keep: Option<String>,
}

/// What a CronJob does when the last run isn't over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "Kubernetes' own three words")]
pub enum Concurrency {
    Allow,
    Forbid,
    Replace,
}

/// What may happen to objects, as Terraform users know it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LifecycleSettings {
    /// Deleting or replacing its objects is an error.
    pub prevent_destroy: Option<bool>,
    /// Fields of its workload that others may change: `["spec.template.metadata.annotations"]`. Not sent once it exists.
    pub ignore_changes: Vec<String>,
    /// A change of one of these objects (`ConfigMap/NAME`) replaces the workload.
    pub replace_triggered_by: Vec<String>,
}

/// A change of generated objects, merged by schema. Keys besides the selectors are the object's own, dotted or nested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["kind"]))]
pub struct Patch {
    /// The kind of objects.
    pub kind: String,
    /// Their name, if only some: may have `*`.
    pub name: Option<String>,
    /// The object's fields, and what they shall be.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}
