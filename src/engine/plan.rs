//! The plan: everything that it needs is read, all reads at once, and what changes is checked by the server's dry-run.

mod knowledge;
mod reader;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::sync::watch;

use self::reader::{Listed, Reader};
use crate::cluster::{Kinds, inventory};
use crate::graph::ResourceGraph;
use crate::plan::{self, Asking, Known, OpenNamespaces, Plan, PlanInput, Planner, Rights, Target};
use crate::resource::{Desired, Diagnostic, Diagnostics, GroupVersionKind, PriorSet, Severity};
use crate::state::{Binding, Holder, Lock, Outline, StateStore as _, agree};

use super::{Request, Session, limits, rights, status};

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
    let outline = session.store.outline()?;
    bound_here(outline.binding.as_ref(), &session.binding(&target.cluster_uid), &target)?;
    agree(outline.head.as_ref(), inventory.as_ref())?;

    let is_stack = basis.is_none();
    let (basis_desired, basis_prior) = basis.map_or((None, None), |basis| (Some(Arc::new(basis.desired)), basis.prior));
    let basis_graph = basis_desired.as_ref().map(|desired| ResourceGraph::build(desired)).transpose()?;
    let desired = basis_desired.as_ref().unwrap_or(&session.compiled.desired);
    let known = basis_prior.map_or_else(|| known(session, outline), Known::from);
    let resolved = &session.compiled.resolved;
    let inventory = inventory.map(|inventory| inventory.kinds).unwrap_or_default();
    let served = served(&kinds);

    let reader = Reader { cluster, kinds: &kinds, manager: &session.identity().field_manager(), parallel: request.parallel_reads() };
    let (sieve, made) = watch::channel(None);
    let selector = session.identity().label_selector();
    let lists = reader.lists(plan::listed(desired, &known, &inventory, &served), &selector, made);
    let types = OnceLock::new();
    // While the lists are on their way; whatever comes of it, they don't wait for ever.
    let planner = async {
        let sieve = sieve;
        let (of_kinds, mutators) = tokio::join!(knowledge::types(cluster, &kinds, desired, &target), knowledge::mutators(cluster, &kinds));
        let of_kinds = of_kinds?;
        let types = types.get_or_init(|| Arc::new(of_kinds));
        let input = PlanInput {
            identity: session.identity(),
            target,
            desired,
            graph: basis_graph.as_ref().unwrap_or(&session.compiled.graph),
            known: &known,
            inventory,
            served,
            plurals: kinds.iter().map(|kind| (kind.group_kind(), kind.plural.clone())).collect(),
            types,
            mutators: Arc::new(mutators?),
            asking: request.asking,
            max_deletes: resolved.deletes.max.clone(),
            moved: if is_stack { &resolved.moved } else { &[] },
            filter: &request.filter,
            take_ownership: request.take_ownership,
        };
        let planner = Planner::new(input)?;
        known_groups(&kinds, &planner)?;
        sieve.send_replace(Some(planner.sieve()));
        Ok::<_, Diagnostics>(planner)
    };
    let (planner, lists) = tokio::join!(planner, lists);
    let mut planner = planner?;
    for listed in lists? {
        match listed {
            Listed::Read(sifted) => planner.page(sifted),
            Listed::Closed { kind, why } => planner.closed(kind, why),
        }
    }
    reader.fill(&mut planner).await?;
    let parallel = request.parallel_reads();
    let mut ahead = None;
    loop {
        let questions = planner.questions();
        if questions.is_empty() {
            break;
        }
        // What is asked about is compared with what the last apply left of it, once the answers are there.
        if questions.iter().any(|question| known.has(&question.key)) {
            tokio::task::spawn_blocking(known.ahead());
        }
        tokio::task::spawn_blocking(planner.foresight());
        // Where something may change is known before it is known what: the server is busy anyway.
        let open = if ahead.is_none() { planner.open_namespaces() } else { OpenNamespaces::default() };
        let (answers, limits, rules) = tokio::join!(
            reader.answers(questions),
            Box::pin(limits::read(cluster, &kinds, open.bound.clone(), parallel)),
            rights::rules(cluster, open.changing, parallel)
        );
        ahead.get_or_insert((open.bound, limits?, rules));
        planner.answers(answers?);
    }
    // Two questions that know nothing of each other.
    let needed = if request.asking == Asking::Nothing { Rights::default() } else { planner.rights_needed() };
    let (read, limits, rules) = ahead.unwrap_or_default();
    let bound = planner.bound_namespaces();
    let limits = async {
        // A namespace that turned out to be bound after all: then they are read anew.
        if bound.is_subset(&read) { Ok(limits.of(&bound)) } else { Box::pin(limits::read(cluster, &kinds, bound, parallel)).await }
    };
    let (limits, missing) = tokio::join!(Box::pin(limits), rights::missing(cluster, needed, &rules, parallel));
    planner.limits(limits?);
    planner.missing_rights(missing);
    let plan = planner.finish();
    known.failure().map_or(Ok(plan), |failure| Err(failure.clone().into()))
}

/// What the last apply left.
fn known(session: &Session, outline: Outline) -> Known {
    let (revision, store, keys) = (outline.head.as_ref().map_or(0, |head| head.revision), session.store.clone(), outline.objects.clone());
    Known::lazy(revision, keys, move || store.recall(&outline))
}

/// What a plan may leave open for who only looks, and not for who writes: objects that can't be read, and what the server
/// couldn't be asked for want of rights.
pub(super) fn for_writing(plan: &mut Plan) {
    for finding in &mut plan.findings.0 {
        if matches!(finding.code.as_str(), "plan::read_only" | "plan::not_readable") {
            finding.severity = Severity::Error;
        }
    }
    plan.findings.sort();
}

/// That the state is of this cluster and this root of namespaces.
fn bound_here(bound: Option<&Binding>, here: &Binding, target: &Target) -> Result<(), Diagnostic> {
    let Some(bound) = bound else { return Ok(()) };
    if bound.cluster_uid != here.cluster_uid {
        let text = format!(
            "the state of {} is of another cluster: of the one with uid {}, and context `{}` is {}",
            here.identity, bound.cluster_uid, target.context, here.cluster_uid
        );
        let help = if target.context == super::embedded::EMBEDDED {
            "if the embedded cluster was begun anew, `spai state recover` makes the state say so; else choose the context (`--context`)"
        } else {
            "choose the right context (`--context`); for a cluster of its own, use an environment of its own or another `--state`"
        };
        return Err(Diagnostic::error("plan::another_cluster", text).help(help));
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
