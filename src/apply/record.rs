//! What a run writes ahead into its journal, and what can be read out of it: for every change what was there before,
//! which writes it consists of, and what became of each.
//!
//! All that is needed to go on with a run, or to undo it, is in here: a run that was killed is known by its journal alone.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::{Action, Change, Plan, Write};
use crate::resource::{Desired, Diagnostic, Object, ObjectKey, Origin, Prior, Scope};
use crate::state::Binding;

/// The newest journal that this version writes, and reads.
pub const FORMAT: u32 = 1;

/// A place to write records to. The one outside tests is [`crate::state::Journal`].
pub trait Log: Send {
    /// Adds a record; it need not be durable yet.
    fn append(&mut self, record: &Record) -> Result<(), Diagnostic>;
    /// Makes all that was added durable.
    fn sync(&mut self) -> Result<(), Diagnostic>;
}

/// What a run is about: the journal's first entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Of the journal's records.
    pub format: u32,
    /// `apply`, `destroy`, `rollback to 3`, `import`.
    pub operation: String,
    /// Whose, and where.
    pub binding: Binding,
    /// The kubeconfig's context.
    pub context: String,
    /// The revision of the state that the run starts from.
    pub revision: u64,
    /// Who: user@host.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
}

impl Header {
    /// For people: `apply, begun 2026-11-20T14:02:00Z by ana@laptop`.
    pub fn describe(&self) -> String {
        format!("{}, begun {} by {}", self.operation, self.started.strftime("%Y-%m-%dT%H:%M:%SZ"), self.by)
    }
}

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// A change of the plan. All of them stand before the first wave.
    Change(Box<Planned>),
    /// An object that stays as it is and is to be recorded anew. All of them stand before the first wave.
    Keep(Box<Desired>),
    /// From here on the requests of this wave may have been sent.
    Wave(usize),
    /// A write was done, and this is what it did.
    Answer {
        /// Which change, counted from 0.
        change: usize,
        /// Which of its writes, counted from 0.
        write: usize,
        /// What it did.
        effect: Box<Effect>,
    },
    /// From here on the run is being undone: it can't be gone on with.
    Undo,
    /// From here on the requests that undo this change may have been sent. What its writes did was looked up before:
    /// those without an answer in the journal weren't done.
    Undoing(usize),
    /// An object was made again of its before-image.
    Recreated {
        /// Which change.
        change: usize,
        /// The new object's uid.
        uid: String,
    },
    /// A change is as it was, as far as it can be.
    Undone(usize),
    /// Everything is done and ready; what the state is to hold from now on.
    Committing(Box<Value>),
}

/// A change as the journal holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// Which object.
    pub key: ObjectKey,
    /// What happens to it.
    pub action: Action,
    /// Its wave.
    pub wave: usize,
    /// The wave that doesn't begin before it is ready, or gone. A journal that doesn't say so means the next one.
    #[serde(default)]
    pub ready_by: usize,
    /// Which part of the stack it belongs to.
    pub scope: Scope,
    /// The line that made it.
    pub origin: Option<Origin>,
    /// What the writes are.
    pub writes: Vec<Write>,
    /// What was asked for.
    pub desired: Option<Desired>,
    /// What was there, managedFields included: what an undo goes back to.
    pub before: Option<Object>,
    /// What the last apply left.
    pub prior: Option<Prior>,
}

impl Planned {
    /// A plan's changes.
    pub fn all(plan: &Plan) -> Vec<Self> {
        plan.changes.iter().map(Self::from).collect()
    }
}

impl From<&Change> for Planned {
    fn from(change: &Change) -> Self {
        Self {
            key: change.key.clone(),
            action: change.action,
            wave: change.wave,
            ready_by: change.ready_by,
            scope: change.scope.clone(),
            origin: change.origin.clone(),
            writes: change.writes.clone(),
            desired: change.desired.clone(),
            before: change.live.clone(),
            prior: change.prior.clone(),
        }
    }
}

/// What a write did: the object that it was sent for, and the one that it left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Effect {
    /// What was there. None: nothing.
    pub before: Option<Object>,
    /// What is there. None: it goes, or is gone.
    pub after: Option<Object>,
    /// `before` is none, and yet the object was there: somebody else made it in the same moment.
    #[serde(default)]
    pub hit_existing: bool,
}

/// A journal, read: what was to be done and how far it came.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// What the run is about.
    pub header: Header,
    /// Its changes, in the plan's order.
    pub changes: Vec<Progress>,
    /// Objects that stay as they are and are to be recorded anew.
    pub kept: Vec<Desired>,
    /// It was read back: an earlier process began it.
    pub taken_up: bool,
    /// It is being undone.
    pub undo: bool,
    /// What the state is to hold, if all is done.
    pub committing: Option<Value>,
}

