//! `tenants/NAME.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tenant: who it is, and what differs for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tenant {
    /// For people.
    pub description: Option<String>,
    /// Its name for people: `${tenant.display_name}`.
    pub display_name: Option<String>,
    /// Its tier.
    pub tier: String,
    /// Where its data may be: `${tenant.region}`.
    pub region: Option<String>,
    /// What kinds of data it holds: `pii`, `payment`, …; labels of its namespace.
    pub data_classes: Vec<String>,
    /// The environments it is in; all when not given.
    pub environments: Option<Vec<String>>,
    /// Limits of its own, in place of the tier's.
    pub limits: super::Limits,
    /// Labels for its objects.
    pub labels: BTreeMap<String, String>,
    /// Annotations for its objects.
    pub annotations: BTreeMap<String, String>,
    /// Values for `${tenant.…}`.
    pub values: BTreeMap<String, Value>,
    /// What every service says differently for it: the shape of a service.
    pub defaults: super::Service,
    /// Services as they differ for it.
    pub service: BTreeMap<String, super::Service>,
    /// Secrets as they differ for it.
    pub secrets: BTreeMap<String, Value>,
    /// Last-resort changes of its objects.
    pub patch: Vec<super::Patch>,
}
