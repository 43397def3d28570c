//! What a state store does, whatever it is made of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::resource::{Diagnostic, Digest, ObjectKey, PriorSet, Recall, StackIdentity};

/// The newest format that this version writes, and reads.
pub const FORMAT: u32 = 3;

/// Whose state it is and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Stack and environment.
    pub identity: StackIdentity,
    /// The cluster, by the uid of its namespace kube-system.
    pub cluster_uid: String,
    /// The root of namespaces.
    pub root_namespace: String,
}

/// A state as a whole.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// None before the first apply.
    pub binding: Option<Binding>,
    /// What it stands at; None before the first apply.
    pub head: Option<Head>,
    /// What the last apply left of each object.
    pub prior: PriorSet,
}

/// A state without what its objects are: all that a plan needs that changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// None before the first apply.
    pub binding: Option<Binding>,
    /// What it stands at; None before the first apply.
    pub head: Option<Head>,
    /// The identities of what the last apply left.
    pub objects: Vec<ObjectKey>,
}

/// What an apply (destroy, rollback, import, …) did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionInfo {
    /// From 1, without gaps.
    pub number: u64,
    /// When it was over.
    pub at: Timestamp,
    /// `apply`, `destroy`, `rollback to 3`, `import`, `recover`.
    pub operation: String,
    /// Who: user@host, as far as it is known.
    pub by: String,
    /// `2 created, 1 updated`.
    pub summary: String,
    /// How many objects it has.
    pub objects: usize,
}

/// What a state stands at, in one line: the inventory in the cluster holds it too, so a lost or older state is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The newest revision.
    pub revision: u64,
    /// The digest over all records of the state.
    pub digest: Digest,
}

/// Where what was applied is remembered. All functions are synchronous and open the store only while they run, so a
/// `plan` works during an `apply`. Errors are diagnostics `state::…`: a corrupt or truncated store is one, never an
/// empty state; a newer format is one, and leaves the store untouched.
pub trait StateStore: Send + Sync {
    /// Reads all; an absent store is the empty state.
    fn load(&self) -> Result<Snapshot, Diagnostic>;

    /// The same without reading what the objects are.
    fn outline(&self) -> Result<Outline, Diagnostic>;

    /// Makes a revision: what every object of the stack is now. Durable when it returns; all or nothing.
    /// `expected` is the revision that the run started from: another one in the store is an error, nothing is written.
    fn commit(&self, binding: &Binding, expected: u64, info: RevisionInfo, prior: &PriorSet) -> Result<(), Diagnostic>;

    /// What the state stands at; None before the first apply.
    fn head(&self) -> Result<Option<Head>, Diagnostic>;

    /// All revisions, the newest first.
    fn history(&self) -> Result<Vec<RevisionInfo>, Diagnostic>;

    /// What the objects were at a revision.
    fn revision(&self, number: u64) -> Result<PriorSet, Diagnostic>;

    /// What the objects of an outline were, for who looks at a few of them: each is read when it is asked for. None: there is no such
    /// object.
    fn recall(&self, outline: &Outline) -> Result<Recall, Diagnostic>;
}
