//! The plan as a value: built, compared and printed without a cluster.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::resource::{Diagnostics, ObjectKey, StackIdentity};

use super::{Action, Change, Decided, Doubt};

/// What would happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose.
    pub identity: StackIdentity,
    /// Where.
    pub target: Target,
    /// The revision of the state that it starts from; applying it makes the next one.
    pub revision: u64,
    /// All objects that don't stay as they are: deletions first, then by wave and identity.
    pub changes: Vec<Change>,
    /// Those that stay as they are.
    pub unchanged: Vec<ObjectKey>,
    /// How it was decided that these of them do, where that wasn't by the rules of server-side apply alone.
    pub confirmed: BTreeMap<ObjectKey, Decided>,
    /// Those that can't be read: what would become of them isn't known.
    pub unknown: Vec<ObjectKey>,
    /// Where the server contradicts what was predicted.
    pub doubts: BTreeMap<ObjectKey, Vec<Doubt>>,
    /// What the server was asked.
    pub asking: Asking,
    /// Why it can't be applied (conflicts, another stack's objects), and what to know (warnings).
    pub findings: Diagnostics,
    /// What it asks consent for.
    pub consents: Vec<Consent>,
    /// `--target` and the like narrowed it: objects outside are neither changed nor deleted.
    pub narrowed: bool,
    /// How many objects the server was asked about.
    pub asked: usize,
}

/// What the server is asked, beside what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asking {
    /// What would become of the objects that change.
    #[default]
    Changed,
    /// The same of all objects, though the rules say that they don't change (`--verify`).
    Everything,
    /// Nothing: everything is predicted (`--offline`).
    Nothing,
}

/// The cluster that a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The kubeconfig's context, or `in-cluster`, `embedded`.
    pub context: String,
    /// The API server's version, `v1.36.3`.
    pub server_version: String,
    /// The uid of the namespace kube-system: what a cluster's identity is taken to be.
    pub cluster_uid: String,
    /// The root of namespaces, which holds inventory and lease.
    pub root_namespace: String,
    /// What was chosen by an environment variable, for the plan's first lines: `SPAI_CONTEXT=…`.
    pub chosen_by: Vec<String>,
}

/// Something that is done only if somebody says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// What for.
    pub kind: ConsentKind,
    /// Which objects.
    pub objects: Vec<ObjectKey>,
    /// In words: `deletes 12 of 240 objects; the stack's budget is 12 (5%)`.
    pub text: String,
}

/// What consent is for, and which flag gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentKind {
    /// More deletes than the budget: `--allow-deletes`.
    DeleteBudget,
    /// A namespace goes, with all that is in it: `--allow-irreversible`.
    DeleteNamespace,
    /// Stored data goes: `--allow-irreversible`.
    DeleteVolume,
    /// A CRD goes, with all its resources: `--allow-irreversible`.
    DeleteDefinition,
    /// An object is replaced: `--allow-replace`.
    Replace,
    /// Fields of other managers are taken: `--take-ownership`.
    TakeOwnership,
    /// Objects made by others become ours: `--adopt`.
    Adopt,
}

impl ConsentKind {
    /// The flag that gives it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::DeleteBudget => "--allow-deletes",
            Self::DeleteNamespace | Self::DeleteVolume | Self::DeleteDefinition => "--allow-irreversible",
            Self::Replace => "--allow-replace",
            Self::TakeOwnership => "--take-ownership",
            Self::Adopt => "--adopt",
        }
    }
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub own: usize,
    pub forget: usize,
    pub unchanged: usize,
    pub unknown: usize,
}

impl Plan {
    /// Whether applying it would write nothing to the cluster.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.writes.is_empty())
    }

    /// How it was decided that an object stays as it is.
    pub fn decided_unchanged(&self, key: &ObjectKey) -> Decided {
        self.confirmed.get(key).copied().unwrap_or(Decided::Merge)
    }

    /// How many objects were decided in which way.
    pub fn decided(&self) -> BTreeMap<Decided, usize> {
        let mut counts = BTreeMap::new();
        let unchanged = self.unchanged.iter().map(|key| self.decided_unchanged(key));
        for decided in unchanged.chain(self.changes.iter().map(|change| change.decided)) {
            *counts.entry(decided).or_default() += 1;
        }
        counts
    }

    /// Counts.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { unchanged: self.unchanged.len(), unknown: self.unknown.len(), ..Summary::default() };
        for change in &self.changes {
            *match change.action {
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Replace => &mut summary.replace,
                Action::Delete => &mut summary.delete,
                Action::Adopt => &mut summary.adopt,
                Action::Own => &mut summary.own,
                Action::Forget => &mut summary.forget,
            } += 1;
        }
        summary
    }
}
