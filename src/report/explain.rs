//! Where values come from: every layer that spoke, the line that won.

use std::fmt::Write as _;

use serde_json::Value;

use crate::stack::explain::{ObjectExplained, ServiceExplained};

use super::look::{Look, Tone};
use super::visible::visible_line;

/// A service's fields, each with its layers, the least specific first; the one that won is marked.
pub fn explain_service(explained: &ServiceExplained, look: Look) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let head = format!("{} in {}", explained.service, explained.namespace);
    let _ = writeln!(text, "{}", look.paint(Tone::Strong, &visible_line(&head)));
    for field in &explained.fields {
        let value = field.value.as_ref().map_or_else(|| "(unset)".to_owned(), Value::to_string);
        let _ = writeln!(text, "\n{}", look.paint(Tone::Strong, &visible_line(&format!("{} = {value}", field.path))));
        for spoken in &field.spoken {
            let said = spoken.value.clone().unwrap_or_else(|| "(unset)".to_owned());
            let mark = if spoken.won { "→" } else { " " };
            let line = format!("  {mark} {:<34} {said}", spoken.layer);
            let length = line.chars().count();
            let origin = visible_line(&spoken.origin.to_string()).into_owned();
            let gap = " ".repeat(look.width.saturating_sub(length + origin.chars().count()).max(2));
            let line = visible_line(&line).into_owned();
            let line = if spoken.won { line } else { look.paint(Tone::Faint, &line) };
            let _ = writeln!(text, "{line}{gap}{}", look.paint(Tone::Faint, &origin));
        }
    }
    text
}

/// An object's fields, each with the line that made it.
pub fn explain_object(explained: &ObjectExplained, look: Look) -> String {
    let mut text = String::new();
    let origin = explained.origin.as_ref().map_or_else(String::new, |origin| format!("  {origin}"));
    let _ = writeln!(text, "{}\n", look.paint(Tone::Strong, &visible_line(&format!("{}{origin}", explained.key))));
    for field in &explained.fields {
        let value = match (&field.value, field.secret) {
            (_, true) => "(secret)".to_owned(),
            (Some(value), false) => value.to_string(),
            (None, false) => "(unset)".to_owned(),
        };
        let then = field.handed_to.as_ref().map_or_else(String::new, |to| format!(" at first, then as {to} has it"));
        let line = format!("  {} = {value}{then}", field.path);
        let origin = field.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        let gap = " ".repeat(look.width.saturating_sub(line.chars().count() + origin.chars().count()).max(2));
        let _ = writeln!(text, "{}{gap}{}", visible_line(&line), look.paint(Tone::Faint, &visible_line(&origin)));
    }
    text
}
