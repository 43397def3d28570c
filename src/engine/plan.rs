//! The plan: everything that it needs is read, all reads at once, and what only the server can tell is asked by dry-run.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;

use crate::cluster::{ApplyRequest, Cluster, ClusterError, Guard, Kind, Kinds, inventory};
use crate::graph::ResourceGraph;
use crate::plan::{Answer, Ask, Conflict, Lookup, Plan, PlanInput, Planner, Question, Target};
use crate::resource::{Desired, Diagnostic, Diagnostics, FieldManager, GroupKind, GroupVersionKind, Object, ObjectKey, PriorSet};
use crate::state::{Binding, Holder, Lock, StateStore as _, agree};

use super::{Request, Session, limits, rights, status};

/// So many objects of one kind in one place are listed rather than read one by one.
const LIST_FROM: usize = 6;

/// What a plan is made from, where that isn't the stack as it is now: an older revision, or nothing at all.
#[derive(Debug)]
pub struct Basis {
    /// What shall be there; empty: everything goes.
    pub desired: Vec<Desired>,
    /// What the last apply left; None: as the state has it.
    pub prior: Option<PriorSet>,
}

/// What would happen if the stack were applied now.
///
/// # Errors
/// Anything that couldn't be read: what isn't known is not absent. What the server refuses of single objects is among
/// the plan's findings.
pub async fn plan(session: &Session, request: &Request) -> Result<Plan, Diagnostics> {
    let mut plan = plan_for(session, request, None).await?;
    plan.findings.0.extend(unfinished(session, request)?);
    plan.findings.sort();
    Ok(plan)
}

/// That a run is under way, or was left unfinished: what is there is between two states then, however empty the plan.
fn unfinished(session: &Session, request: &Request) -> Result<Option<Diagnostic>, Diagnostic> {
    let Some(run) = status::unfinished(session)? else { return Ok(None) };
    let here = Holder::this_process(&request.process.user, &request.process.host, "plan", Timestamp::now());
    Ok(Some(match Lock::holder(session.store.dir())?.filter(|holder| !holder.is_seen_dead(&here)) {
        Some(holder) => Diagnostic::warning("plan::under_way", format!("a run is under way ({run}): this is how it stands now"))
            .help(format!("plan again when it is over; it is held by {holder}")),
        None => Diagnostic::warning(
            "plan::unfinished",
            format!("a run was left unfinished ({run}): an apply writes nothing until that is settled"),
        )
        .help("`spai apply --resume` finishes it, `spai apply --rollback` undoes it"),
    }))
}

/// The same for something else than the stack as it is now: a rollback's older revision, a destroy's nothing.
///
/// # Errors
/// As [`plan`].
pub async fn plan_for(session: &Session, request: &Request, basis: Option<Basis>) -> Result<Plan, Diagnostics> {
    let cluster = &session.cluster;
    let (target, kinds, inventory) = tokio::join!(
        cluster.target(session.root_namespace()),
        cluster.kinds(),
        inventory::read(cluster, session.identity(), session.root_namespace())
    );
    let target = Target { chosen_by: request.used.clone(), ..target.map_err(Diagnostic::from)? };
    let kinds = kinds.map_err(Diagnostic::from)?;
    let inventory = inventory.map_err(Diagnostic::from)?.map(|stored| stored.inventory);
    // After the inventory: a run that ends meanwhile leaves a state that is newer than it, never an older one.
    let (head, snapshot) = (session.store.head()?, session.store.load()?);
    bound_here(snapshot.binding.as_ref(), &session.binding(&target.cluster_uid), &target)?;
    agree(head.as_ref(), inventory.as_ref())?;

    let (basis_desired, basis_prior) = basis.map_or((None, None), |basis| (Some(basis.desired), basis.prior));
    let basis_graph = basis_desired.as_deref().map(ResourceGraph::build).transpose()?;
    let prior = basis_prior.unwrap_or(snapshot.prior);
    let resolved = &session.compiled.resolved;
    let input = PlanInput {
        identity: session.identity(),
        target,
        desired: basis_desired.as_deref().unwrap_or(&session.compiled.desired),
        graph: basis_graph.as_ref().unwrap_or(&session.compiled.graph),
        prior: &prior,
        inventory: inventory.map(|inventory| inventory.kinds).unwrap_or_default(),
        served: served(&kinds),
        max_deletes: resolved.deletes.max.clone(),
        moved: if basis_desired.is_some() { &[] } else { &resolved.moved },
        filter: &request.filter,
        take_ownership: request.take_ownership,
    };
    let mut planner = Planner::new(input)?;
    known_groups(&kinds, &planner)?;
    let reader = Reader { cluster, kinds: &kinds, manager: &session.identity().field_manager(), parallel: request.parallel_reads() };
    reader.fill(&mut planner, &session.identity().label_selector()).await?;
    loop {
        let questions = planner.questions();
        if questions.is_empty() {
            break;
        }
        for (id, answer) in reader.answers(questions).await? {
            planner.answer(id, answer);
        }
    }
    limits::read(cluster, &kinds, &mut planner, request.parallel_reads()).await?;
    rights::ask(cluster, &kinds, &mut planner, request.parallel_reads()).await;
    Ok(planner.finish())
}

