//! What a run waits for, and when: before a wave for what the wave needs, at the end for all that nobody needed.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use super::fake::{Fake, Memory};
use super::scenario::{change, header, key, object, writes};
use super::{block_on, go_on, means};
use crate::apply::{Ending, Event, Means, Observer, Options, Outcome, Planned, Record, Run};
use crate::plan::Action;

/// A Deployment in each of three waves, the image of each its name, of which the first has to be ready by the wave `ready_by`.
fn deployments(fake: &Fake, ready_by: usize) -> Vec<Planned> {
    let make = |(wave, name): (usize, &str)| {
        let made = object("Deployment", name, json!({"spec": {"image": name, "replicas": 1}}));
        let mut change = change(fake, Action::Create, wave, made.key(), vec![writes(made, false, true)]);
        change.ready_by = if wave == 0 { ready_by } else { 3 };
        change
    };
    [(0, "first"), (1, "second"), (2, "third")].into_iter().map(make).collect()
}

/// What happened, in words: `wave 1`, `first is ready`.
#[derive(Default)]
struct Story(Mutex<Vec<String>>);

impl Observer for Story {
    fn event(&self, event: &Event) {
        let words = match event {
            Event::WaveStarted { wave, .. } => format!("wave {wave}"),
            Event::Ready { key, .. } => format!("{} is ready", key.name),
            _ => return,
        };
        self.0.lock().unwrap().push(words);
    }
}

/// Runs these changes; how that ended, what happened, what the journal holds.
fn told(fake: &Fake, changes: Vec<Planned>, timeout: Duration) -> (Outcome, Vec<String>, Memory) {
    let (story, log) = (Story::default(), Memory::default());
    let outcome = block_on(async {
        let means = means(fake, log.clone());
        let means = Means { observer: &story, options: Options { timeout, ..means.options }, ..means };
        Run::begin(means, header(), changes, Vec::new()).unwrap().forward().await
    });
    (outcome, story.0.into_inner().unwrap(), log)
}

const PATIENT: Duration = Duration::from_mins(1);

#[test]
fn a_wave_begins_when_what_it_needs_is_ready_and_the_rest_is_waited_for_at_the_end() {
    for (ready_by, waves_before_it_is_ready) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        let fake = Fake::default();
        let changes = deployments(&fake, ready_by);
        let (outcome, story, _) = told(&fake, changes, PATIENT);
        assert_eq!((outcome.ending, outcome.done.len()), (Ending::Applied, 3), "{outcome:#?}");
        let ready = story.iter().position(|words| words == "first is ready").unwrap();
        let waves = story[..ready].iter().filter(|words| words.starts_with("wave")).count();
        assert_eq!(waves, waves_before_it_is_ready, "ready by wave {ready_by}: {story:?}");
        assert_eq!(story.iter().filter(|words| words.ends_with("is ready")).count(), 3, "{story:?}");
    }
}

#[test]
fn what_nobody_needs_and_never_gets_ready_fails_the_run_and_leaves_everything_as_it_was() {
    for name in ["first", "second", "third"] {
        let fake = Fake::default();
        let changes = deployments(&fake, 3);
        fake.with(|inside| inside.impossible = Some(name.into()));
        let (outcome, _, _) = told(&fake, changes, PATIENT);
        assert_eq!((outcome.ending, outcome.exit_code()), (Ending::RolledBack, 3), "{outcome:#?}");
        assert_eq!(outcome.failures[0].key, Some(key("Deployment", name)));
        assert!(fake.snapshot().is_empty());
    }
}

#[test]
fn what_nobody_needs_and_takes_too_long_fails_the_run_too() {
    let fake = Fake::default();
    let changes = deployments(&fake, 3);
    fake.with(|inside| inside.slow = Some("first".into()));
    let (outcome, story, _) = told(&fake, changes, Duration::from_millis(50));
    assert_eq!(outcome.ending, Ending::RolledBack, "{outcome:#?}");
    assert_eq!((outcome.failures.len(), &outcome.failures[0].key), (1, &Some(key("Deployment", "first"))));
    assert!(story.contains(&"third is ready".to_owned()), "{story:?}");
    assert!(fake.snapshot().is_empty());
}

#[test]
fn what_fails_for_good_ends_the_run_while_something_else_is_waited_for() {
    let fake = Fake::default();
    let mut changes = deployments(&fake, 3);
    // The third wave needs the second, which takes its time; the first is nobody's need, and won't ever be ready.
    changes[1].ready_by = 2;
    fake.with(|inside| (inside.slow, inside.impossible) = (Some("second".into()), Some("first".into())));
    let begun = Instant::now();
    let (outcome, story, _) = told(&fake, changes, PATIENT);
    assert!(begun.elapsed() < PATIENT / 2);
    assert_eq!(outcome.ending, Ending::RolledBack, "{outcome:#?}");
    assert_eq!(outcome.failures[0].key, Some(key("Deployment", "first")));
    assert!(!story.contains(&"wave 2".to_owned()), "{story:?}");
    assert!(fake.snapshot().is_empty());
}

#[test]
fn a_killed_run_that_is_gone_on_with_waits_for_what_was_sent_and_not_ready() {
    for (name, ending) in [("none", Ending::Applied), ("first", Ending::RolledBack)] {
        let fake = Fake::default();
        let changes = deployments(&fake, 3);
        // All was sent and answered; it is killed while it waits.
        fake.with(|inside| inside.slow = Some("first".into()));
        let log = Memory::default();
        block_on(async {
            let run = Run::begin(means(&fake, log.clone()), header(), changes, Vec::new()).unwrap();
            let waiting = tokio::time::timeout(Duration::from_millis(100), run.forward()).await;
            assert!(waiting.is_err(), "{waiting:?}");
        });
        let records = log.left(false);
        assert_eq!(records.iter().filter(|record| matches!(record, Record::Answer { .. })).count(), 3, "what was answered is durable");
        fake.with(|inside| (inside.slow, inside.impossible) = (None, Some(name.into())));
        let (outcome, _) = block_on(go_on(&fake, records, true, None));
        let outcome = outcome.unwrap();
        assert_eq!(outcome.ending, ending, "{outcome:#?}");
        assert_eq!(fake.snapshot().len(), if ending == Ending::Applied { 3 } else { 0 });
    }
}

#[test]
fn a_journal_that_does_not_say_by_when_means_the_next_wave() {
    let fake = Fake::default();
    let mut record = serde_json::to_value(&deployments(&fake, 3)[0]).unwrap();
    record.as_object_mut().unwrap().remove("ready_by");
    let planned: Planned = serde_json::from_value(record).unwrap();
    assert!(planned.ready_by <= planned.wave + 1);
}