/// How far a change came.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is.
    pub planned: Arc<Planned>,
    /// Its requests may have been sent.
    pub begun: bool,
    /// What each write did; None: not known to be done.
    pub effects: Vec<Option<Effect>>,
    /// Requests to undo it may have been sent.
    pub undoing: bool,
    /// The uid of the object that an undo made of the before-image.
    pub recreated: Option<String>,
    /// It is as it was.
    pub undone: bool,
}

impl Ledger {
    /// Before anything.
    pub fn new(header: Header) -> Self {
        Self { header, changes: Vec::new(), kept: Vec::new(), taken_up: false, undo: false, committing: None }
    }

    /// Reads a journal back.
    pub fn read(header: Value, records: Vec<Value>) -> Result<Self, Diagnostic> {
        let unreadable = |error: serde_json::Error| {
            Diagnostic::error("apply::journal", format!("the journal of the unfinished run can't be understood: {error}"))
                .help("finish the run with the version of spai that began it")
        };
        let format = header.get("format").and_then(Value::as_u64).unwrap_or_default();
        if format > u64::from(FORMAT) {
            return Err(Diagnostic::error(
                "apply::journal",
                format!("the unfinished run's journal has format {format}, this spai reads {FORMAT}"),
            )
            .help("finish the run with the newer spai that began it; nothing was touched"));
        }
        let mut ledger = Self { taken_up: true, ..Self::new(serde_json::from_value(header).map_err(unreadable)?) };
        for record in records {
            ledger.note(serde_json::from_value(record).map_err(unreadable)?);
        }
        Ok(ledger)
    }

    /// Takes one more record in. Records about changes that are not there are no concern of ours.
    pub fn note(&mut self, record: Record) {
        match record {
            Record::Change(planned) => {
                let effects = vec![None; planned.writes.len()];
                self.changes.push(Progress {
                    planned: Arc::from(planned),
                    begun: false,
                    effects,
                    undoing: false,
                    recreated: None,
                    undone: false,
                });
            }
            Record::Wave(wave) => {
                for change in self.changes.iter_mut().filter(|change| change.planned.wave == wave) {
                    change.begun = true;
                }
            }
            Record::Answer { change, write, effect } => {
                if let Some(slot) = self.changes.get_mut(change).and_then(|change| change.effects.get_mut(write)) {
                    *slot = Some(*effect);
                }
            }
            Record::Keep(desired) => self.kept.push(*desired),
            Record::Undo => self.undo = true,
            Record::Undoing(change) => self.change(change, |progress| progress.undoing = true),
            Record::Recreated { change, uid } => self.change(change, |progress| progress.recreated = Some(uid)),
            Record::Undone(change) => self.change(change, |progress| progress.undone = true),
            Record::Committing(value) => self.committing = Some(*value),
        }
    }

    fn change(&mut self, index: usize, f: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.changes.get_mut(index) {
            f(progress);
        }
    }

    /// The waves in order, each with the changes that it consists of. Changes without
    /// writes are in none.
    pub fn waves(&self) -> Vec<(usize, Vec<usize>)> {
        let mut waves = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for (index, change) in self.changes.iter().enumerate() {
            if !change.planned.writes.is_empty() {
                waves.entry(change.planned.wave).or_default().push(index);
            }
        }
        waves.into_iter().collect()
    }

    /// Whether any request of the plan may have been sent.
    pub fn has_begun(&self) -> bool {
        self.changes.iter().any(|change| change.begun)
    }
}

impl Progress {
    /// What is known to be there before the write at `index`: what the one before it left, else the before-image.
    pub fn base(&self, index: usize) -> Option<&Object> {
        match index.checked_sub(1).and_then(|previous| self.effects.get(previous)).and_then(Option::as_ref) {
            Some(effect) => effect.after.as_ref(),
            None => self.planned.before.as_ref(),
        }
    }

    /// Whether all its writes are known to be done.
    pub fn is_done(&self) -> bool {
        self.effects.iter().all(Option::is_some)
    }

    /// What the last write left.
    pub fn last(&self) -> Option<&Object> {
        self.effects.iter().rev().flatten().next()?.after.as_ref()
    }
}

impl Log for crate::state::Journal {
    fn append(&mut self, record: &Record) -> Result<(), Diagnostic> {
        Self::append(self, record)
    }

    fn sync(&mut self) -> Result<(), Diagnostic> {
        Self::sync(self)
    }
}
