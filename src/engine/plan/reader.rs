//! What a plan reads and asks, many at once.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;

use crate::cluster::{ApplyRequest, Cluster, ClusterError, Guard, Kind, Kinds, Pages, Piece};
use crate::plan::{Answer, Ask, Conflict, Lookup, Planner, Question, Sieve, Sifted};
use crate::resource::{Diagnostic, FieldManager, GroupKind, Object, ObjectKey};

/// So many objects of one kind in one place are listed rather than read one by one.
const LIST_FROM: usize = 6;

/// Reads and asks, many at once.
pub(super) struct Reader<'r> {
    pub cluster: &'r Cluster,
    pub kinds: &'r Kinds,
    pub manager: &'r FieldManager,
    pub parallel: usize,
}

/// What a list came to.
pub(super) enum Listed {
    /// What the sieve left of it.
    Read(Sifted),
    /// We may not.
    Closed { kind: GroupKind, why: String },
}

/// What a look-up came to.
enum Found {
    Read(Option<Object>),
    Closed(String),
}

impl Reader<'_> {
    /// Lists every kind; what stays as it is is dropped as soon as the sieve is there.
    pub async fn lists(
        &self,
        kinds: BTreeMap<GroupKind, Option<String>>,
        selector: &str,
        sieve: watch::Receiver<Option<Sieve>>,
    ) -> Result<Vec<Listed>, Diagnostic> {
        let kinds = kinds.into_iter().filter_map(|(kind, version)| self.kind(&kind, version.as_deref()));
        let list = |kind: Kind| {
            let sieve = sieve.clone();
            async move {
                let pages = self.cluster.pages(&kind, Some(selector));
                // In a task of its own: what it reads is compared while others still come in.
                let group_kind = kind.group_kind();
                let of = group_kind.clone();
                let list = tokio::spawn(async move { sifted(pages, &of, sieve).await });
                let list = list.await.unwrap_or_else(|error| Err(ClusterError::list_broke_off(Some(&error))));
                match list {
                    Ok(sifted) => Ok(Listed::Read(sifted)),
                    Err(ClusterError::Forbidden { message }) if is_guarded(&group_kind) => {
                        Ok(Listed::Closed { kind: group_kind, why: message })
                    }
                    Err(error) => Err(Diagnostic::from(error)),
                }
            }
        };
        let lists: Vec<_> = kinds.map(list).collect();
        futures::stream::iter(lists).buffered(self.parallel).try_collect().await
    }

    /// Reads what the lists didn't have.
    pub async fn fill(&self, planner: &mut Planner<'_>) -> Result<(), Diagnostic> {
        loop {
            let lookups = planner.lookups();
            if lookups.is_empty() {
                return Ok(());
            }
            for (key, found) in self.look_up(lookups).await? {
                match found {
                    Found::Read(object) => planner.found(&key, object),
                    Found::Closed(why) => planner.unreadable(key, why),
                }
            }
        }
    }

    fn kind(&self, kind: &GroupKind, version: Option<&str>) -> Option<Kind> {
        let served = self.kinds.get(kind)?;
        version.and_then(|version| served.in_version(version)).or_else(|| Some(served.clone()))
    }

    /// Many of one kind in one place by a list, the others one by one. Secrets always so: others' are none of ours to read.
    async fn look_up(&self, lookups: Vec<Lookup>) -> Result<Vec<(ObjectKey, Found)>, Diagnostic> {
        let mut places: BTreeMap<(GroupKind, Option<String>, Option<String>), Vec<ObjectKey>> = BTreeMap::new();
        for Lookup { key, version } in lookups {
            places.entry((key.group_kind(), version, key.namespace.clone())).or_default().push(key);
        }
        let mut reads = Vec::new();
        for ((kind, version, namespace), keys) in places {
            let listed = (keys.len() >= LIST_FROM && kind.kind != "Secret").then(|| self.kind(&kind, version.as_deref())).flatten();
            match listed {
                Some(kind) => reads.push(Read::List { kind, namespace, keys }),
                None => reads.extend(keys.into_iter().map(|key| Read::Get { key, version: version.clone() })),
            }
        }
        let read = |read: Read| async move {
            match read {
                Read::Get { key, version } => {
                    let found = match self.cluster.get_in_version(&key, version.as_deref()).await {
                        Ok(found) => Found::Read(found),
                        Err(ClusterError::Forbidden { message }) if is_guarded(&key.group_kind()) => Found::Closed(message),
                        Err(error) => return Err(error),
                    };
                    Ok::<_, ClusterError>(vec![(key, found)])
                }
                Read::List { kind, namespace, keys } => {
                    let listed = match &namespace {
                        Some(namespace) => self.cluster.list_in(&kind, namespace, None).await?,
                        None => self.cluster.list(&kind, None).await?,
                    };
                    let mut by_key: BTreeMap<ObjectKey, Object> = listed.into_iter().map(|object| (object.key(), object)).collect();
                    Ok(keys.into_iter().map(|key| (key.clone(), Found::Read(by_key.remove(&key)))).collect())
                }
            }
        };
        let found: Vec<_> = futures::stream::iter(reads.into_iter().map(read)).buffered(self.parallel).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The server's answers, in the questions' order.
    pub async fn answers(&self, questions: Vec<Question>) -> Result<Vec<(usize, Answer)>, Diagnostic> {
        let answer = |question: Question| async move {
            let answer = match question.ask {
                Ask::Count(kind) => self.count(&kind).await,
                Ask::DryRun { object, force, live } => self.dry_run(&object, force, live.as_ref()).await,
            };
            answer.map(|answer| (question.id, answer)).map_err(|error| {
                let mut diagnostic = Diagnostic::from(error);
                diagnostic.message = format!("{}: {}", question.key, diagnostic.message);
                diagnostic
            })
        };
        futures::stream::iter(questions.into_iter().map(answer)).buffered(self.parallel).try_collect().await
    }

    async fn count(&self, kind: &GroupKind) -> Result<Answer, ClusterError> {
        let Some(kind) = self.kinds.get(kind) else { return Ok(Answer::Count(0)) };
        match self.cluster.list(kind, None).await {
            Ok(all) => Ok(Answer::Count(all.len())),
            Err(ClusterError::NoSuchKind { .. }) => Ok(Answer::Count(0)),
            Err(error) => Err(error),
        }
    }

    async fn dry_run(&self, object: &Object, force: bool, live: Option<&Object>) -> Result<Answer, ClusterError> {
        let guard = live.and_then(Guard::of);
        let request = ApplyRequest { manager: self.manager, force, dry_run: true, guard, strict: true };
        let moved = || async { self.cluster.get_live(object).await.map(Answer::Moved) };
        match self.cluster.apply(object, &request).await {
            // Somebody made it meanwhile.
            Ok(applied) if live.is_none() && !applied.created => moved().await,
            Ok(applied) => Ok(Answer::Applied { object: applied.object, warnings: applied.warnings }),
            Err(ClusterError::Conflict { ownership, message }) if ownership.is_empty() => Ok(Answer::Refused { message }),
            Err(ClusterError::Conflict { ownership, .. }) => Ok(Answer::Conflict(
                ownership
                    .into_iter()
                    .map(|owner| Conflict { manager: owner.manager, since: owner.since, path: owner.path, ours_before: false })
                    .collect(),
            )),
            Err(ClusterError::Stale { .. } | ClusterError::AlreadyExists { .. }) => moved().await,
            Err(ClusterError::NotFound { .. }) if live.is_some() => moved().await,
            Err(ClusterError::Invalid { causes, message }) => {
                Ok(Answer::Invalid { causes: causes.into_iter().map(|cause| (cause.field, cause.message)).collect(), message })
            }
            Err(ClusterError::Forbidden { message }) => Ok(match missing_right(&message) {
                Some(right) => Answer::NotAllowed { right },
                None => Answer::Refused { message },
            }),
            Err(ClusterError::NotFound { message }) => Ok(Answer::Refused { message }),
            Err(error @ ClusterError::NoSuchKind { .. }) => Ok(Answer::Refused { message: error.to_string() }),
            // An admission webhook that fails, and the like; what the way to the server has is an outage.
            Err(ClusterError::Other { code, message, .. }) if code != 0 => Ok(Answer::Refused { message }),
            Err(error) => Err(error),
        }
    }
}