/// That the state is of this cluster and this root of namespaces.
fn bound_here(bound: Option<&Binding>, here: &Binding, target: &Target) -> Result<(), Diagnostic> {
    let Some(bound) = bound else { return Ok(()) };
    if bound.cluster_uid != here.cluster_uid {
        let text = format!(
            "the state of {} is of another cluster: of the one with uid {}, and context `{}` is {}",
            here.identity, bound.cluster_uid, target.context, here.cluster_uid
        );
        return Err(Diagnostic::error("plan::another_cluster", text)
            .help("choose the right context (`--context`); for a cluster of its own, use an environment of its own or another `--state`"));
    }
    if bound.root_namespace != here.root_namespace {
        let text = format!(
            "{} was applied with the root namespace `{}`, and this is `{}`: all its objects would move",
            here.identity, bound.root_namespace, here.root_namespace
        );
        return Err(Diagnostic::error("plan::another_root", text)
            .help("use the same one; to move, `spai destroy` it there first, or make the other one an environment of its own"));
    }
    Ok(())
}

/// All kinds in all versions, and whether their objects live in namespaces.
fn served(kinds: &Kinds) -> BTreeMap<GroupVersionKind, bool> {
    let versions = kinds.iter().flat_map(|kind| kind.versions.iter().filter_map(|version| kind.in_version(version)));
    versions.map(|kind| (kind.gvk, kind.namespaced)).collect()
}

/// That no kind is missing only because the server itself couldn't find out.
fn known_groups(kinds: &Kinds, planner: &Planner<'_>) -> Result<(), Diagnostic> {
    let unknown = planner.unserved().into_iter().find(|kind| kinds.is_stale(&kind.group));
    unknown.map_or(Ok(()), |kind| {
        Err(Diagnostic::error(
            "plan::stale_discovery",
            format!("the cluster can't tell whether it has {kind}: its API group is not available"),
        )
        .help("`kubectl get apiservices` shows which aggregated API server is down"))
    })
}

/// Reads and asks, many at once.
struct Reader<'r> {
    cluster: &'r Cluster,
    kinds: &'r Kinds,
    manager: &'r FieldManager,
    parallel: usize,
}

impl Reader<'_> {
    /// Lists every kind, then reads what the lists didn't have.
    async fn fill(&self, planner: &mut Planner<'_>, selector: &str) -> Result<(), Diagnostic> {
        let listed: Vec<Kind> = planner.kinds().into_iter().filter_map(|(kind, version)| self.kind(&kind, version.as_deref())).collect();
        for page in self.cluster.list_many(&listed, Some(selector), self.parallel).await? {
            planner.page(page);
        }
        loop {
            let lookups = planner.lookups();
            if lookups.is_empty() {
                return Ok(());
            }
            for (key, object) in self.look_up(lookups).await? {
                planner.found(&key, object);
            }
        }
    }

    fn kind(&self, kind: &GroupKind, version: Option<&str>) -> Option<Kind> {
        let served = self.kinds.get(kind)?;
        version.and_then(|version| served.in_version(version)).or_else(|| Some(served.clone()))
    }

    /// Many of one kind in one place by a list, the others one by one. Secrets always so: others' are none of ours to read.
    async fn look_up(&self, lookups: Vec<Lookup>) -> Result<Vec<(ObjectKey, Option<Object>)>, Diagnostic> {
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
                    let found = self.cluster.get_in_version(&key, version.as_deref()).await?;
                    Ok::<_, ClusterError>(vec![(key, found)])
                }
                Read::List { kind, namespace, keys } => {
                    let listed = match &namespace {
                        Some(namespace) => self.cluster.list_in(&kind, namespace, None).await?,
                        None => self.cluster.list(&kind, None).await?,
                    };
                    let mut by_key: BTreeMap<ObjectKey, Object> = listed.into_iter().map(|object| (object.key(), object)).collect();
                    Ok(keys.into_iter().map(|key| (key.clone(), by_key.remove(&key))).collect())
                }
            }
        };
        let found: Vec<_> = futures::stream::iter(reads.into_iter().map(read)).buffered(self.parallel).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The server's answers, in the questions' order.
    async fn answers(&self, questions: Vec<Question>) -> Result<Vec<(usize, Answer)>, Diagnostic> {
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
            Err(ClusterError::NotFound { message } | ClusterError::Forbidden { message }) => Ok(Answer::Refused { message }),
            Err(error @ ClusterError::NoSuchKind { .. }) => Ok(Answer::Refused { message: error.to_string() }),
            // An admission webhook that fails, and the like; what the way to the server has is an outage.
            Err(ClusterError::Other { code, message, .. }) if code != 0 => Ok(Answer::Refused { message }),
            Err(error) => Err(error),
        }
    }
}

/// One request for what is to be looked up.
enum Read {
    Get { key: ObjectKey, version: Option<String> },
    List { kind: Kind, namespace: Option<String>, keys: Vec<ObjectKey> },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::StackIdentity;

    #[test]
    fn a_state_of_another_cluster_or_root_is_refused() {
        let binding = |uid: &str, root: &str| Binding {
            identity: StackIdentity::new("hello", "development"),
            cluster_uid: uid.into(),
            root_namespace: root.into(),
        };
        let target = Target {
            context: "dev".into(),
            server_version: "v1".into(),
            cluster_uid: "a".into(),
            root_namespace: "hello-dev".into(),
            chosen_by: Vec::new(),
        };
        let here = binding("a", "hello-dev");
        assert!(bound_here(None, &here, &target).is_ok() && bound_here(Some(&here), &here, &target).is_ok());
        let code = |bound: &Binding| bound_here(Some(bound), &here, &target).unwrap_err().code;
        assert_eq!(code(&binding("b", "hello-dev")), "plan::another_cluster");
        assert_eq!(code(&binding("a", "other")), "plan::another_root");
    }
}
