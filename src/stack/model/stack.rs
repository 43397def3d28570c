//! `stack.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `stack.toml`: the stack's name and what is the same everywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StackFile {
    /// The stack's name: lower-case letters, digits and dashes, at most 40 characters. Stands in labels and the field manager's name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The versions of spai that understand this stack, like `">=0.1, <0.3"`.
    pub spai: Option<String>,
    /// The minor version of Kubernetes that the stack is written for, like `"1.36"`.
    pub kubernetes: Option<String>,
    /// Labels for every generated object.
    pub labels: BTreeMap<String, String>,
    /// Annotations for every generated object.
    pub annotations: BTreeMap<String, String>,
    /// Tiers that tenants belong to.
    pub tiers: BTreeMap<String, Tier>,
    /// Image registries, by a short name that an image's `registry` gives.
    pub registries: BTreeMap<String, Registry>,
    /// Service level objectives, by a name that a service's `slo` gives.
    pub slos: BTreeMap<String, Slo>,
    /// What every service says unless it says otherwise: the shape of a service.
    pub defaults: super::Service,
    /// Values from outside: nothing else of the surroundings reaches the objects.
    pub inputs: BTreeMap<String, Input>,
    /// Secrets that services may refer to, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// How many objects one apply may delete without being asked.
    pub deletes: Deletes,
    /// What a tenant's namespace is like.
    pub tenancy: Tenancy,
    /// Where the state is kept.
    pub state: StateSettings,
    /// Objects that changed their name: a planned transfer instead of a delete and a create.
    pub moved: Vec<Moved>,
    /// The same shape again for one environment or tier, laid over what is above.
    pub when: When<Value>,
    /// Last-resort changes of generated objects.
    pub patch: Vec<super::Patch>,
}

/// A class of tenants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// For people.
    pub description: Option<String>,
    /// The CPU limit of one replica of a service: `"200m"`, `"4"`.
    pub cpu: Option<String>,
    /// The memory limit of one replica of a service: `"256Mi"`.
    pub memory: Option<String>,
    /// How many replicas a service has; each service's own minimum and maximum bound it.
    pub replicas: Option<u32>,
    /// Services' minimums don't count: `min(replicas, service maximum)`.
    pub best_effort: bool,
    /// `dedicated`: each tenant has its own instances. `pooled`: the tier's tenants share.
    pub isolation: Isolation,
    /// Higher is more important: the order of tiers ("premium and up"), and of delivery.
    pub rank: Option<u32>,
    /// Limits of a tenant beyond what its services need; each bounds the quota.
    pub limits: Limits,
    /// What services say differently in this tier: the shape of a service.
    pub defaults: super::Service,
    /// Values for `${tier.…}`.
    pub values: BTreeMap<String, Value>,
}

/// How the tenants of a tier are separated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Each tenant has instances of its own.
    #[default]
    Dedicated,
    /// The tier's tenants share one instance of each service.
    Pooled,
}

/// Upper bounds of what a tenant may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All CPU limits together.
    pub cpu: Option<String>,
    /// All memory limits together.
    pub memory: Option<String>,
    /// Pods.
    pub pods: Option<u32>,
    /// Storage of all claims together.
    pub storage: Option<String>,
}

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// The first part of the image's name: `registry.example/team`.
    pub url: String,
    /// The name of a docker-config Secret that is there in each namespace.
    pub pull_secret: Option<String>,
}

/// A service level objective; written into the service's annotations and a rule file for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Slo {
    /// Percent of requests that succeed: `99.9`.
    #[schemars(range(min = 0, max = 100))]
    pub availability: Option<f64>,
    /// 95 % of requests are faster than this: `"200ms"`.
    pub latency_p95: Option<String>,
    /// Over how long: `"30d"`.
    pub window: Option<String>,
}

/// A value from outside: a flag `--input NAME=VALUE`, an environment variable SPAI_INPUT_NAME, or a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// What it is for.
    pub description: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// Its value when nobody gives one; without a default it must be given.
    pub default: Option<Value>,
    /// Never printed, never stored in clear.
    pub sensitive: bool,
    /// The environment variable that gives it, if it is not to be SPAI_INPUT_NAME.
    pub env: Option<String>,
    /// A file inside the stack whose content is the value.
    pub file: Option<String>,
}

/// What an input's value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InputType {
    /// Any text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// A Secret: made by spai from `values`, or one that is there already (`external = true`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Secret {
    /// It exists (an operator, a person made it); spai refers to it and never reads it.
    pub external: bool,
    /// Its name in the cluster, if it isn't the name here.
    pub name: Option<String>,
    /// The Secret's type; `Opaque` when not given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Keys and values; give secret ones as `"${input.x}"` with a sensitive input.
    pub values: BTreeMap<String, String>,
    /// It can't be changed once it is there.
    pub immutable: bool,
}

/// The budget of deletes: beyond it `apply` wants `--allow-deletes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deletes {
    /// A count (`20`) or a share of the stack's objects (`"5%"`).
    pub max: Option<CountOrPercent>,
}

/// A number, or a percentage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CountOrPercent {
    /// `3`.
    Count(u32),
    /// `"25%"`.
    Percent(String),
}

/// What every tenant's namespace gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tenancy {
    /// Pod Security level that is enforced, audited and warned about.
    pub pod_security: PodSecurity,
    /// Quotas and limit ranges, computed of what the services need at most.
    pub quota: bool,
    /// Default-deny network policies with just the edges that `needs` names.
    pub network_policies: bool,
    /// Where requests come in from; its pods may reach ports that have routes.
    pub gateway: Option<Peer>,
    /// Who scrapes metrics; its pods may reach ports that `metrics` names.
    pub monitoring: Option<Peer>,
    /// Who answers DNS.
    pub dns: Option<Peer>,
}

/// Pods elsewhere in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// Their namespace.
    pub namespace: String,
    /// Their labels; all pods of the namespace when empty.
    pub labels: BTreeMap<String, String>,
    /// The port, where it matters (DNS: 53).
    pub port: Option<u16>,
}

/// A Pod Security level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PodSecurity {
    /// Anything goes.
    Privileged,
    /// No known escalations.
    Baseline,
    /// Current hardening practice.
    #[default]
    Restricted,
}

/// Where state is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// A folder, relative to the stack's.
    pub dir: Option<String>,
}

/// A renamed object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Moved {
    /// `service.old`, `tenant.old`, or an object: `Deployment/acme/old`.
    pub from: String,
    /// The same kind of thing under its new name.
    pub to: String,
}

/// The same shape again, laid over what stands above it, where the condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct When<T> {
    /// By environment's name.
    pub environment: BTreeMap<String, T>,
    /// By tier's name.
    pub tier: BTreeMap<String, T>,
}

impl<T> Default for When<T> {
    fn default() -> Self {
        Self { environment: BTreeMap::new(), tier: BTreeMap::new() }
    }
}