/// What the sieve leaves of a list: page by page, each beside what is read meanwhile.
async fn sifted(mut pages: Pages, kind: &GroupKind, mut sieve: watch::Receiver<Option<Sieve>>) -> Result<Sifted, ClusterError> {
    let mut all = Sifted::default();
    while let Some(piece) = pages.next().await? {
        let Piece::Page { page, .. } = piece else {
            all = Sifted::default();
            continue;
        };
        // Whoever was to make the sieve failed, and says so.
        let Ok(Some(sieve)) = sieve.wait_for(Option::is_some).await.map(|made| made.clone()) else { return Ok(Sifted::default()) };
        // A page takes some milliseconds: no reason for a thread of its own, which would hold memory of its own.
        all.add(sieve.sift(kind, page.items(), |item| page.object(item))?);
    }
    Ok(all)
}

/// One request for what is to be looked up.
enum Read {
    Get { key: ObjectKey, version: Option<String> },
    List { kind: Kind, namespace: Option<String>, keys: Vec<ObjectKey> },
}

/// Kinds that others may well keep from us: then the plan goes on without.
fn is_guarded(kind: &GroupKind) -> bool {
    kind.group.is_empty() && kind.kind == "Secret"
}

/// The right that is missing, if that is why the server refuses: `patch deployments.apps`. Admission refuses in other words.
fn missing_right(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("User \"").and_then(|(_, rest)| rest.split_once("\" cannot "))?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once('"')?;
    let group = rest.split_once("in API group \"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(group, _)| group);
    Some(if group.is_empty() { format!("{verb} {resource}") } else { format!("{verb} {resource}.{group}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_told_from_what_admission_refuses() {
        let rbac = r#"deployments.apps "web" is forbidden: User "ann" cannot patch resource "deployments" in API group "apps" in the namespace "a""#;
        assert_eq!(missing_right(rbac).as_deref(), Some("patch deployments.apps"));
        let core = r#"secrets is forbidden: User "ann" cannot create resource "secrets" in API group "" in the namespace "a""#;
        assert_eq!(missing_right(core).as_deref(), Some("create secrets"));
        assert_eq!(missing_right(r#"pods "web" is forbidden: exceeded quota: q, requested: pods=1"#), None);
    }
}
