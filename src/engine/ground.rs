//! What a run stands on: whose it is, the cluster, the state, its journal and the locks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::{Refusal, Request, Session};
use crate::apply::{Event, Header, Interrupt, Ledger, Observer};
use crate::cluster::inventory::{self, Inventory};
use crate::cluster::lease::LeaseStatus;
use crate::cluster::{Cluster, Outage, remove_root};
use crate::plan::Target;
use crate::resource::{Diagnostic, GroupKind, StackIdentity};
use crate::state::{Binding, Holder, Journal, LocalStore, Lock, RunLock, StateStore as _, Unfinished};

/// What a run stands on.
pub(super) struct Ground {
    pub identity: StackIdentity,
    pub target: Target,
    pub cluster: Cluster,
    pub store: LocalStore,
    /// user@host.
    pub by: String,
    holder: Holder,
}

impl Ground {
    /// The ground of a session.
    ///
    /// # Errors
    /// The cluster doesn't say which one it is.
    pub async fn of(session: &Session, request: &Request) -> Result<Self, Diagnostic> {
        let process = &request.process;
        Ok(Self {
            identity: session.identity().clone(),
            target: session.cluster.target(session.root_namespace()).await?,
            cluster: session.cluster.clone(),
            store: session.store.clone(),
            by: process.who(),
            holder: Holder::this_process(&process.user, &process.host, &process.command, Timestamp::now()),
        })
    }

    /// The ground of a run that was left unfinished, as its journal has it.
    ///
    /// # Errors
    /// The cluster doesn't say which one it is.
    pub async fn of_run(header: &Header, cluster: Cluster, store: LocalStore, request: &Request) -> Result<Self, Diagnostic> {
        let process = &request.process;
        Ok(Self {
            identity: header.binding.identity.clone(),
            target: cluster.target(&header.binding.root_namespace).await?,
            cluster,
            store,
            by: process.who(),
            holder: Holder::this_process(&process.user, &process.host, &process.command, Timestamp::now()),
        })
    }

    /// The state's folder, in which journal and lock are too.
    pub fn dir(&self) -> PathBuf {
        self.store.dir().to_owned()
    }

    pub fn binding(&self) -> Binding {
        Binding {
            identity: self.identity.clone(),
            cluster_uid: self.target.cluster_uid.clone(),
            root_namespace: self.target.root_namespace.clone(),
        }
    }

    /// Lock and lease.
    ///
    /// # Errors
    /// [`Refusal::Held`] if another run has one of them.
    pub async fn lock(&self) -> Result<RunLock, Refusal> {
        Ok(RunLock::acquire(&self.dir(), &self.cluster, &self.identity, &self.target.root_namespace, &self.holder).await?)
    }

    /// Says that a run is unfinished, if one is and no living process is at it. One that was killed before it sent anything
    /// is none: its journal is finished on the way, if `locked`.
    pub fn no_unfinished(&self, locked: bool) -> Result<(), Refusal> {
        if !locked && Lock::holder(&self.dir())?.is_some() {
            return Ok(());
        }
        let Some(unfinished) = self.unfinished()? else { return Ok(()) };
        let ledger = read(&unfinished)?;
        if !ledger.has_begun() && !ledger.undo && ledger.committing.is_none() {
            if locked {
                unfinished.continue_()?.finish()?;
            }
            return Ok(());
        }
        let what = if ledger.undo { "; its rollback has begun" } else { "" };
        let help = if ledger.undo {
            "`spai apply --rollback` finishes it"
        } else {
            "`spai apply --resume` finishes it, `spai apply --rollback` undoes it; nothing was written now"
        };
        let message = format!("there is an unfinished run ({}){what}", ledger.header.describe());
        Err(Refusal::Unfinished(Diagnostic::error("apply::unfinished", message).help(help)))
    }

    /// The journal of an unfinished run.
    pub fn unfinished(&self) -> Result<Option<Unfinished>, Diagnostic> {
        Journal::unfinished(&self.dir(), self.store.key())
    }

    /// The header of a new run's journal.
    pub fn header(&self, operation: &str, revision: u64) -> Header {
        Header {
            format: crate::apply::FORMAT,
            operation: operation.to_owned(),
            binding: self.binding(),
            context: self.target.context.clone(),
            revision,
            by: self.by.clone(),
            started: Timestamp::now(),
        }
    }

