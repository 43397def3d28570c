//! A run against a small API server in memory that fails at every request, and a journal that fails at every record: the
//! end is always one of two states.

mod fake;
mod scenario;
mod waiting;

use std::collections::BTreeMap;

use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::cluster::ClusterError;
use fake::{Fake, Fault, Memory};
use scenario::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn means(api: &Fake, log: Memory) -> Means<'_, Fake, Memory> {
    let (sender, interrupt) = watch::channel(Interrupt::None);
    std::mem::forget(sender);
    Means { api, log, options: Options { timeout: std::time::Duration::from_secs(5), ..Options::default() }, observer: &(), interrupt }
}

async fn apply(api: &Fake, changes: Vec<Planned>) -> (Outcome, Memory) {
    let log = Memory::default();
    let run = Run::begin(means(api, log.clone()), header(), changes, Vec::new()).unwrap();
    (run.forward().await, log)
}

#[test]
fn a_plan_is_applied_in_waves_and_everything_is_ready() {
    block_on(async {
        let (fake, changes) = scenario();
        let (outcome, log) = apply(&fake, changes).await;
        assert_eq!(outcome.ending, Ending::Applied, "{outcome:#?}");
        assert_eq!(outcome.done.len(), 8);
        assert_eq!(fake.snapshot(), goal());
        let records = log.left(false);
        let wave = records.iter().position(|record| matches!(record, Record::Wave(0))).unwrap();
        assert!(records[..wave].iter().all(|record| matches!(record, Record::Change(_))));
    });
}

#[test]
fn a_deployment_that_never_gets_ready_leaves_everything_as_it_was() {
    block_on(async {
        let (fake, changes) = scenario();
        let before = fake.snapshot();
        fake.with(|inside| inside.impossible = Some("image:2".into()));
        let (outcome, _) = apply(&fake, changes).await;
        assert_eq!(outcome.ending, Ending::RolledBack, "{outcome:#?}");
        assert_eq!(outcome.exit_code(), 3);
        assert!(outcome.failures[0].diagnostic.message.contains("timed out progressing"), "{outcome:#?}");
        assert_eq!(fake.snapshot(), before);
    });
}

#[test]
fn a_refused_object_leaves_everything_as_it_was_and_says_the_servers_words() {
    for (key, _, _) in goal() {
        block_on(async {
            let (fake, changes) = scenario();
            if !changes.iter().any(|change| change.key == key) {
                return;
            }
            let before = fake.snapshot();
            let error = ClusterError::Forbidden { message: "exceeded quota: q".into() };
            fake.with(|inside| inside.refuses = BTreeMap::from([(key.clone(), error)]));
            let (outcome, _) = apply(&fake, changes).await;
            assert_eq!(outcome.exit_code(), 3, "{key}: {outcome:#?}");
            assert!(outcome.failures[0].diagnostic.message.contains("exceeded quota"), "{outcome:#?}");
            assert_eq!(fake.snapshot(), before, "{key}");
        });
    }
}

#[test]
fn lost_answers_lost_requests_and_status_writes_are_no_reason_to_fail() {
    let writes = {
        let (fake, changes) = scenario();
        block_on(apply(&fake, changes));
        fake.with(|inside| inside.requests)
    };
    assert!(writes > 10);
    for fault in [Fault::LoseAnswer, Fault::LoseRequest, Fault::Touch] {
        for at in 1..=writes {
            block_on(async {
                let (fake, changes) = scenario();
                fake.with(|inside| inside.fault = Some((at, fault)));
                let (outcome, _) = apply(&fake, changes).await;
                assert_eq!(outcome.ending, Ending::Applied, "{fault:?} at {at}: {outcome:#?}");
                assert_eq!(fake.snapshot(), goal(), "{fault:?} at {at}");
            });
        }
    }
}

/// How a run dies: at a request, or at an operation of the journal.
#[derive(Clone, Copy, Debug)]
enum Death {
    Request(usize, Fault),
    Journal(usize),
}

