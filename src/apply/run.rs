//! A run: the changes, how far they are, and all that its parts (sending, waiting, undoing) share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::api::Api;
use super::event::{Event, Observer};
use super::options::{Interrupt, OnFailure, Options};
use super::outcome::{Ending, Failure, Left, Outcome};
use super::record::{Header, Ledger, Log, Planned, Record};
use crate::cluster::ClusterError;
use crate::plan::{Action, Types};
use crate::resource::{Desired, Diagnostic, FieldManager, Object, ObjectKey};

/// A run over a cluster and a journal. Every answer is in the journal before anything is built upon it; what the
/// journal doesn't tell is found out by reading the objects again.
pub struct Run<'r, A, L> {
    pub(super) api: &'r A,
    pub(super) options: Options,
    pub(super) observer: &'r dyn Observer,
    pub(super) interrupt: watch::Receiver<Interrupt>,
    pub(super) manager: FieldManager,
    pub(super) selector: String,
    pub(super) warnings: Mutex<Vec<(ObjectKey, String)>>,
    /// None: nobody has needed them yet.
    pub(super) types: tokio::sync::Mutex<Option<Arc<Types>>>,
    book: Mutex<Book<L>>,
}

/// The journal and what stands in it.
struct Book<L> {
    log: L,
    ledger: Ledger,
}

/// What made a run stop.
#[derive(Debug)]
pub(super) enum Stop {
    /// Changes failed; the server is there, so what was done can be undone.
    Failed(Vec<Failure>),
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// Nothing may be written any more: the lease is lost, the server stayed away, the journal can't be written,
    /// or Ctrl-C was pressed twice.
    Halted(Box<Failure>),
}

impl From<Diagnostic> for Stop {
    /// A journal that can't be written halts the run: there is no writing ahead any more.
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Halted(Box::new(Failure { key: None, diagnostic, symptoms: Vec::new() }))
    }
}

/// What a run is carried out with.
pub struct Means<'r, A, L> {
    /// The cluster.
    pub api: &'r A,
    /// The journal.
    pub log: L,
    /// How.
    pub options: Options,
    /// Who is told.
    pub observer: &'r dyn Observer,
    /// What stops it.
    pub interrupt: watch::Receiver<Interrupt>,
}

impl<'r, A: Api, L: Log> Run<'r, A, L> {
    /// A new run: its changes are written into the journal, whose header stands there already.
    ///
    /// # Errors
    /// The journal can't be written. Nothing was sent.
    pub fn begin(means: Means<'r, A, L>, header: Header, changes: Vec<Planned>, kept: Vec<Desired>) -> Result<Self, Diagnostic> {
        let run = Self::resume(means, Ledger::new(header));
        for change in changes {
            run.append(Record::Change(Box::new(change)))?;
        }
        for desired in kept {
            run.append(Record::Keep(Box::new(desired)))?;
        }
        run.sync()?;
        Ok(run)
    }

    /// A run that was begun before, by this process or another.
    pub fn resume(means: Means<'r, A, L>, ledger: Ledger) -> Self {
        let identity = &ledger.header.binding.identity;
        Self {
            api: means.api,
            options: means.options,
            observer: means.observer,
            interrupt: means.interrupt,
            manager: identity.field_manager(),
            selector: identity.label_selector(),
            warnings: Mutex::new(Vec::new()),
            types: tokio::sync::Mutex::new(None),
            book: Mutex::new(Book { log: means.log, ledger }),
        }
    }

    /// Does what is to be done. A failure is answered as the options say. After [`Ending::Applied`] the journal is to be
    /// finished once the state is stored; after another ending at once, if [`Outcome::over`] says so.
    pub async fn forward(&self) -> Outcome {
        let stop = match self.until_second_interrupt(self.go_forward()).await {
            Ok(()) => return self.outcome(Ending::Applied, Vec::new(), Vec::new()),
            Err(stop) => stop,
        };
        match stop {
            Stop::Halted(failure) => self.between(vec![*failure]),
            Stop::Interrupted | Stop::Failed(_) if !self.ledger(Ledger::has_begun) => {
                self.outcome(Ending::Untouched, failures_of(stop), Vec::new())
            }
            stop if self.options.on_failure == OnFailure::Stop => self.between(failures_of(stop)),
            stop => self.roll_back(failures_of(stop)).await,
        }
    }

    /// Undoes what was done, in reverse.
    pub async fn backward(&self) -> Outcome {
        self.roll_back(Vec::new()).await
    }

    /// The journal, to be finished, and what stands in it.
    pub fn into_parts(self) -> (L, Ledger) {
        let book = self.book.into_inner().unwrap_or_else(PoisonError::into_inner);
        (book.log, book.ledger)
    }

