//! All that an embedded cluster is: what it holds, what it serves, and what its controllers have to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::admit::Policies;
use super::catalog::Catalog;
use super::clock::Clock;
use super::control::Work;
use super::crd::Definitions;
use super::faults::Faults;
use super::random::Random;
use super::schemas::Schemas;
use super::store::Store;
use super::tokens::Signer;

/// The cluster, shared by everything that serves it.
#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    /// Its time.
    pub clock: Clock,
    /// What is to go wrong.
    pub faults: Mutex<Faults>,
}

/// What a request works on, one at a time.
#[derive(Debug)]
pub struct State {
    /// The objects.
    pub store: Store,
    /// What is served.
    pub catalog: Catalog,
    /// The types of what is served.
    pub schemas: Schemas,
    /// The custom resource definitions, ready for use.
    pub definitions: Definitions,
    /// The admission policies that were asked.
    pub policies: Policies,
    /// What signs the tokens of service accounts.
    pub signer: Signer,
    /// Names and uids.
    pub random: Random,
    /// Whose pods never get ready.
    pub never_ready: Vec<String>,
    /// What the controllers have to do.
    pub work: Work,
    /// How late it is, for the whole of a request.
    pub now: Timestamp,
}

impl World {
    /// A cluster of these parts.
    pub fn new(state: State, clock: Clock) -> Self {
        Self { state: Mutex::new(state), clock, faults: Mutex::default() }
    }

    /// The state, alone, at the time that it now is.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held is a fault of ours; what was written is whole all the same.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.clock.now();
        state
    }
}
