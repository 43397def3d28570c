//! One writer per stack in the whole cluster: a Lease in the root namespace, renewed while a run goes on.
//!
//! A lease fences nothing by itself (every write carries its own preconditions); it makes the second of two runs stop
//! before it begins, and a run that lost it stop at its next step.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::root::{own_labels, own_manager, own_object};
use super::{Cluster, ClusterError, Guard};
use crate::plan::Propagation;
use crate::resource::{Diagnostic, FieldManager, Object, ObjectKey, StackIdentity};

/// How long a lease is valid after it was renewed.
const VALID: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(5);
/// How soon it is tried again when that failed.
const RENEW_AGAIN: Duration = Duration::from_secs(1);
/// How long an expired lease is watched before it is taken: a holder whose clock is wrong renews it meanwhile.
const OBSERVE: Duration = Duration::from_secs(8);
/// How often a lost race for a lease is run again.
const RACES: usize = 5;

/// Who holds the lease, for machines; [`Claim::text`] is the same for people.
const TOKEN: &str = "spai.dev/holder";

/// Who wants a lease.
pub struct Claim<'c> {
    /// For people: `ana@laptop, process 4242: spai apply`.
    pub text: String,
    /// For machines: no two runs have the same one.
    pub token: Value,
    /// Whether the run with this token is certainly over.
    pub is_dead: &'c (dyn Fn(&Value) -> bool + Send + Sync),
}

/// Somebody who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// For people.
    pub text: String,
    /// For machines, if it was spai who took it.
    pub token: Option<Value>,
    /// Since when, as it wrote.
    pub since: Option<Timestamp>,
    /// When it last renewed, as it wrote.
    pub renewed: Option<Timestamp>,
}

/// Why the lease couldn't be had, or kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another run has it.
    #[error("another run holds the lease: {}", .0.text)]
    Held(Box<LeaseHolder>),
    /// It was ours, and somebody took or deleted it.
    #[error("the lease was lost: {0}")]
    Lost(String),
    /// It can't be read or written.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl From<LeaseError> for Diagnostic {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Held(holder) => {
                let since = holder.since.map(|since| format!(", since {since:.0}")).unwrap_or_default();
                Self::error("cluster::lease_held", format!("another run holds the stack's lease: {}{since}", holder.text))
                    .help(format!("wait until it is over; a run that died holds it for {} s more at the most; `spai lock break` takes it away", VALID.as_secs()))
            }
            LeaseError::Lost(why) => Self::error("cluster::lease_lost", format!("the stack's lease was lost: {why}"))
                .help("another run may be writing now; see `spai lock show`, then go on with `spai apply --resume` or undo with `spai apply --rollback`"),
            LeaseError::Cluster(error) => error.into(),
        }
    }
}

/// How our own claim stands in a lease.
#[derive(Clone, Debug)]
struct Ours {
    text: String,
    token: Value,
}

impl Ours {
    /// Whoever takes a lease by hand, or with another tool, may leave the token as it stands: the name tells too.
    fn is(&self, holder: &LeaseHolder) -> bool {
        holder.token.as_ref() == Some(&self.token) && holder.text == self.text
    }
}

/// How a lease stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseStatus {
    /// Ours.
    Held,
    /// It couldn't be renewed in time, for the server doesn't answer: ours, unless somebody else reaches the server.
    Doubtful,
    /// Not ours any more, and why.
    Lost(String),
}

/// A lease that is ours, renewed in the background until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    cluster: Cluster,
    key: ObjectKey,
    ours: Ours,
    status: watch::Receiver<LeaseStatus>,
    renewal: JoinHandle<()>,
}

/// The lease's name and place.
pub fn key(identity: &StackIdentity, root: &str) -> ObjectKey {
    ObjectKey::new("coordination.k8s.io", "Lease", Some(root), &format!("spai-{}", identity.stack))
}

