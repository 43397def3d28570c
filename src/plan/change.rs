//! One object's part of a plan: what happens to it, field by field, and by which writes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::{Desired, FieldPath, Object, ObjectKey, Origin, Prior, Scope};

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It goes: the stack no longer has it.
    Delete,
    /// It goes and comes again, for a field that can't change is to change.
    Replace,
    /// It comes.
    Create,
    /// It is there, made by somebody else, and becomes ours.
    Adopt,
    /// Fields change.
    Update,
    /// No value changes, only who owns which field.
    Own,
    /// The stack no longer has it, and it is gone already, or it is the stack's no more: only the state changes.
    Forget,
}

/// One object's part of a plan.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which object.
    pub key: ObjectKey,
    /// What happens to it.
    pub action: Action,
    /// Which part of the stack it belongs to.
    pub scope: Scope,
    /// The line that made it.
    pub origin: Option<Origin>,
    /// Its wave: creates and updates count up from 0 in dependency order; deletes come after them all, dependents first.
    pub wave: usize,
    /// The wave that doesn't begin before this object is ready (or gone, where it is deleted): the first with something that
    /// needs it to be. As many as there are waves: nothing does, and it is waited for at the end.
    pub ready_by: usize,
    /// Fields that change, in the order of their paths. For a create, the whole object's leaves; for a delete none.
    pub fields: Vec<FieldChange>,
    /// Fields of ours that another writer took: they go back, by force on this object alone.
    /// Or fields of others that we want: refused, unless `--take-ownership`.
    pub conflicts: Vec<Conflict>,
    /// The immutable fields that force a replace, in the server's words where it said them.
    pub replace_reasons: Vec<String>,
    /// What the writes are, in order. Empty for [`Action::Forget`].
    pub writes: Vec<Write>,
    /// What was asked for.
    pub desired: Option<Desired>,
    /// What was there.
    pub live: Option<Object>,
    /// What will be there, as the server's dry-run said or as it was predicted.
    pub predicted: Option<Object>,
    /// What the last apply left.
    pub prior: Option<Prior>,
    /// How it was decided.
    pub decided: Decided,
    /// For people: "restarts 5 pods", "12 custom resources go with it".
    pub notes: Vec<String>,
}

/// How it was decided what becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// By the rules of server-side apply, on what the list returned: applying it would change nothing.
    Merge,
    /// By prediction, and the server's dry-run says the same.
    Verified,
    /// By the server's dry-run: nothing was predicted, or something else.
    DryRun,
    /// By prediction alone: the server wasn't asked, or can't see what the same plan creates.
    Prediction,
    /// By the state and what is there: the stack no longer has it.
    Record,
}

/// Where the server contradicts what was predicted. The plan has the server's word.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Doubt {
    /// Where; the root where it is about the object.
    pub path: FieldPath,
    /// What was predicted; None: nothing there.
    pub predicted: Option<Shown>,
    /// What the server says.
    pub server: Option<Shown>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Which.
    pub path: FieldPath,
    /// What it is now; None: it is not there.
    pub before: Option<Shown>,
    /// What it will be; None: it goes.
    pub after: Option<Shown>,
    /// Why.
    pub cause: Cause,
    /// The line in the stack that says so, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Why a field changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Cause {
    /// The stack says something else than at the last apply.
    Intended,
    /// Somebody changed it behind our back; it is set back.
    Drift {
        /// The manager's name, where managedFields tell it.
        by: Option<String>,
        /// When, as the server wrote it.
        since: Option<String>,
    },
    /// The server itself changes it: a default, a canonical form.
    Server,
}

/// A value that may be shown. Secrets never get into one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Anything but a secret.
    Value(Value),
    /// A secret: only that there is one.
    Secret,
    /// What the server draws when it is written, and would draw otherwise each time that it is asked: an address, a node port.
    KnownAfterApply,
}

/// A field that somebody else owns and we want with another value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conflict {
    /// The owner.
    pub manager: String,
    /// Since when, as the server wrote it.
    pub since: Option<String>,
    /// Which field.
    pub path: FieldPath,
    /// Our last apply owned it: drift, taken back by force. Otherwise it never was ours (or we handed it over).
    pub ours_before: bool,
}

/// A request that changes the cluster. A change is one or several of them, in order; each is journalled before it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Write {
    /// Server-side apply as our manager.
    Apply {
        /// The configuration.
        object: Object,
        /// Takes the fields of the conflicts.
        force: bool,
        /// The object must not exist (else it must, with the live object's uid and resourceVersion).
        creates: bool,
    },
    /// A patch of managedFields alone, guarded by the resourceVersion: these paths leave our entry; their values stay, and are nobody's.
    Release {
        /// Which fields.
        paths: Vec<FieldPath>,
    },
    /// A patch of managedFields alone: what these managers' Update entries own becomes ours, so that fields that we
    /// leave out later really go (the take-over from kubectl's client-side apply); its last-applied annotation goes.
    TakeOver {
        /// The managers, `kubectl-client-side-apply` and the like.
        managers: Vec<String>,
    },
    /// A deletion, with uid and resourceVersion as preconditions.
    Delete {
        /// What becomes of its dependents.
        propagation: Propagation,
    },
}

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// They go first, then it: the deletion is over when all is gone.
    Foreground,
    /// It goes, then they do.
    Background,
    /// They stay.
    Orphan,
}
