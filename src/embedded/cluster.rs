//! The embedded cluster as a whole: opened on a folder, asked through a client, its controllers at work.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use kube::client::Body;

use super::admit::Policies;
use super::catalog::Catalog;
use super::clock::Clock;
use super::control::{self, Work};
use super::crd::Definitions;
use super::faults::{Faults, Trouble};
use super::random::Random;
use super::schemas::Schemas;
use super::store::{Folder, OpenError, Store};
use super::tokens::Signer;
use super::world::{State, World};
use super::{api, bootstrap};

/// How many things the controllers do before a request gets its turn.
const TURN: usize = 20;

/// How often what was written is flushed to the disk.
const FLUSH: Duration = Duration::from_millis(100);

/// How many of the last writes are known to watches.
const KEPT: usize = 20_000;

/// How a cluster is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder with its data; None: it is kept nowhere.
    pub folder: Option<PathBuf>,
    /// Its time.
    pub clock: Clock,
    /// What names and uids come of; None: nobody knows.
    pub seed: Option<u64>,
    /// How many of the last writes watches can go back.
    pub kept: usize,
    /// Whether the controllers work by themselves, as the clock goes. Otherwise [`EmbeddedCluster::settle`] has them work.
    pub driven: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { folder: None, clock: Clock::Machine, seed: None, kept: KEPT, driven: true }
    }
}

/// A Kubernetes cluster in this process. Cheap to clone; the last one closes it.
#[derive(Clone, Debug)]
pub struct EmbeddedCluster {
    world: Arc<World>,
    /// Ends the controllers with the last clone.
    _work: Arc<Working>,
}

/// The tasks that work for the cluster.
#[derive(Debug, Default)]
struct Working(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Working {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl EmbeddedCluster {
    /// Opens a cluster, or makes one. Must be called in a tokio runtime if it is to be driven.
    ///
    /// # Errors
    /// [`OpenError::Held`]: another process has it open. The others: its data can't be read.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let store = match &options.folder {
            Some(folder) => Store::open(Folder::open(folder)?, options.kept)?,
            None => Store::in_memory(options.kept),
        };
        let broken = |error: std::io::Error| OpenError::Io { what: "what is embedded can't be read".to_owned(), error };
        let mut state = State {
            store,
            catalog: Catalog::built_in().map_err(broken)?,
            schemas: Schemas::default(),
            definitions: Definitions::default(),
            policies: Policies::default(),
            signer: options
                .folder
                .as_ref()
                .map_or_else(Signer::fresh, |folder| Signer::kept(&folder.join("service-accounts.key")))
                .map_err(|error| OpenError::Io { what: "there is no key for the tokens of service accounts".to_owned(), error })?,
            random: options.seed.map_or_else(Random::fresh, Random::seeded),
            never_ready: Vec::new(),
            work: Work::default(),
            now: options.clock.now(),
        };
        control::start(&mut state);
        bootstrap::fill(&mut state)
            .map_err(|failure| OpenError::Foreign(format!("the embedded cluster can't be set up: {}", failure.message)))?;
        // What every cluster has is there when the first request comes.
        while control::run(&mut state, usize::MAX) {}
        let world = Arc::new(World::new(state, options.clock.clone()));
        let mut tasks = Vec::new();
        if options.driven {
            tasks.push(tokio::spawn(drive(Arc::clone(&world))));
        }
        if options.folder.is_some() && tokio::runtime::Handle::try_current().is_ok() {
            tasks.push(tokio::spawn(flush(Arc::clone(&world))));
        }
        Ok(Self { world, _work: Arc::new(Working(tasks)) })
    }

    /// A client that talks to it.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    /// The service under the client.
    pub fn service(&self) -> Service {
        Service { cluster: self.clone() }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// A fault that was asked for breaks the connection off.
    pub async fn answer(&self, request: Request<Bytes>) -> Result<Response<api::Body>, std::io::Error> {
        api::handle(&self.world, request).await
    }

    /// Has the controllers do all that is due now.
    pub fn settle(&self) {
        let mut state = self.world.lock();
        while control::run(&mut state, 1000) {}
    }

    /// Moves a manual clock on, in steps, so that everything happens at its time.
    pub fn advance(&self, by: SignedDuration) {
        let end = self.world.clock.now().saturating_add(by).unwrap_or(jiff::Timestamp::MAX);
        loop {
            self.settle();
            let now = self.world.clock.now();
            let next = self.world.lock().work.next().filter(|next| *next <= end).unwrap_or(end);
            if now >= end {
                return;
            }
            self.world.clock.advance(now.duration_until(next).max(SignedDuration::from_millis(1)));
        }
    }

    /// Asks for faults, or for none any more.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.world.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for trouble.
    pub fn trouble(&self, trouble: Trouble) {
        match trouble {
            Trouble::Fault(fault) => self.faults(|faults| faults.add(fault)),
            Trouble::NeverReady(name) => self.world.lock().never_ready.push(name),
        }
    }

    /// Forgets what happened so far, as a real server does in time: watches and pages from before end with 410.
    pub fn forget_history(&self) {
        self.world.lock().store.forget();
    }
}

/// Has the controllers work, whenever something is due.
async fn drive(world: Arc<World>) {
    let mut moves = world.lock().store.moves();
    loop {
        let (more, next) = {
            let mut state = world.lock();
            moves.borrow_and_update();
            let more = control::run(&mut state, TURN);
            (more, state.work.next())
        };
        if more {
            tokio::task::yield_now().await;
            continue;
        }
        let wait = next.map_or(Duration::from_mins(1), |next| {
            Duration::try_from(world.clock.now().duration_until(next)).unwrap_or_default().max(Duration::from_millis(1))
        });
        tokio::select! {
            changed = moves.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Flushes what was written to the disk.
async fn flush(world: Arc<World>) {
    loop {
        tokio::time::sleep(FLUSH).await;
        let file = world.lock().store.take_unflushed();
        let Some(file) = file else { continue };
        let flushed = tokio::task::spawn_blocking(move || file.sync_data()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!("the embedded cluster's data can't be flushed: {error}");
        }
    }
}

/// The cluster as a tower service.
#[derive(Clone, Debug)]
pub struct Service {
    cluster: EmbeddedCluster,
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response<api::Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let cluster = self.cluster.clone();
        // In a task of its own: the client's buffer calls one after the other, and answers take the processor.
        let task = tokio::spawn(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let answer = cluster.answer(Request::from_parts(parts, body)).await?;
            Ok::<_, Self::Error>(answer)
        });
        Box::pin(async move { task.await? })
    }
}