/// Runs until it ends or dies; gives the outcome if it ended.
async fn mortal(fake: &Fake, log: &Memory, death: Option<Death>, work: impl AsyncFnOnce(Memory) -> Outcome) -> Option<Outcome> {
    match death {
        Some(Death::Request(at, fault)) => fake.with(|inside| inside.fault = Some((at, fault))),
        Some(Death::Journal(at)) => log.0.lock().unwrap().dies_at = Some(at),
        None => {}
    }
    tokio::select! {
        biased;
        () = fake.death() => None,
        outcome = work(log.clone()) => {
            let died = log.0.lock().unwrap();
            if died.dies_at.is_some_and(|at| died.operations >= at) { None } else { Some(outcome) }
        }
    }
}

/// Takes up a journal where a crash left it.
fn take_up(records: Vec<Record>) -> (Ledger, Memory) {
    let log = Memory::default();
    {
        let mut pages = log.0.lock().unwrap();
        pages.durable = records.len();
        pages.records.clone_from(&records);
    }
    let values = records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
    (Ledger::read(serde_json::to_value(header()).unwrap(), values).unwrap(), log)
}

async fn go_on(fake: &Fake, records: Vec<Record>, forward: bool, death: Option<Death>) -> (Option<Outcome>, Memory) {
    fake.revive();
    let (ledger, log) = take_up(records);
    let undo = ledger.undo;
    let outcome = mortal(fake, &log, death, async |log: Memory| {
        let run = Run::resume(means(fake, log), ledger);
        if forward && !undo { run.forward().await } else { run.backward().await }
    })
    .await;
    (outcome, log)
}

fn deaths() -> Vec<Death> {
    let (fake, changes) = scenario();
    let log = Memory::default();
    block_on(async {
        let run = Run::begin(means(&fake, log.clone()), header(), changes, Vec::new()).unwrap();
        run.forward().await;
    });
    let requests = fake.with(|inside| inside.requests);
    let operations = log.0.lock().unwrap().operations;
    let mut deaths: Vec<Death> = (1..=operations).map(Death::Journal).collect();
    for at in 1..=requests {
        deaths.extend([Death::Request(at, Fault::DieBefore), Death::Request(at, Fault::DieAfter)]);
    }
    deaths
}

/// The run is killed at `first`, the one that takes it up at `second` (if it comes so far), and a third one ends it.
fn killed_twice(first: Death, second: Option<Death>, forward: bool, machine_lives: bool) {
    block_on(async {
        let (fake, changes) = scenario();
        let before = fake.snapshot();
        let log = Memory::default();
        let outcome =
            mortal(&fake, &log, Some(first), async |log: Memory| match Run::begin(means(&fake, log), header(), changes, Vec::new()) {
                Ok(run) => run.forward().await,
                Err(_) => Outcome::untouched(0),
            })
            .await;
        assert!(outcome.is_none(), "{first:?}");
        let mut records = log.left(machine_lives);
        // The plan itself isn't wholly there: nothing was sent, and such a journal is thrown away.
        if !records.iter().any(|record| matches!(record, Record::Wave(_))) {
            assert_eq!(fake.snapshot(), before);
            return;
        }
        let context = format!("{first:?}, then {second:?}, forward {forward}, machine lives {machine_lives}");
        if second.is_some() {
            let (outcome, log) = go_on(&fake, records, forward, second).await;
            if let Some(outcome) = outcome {
                assert!(outcome.left.is_empty(), "{context}: {outcome:#?}");
            }
            records = log.left(machine_lives);
        }
        let undo = records.iter().any(|record| matches!(record, Record::Undo));
        let (outcome, _) = go_on(&fake, records, forward, None).await;
        let outcome = outcome.unwrap();
        if forward && !undo {
            assert_eq!((outcome.ending, fake.snapshot()), (Ending::Applied, goal()), "{context}: {outcome:#?}");
        } else {
            assert_eq!(outcome.ending, Ending::RolledBack, "{context}: {outcome:#?}");
            assert_eq!(fake.snapshot(), before, "{context}");
        }
    });
}

#[test]
fn a_run_that_is_killed_anywhere_can_be_finished_or_undone() {
    for first in deaths() {
        for forward in [true, false] {
            for machine_lives in [true, false] {
                killed_twice(first, None, forward, machine_lives);
            }
        }
    }
}

#[test]
fn finishing_and_undoing_may_be_killed_anywhere_too() {
    for (position, first) in deaths().into_iter().enumerate() {
        // At places that move with the first: all pairs would take minutes.
        for at in (1 + position % 11..30).step_by(11) {
            for second in [Death::Journal(at), Death::Request(at, Fault::DieBefore), Death::Request(at, Fault::DieAfter)] {
                killed_twice(first, Some(second), position % 2 == 0, position % 3 == 0);
            }
        }
    }
}