    /// Puts what the state is to hold into the journal, durably.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn committing(&self, value: serde_json::Value) -> Result<(), Diagnostic> {
        self.append(Record::Committing(Box::new(value)))?;
        self.sync()
    }

    /// Reads what is known of the run.
    pub fn ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        read(&self.book.lock().unwrap_or_else(PoisonError::into_inner).ledger)
    }

    /// Adds a record to the journal, and to what is known.
    pub(super) fn append(&self, record: Record) -> Result<(), Diagnostic> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.log.append(&record)?;
        book.ledger.note(record);
        Ok(())
    }

    /// Makes all records durable.
    pub(super) fn sync(&self) -> Result<(), Diagnostic> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).log.sync()
    }

    pub(super) fn tell(&self, event: &Event) {
        self.observer.event(event);
    }

    /// A change, as it was planned.
    pub(super) fn planned(&self, index: usize) -> Arc<Planned> {
        self.ledger(|ledger| ledger.changes[index].planned.clone())
    }

    /// What was asked of the user's terminal so far.
    pub(super) fn interrupted(&self) -> Option<Stop> {
        match *self.interrupt.borrow() {
            Interrupt::None => None,
            // An undo goes on: it is what the first Ctrl-C asked for.
            Interrupt::First if self.ledger(|ledger| ledger.undo) => None,
            Interrupt::First => Some(Stop::Interrupted),
            Interrupt::LeaseLost | Interrupt::Second => Some(Stop::Halted(self.halted())),
        }
    }

    fn halted(&self) -> Box<Failure> {
        let diagnostic = if *self.interrupt.borrow() == Interrupt::LeaseLost {
            Diagnostic::error(
                "apply::lease_lost",
                "the lease in the cluster is lost: somebody else may be writing, so nothing more is written",
            )
        } else {
            Diagnostic::error("apply::interrupted", "interrupted twice: stopped at once")
        };
        Box::new(Failure { key: None, diagnostic, symptoms: Vec::new() })
    }

    /// Does something until it is done or everything is to stop at once.
    pub(super) async fn until_second_interrupt<T>(&self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let mut interrupt = self.interrupt.clone();
        let second = async {
            // A sender that is gone sends nothing any more.
            if interrupt.wait_for(|state| *state >= Interrupt::LeaseLost).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = second => Err(Stop::Halted(self.halted())),
            result = work => result,
        }
    }

    /// Reads an object, which waits for a server that is away.
    pub(super) async fn read(&self, planned: &Planned) -> Result<Option<Object>, ClusterError> {
        let version =
            planned.desired.as_ref().map(|desired| &desired.object).or(planned.before.as_ref()).map(|object| object.gvk().version);
        self.api.get(&planned.key, version.as_deref()).await
    }

    /// An end with the run's changes neither all done nor all undone; says how to go on.
    pub(super) fn between(&self, failures: Vec<Failure>) -> Outcome {
        // Whatever was answered is worth keeping, and no reason to say anything else if it can't be kept.
        let _ = self.sync();
        let left = self.ledger(|ledger| {
            let begun = ledger.changes.iter().filter(|change| change.begun && !change.undone);
            begun
                .map(|change| Left {
                    key: change.planned.key.clone(),
                    action: change.planned.action,
                    reason: if change.is_done() {
                        done_word(change.planned.action)
                    } else {
                        "may have been begun; its answer is not known".to_owned()
                    },
                })
                .collect::<Vec<_>>()
        });
        if left.is_empty() && !self.ledger(Ledger::has_begun) {
            return self.outcome(Ending::Untouched, failures, left);
        }
        let mut outcome = self.outcome(Ending::Between, failures, left);
        outcome.over = false;
        outcome.advice = Some(if self.ledger(|ledger| ledger.undo) {
            "`spai apply --rollback` goes on undoing".to_owned()
        } else {
            "`spai apply --resume` goes on with it, `spai apply --rollback` undoes it".to_owned()
        });
        outcome
    }

    pub(super) fn outcome(&self, ending: Ending, failures: Vec<Failure>, left: Vec<Left>) -> Outcome {
        let mut outcome = self.ledger(|ledger| {
            let mut outcome = Outcome::untouched(ledger.header.revision);
            for change in &ledger.changes {
                let forgotten = change.planned.writes.is_empty() && ending == Ending::Applied;
                if forgotten || (change.begun && change.is_done() && !change.undone) {
                    outcome.done.insert(change.planned.key.clone(), change.planned.action);
                }
            }
            outcome
        });
        outcome.ending = ending;
        outcome.failures = failures;
        outcome.left = left;
        outcome.warnings.clone_from(&self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        outcome
    }
}

/// What to tell of a stop.
fn failures_of(stop: Stop) -> Vec<Failure> {
    match stop {
        Stop::Failed(failures) => failures,
        Stop::Halted(failure) => vec![*failure],
        Stop::Interrupted => {
            vec![Failure { key: None, diagnostic: Diagnostic::error("apply::interrupted", "interrupted"), symptoms: Vec::new() }]
        }
    }
}

/// What was done, for people.
fn done_word(action: Action) -> String {
    match action {
        Action::Delete => "deleted",
        Action::Replace => "replaced",
        Action::Create => "created",
        Action::Adopt => "adopted",
        Action::Update => "updated",
        Action::Own => "its fields were taken",
        Action::Forget => "forgotten",
    }
    .to_owned()
}

/// What failed about an object, with the line that made it.
pub(super) fn failure(planned: &Planned, diagnostic: Diagnostic) -> Failure {
    let mut diagnostic = diagnostic.at_maybe(planned.origin.as_ref(), planned.key.to_string());
    diagnostic.message = format!("{}: {}", planned.key, diagnostic.message);
    Failure { key: Some(planned.key.clone()), diagnostic, symptoms: Vec::new() }
}

/// What a request's error means for the run.
pub(super) fn stop_for(planned: &Planned, error: ClusterError) -> Stop {
    let outage = error.is_outage() || matches!(error, ClusterError::Unauthorized { .. });
    let failure = failure(planned, Diagnostic::from(error));
    if outage { Stop::Halted(Box::new(failure)) } else { Stop::Failed(vec![failure]) }
}
