//! What runs, and why not.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::engine::status::{Health, ObjectStatus, Status};

use super::look::{Look, Tone};
use super::visible::visible_line;

/// A status as text, ending in a line end: what isn't ready with its reasons, then counts for each tenant and service.
pub fn status(status: &Status, look: Look) -> String {
    let mut text = String::new();
    let revision = status.revision.as_ref().map_or_else(
        || "never applied".to_owned(),
        |revision| format!("revision {}, {} by {} at {:.0}", revision.number, revision.operation, revision.by, revision.at),
    );
    let head = format!("{} · cluster {} ({}) · {revision}", status.identity, status.target.context, status.target.server_version);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}\n", look.paint(Tone::Strong, &visible_line(&head)));
    if let Some(unfinished) = &status.unfinished {
        let line = format!("unfinished: {unfinished}; `spai apply --resume` goes on with it, `spai apply --rollback` undoes it");
        let _ = writeln!(text, "{}\n", look.paint(Tone::Bad, &visible_line(&line)));
    }
    let not_ready: Vec<&ObjectStatus> = status.objects.iter().filter(|object| object.health != Health::Ready).collect();
    for object in &not_ready {
        let (sign, tone, reason) = match &object.health {
            Health::Ready => ("✓", Tone::Good, String::new()),
            Health::Progressing { reason } => ("…", Tone::Warn, reason.clone()),
            Health::Failed { reason } => ("✗", Tone::Bad, reason.clone()),
            Health::Missing => ("✗", Tone::Bad, "was applied, and isn't in the cluster".to_owned()),
            Health::Unknown => ("?", Tone::Warn, "carries the stack's labels, and isn't in the state".to_owned()),
        };
        let line = format!("{sign} {}", visible_line(&object.key.to_string()));
        let _ = writeln!(text, "  {}   {}", look.paint(tone, &line), visible_line(&reason));
        for symptom in &object.symptoms {
            let since = symptom.since.as_ref().map_or_else(String::new, |since| format!(" (since {since})"));
            let line = format!("{}: {}{since}", symptom.object, symptom.text);
            let _ = writeln!(text, "      {}", visible_line(&line));
        }
    }
    if !not_ready.is_empty() {
        text.push('\n');
    }
    let ready = status.objects.len() - not_ready.len();
    let tone = if not_ready.is_empty() { Tone::Good } else { Tone::Bad };
    let _ = writeln!(text, "{}", look.paint(tone, &format!("{ready} of {} objects are ready.", status.objects.len())));
    text
}

/// A status as JSON.
pub fn status_json(status: &Status) -> Value {
    let mut value = json!(status);
    value["format"] = "spai.status/1".into();
    value["ready"] = status.is_ready().into();
    value
}
