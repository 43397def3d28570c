//! How a run ended: what was done or restored, what failed and why, what is left, what to do next.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::apply::{Ending, Outcome};
use crate::plan::Action;
use crate::stack::Sources;

use super::diagnostics;
use super::look::{Look, Tone};
use super::visible::visible_line;

/// So many restored objects are named.
const NAMED: usize = 20;

/// An outcome as text, ending in a line end.
pub fn outcome(outcome: &Outcome, sources: Option<&Sources>, look: Look) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (key, warning) in &outcome.warnings {
        let head = look.paint(Tone::Warn, "warning");
        let _ = writeln!(text, "{head}: {}: {}", visible_line(&key.to_string()), visible_line(warning));
    }
    for failure in &outcome.failures {
        text.push_str(&diagnostics::diagnostic(&failure.diagnostic, sources, look));
        for symptom in &failure.symptoms {
            let since = symptom.since.as_ref().map_or_else(String::new, |since| format!(" (since {since})"));
            let line = format!("{}: {}{since}", symptom.object, symptom.text);
            let _ = writeln!(text, "    {}", visible_line(&line));
        }
        text.push('\n');
    }
    if !outcome.left.is_empty() {
        let _ = writeln!(text, "{}", look.paint(Tone::Bad, "Left between two states"));
        for left in &outcome.left {
            let line = format!("  {} ({}): {}", left.key, word(left.action), left.reason);
            let _ = writeln!(text, "{}", visible_line(&line));
        }
        text.push('\n');
    }
    if !outcome.restored.is_empty() {
        let noted = outcome.restored.iter().filter(|restored| restored.note.is_some());
        let plain = outcome.restored.iter().filter(|restored| restored.note.is_none());
        let _ = writeln!(text, "{}", look.paint(Tone::Strong, "As it was before"));
        for restored in noted.chain(plain).take(NAMED) {
            let note = restored.note.as_ref().map_or_else(String::new, |note| format!(", but {note}"));
            let line = format!("  {} ({} undone){note}", restored.key, word(restored.action));
            let _ = writeln!(text, "{}", visible_line(&line));
        }
        if outcome.restored.len() > NAMED {
            let _ = writeln!(text, "  and {} more", outcome.restored.len() - NAMED);
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", headline(outcome, look));
    if let Some(advice) = &outcome.advice {
        let _ = writeln!(text, "{}", visible_line(advice));
    }
    text
}

fn headline(outcome: &Outcome, look: Look) -> String {
    let done = outcome.done.len();
    match outcome.ending {
        Ending::Applied if done == 0 => look.paint(Tone::Good, "Nothing to do: the cluster is as the plan says."),
        Ending::Applied => look.paint(Tone::Good, &format!("Applied: {}. Revision {}.", counts(outcome), outcome.revision)),
        Ending::RolledBack => {
            look.paint(Tone::Bad, &format!("Rolled back: the cluster is as it was. Revision {} stays.", outcome.revision))
        }
        Ending::Between => look.paint(Tone::Bad, "Not finished: the cluster is between two states."),
        Ending::Untouched => look.paint(Tone::Bad, "Nothing was written."),
    }
}

/// `2 created, 1 changed`.
fn counts(outcome: &Outcome) -> String {
    let actions = [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Adopt, Action::Own, Action::Forget];
    let count = |action: Action| outcome.done.values().filter(|done| **done == action).count();
    let said: Vec<String> = actions
        .into_iter()
        .map(|action| (action, count(action)))
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| format!("{count} {}", done(action)))
        .collect();
    said.join(", ")
}

/// `deletion`, as in `deletion undone`.
fn word(action: Action) -> &'static str {
    match action {
        Action::Delete => "deletion",
        Action::Replace => "replacement",
        Action::Create => "creation",
        Action::Adopt => "adoption",
        Action::Update => "change",
        Action::Own => "change of owners",
        Action::Forget => "forgetting",
    }
}

/// `deleted`.
pub(super) fn done(action: Action) -> &'static str {
    match action {
        Action::Delete => "deleted",
        Action::Replace => "replaced",
        Action::Create => "created",
        Action::Adopt => "adopted",
        Action::Update => "changed",
        Action::Own => "owned",
        Action::Forget => "forgotten",
    }
}

/// An outcome as JSON.
pub fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "format": "spai.outcome/1",
        "ending": outcome.ending,
        "exit_code": outcome.exit_code(),
        "revision": outcome.revision,
        "done": outcome.done.iter().map(|(key, action)| json!({"key": key, "action": action})).collect::<Vec<_>>(),
        "failures": outcome.failures,
        "restored": outcome.restored,
        "left": outcome.left,
        "warnings": outcome.warnings.iter().map(|(key, text)| json!({"key": key, "text": text})).collect::<Vec<_>>(),
        "advice": outcome.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::symptoms::{Symptom, Trouble};
    use crate::apply::{Failure, Left, Restored};
    use crate::resource::{Diagnostic, ObjectKey};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("apps", "Deployment", Some("acme"), name)
    }

    #[test]
    fn a_rollback_says_why_and_what_was_restored() {
        let mut ended = Outcome::untouched(3);
        ended.ending = Ending::RolledBack;
        ended.failures.push(Failure {
            key: Some(key("web")),
            diagnostic: Diagnostic::error("apply::not_ready", "Deployment acme/web isn't ready"),
            symptoms: vec![Symptom {
                since: None,
                object: ObjectKey::new("", "Pod", Some("acme"), "web-1"),
                text: "ImagePullBackOff: \u{1b}[31mno such image".into(),
                trouble: Trouble::Final,
            }],
        });
        ended.restored.push(Restored { key: key("web"), action: Action::Update, note: None });
        ended.restored.push(Restored { key: key("old"), action: Action::Delete, note: Some("it has a new uid".into()) });
        assert_eq!(
            outcome(&ended, None, Look::default()),
            "error[apply::not_ready]: Deployment acme/web isn't ready
    Pod acme/web-1: ImagePullBackOff: ␛[31mno such image

As it was before
  Deployment acme/old (deletion undone), but it has a new uid
  Deployment acme/web (change undone)

Rolled back: the cluster is as it was. Revision 3 stays.
"
        );
        assert_eq!(outcome_json(&ended)["exit_code"], 3);
    }

    #[test]
    fn what_is_left_stands_with_its_reason() {
        let mut ended = Outcome::untouched(3);
        ended.ending = Ending::Between;
        ended.left.push(Left { key: key("web"), action: Action::Update, reason: "kubectl changed it since".into() });
        ended.advice = Some("spai apply --resume goes on".into());
        let text = outcome(&ended, None, Look::default());
        assert!(text.contains("Deployment acme/web (change): kubectl changed it since") && text.ends_with("goes on\n"), "{text}");
    }

    #[test]
    fn success_is_one_line() {
        let mut ended = Outcome::untouched(4);
        ended.ending = Ending::Applied;
        ended.done.insert(key("a"), Action::Create);
        ended.done.insert(key("b"), Action::Update);
        assert_eq!(outcome(&ended, None, Look::default()), "Applied: 1 created, 1 changed. Revision 4.\n");
    }
}
