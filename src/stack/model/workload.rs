//! The details of a service's pods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigValue, Image};

/// A port of a container, and of the service's Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Port {
    /// The container's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The Service's port, if another.
    pub service_port: Option<u16>,
    /// TCP when not given.
    pub protocol: Option<Protocol>,
    /// `http`, `grpc`, …: the Service's appProtocol.
    pub app_protocol: Option<String>,
    /// How the kubelet asks whether the service is well.
    pub probe: Option<Probe>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "Kubernetes' own three words")]
pub enum Protocol {
    #[default]
    TCP,
    UDP,
    SCTP,
}

/// Startup, readiness and liveness at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// An HTTP path; without it and `grpc`, the port must accept connections.
    pub path: Option<String>,
    /// Ask by gRPC's health protocol.
    pub grpc: Option<bool>,
    /// A path of its own for liveness.
    pub liveness_path: Option<String>,
    /// It has this long to start: `"60s"`.
    pub startup: Option<String>,
    /// Asked this often.
    pub period: Option<String>,
    /// An answer must come in this time.
    pub timeout: Option<String>,
    /// This many failures in a row make it unready, or restart it.
    pub failures: Option<u32>,
}

/// CPU and memory of one replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// What is reserved; by default the limit's `request_share`.
    pub requests: Amounts,
    /// What it can use at most; by default the tier's.
    pub limits: Amounts,
    /// The part of the limit that is reserved, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub request_share: Option<f64>,
}

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    /// `"500m"`, `"2"`.
    pub cpu: Option<String>,
    /// `"512Mi"`.
    pub memory: Option<String>,
    /// Local storage: `"1Gi"`.
    pub ephemeral_storage: Option<String>,
    /// Others, by resource name: `{ "nvidia.com/gpu" = "1" }`.
    pub other: BTreeMap<String, String>,
}

/// A file's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum File {
    /// The content.
    Text(String),
    /// A key of a secret.
    Secret(super::SecretKey),
    /// A file of the stack.
    Source(FileSource),
}

/// A file of the stack, taken as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Relative to the stack's folder, inside it.
    pub source: String,
}

/// A volume and where it is mounted. One of `size`, `empty`, `config`, `secret`, `claim` says what it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Volume {
    /// Where: an absolute path.
    pub mount: String,
    /// A persistent volume of this size (a StatefulSet's replicas have one each).
    pub size: Option<String>,
    /// Its storage class.
    pub class: Option<String>,
    /// Its access mode; `ReadWriteOnce` when not given.
    pub access: Option<String>,
    /// An empty folder that lives as long as the pod; at most this large: `"1Gi"`.
    pub empty: Option<String>,
    /// The empty folder is in memory.
    pub memory: Option<bool>,
    /// An existing ConfigMap.
    pub config: Option<String>,
    /// A secret of the stack.
    pub secret: Option<String>,
    /// An existing claim.
    pub claim: Option<String>,
    /// Only to be read.
    pub read_only: Option<bool>,
}

/// A further container of the pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Container {
    /// The image; the service's own when not given.
    pub image: Image,
    /// The entrypoint.
    pub command: Option<Vec<String>>,
    /// Arguments.
    pub args: Option<Vec<String>>,
    /// Environment variables.
    pub config: BTreeMap<String, ConfigValue>,
    /// Ports by name.
    pub ports: BTreeMap<String, Port>,
    /// CPU and memory.
    pub resources: Resources,
    /// Volumes of the service that it sees, and where.
    pub mounts: BTreeMap<String, String>,
}

/// Details of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pod {
    /// Labels of pods alone.
    pub labels: BTreeMap<String, String>,
    /// Annotations of pods alone.
    pub annotations: BTreeMap<String, String>,
    /// Time between SIGTERM and SIGKILL: `"45s"`.
    pub termination_grace: Option<String>,
    /// Time to leave the load balancers before SIGTERM: `"5s"`; `"0s"` for none.
    pub pre_stop: Option<String>,
    /// The user's id; must not be 0 under Pod Security `restricted`.
    pub user: Option<i64>,
    /// The group's id.
    pub group: Option<i64>,
    /// The group that owns volumes.
    pub fs_group: Option<i64>,
    /// The root file system may not be written to.
    pub read_only_root: Option<bool>,
    /// The priority class.
    pub priority: Option<String>,
    /// Nodes by labels.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are borne.
    pub tolerations: Vec<Toleration>,
    /// Replicas spread over zones: as evenly as can be (`prefer`), or else wait (`require`), or not (`off`).
    pub zone_spread: Option<Spread>,
    /// Replicas are on different nodes: likewise.
    pub node_spread: Option<Spread>,
    /// The pods get a token for the Kubernetes API. On by itself where `rights` are given.
    pub token: Option<bool>,
    /// Names of docker-config Secrets.
    pub pull_secrets: Vec<String>,
}

/// How strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// As far as it is possible.
    Prefer,
    /// A pod waits rather than break it.
    Require,
    /// Not at all.
    Off,
}

/// A taint that is borne.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Toleration {
    /// The taint's key; all when not given.
    pub key: Option<String>,
    /// The taint's value; any when not given.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`; all when not given.
    pub effect: Option<String>,
}
