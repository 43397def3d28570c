//! Values of fields, and how one becomes another: on one line where they fit, line by line where they are long.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::plan::Shown;

use super::look::{Look, Tone};
use super::visible::{visible, visible_line};

/// So many equal lines stay around those that differ.
const CONTEXT: usize = 2;
/// A longer text than this is compared by lines, not by words.
const WORDS: usize = 4_000;

/// What is said of a secret.
const SECRET: &str = "(secret)";
/// What is said of what the server draws.
const KNOWN_AFTER_APPLY: &str = "(known after apply)";

/// What becomes of a field, in lines without indentation. `name` is the field's path.
pub(super) fn change(name: &str, before: Option<&Shown>, after: Option<&Shown>, room: usize, look: Look) -> Vec<String> {
    let name = visible_line(name);
    match (before, after) {
        (None, None) => vec![format!("  {name}")],
        (None, Some(after)) => whole('+', Tone::Added, &name, after, room, look),
        (Some(before), None) => whole('-', Tone::Removed, &name, before, room, look),
        (Some(Shown::Secret), Some(Shown::Secret)) => vec![format!("  {name}: {SECRET}, changed")],
        (Some(before), Some(after)) => {
            let (old, new) = (text(before), text(after));
            if is_short(&old) && is_short(&new) {
                let (length, name_length) = (old.chars().count() + new.chars().count() + 3, name.chars().count());
                let (left, right) = marked(&old, &new, look);
                if name_length + length + 4 <= room {
                    return vec![format!("  {name}: {left} → {right}")];
                }
                if length + 4 <= room {
                    return vec![format!("  {name}"), format!("    {left} → {right}")];
                }
                return vec![format!("  {name}"), format!("    - {left}"), format!("    + {right}")];
            }
            let mut lines = vec![format!("  {name}:")];
            lines.extend(line_by_line(&old, &new, look));
            lines
        }
    }
}

/// A value that comes or goes.
fn whole(sign: char, tone: Tone, name: &str, shown: &Shown, room: usize, look: Look) -> Vec<String> {
    let text = text(shown);
    if is_short(&text) && name.chars().count() + text.chars().count() + 4 <= room.max(80) {
        return vec![look.paint(tone, &format!("{sign} {name}: {}", visible_line(&text)))];
    }
    let mut lines = vec![look.paint(tone, &format!("{sign} {name}:"))];
    lines.extend(text.lines().map(|line| look.paint(tone, &format!("  {sign} {}", visible(line)))));
    lines
}

fn is_short(text: &str) -> bool {
    !text.contains('\n')
}

/// A value as text: strings as they are (in quotes where that would hide something), small values on one line.
fn text(shown: &Shown) -> String {
    match shown {
        Shown::Secret => SECRET.to_owned(),
        Shown::KnownAfterApply => KNOWN_AFTER_APPLY.to_owned(),
        Shown::Value(Value::String(string)) => {
            let odd = string.is_empty() || string.trim() != string || looks_like_something_else(string);
            if odd && !string.contains('\n') { Value::from(string.as_str()).to_string() } else { string.clone() }
        }
        Shown::Value(value) => {
            let compact = value.to_string();
            if compact.chars().count() <= 60 { compact } else { serde_json::to_string_pretty(value).unwrap_or(compact) }
        }
    }
}

/// A string that reads as a number, a boolean, a null or JSON.
fn looks_like_something_else(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

/// Both texts of one line, with the words that differ in colour.
fn marked(old: &str, new: &str, look: Look) -> (String, String) {
    let (old, new) = (visible_line(old), visible_line(new));
    if !look.colour {
        return (old.into_owned(), new.into_owned());
    }
    let (mut left, mut right) = (String::new(), String::new());
    if old.len() + new.len() > WORDS {
        return (look.paint(Tone::Removed, &old), look.paint(Tone::Added, &new));
    }
    let (from, to) = (words(&old), words(&new));
    let diff = TextDiff::from_slices(&from, &to);
    for change in diff.iter_all_changes() {
        let word = change.value();
        match change.tag() {
            ChangeTag::Equal => {
                left.push_str(word);
                right.push_str(word);
            }
            ChangeTag::Delete => left.push_str(&look.paint(Tone::Removed, word)),
            ChangeTag::Insert => right.push_str(&look.paint(Tone::Added, word)),
        }
    }
    (left, right)
}

/// Words in the sense of images, URLs and settings: runs of letters and digits, and each other character alone.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if !c.is_alphanumeric() {
            if start < at {
                words.push(&text[start..at]);
            }
            start = at + c.len_utf8();
            words.push(&text[at..start]);
        }
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Lines that go and come, with a few equal ones around them.
fn line_by_line(old: &str, new: &str, look: Look) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for (position, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if position > 0 {
            lines.push(look.paint(Tone::Faint, "    …"));
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let line = change.value();
            let line = visible(line.strip_suffix('\n').unwrap_or(line));
            lines.push(match change.tag() {
                ChangeTag::Equal => format!("      {line}"),
                ChangeTag::Delete => look.paint(Tone::Removed, &format!("    - {line}")),
                ChangeTag::Insert => look.paint(Tone::Added, &format!("    + {line}")),
            });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(before: Option<Value>, after: Option<Value>) -> String {
        change("spec.x", before.map(Shown::Value).as_ref(), after.map(Shown::Value).as_ref(), 70, Look::default()).join("\n")
    }

    #[test]
    fn short_values_stand_on_one_line_and_types_are_told_apart() {
        assert_eq!(lines(Some(json!(3)), Some(json!("3"))), "  spec.x: 3 → \"3\"");
        assert_eq!(lines(None, Some(json!("a"))), "+ spec.x: a");
        assert_eq!(lines(Some(json!({"a": 1})), None), "- spec.x: {\"a\":1}");
        assert_eq!(lines(Some(json!("")), Some(json!(" a"))), "  spec.x: \"\" → \" a\"");
    }

    #[test]
    fn long_ones_are_compared_by_line() {
        let old: String = (1..=9).fold(String::new(), |text, n| text + "line " + &n.to_string() + "\n");
        let new = old.replace("line 5", "line five\u{1b}[2J");
        assert_eq!(
            lines(Some(json!(old)), Some(json!(new))),
            "  spec.x:\n      line 3\n      line 4\n    - line 5\n    + line five␛[2J\n      line 6\n      line 7"
        );
    }

    #[test]
    fn secrets_only_say_that_they_change() {
        assert_eq!(change("data.k", Some(&Shown::Secret), Some(&Shown::Secret), 80, Look::default()), ["  data.k: (secret), changed"]);
        let drawn = change("spec.clusterIP", None, Some(&Shown::KnownAfterApply), 80, Look::default());
        assert_eq!(drawn, ["+ spec.clusterIP: (known after apply)"]);
    }

    #[test]
    fn in_colour_the_words_that_differ_stand_out() {
        let look = Look { colour: true, width: 100 };
        let (old, new) = marked("registry/x:1.0.0", "registry/x:1.1.0", look);
        assert!(old.starts_with("registry/x:1.\u{1b}[") && new.ends_with(".0"), "{old:?} {new:?}");
    }
}
