//! Random sequences, many at once.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use crate::cases::{self, Case};
use crate::custom;
use crate::generate::{self, Random};
use crate::model::{Subject, Went};
use crate::server::{NAMESPACES, Server};
use crate::shrink;
use crate::step::Step;
use crate::unseen::Unseen;

/// Sequences in a usual run.
const USUAL: u64 = 2_000;
/// Sequences at once.
const AT_ONCE: usize = 24;
/// Failures that are made small and shown.
const SHOWN: usize = 3;

/// A sequence of writes to one object.
#[derive(Clone)]
pub struct Sequence {
    pub seed: u64,
    pub case: Case,
    pub steps: Vec<Step>,
}

/// Where a sequence went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    pub step: usize,
    pub how: String,
}

/// How a sequence went.
pub struct Course {
    pub went: Vec<Went>,
    pub failure: Option<Failure>,
    pub predictions: usize,
    pub missed: Vec<String>,
}

impl Sequence {
    pub fn of(seed: u64, server: &Server, cases: &[Case]) -> Self {
        let mut random = Random::new(seed);
        let case = cases[random.below(cases.len())].clone();
        let steps = generate::steps(&case, |case| server.type_of(&case.gvk()), &mut random);
        Self { seed, case, steps }
    }

    /// Runs it on an object of this name: how each step went.
    pub async fn run(&self, server: &Server, name: &str) -> Course {
        let mut subject = Subject {
            server,
            case: self.case.clone(),
            namespace: format!("m{}", self.seed % NAMESPACES),
            name: name.to_owned(),
            live: None,
            unseen: Unseen::default(),
            predictions: 0,
            missed: Vec::new(),
        };
        let (mut went, mut failure) = (Vec::new(), None);
        for (index, step) in self.steps.iter().enumerate() {
            match subject.step(step).await {
                Ok(how) => went.push(how),
                Err(how) => {
                    failure = Some(Failure { step: index, how });
                    break;
                }
            }
        }
        Course { went, failure, predictions: subject.predictions, missed: subject.missed }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs them all. An error says how many differ, and in what.
pub async fn all(server: &Server) -> Result<(), String> {
    let mut cases = cases::built_in();
    cases.extend(custom::cases());
    // Custom kinds vary most: they come up more often.
    cases.extend((0..4).flat_map(|_| custom::cases()));
    let kinds: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.kind).collect();
    assert!(kinds.len() >= 25, "{} kinds", kinds.len());

    let replay = std::env::var("SPAI_ORACLE_REPLAY").ok().filter(|text| !text.is_empty());
    let seeds: Vec<u64> = if let Some(seeds) = replay {
        seeds.split(',').map(|seed| seed.parse().expect("seeds are numbers")).collect()
    } else {
        let first = number("SPAI_ORACLE_SEED").unwrap_or(1) * 1_000_000;
        (first..first + number("SPAI_ORACLE_SEQUENCES").unwrap_or(USUAL)).collect()
    };
    let cases = &cases;
    let runs = futures::stream::iter(seeds.iter().copied()).map(|seed| async move {
        let sequence = Sequence::of(seed, server, cases);
        let outcome = sequence.run(server, &format!("s{seed}")).await;
        (sequence, outcome)
    });
    let (mut counts, mut failures, mut steps) = (BTreeMap::<Went, usize>::new(), Vec::new(), 0);
    let mut runs = std::pin::pin!(runs.buffer_unordered(AT_ONCE));
    let (mut predictions, mut missed) = (0, BTreeMap::<String, (usize, String)>::new());
    while let Some((sequence, course)) = runs.next().await {
        let Course { went, failure, .. } = course;
        predictions += course.predictions;
        for miss in course.missed {
            let key = miss.split(": ").next().unwrap_or_default().to_owned();
            missed.entry(key).or_insert((0, format!("{miss} (seed {})", sequence.seed))).0 += 1;
        }
        steps += went.len();
        for how in went {
            *counts.entry(how).or_default() += 1;
        }
        failures.extend(failure.map(|failure| (sequence, failure)));
    }
    eprintln!("{} sequences, {steps} steps: {counts:?}; other than the function says: {}", seeds.len(), failures.len());
    for (sequence, failure) in failures.iter().take(number("SPAI_ORACLE_SHOWN").map_or(SHOWN, |shown| usize::try_from(shown).unwrap())) {
        eprintln!("{}", shrink::told(server, sequence, failure).await);
    }
    let mut by_kind = BTreeMap::<String, (usize, u64)>::new();
    for (sequence, failure) in &failures {
        let first = failure.how.lines().take(3).collect::<Vec<_>>().join(" | ").chars().take(400).collect::<String>();
        let entry = by_kind.entry(format!("{} {first}", sequence.case.kind)).or_insert((0, sequence.seed));
        entry.0 += 1;
    }
    let otherwise: usize = missed.values().map(|(times, _)| times).sum();
    eprintln!("whole predictions: {predictions}, of which the server stored otherwise: {otherwise}");
    for (times, example) in missed.values() {
        eprintln!("  {times} x {}", example.chars().take(300).collect::<String>());
    }
    if otherwise > 0 && failures.is_empty() {
        return Err(format!("{otherwise} of {predictions} objects were stored otherwise than predicted"));
    }
    if failures.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = by_kind.iter().take(40).map(|(how, (times, seed))| format!("{times} x {how} (seed {seed})")).collect();
    Err(format!("{} of {} sequences differ:\n{}", failures.len(), seeds.len(), lines.join("\n")))
}
