//! A run as it goes: lines that move on a terminal, one line for each event elsewhere. On stderr, always.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::apply::{Event, Observer};
use crate::plan::{Action, Plan};
use crate::resource::ObjectKey;

use super::look::{Look, Tone};
use super::outcome::done;
use super::plan_text::sign;
use super::visible::visible_line;

/// So many waiting objects are shown at once on a terminal.
const LINES: usize = 12;

/// Shows a run's events.
pub struct Progress {
    look: Look,
    shape: Shape,
    actions: BTreeMap<ObjectKey, Action>,
    total: usize,
    state: Mutex<State>,
}

enum Shape {
    /// Nothing at all.
    Quiet,
    /// A line with a time for each event.
    Lines,
    /// A bar, and a line for each object that is waited for.
    Moving { all: MultiProgress, bar: ProgressBar },
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<ObjectKey, (ProgressBar, Instant)>,
    finished: usize,
    /// How many changes are undone, once that has begun.
    undoing: Option<usize>,
}

impl Progress {
    /// For a run of a plan; `moving` on a terminal.
    pub fn new(plan: Option<&Plan>, look: Look, moving: bool, quiet: bool) -> Self {
        let actions: BTreeMap<ObjectKey, Action> =
            plan.into_iter().flat_map(|plan| &plan.changes).map(|change| (change.key.clone(), change.action)).collect();
        let total = actions.len();
        let shape = match (quiet, moving) {
            (true, _) => Shape::Quiet,
            (false, false) => Shape::Lines,
            (false, true) => {
                let all = MultiProgress::new();
                let bar = all.add(ProgressBar::new(total as u64));
                if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} of {len} objects  {elapsed}  {wide_msg}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                Shape::Moving { all, bar }
            }
        };
        Self { look, shape, actions, total, state: Mutex::default() }
    }

    /// Takes the moving lines away.
    pub fn finish(&self) {
        if let Shape::Moving { all, bar } = &self.shape {
            bar.finish_and_clear();
            // A terminal that has gone can't be cleared.
            let _ = all.clear();
        }
    }

    /// A line that stays.
    fn line(&self, tone: Option<Tone>, text: &str) {
        let text = visible_line(text);
        let text = tone.map_or_else(|| text.clone().into_owned(), |tone| self.look.paint(tone, &text));
        match &self.shape {
            Shape::Quiet => {}
            Shape::Lines => {
                // Whoever read it may have gone: there is nobody to tell.
                let _ = writeln!(std::io::stderr().lock(), "{:.0} {text}", Timestamp::now());
            }
            Shape::Moving { all, .. } => {
                let _ = all.println(text);
            }
        }
    }

    fn name(&self, key: &ObjectKey) -> String {
        self.actions.get(key).map_or_else(|| key.to_string(), |action| format!("{} {key}", sign(*action).0))
    }

    /// Shows that an object is waited for. On a terminal it has a line of its own, as long as there is room.
    fn wait(&self, key: &ObjectKey, reason: &str) {
        let Shape::Moving { all, bar } = &self.shape else {
            return self.line(None, &format!("{}: waiting: {reason}", self.name(key)));
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = state.waiting.len();
        if !state.waiting.contains_key(key) {
            if shown >= LINES {
                return bar.set_message(format!("waiting for {} and others", visible_line(&key.to_string())));
            }
            let line = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {wide_msg}") {
                line.set_style(style);
            }
            state.waiting.insert(key.clone(), (line, Instant::now()));
        }
        if let Some((line, since)) = state.waiting.get(key) {
            let seconds = since.elapsed().as_secs();
            line.set_message(visible_line(&format!("{}  {reason}  {seconds} s", self.name(key))).into_owned());
        }
    }

    fn settled(&self, key: &ObjectKey) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((line, _)), Shape::Moving { all, .. }) = (state.waiting.remove(key), &self.shape) {
            line.finish_and_clear();
            all.remove(&line);
        }
        state.finished += 1;
        if let Shape::Moving { bar, .. } = &self.shape {
            bar.set_position(state.finished as u64);
        }
        state.finished
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        match event {
            Event::WaveStarted { wave, waves, objects } => match &self.shape {
                Shape::Moving { bar, .. } => bar.set_message(format!("wave {} of {waves}", wave + 1)),
                _ => self.line(None, &format!("wave {} of {waves}: {objects} objects", wave + 1)),
            },
            // What follows says more: it is waited for, or ready.
            Event::Sent { .. } => {}
            Event::Waiting { key, reason } => self.wait(key, reason),
            Event::Ready { key, after } => {
                let finished = self.settled(key);
                let undoing = self.state.lock().unwrap_or_else(PoisonError::into_inner).undoing;
                let action = match undoing {
                    Some(_) => "as it was",
                    None => self.actions.get(key).map_or("ready", |action| done(*action)),
                };
                let total = undoing.unwrap_or(self.total).max(finished);
                let after = if after.as_secs() == 0 { String::new() } else { format!(" after {} s", after.as_secs()) };
                self.line(Some(Tone::Good), &format!("{}: {action}{after} ({finished} of {total})", self.name(key)));
            }
            Event::Failed { key, reason } => {
                self.settled(key);
                self.line(Some(Tone::Bad), &format!("{}: failed: {reason}", self.name(key)));
            }
            Event::ServerAway { reason } => {
                self.line(Some(Tone::Warn), &format!("the API server doesn't answer, it is waited for: {reason}"));
            }
            Event::ServerBack => self.line(Some(Tone::Good), "the API server answers again"),
            Event::RollbackStarted { changes } => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                (state.finished, state.undoing) = (0, Some(*changes));
                drop(state);
                if let Shape::Moving { bar, .. } = &self.shape {
                    bar.set_length(*changes as u64);
                    bar.set_position(0);
                    bar.set_message("rolling back");
                }
                self.line(Some(Tone::Warn), &format!("rolling back: {changes} changes are undone"));
            }
            Event::Undone { key } => self.line(None, &format!("{}: undone", self.name(key))),
            Event::NotUndone { key, reason } => {
                self.line(Some(Tone::Bad), &format!("{}: not undone: {reason}", self.name(key)));
            }
        }
    }
}
