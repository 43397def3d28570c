//! What marks an object as a stack's own: labels, annotations and the field manager's name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Object, ObjectKey};

/// The prefix of all labels and annotations of spai's own.
pub const PREFIX: &str = "spai.dev";

/// The value of `app.kubernetes.io/managed-by` on generated objects.
pub const MANAGED_BY: &str = "spai";

/// A stack in an environment: what owns objects, state and locks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StackIdentity {
    /// The stack's name.
    pub stack: String,
    /// The environment's name.
    pub environment: String,
}

impl StackIdentity {
    /// Label: the stack's name. With [`Self::ENVIRONMENT`] the basis of listing and recovery.
    pub const STACK: &'static str = "spai.dev/stack";
    /// Label: the environment's name.
    pub const ENVIRONMENT: &'static str = "spai.dev/environment";
    /// Label: the tenant's name, as the stack has it.
    pub const TENANT: &'static str = "spai.dev/tenant";
    /// Label: the tier's name.
    pub const TIER: &'static str = "spai.dev/tier";
    /// Label: the service's name.
    pub const SERVICE: &'static str = "spai.dev/service";
    /// Label on pods, part of every workload's (immutable) selector: which track of a strategy they belong to.
    pub const TRACK: &'static str = "spai.dev/track";

    /// An identity from its names.
    pub fn new(stack: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { stack: stack.into(), environment: environment.into() }
    }

    /// The name under which this stack's fields are owned: `spai:<stack>:<environment>`.
    pub fn field_manager(&self) -> FieldManager {
        FieldManager(format!("spai:{}:{}", self.stack, self.environment))
    }

    /// The selector that lists every object of the stack in the environment.
    pub fn label_selector(&self) -> String {
        format!("{}={},{}={}", Self::STACK, self.stack, Self::ENVIRONMENT, self.environment)
    }

    /// Whether the object carries this stack's labels.
    pub fn labels_match(&self, object: &Object) -> bool {
        Self::of(object).as_ref() == Some(self)
    }

    /// The stack whose labels the object carries, if any.
    pub fn of(object: &Object) -> Option<Self> {
        Some(Self::new(object.label(Self::STACK)?, object.label(Self::ENVIRONMENT)?))
    }

    /// The object that holds the inventory, in the environment's root namespace.
    pub fn inventory_key(&self, root_namespace: &str) -> ObjectKey {
        ObjectKey::new("", "ConfigMap", Some(root_namespace), &format!("spai-inventory-{}", self.stack))
    }
}

impl fmt::Display for StackIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.stack, self.environment)
    }
}

/// A field manager's name, as it stands in managedFields; at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldManager(pub String);

impl FieldManager {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
