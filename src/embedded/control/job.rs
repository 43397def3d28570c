//! Jobs: pods that end, until enough have done so well.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::pods::{self, PodName};
use super::status::{MANAGER, all_owned, condition, event, find_condition, time, until, write};
use crate::embedded::api::Failure;
use crate::embedded::clock::seconds;
use crate::embedded::world::State;

/// Does the next thing for a Job.
pub(super) fn look(state: &mut State, job: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let holds = |kind: &str| find_condition(&job["status"], kind).is_some_and(|one| one["status"] == "True");
    if holds("Complete") || holds("Failed") {
        return expire(state, job);
    }
    let spec = &job["spec"];
    let all = all_owned(state, "pods", job);
    let phase = |pod: &Value, phase: &str| pod["status"]["phase"] == phase;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let succeeded = number(all.iter().filter(|pod| phase(pod, "Succeeded")).count());
    let failed = number(all.iter().filter(|pod| phase(pod, "Failed")).count());
    let active: Vec<&Arc<Value>> = all.iter().filter(|pod| pods::is_active(pod)).collect();
    let parallel = spec["parallelism"].as_i64().unwrap_or(1);
    let wanted = spec["completions"].as_i64();
    let limit = spec["backoffLimit"].as_i64().unwrap_or(6);
    let mut next = Value::clone(job);
    let now = state.now;
    let mut again = None;
    let suspended = spec["suspend"] == true;
    let status = &mut next["status"];
    if suspended {
        for pod in &active {
            pods::end(state, pod)?;
        }
        condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now, false);
    } else {
        if status["startTime"].is_null() {
            status["startTime"] = seconds(now).into();
        }
        if holds("Suspended") {
            condition(status, "Suspended", "False", "JobResumed", "Job resumed", now, false);
        }
    }
    let started = time(&status["startTime"]).unwrap_or(now);
    let late = spec["activeDeadlineSeconds"].as_i64().filter(|_| !suspended);
    let is_late = late.is_some_and(|seconds| until(started, seconds, now).is_none());
    let mut running = number(active.len());
    let done = match wanted {
        Some(wanted) => succeeded >= wanted,
        None => succeeded > 0 && active.is_empty(),
    };
    if failed > limit || is_late {
        let (reason, message) = if is_late {
            ("DeadlineExceeded", "Job was active longer than specified deadline")
        } else {
            ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        };
        for pod in &active {
            pods::end(state, pod)?;
        }
        running = 0;
        condition(status, "FailureTarget", "True", reason, message, now, false);
        condition(status, "Failed", "True", reason, message, now, false);
        event(state, job, "Warning", reason, message, "job-controller");
    } else if done {
        let message = "Reached expected number of succeeded pods";
        condition(status, "SuccessCriteriaMet", "True", "CompletionsReached", message, now, false);
        condition(status, "Complete", "True", "CompletionsReached", message, now, false);
        status["completionTime"] = seconds(now).into();
        event(state, job, "Normal", "Completed", "Job completed", "job-controller");
    } else if !suspended {
        let left = wanted.map_or(parallel, |wanted| (wanted - succeeded).min(parallel));
        let missing = if wanted.is_none() && succeeded > 0 { 0 } else { left - running };
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        // After a failure the next try waits, each time longer.
        let wait = backoff(&all, now);
        if missing > 0 && wait.is_some() {
            again = wait;
        } else {
            for _ in 0..missing.max(0) {
                match pods::make(state, job, &spec["template"], &PodName::Prefix(name), "job-controller") {
                    Ok(_) => running += 1,
                    Err(_) => {
                        again = Some(SignedDuration::from_secs(1));
                        break;
                    }
                }
            }
        }
        if let Some(left) = late.and_then(|seconds| until(started, seconds, now)) {
            again = Some(again.map_or(left, |again| again.min(left)));
        }
    }
    let all = all_owned(state, "pods", job);
    let ready = number(all.iter().filter(|pod| pods::is_active(pod) && pods::is_ready(pod)).count());
    let status = &mut next["status"];
    for (field, count) in [("active", if suspended { 0 } else { running }), ("succeeded", succeeded), ("failed", failed)] {
        if count > 0 {
            status[field] = count.into();
        } else if let Some(status) = status.as_object_mut() {
            status.remove(field);
        }
    }
    status["ready"] = ready.into();
    status["terminating"] = 0.into();
    status["uncountedTerminatedPods"] = json!({});
    write(state, job, next, MANAGER)?;
    Ok(again)
}

/// How long it is until the next try after failures: ten seconds, then twice as long each time. None: at once.
fn backoff(all: &[Arc<Value>], now: jiff::Timestamp) -> Option<SignedDuration> {
    let failed: Vec<_> = all.iter().filter(|pod| pod["status"]["phase"] == "Failed").collect();
    let last = failed.iter().filter_map(|pod| time(&pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])).max()?;
    let pause = 10_i64.saturating_mul(1 << failed.len().saturating_sub(1).min(6)).min(600);
    until(last, pause, now)
}

/// A finished Job goes when it says so.
fn expire(state: &mut State, job: &Arc<Value>) -> Result<Option<SignedDuration>, Failure> {
    let Some(after) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { return Ok(None) };
    let ended = job["status"]["conditions"].as_array().into_iter().flatten().filter_map(|one| time(&one["lastTransitionTime"])).max();
    if let Some(later) = until(ended.unwrap_or(state.now), after, state.now) {
        return Ok(Some(later));
    }
    super::collector::delete(state, "jobs.batch", job)?;
    Ok(None)
}
