//! `environments/NAME.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An environment: where the stack runs, and what differs there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cluster"]))]
pub struct Environment {
    /// For people.
    pub description: Option<String>,
    /// Which cluster: `{ context = "prod-eu" }`, `{ in_cluster = true }`, `{ embedded = true }`.
    pub cluster: ClusterRef,
    /// The root of namespaces: a tenant's is `<root>-<tenant>`, the root itself holds spai's inventory and lease. `<stack>-<environment>` when not given.
    pub namespace: Option<String>,
    /// The DNS domain: `${environment.domain}`.
    pub domain: Option<String>,
    /// The cluster's zones; replicas spread over them.
    pub zones: Vec<String>,
    /// `apply` and `destroy` ask, unless `--yes`; without a terminal they need `--yes`.
    pub confirm: bool,
    /// It is production: an image without a tag is an error here.
    pub production: bool,
    /// Which tenants are here; all when not given.
    pub tenants: Option<Vec<String>>,
    /// Which services are here; all when not given.
    pub services: Option<Vec<String>>,
    /// Labels for every generated object here.
    pub labels: BTreeMap<String, String>,
    /// Annotations for every generated object here.
    pub annotations: BTreeMap<String, String>,
    /// Values for `${environment.…}`.
    pub values: BTreeMap<String, Value>,
    /// Tiers as they differ here.
    pub tiers: BTreeMap<String, Value>,
    /// What every service says differently here: the shape of a service.
    pub defaults: super::Service,
    /// Services as they differ here.
    pub service: BTreeMap<String, super::Service>,
    /// Secrets as they differ here.
    pub secrets: BTreeMap<String, Value>,
    /// Inputs' values here.
    pub inputs: BTreeMap<String, Value>,
    /// Tenancy as it differs here.
    pub tenancy: Option<Value>,
    /// Budget of deletes here.
    pub deletes: super::Deletes,
    /// Last-resort changes of generated objects here.
    pub patch: Vec<super::Patch>,
}

/// How to reach the cluster. Exactly one is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterRef {
    /// A context of the kubeconfig. `"*"` takes the current one.
    pub context: Option<String>,
    /// The service account of the pod that spai runs in.
    pub in_cluster: bool,
    /// A Kubernetes API inside spai's own process.
    pub embedded: bool,
}