#[test]
fn what_somebody_else_changed_since_is_not_trampled() {
    block_on(async {
        let (fake, changes) = scenario();
        let (outcome, log) = apply(&fake, changes).await;
        assert_eq!(outcome.ending, Ending::Applied);
        // A human edits a field of ours on one object, and annotates another.
        edit(&fake, &key("ConfigMap", "updated"), "human", json!({"data": {"a": "human"}})).await;
        edit(&fake, &key("ConfigMap", "created"), "human", json!({"metadata": {"annotations": {"note": "x"}}})).await;
        edit(&fake, &key("ConfigMap", "released"), "human", json!({"data": {"a": "human"}})).await;
        let (outcome, _) = go_on(&fake, log.left(true), false, None).await;
        let outcome = outcome.unwrap();
        assert_eq!(outcome.exit_code(), 4);
        let left: Vec<String> = outcome.left.iter().map(|left| left.key.name.clone()).collect();
        assert_eq!(left, ["released", "updated"], "{outcome:#?}");
        assert!(outcome.left.iter().all(|left| left.reason.contains("data.a")), "{outcome:#?}");
        assert_eq!(fake.live(&key("ConfigMap", "updated")).unwrap().value()["data"]["a"], "human");
        assert!(fake.live(&key("ConfigMap", "created")).is_none());
    });
}

#[test]
fn an_object_that_somebody_else_makes_meanwhile_is_never_deleted() {
    block_on(async {
        let (fake, changes) = scenario();
        edit(&fake, &key("ConfigMap", "created"), "human", json!({"data": {"theirs": "1"}})).await;
        let before = fake.snapshot();
        let (outcome, _) = apply(&fake, changes).await;
        assert_eq!(outcome.exit_code(), 3, "{outcome:#?}");
        assert!(outcome.failures[0].diagnostic.message.contains("somebody else made it"), "{outcome:#?}");
        assert_eq!(fake.snapshot(), before);
    });
}

#[test]
fn on_failure_stop_leaves_the_run_to_be_gone_on_with() {
    block_on(async {
        let (fake, changes) = scenario();
        let error = ClusterError::Forbidden { message: "no".into() };
        fake.with(|inside| inside.refuses = BTreeMap::from([(key("ConfigMap", "created"), error)]));
        let log = Memory::default();
        let mut means = means(&fake, log.clone());
        means.options.on_failure = OnFailure::Stop;
        let outcome = Run::begin(means, header(), changes, Vec::new()).unwrap().forward().await;
        assert_eq!((outcome.ending, outcome.exit_code()), (Ending::Between, 4));
        assert!(outcome.advice.unwrap().contains("--resume") && !outcome.left.is_empty());
        fake.with(|inside| inside.refuses.clear());
        let (outcome, _) = go_on(&fake, log.left(false), true, None).await;
        assert_eq!((outcome.unwrap().ending, fake.snapshot()), (Ending::Applied, goal()));
    });
}

#[test]
fn an_interrupt_before_anything_was_sent_touches_nothing_and_one_in_the_middle_rolls_back() {
    block_on(async {
        let (fake, changes) = scenario();
        let before = fake.snapshot();
        let (sender, interrupt) = watch::channel(Interrupt::First);
        let run = Run::begin(Means { interrupt, ..means(&fake, Memory::default()) }, header(), changes.clone(), Vec::new()).unwrap();
        assert_eq!(run.forward().await.exit_code(), 130);
        assert_eq!(fake.snapshot(), before);

        sender.send(Interrupt::None).unwrap();
        let struck = Striker(sender.clone());
        let run = Run::begin(
            Means { interrupt: sender.subscribe(), observer: &struck, ..means(&fake, Memory::default()) },
            header(),
            changes,
            Vec::new(),
        )
        .unwrap();
        assert_eq!(run.forward().await.exit_code(), 3);
        assert_eq!(fake.snapshot(), before);
    });
}

/// Presses Ctrl-C when the first object was sent.
struct Striker(watch::Sender<Interrupt>);

impl Observer for Striker {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Sent { .. }) {
            let _ = self.0.send(Interrupt::First);
        }
    }
}
