//! CronJobs: nothing is started by the clock here; a CronJob that stands there is what a stack applies, and its Jobs can be made by hand.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::status::{MANAGER, all_owned, find_condition, write};
use crate::embedded::api::Failure;
use crate::embedded::world::State;

/// Lists the Jobs that were made of it and aren't finished.
pub(super) fn look(state: &mut State, cron: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let finished = |job: &Value| {
        ["Complete", "Failed"].iter().any(|kind| find_condition(&job["status"], kind).is_some_and(|one| one["status"] == "True"))
    };
    let active: Vec<Value> = all_owned(state, "jobs.batch", cron)
        .iter()
        .filter(|job| !finished(job))
        .map(|job| json!({"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "namespace": job["metadata"]["namespace"], "uid": job["metadata"]["uid"], "resourceVersion": job["metadata"]["resourceVersion"]}))
        .collect();
    let mut next = Value::clone(cron);
    if active.is_empty() {
        if let Some(status) = next["status"].as_object_mut() {
            status.remove("active");
        }
    } else {
        next["status"]["active"] = active.into();
    }
    write(state, cron, next, MANAGER)?;
    Ok(None)
}