    /// Adds kinds to the inventory in the cluster, before the first object of one is made.
    pub async fn announce(&self, kinds: BTreeSet<GroupKind>) -> Result<(), Diagnostic> {
        let root = &self.target.root_namespace;
        let stored = inventory::read(&self.cluster, &self.identity, root).await?;
        let mut inventory = stored.as_ref().map_or_else(|| Inventory::new(self.identity.clone()), |stored| stored.inventory.clone());
        inventory.kinds.extend(kinds);
        inventory::write(&self.cluster, root, &inventory, stored.as_ref()).await?;
        Ok(())
    }

    /// What is in the cluster of spai's own goes, when the stack has nothing there: inventory and,
    /// if spai made it and nothing else is in it, the root namespace. A failure is no harm: they are small and say whose they are.
    pub async fn leave_nothing(&self) {
        // An inventory that knows of more than the state does isn't ours to remove: the state was lost, or is another one.
        let root = &self.target.root_namespace;
        let head = self.store.head().map(|head| head.map_or(0, |head| head.revision));
        match (head, inventory::read(&self.cluster, &self.identity, root).await) {
            (Ok(head), Ok(stored)) if stored.as_ref().is_none_or(|stored| stored.inventory.revision <= head) => {}
            _ => return,
        }
        if let Err(error) = remove_root(&self.cluster, &self.identity, &self.target.root_namespace).await {
            tracing::warn!("the root namespace {} stays: {error}", self.target.root_namespace);
        }
    }

    /// Gives the lock back; a stack that has nothing in the cluster leaves nothing there. Somebody who wants to stop at once
    /// doesn't wait for a server that is away: the lease expires by itself, and its holder is seen to be dead.
    pub async fn give_back(&self, lock: RunLock, interrupt: Option<watch::Receiver<Interrupt>>) {
        let tidy = async {
            if let Err(error) = lock.release().await {
                tracing::warn!("the lease could not be given back: {error}");
            }
            if self.has_nothing() {
                self.leave_nothing().await;
            }
        };
        let hurry = async {
            if let Some(mut interrupt) = interrupt
                && interrupt.wait_for(|interrupt| *interrupt == Interrupt::Second).await.is_ok()
            {
                return;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = tidy => {}
            () = hurry => {}
        }
    }

    /// Whether the stack has nothing in the cluster: the state has no objects, and no run is unfinished.
    pub fn has_nothing(&self) -> bool {
        let unfinished = self.unfinished().map_or(true, |unfinished| unfinished.is_some());
        !unfinished && self.store.outline().is_ok_and(|state| state.objects.is_empty())
    }
}

/// What the journal of an unfinished run tells.
pub(super) fn read(unfinished: &Unfinished) -> Result<Ledger, Diagnostic> {
    Ledger::read(unfinished.header.clone(), unfinished.records.clone())
}

/// Does something with a cluster that tells the observer when the server goes away and comes back.
pub(super) async fn observed<T>(cluster: &Cluster, observer: &dyn Observer, work: impl AsyncFnOnce(&Cluster) -> T) -> T {
    let (sender, mut outages) = mpsc::unbounded_channel();
    // Whoever listens is gone only when nothing is done any more.
    let cluster = cluster.clone().observed(Arc::new(move |outage: &Outage| drop(sender.send(outage.clone()))));
    let telling = async {
        while let Some(outage) = outages.recv().await {
            observer.event(&match outage {
                Outage::Away { reason } => Event::ServerAway { reason },
                Outage::Back => Event::ServerBack,
            });
        }
        std::future::pending::<T>().await
    };
    tokio::select! {
        result = work(&cluster) => result,
        result = telling => result,
    }
}

/// What the user wants and what the lease says, as one: the run stops at either.
pub(super) fn until_lease_lost(mut user: watch::Receiver<Interrupt>, lock: &RunLock) -> watch::Receiver<Interrupt> {
    let mut lease = lock.lease().status();
    let (sender, receiver) = watch::channel(*user.borrow());
    tokio::spawn(async move {
        let (mut user_there, mut lease_there) = (true, true);
        while !sender.is_closed() {
            tokio::select! {
                changed = user.changed(), if user_there => user_there = changed.is_ok(),
                changed = lease.changed(), if lease_there => lease_there = changed.is_ok(),
                () = sender.closed() => return,
            }
            let wanted = *user.borrow_and_update();
            let lost = matches!(*lease.borrow_and_update(), LeaseStatus::Lost(_));
            let state = if lost { wanted.max(Interrupt::LeaseLost) } else { wanted };
            sender.send_if_modified(|now| {
                let grows = state > *now;
                *now = state.max(*now);
                grows
            });
        }
    });
    receiver
}