/// Takes the lease of a stack, if nobody holds it: at once, but for an expired one, which is watched for some seconds first.
/// The root namespace must be there ([`super::ensure_root`]).
///
/// # Errors
/// [`LeaseError::Held`] with the other one.
pub async fn acquire(cluster: &Cluster, identity: &StackIdentity, root: &str, claim: &Claim<'_>) -> Result<Lease, LeaseError> {
    let key = key(identity, root);
    let manager = own_manager(identity);
    let mut races = 0;
    let mut watched: Option<Object> = None;
    let taken = loop {
        let live = cluster.get(&key).await?;
        if let Some(live) = &live {
            let holder = holder_of(live);
            let ours_already = holder.as_ref().is_some_and(|h| h.token.as_ref() == Some(&claim.token));
            let free = holder.is_none() || ours_already || holder.as_ref().and_then(|h| h.token.as_ref()).is_some_and(claim.is_dead);
            if let Some(holder) = holder.filter(|_| !free) {
                if !is_expired(live, Timestamp::now()) {
                    return Err(LeaseError::Held(Box::new(holder)));
                }
                match &watched {
                    None => {
                        watched = Some(live.clone());
                        sleep(OBSERVE).await;
                        continue;
                    }
                    Some(before) if before.resource_version() != live.resource_version() => {
                        return Err(LeaseError::Held(Box::new(holder)));
                    }
                    Some(_) => {}
                }
            }
        }
        let wanted = own_object(print(&key, identity, claim, live.as_ref(), Timestamp::now()))?;
        let written = match live {
            None => cluster.create(&wanted, &manager).await,
            Some(_) => cluster.replace(&wanted, &manager).await,
        };
        match written {
            Ok(taken) => break taken,
            Err(ClusterError::AlreadyExists { .. } | ClusterError::Stale { .. } | ClusterError::NotFound { .. }) if races < RACES => {
                races += 1;
            }
            // If it was done, the next round finds it ours already.
            Err(error) if error.may_have_been_done() && races < RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let (sender, status) = watch::channel(LeaseStatus::Held);
    let ours = Ours { text: claim.text.clone(), token: claim.token.clone() };
    let renewal = Renewal { cluster: cluster.clone(), manager, ours: ours.clone(), live: taken, renewed: Instant::now() };
    let renewal = tokio::spawn(renewal.run(sender));
    Ok(Lease { cluster: cluster.clone(), key, ours, status, renewal })
}

/// Who holds the lease; None if nobody does.
///
/// # Errors
/// It can't be read.
pub async fn holder(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<Option<LeaseHolder>, ClusterError> {
    Ok(cluster.get(&key(identity, root)).await?.as_ref().and_then(holder_of))
}

/// Takes the lease away from whoever holds it, and says who that was.
///
/// # Errors
/// It can't be deleted, or was renewed in the same moment ([`ClusterError::Stale`]).
pub async fn break_(cluster: &Cluster, identity: &StackIdentity, root: &str) -> Result<Option<LeaseHolder>, ClusterError> {
    let key = key(identity, root);
    let mut races = 0;
    loop {
        let Some(live) = cluster.get(&key).await? else { return Ok(None) };
        match delete(cluster, &live).await {
            Err(ClusterError::Stale { .. }) if races < RACES => races += 1,
            other => return other.map(|()| holder_of(&live)),
        }
    }
}

impl Lease {
    /// How it stands, to be watched.
    pub fn status(&self) -> watch::Receiver<LeaseStatus> {
        self.status.clone()
    }

    /// To be asked before each step that writes. While it is doubtful, this waits until the server answers, for at most `patience`.
    ///
    /// # Errors
    /// [`LeaseError::Lost`].
    pub async fn check(&self, patience: Duration) -> Result<(), LeaseError> {
        let mut status = self.status.clone();
        let decided = timeout(patience, status.wait_for(|status| *status != LeaseStatus::Doubtful)).await;
        match decided {
            Ok(Ok(now)) => match &*now {
                LeaseStatus::Lost(why) => Err(LeaseError::Lost(why.clone())),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(LeaseError::Lost("it is no longer renewed".to_owned())),
            Err(_) => Err(LeaseError::Lost(format!("it couldn't be renewed for {} s, and the server doesn't answer", VALID.as_secs()))),
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The server can't be reached: it expires by itself then.
    pub async fn release(self) -> Result<(), ClusterError> {
        self.renewal.abort();
        let Some(live) = self.cluster.get(&self.key).await? else { return Ok(()) };
        if !holder_of(&live).is_some_and(|holder| self.ours.is(&holder)) {
            return Ok(());
        }
        match delete(&self.cluster, &live).await {
            // A last renewal was under way.
            Err(ClusterError::Stale { .. }) => match self.cluster.get(&self.key).await? {
                Some(live) if holder_of(&live).is_some_and(|holder| self.ours.is(&holder)) => delete(&self.cluster, &live).await,
                _ => Ok(()),
            },
            other => other,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// What renews a lease.
struct Renewal {
    cluster: Cluster,
    manager: FieldManager,
    ours: Ours,
    live: Object,
    renewed: Instant,
}

impl Renewal {
    async fn run(mut self, status: watch::Sender<LeaseStatus>) {
        let mut pause = RENEW;
        loop {
            sleep(pause).await;
            pause = RENEW_AGAIN;
            // An attempt begun is given up in time for the next one: the server may be away for long.
            match timeout(RENEW, self.renew()).await {
                Ok(Ok(())) => {
                    self.renewed = Instant::now();
                    pause = RENEW;
                    status.send_if_modified(|now| std::mem::replace(now, LeaseStatus::Held) != LeaseStatus::Held);
                }
                Ok(Err(LeaseError::Lost(why))) => {
                    status.send_replace(LeaseStatus::Lost(why));
                    return;
                }
                _ if self.renewed.elapsed() + RENEW >= VALID => {
                    status.send_if_modified(|now| std::mem::replace(now, LeaseStatus::Doubtful) != LeaseStatus::Doubtful);
                }
                _ => {}
            }
        }
    }

    async fn renew(&mut self) -> Result<(), LeaseError> {
        let mut wanted = self.live.clone();
        wanted.value_mut()["spec"]["renewTime"] = micro_time(Timestamp::now());
        match self.cluster.replace(&wanted, &self.manager).await {
            Ok(live) => self.live = live,
            Err(ClusterError::Stale { .. } | ClusterError::NotFound { .. }) => {
                // Somebody else's write, or one of ours whose answer was lost.
                let Some(live) = self.cluster.get(&self.live.key()).await? else {
                    return Err(LeaseError::Lost("it was deleted".to_owned()));
                };
                match holder_of(&live) {
                    Some(holder) if self.ours.is(&holder) => self.live = live,
                    Some(holder) => return Err(LeaseError::Lost(format!("{} has it now", holder.text))),
                    None => return Err(LeaseError::Lost("it was taken away".to_owned())),
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

async fn delete(cluster: &Cluster, live: &Object) -> Result<(), ClusterError> {
    let Some(guard) = Guard::of(live) else { return Ok(()) };
    cluster.delete(&live.key(), &guard, Propagation::Background, false).await.map(|_| ())
}

fn print(key: &ObjectKey, identity: &StackIdentity, claim: &Claim<'_>, over: Option<&Object>, now: Timestamp) -> Value {
    let transitions = over.map_or(0, |live| live.value()["spec"]["leaseTransitions"].as_i64().unwrap_or(0) + 1);
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": own_labels(identity),
            "annotations": {TOKEN: claim.token.to_string()},
        },
        "spec": {
            "holderIdentity": claim.text,
            "leaseDurationSeconds": VALID.as_secs(),
            "acquireTime": micro_time(now),
            "renewTime": micro_time(now),
            "leaseTransitions": transitions,
        },
    });
    if let Some(live) = over {
        for field in ["uid", "resourceVersion"] {
            lease["metadata"][field] = live.value()["metadata"][field].clone();
        }
    }
    lease
}

/// None where nobody holds it.
fn holder_of(live: &Object) -> Option<LeaseHolder> {
    let spec = &live.value()["spec"];
    let text = spec["holderIdentity"].as_str().filter(|text| !text.is_empty())?;
    Some(LeaseHolder {
        text: text.to_owned(),
        token: live.annotation(TOKEN).and_then(|token| serde_json::from_str(token).ok()),
        since: time(&spec["acquireTime"]),
        renewed: time(&spec["renewTime"]),
    })
}

/// Whether it wasn't renewed in time, as clocks go.
fn is_expired(live: &Object, now: Timestamp) -> bool {
    let spec = &live.value()["spec"];
    let seconds = spec["leaseDurationSeconds"].as_i64().unwrap_or(0).clamp(0, 24 * 3600);
    time(&spec["renewTime"]).is_none_or(|renewed| renewed.as_second() + seconds < now.as_second())
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// As the API server wants it: six digits of fractions, always.
fn micro_time(at: Timestamp) -> Value {
    format!("{at:.6}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: &str) -> Object {
        let identity = StackIdentity::new("hello", "development");
        let claim = Claim { text: holder.to_owned(), token: json!({"pid": 1}), is_dead: &|_| false };
        let at: Timestamp = renewed.parse().unwrap();
        own_object(print(&key(&identity, "hello-dev"), &identity, &claim, None, at)).unwrap()
    }

    #[test]
    fn the_holder_is_who_wrote_it() {
        let holder = holder_of(&lease("ana@laptop", "2026-11-24T02:00:00Z")).unwrap();
        assert_eq!((holder.text.as_str(), holder.token), ("ana@laptop", Some(json!({"pid": 1}))));
        assert_eq!(holder_of(&lease("", "2026-11-24T02:00:00Z")), None);
    }

    #[test]
    fn it_is_valid_for_as_long_as_it_says() {
        let lease = lease("ana@laptop", "2026-11-24T02:00:00Z");
        assert_eq!(lease.value()["spec"]["renewTime"], "2026-11-24T02:00:00.000000Z");
        assert!(!is_expired(&lease, "2026-11-24T02:00:30Z".parse().unwrap()));
        assert!(is_expired(&lease, "2026-11-24T02:00:31Z".parse().unwrap()));
    }

    #[test]
    fn it_is_no_object_of_the_stack() {
        assert_eq!(StackIdentity::of(&lease("ana", "2026-11-24T02:00:00Z")), None);
    }
}
