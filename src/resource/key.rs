//! What makes an object the same object: group, kind, namespace and name, never the version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind within its API group; the version is no part of what a thing is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// `""` for the core group.
    pub group: String,
    /// `Deployment`.
    pub kind: String,
}

impl GroupKind {
    /// A group kind from its two parts.
    pub fn new(group: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }
}

impl fmt::Display for GroupKind {
    /// `Deployment.apps`; the core group is left out: `Service`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// A kind in one version of its API: what a request is addressed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// `""` for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// `Deployment`.
    pub kind: String,
}

impl GroupVersionKind {
    /// Splits `apps/v1` or `v1`.
    pub fn from_api_version(api_version: &str, kind: impl Into<String>) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.into() }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The same without its version.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(&self.group, &self.kind)
    }
}

/// An object's identity within one cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// `""` for the core group.
    pub group: String,
    /// `Deployment`.
    pub kind: String,
    /// None for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// An identity that borrows from its object: for sorting and finding without a copy of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRef<'a> {
    /// `""` for the core group.
    pub group: &'a str,
    /// `Deployment`.
    pub kind: &'a str,
    /// None for cluster-scoped objects.
    pub namespace: Option<&'a str>,
    /// The object's name.
    pub name: &'a str,
}

impl KeyRef<'_> {
    /// The same, on its own.
    pub fn to_key(self) -> ObjectKey {
        ObjectKey::new(self.group, self.kind, self.namespace, self.name)
    }
}

impl ObjectKey {
    /// The same, borrowed; sorts as this does.
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { group: &self.group, kind: &self.kind, namespace: self.namespace.as_deref(), name: &self.name }
    }

    /// An identity from its parts; an empty namespace means cluster-scoped.
    pub fn new(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.filter(|n| !n.is_empty()).map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// Its kind, with the group.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(&self.group, &self.kind)
    }
}

impl fmt::Display for ObjectKey {
    /// `Deployment acme/backend`, `Namespace acme`: how plans, errors and logs name an object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A text that is no `KIND[.GROUP]/[NAMESPACE/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no object: write KIND/NAMESPACE/NAME, or KIND/NAME for one without a namespace")]
pub struct KeyParseError(pub String);

impl FromStr for ObjectKey {
    type Err = KeyParseError;

    /// `Deployment.apps/acme/backend` or, when the group is to be found out, `Deployment/acme/backend`.
    fn from_str(text: &str) -> Result<Self, KeyParseError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err(KeyParseError(text.to_owned())),
        };
        if kind.is_empty() || name.is_empty() || namespace == Some("") {
            return Err(KeyParseError(text.to_owned()));
        }
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        Ok(Self::new(group, kind, namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_split_and_join() {
        for (text, group, version) in [("v1", "", "v1"), ("apps/v1", "apps", "v1")] {
            let gvk = GroupVersionKind::from_api_version(text, "X");
            assert_eq!((gvk.group.as_str(), gvk.version.as_str()), (group, version));
            assert_eq!(gvk.api_version(), text);
        }
    }

    #[test]
    fn keys_parse_with_and_without_namespace_and_group() {
        let key: ObjectKey = "Deployment.apps/acme/backend".parse().unwrap();
        assert_eq!(key, ObjectKey::new("apps", "Deployment", Some("acme"), "backend"));
        assert_eq!(key.to_string(), "Deployment acme/backend");
        assert_eq!("Namespace/acme".parse(), Ok(ObjectKey::new("", "Namespace", None, "acme")));
        for bad in ["", "Deployment", "Deployment//x", "a/b/c/d", "/x"] {
            assert!(bad.parse::<ObjectKey>().is_err(), "{bad}");
        }
    }
}
