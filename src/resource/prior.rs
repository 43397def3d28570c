//! What the last apply left behind of one object: what tells drift from an intended change, and what to delete or to go back to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Diagnostic, Digest, Edge, Object, ObjectKey, Origin, Scope};

/// An object as it was left by the last apply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    /// What was applied, in full (kept encrypted by the state store, for it may hold secrets).
    pub applied: Kept,
    /// [`super::Desired::digest`] of it.
    pub desired: Digest,
    /// The object's uid.
    pub uid: String,
    /// Which part of the stack it belonged to.
    pub scope: Scope,
    /// What it came after: a removed object is deleted in the reverse of this order.
    pub edges: Vec<Edge>,
    /// The line that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Deleting it is refused until the stack itself lifts this.
    #[serde(default)]
    pub prevent_destroy: bool,
}

/// Everything that the last apply left behind.
#[derive(Clone, Debug, Default)]
pub struct PriorSet {
    /// The revision that these are of; 0 before the first apply.
    pub revision: u64,
    /// By identity.
    pub objects: BTreeMap<ObjectKey, Prior>,
}

/// Gives what the last apply left of an object, for who looks at a few of thousands. None: there is no such object.
pub type Recall = Box<dyn Fn(&ObjectKey) -> Result<Option<Prior>, Diagnostic> + Send + Sync>;

/// An object that stays text until somebody looks at it: a state has thousands, and a plan looks at those that changed.
#[derive(Clone)]
pub struct Kept {
    text: Option<Box<RawValue>>,
    object: OnceLock<Object>,
}

impl From<Object> for Kept {
    fn from(object: Object) -> Self {
        Self { text: None, object: OnceLock::from(object) }
    }
}

impl From<Kept> for Object {
    fn from(kept: Kept) -> Self {
        kept.deref().clone()
    }
}

impl Deref for Kept {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object.get_or_init(|| {
            // It was seen to be one when it was read.
            self.text.as_ref().and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_else(Object::nothing)
        })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => self.deref().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What makes an object one; the rest is only walked over.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Identity {
            api_version: String,
            kind: String,
            metadata: Named,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let seen: Identity = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        if seen.api_version.is_empty() || seen.kind.is_empty() || seen.metadata.name.is_empty() {
            return Err(D::Error::custom("it is no object"));
        }
        Ok(Self { text: Some(text), object: OnceLock::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_kept_object_reads_and_prints_as_it_was() {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "<2>"}});
        let object = Object::try_from(value.clone()).unwrap();
        let fresh = Kept::from(object.clone());
        let text = serde_json::to_string(&fresh).unwrap();
        for kept in [serde_json::from_str::<Kept>(&text).unwrap(), serde_json::from_value(value.clone()).unwrap()] {
            assert_eq!(serde_json::to_string(&kept).unwrap(), text);
            assert_eq!(serde_json::to_value(&kept).unwrap(), value);
            assert_eq!(*kept, object);
            assert_eq!(Object::from(kept), object);
        }
        for broken in [json!({}), json!(1), json!({"apiVersion": "v1", "kind": "", "metadata": {"name": "c"}}), Value::Null] {
            assert!(serde_json::from_value::<Kept>(broken.clone()).is_err(), "{broken}");
        }
    }
}
