//! The plan: everything that it needs is read, all reads at once, and what only the server can tell is asked by dry-run.

use crate::plan::Plan;
use crate::resource::{Desired, Diagnostics, PriorSet};

use super::{Request, Session};

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
    plan_for(session, request, None).await
}

/// The same for something else than the stack as it is now: a rollback's older revision, a destroy's nothing.
///
/// # Errors
/// As [`plan`].
pub async fn plan_for(session: &Session, request: &Request, basis: Option<Basis>) -> Result<Plan, Diagnostics> {
    let _ = (session, request, basis);
    Err(crate::resource::Diagnostic::error("plan::unfinished", "planning is being written").into())
}
