//! What the stack wants of one object: the object itself, why it stands in the stack, and what it waits for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, FieldOrigins, FieldPath, Object, ObjectKey, Origin};

/// An object as the stack wants it. Serialised into the journal alone, which is encrypted: it may hold secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Desired {
    /// What is applied: exactly the fields that spai shall own, values canonical (`1`, not `1000m`).
    /// Handed-over fields are not in it.
    pub object: Object,
    /// Which part of the stack it belongs to.
    pub scope: Scope,
    /// What it comes after because the stack says so (`needs`, references, `after`, `[lifecycle]`); what objects
    /// imply of themselves (a namespace before its content) is the graph's to find.
    pub edges: Vec<Edge>,
    /// Where it comes from.
    pub declared: Declared,
    /// What the user said about changing it.
    pub lifecycle: Lifecycle,
    /// Fields that are set once, at creation, and then belong to somebody else.
    pub hand_overs: Vec<HandOver>,
    /// Places whose values are secret, besides `data` and `stringData` of Secrets.
    pub sensitive: Vec<FieldPath>,
}

impl Desired {
    /// An object that the stack wants, with nothing said about it but where it stands.
    pub fn new(object: Object, origin: Option<Origin>) -> Self {
        Self {
            object,
            scope: Scope::default(),
            edges: Vec::new(),
            declared: Declared { object: origin, fields: FieldOrigins::default() },
            lifecycle: Lifecycle::default(),
            hand_overs: Vec::new(),
            sensitive: Vec::new(),
        }
    }

    /// Its identity.
    pub fn key(&self) -> ObjectKey {
        self.object.key()
    }

    /// The digest of everything about it that apply acts on: the object, and what is handed over.
    pub fn digest(&self) -> Digest {
        let hand_overs: Vec<String> = self.hand_overs.iter().map(|h| h.path.to_string()).collect();
        Digest::of(&(&self.object, hand_overs))
    }

    /// Whether the value at `path` must not be shown.
    pub fn is_sensitive(&self, path: &FieldPath) -> bool {
        self.sensitive.iter().any(|secret| secret.covers(path))
    }
}

/// The part of the stack that an object belongs to. All empty for a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The tenant, by its name in the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tier, of the tenant or of a pooled instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// An object that another one comes after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// What comes first.
    pub to: ObjectKey,
    /// Why.
    pub reason: EdgeReason,
    /// The line that made it, if a line did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Why one object comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeReason {
    /// A service's `needs`.
    Needs,
    /// A `${service.…}` reference.
    Reference,
    /// An explicit `after`, or a hook's order.
    After,
    /// It lives in the other: content of a namespace.
    Containment,
    /// It is of a kind that the other defines: a custom resource of a CRD.
    Definition,
    /// It uses the other: a workload its ConfigMap, Secret, PVC, ServiceAccount.
    Use,
    /// It acts upon the other: a budget, a route.
    Target,
    /// It says how large the other is: an autoscaler. It needs the other to be there, not to be ready.
    Scaling,
    /// The other constrains it: a quota, a limit range, a network policy before the workload.
    Constraint,
}

impl EdgeReason {
    /// Whether what comes later needs what comes first to be ready, and not only to be there.
    pub fn needs_readiness(self) -> bool {
        self != Self::Scaling
    }
}

/// Where an object and its fields were declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The line that made the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Origin>,
    /// Lines of fields; a field without one of its own has that of the nearest one above it.
    #[serde(default, skip_serializing_if = "FieldOrigins::is_empty")]
    pub fields: FieldOrigins,
}

impl Declared {
    /// The line that made the value at `path`: its own, else the nearest one above, else the object's.
    pub fn origin_of(&self, path: &FieldPath) -> Option<&Origin> {
        let mut prefix = path.clone();
        loop {
            if let Some(origin) = self.fields.get(&prefix) {
                return Some(origin);
            }
            if prefix.0.pop().is_none() {
                return self.object.as_ref();
            }
        }
    }
}

/// `lifecycle`, as Terraform users know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Deleting or replacing it is an error.
    #[serde(default)]
    pub prevent_destroy: bool,
    /// Not sent at all once the object exists, so whoever changes them keeps them.
    #[serde(default)]
    pub ignore_changes: Vec<FieldPath>,
    /// A change of one of these replaces this object.
    #[serde(default)]
    pub replace_triggered_by: Vec<ObjectKey>,
}

/// A field that spai sets at creation and then gives away: an autoscaled Deployment's `spec.replicas`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandOver {
    /// Which field; a path of plain fields.
    pub path: FieldPath,
    /// What it is at creation.
    pub initial: Value,
    /// Whose it is then.
    pub to: ObjectKey,
}
