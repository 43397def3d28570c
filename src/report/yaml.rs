//! JSON values as YAML that every reader understands alike: what YAML 1.1 or 1.2 might read as something else than the
//! text that it is gets quotes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::resource::{Tape, Tree, TreeShape};

/// A value as a YAML document, keys sorted, ending in a line end.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write_yaml(&mut text, Tape::from(value).tree());
    text
}

/// The same, to the end of a text that ends in a line end.
pub(super) fn write_yaml(text: &mut String, value: Tree<'_>) {
    if write(text, value, 0) {
        return;
    }
    write_scalar(text, value, 0);
    text.push('\n');
}

/// A mapping or a list that isn't empty, from the beginning of a line; whether it is one.
fn write(text: &mut String, value: Tree<'_>, indent: usize) -> bool {
    match value.shape() {
        TreeShape::Map(map) if map.len() > 0 => {
            for (position, (key, value)) in map.enumerate() {
                // The first key may stand after a list's dash.
                if position > 0 || !text.ends_with("- ") {
                    pad(text, indent);
                }
                write_text(text, key);
                text.push(':');
                write_value(text, value, indent);
            }
            true
        }
        TreeShape::List(items) if items.len() > 0 => {
            for (position, item) in items.enumerate() {
                if position > 0 || !text.ends_with("- ") {
                    pad(text, indent);
                }
                text.push_str("- ");
                if !write(text, item, indent + 2) {
                    write_scalar(text, item, indent + 2);
                    text.push('\n');
                }
            }
            true
        }
        _ => false,
    }
}

/// What comes after `key:`. Lists stand at their key's own indentation, as kubectl prints them.
fn write_value(text: &mut String, value: Tree<'_>, indent: usize) {
    let below = match value.shape() {
        TreeShape::Map(map) if map.len() > 0 => indent + 2,
        TreeShape::List(items) if items.len() > 0 => indent,
        _ => {
            text.push(' ');
            write_scalar(text, value, indent + 2);
            text.push('\n');
            return;
        }
    };
    text.push('\n');
    write(text, value, below);
}

fn write_scalar(text: &mut String, value: Tree<'_>, indent: usize) {
    match value.shape() {
        TreeShape::Text(string) if is_block(string) => {
            text.push_str(if string.ends_with('\n') { "|" } else { "|-" });
            for line in string.strip_suffix('\n').unwrap_or(string).split('\n') {
                text.push('\n');
                if !line.is_empty() {
                    pad(text, indent);
                    text.push_str(line);
                }
            }
        }
        TreeShape::Text(string) => write_text(text, string),
        TreeShape::List(_) => text.push_str("[]"),
        TreeShape::Map(_) => text.push_str("{}"),
        TreeShape::Null => text.push_str("null"),
        TreeShape::Bool(value) => text.push_str(if value { "true" } else { "false" }),
        TreeShape::Number(number) => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{number}");
        }
    }
}

fn pad(text: &mut String, indent: usize) {
    const SPACES: &str = "                                ";
    let mut left = indent;
    while left > 0 {
        let some = left.min(SPACES.len());
        text.push_str(&SPACES[..some]);
        left -= some;
    }
}

/// Whether a text of several lines can stand as it is, in a literal block.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
        && text.split('\n').all(|line| !line.ends_with([' ', '\t']) && (line.is_empty() || !line.trim().is_empty()))
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// A text on one line: plain where nobody can misread it, else in double quotes, escaped as JSON is.
fn write_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = if code <= 0xffff { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
            }
        }
    }
    out.push('"');
}

/// A byte that needs quotes wherever it stands.
const NEVER: u8 = 1;
/// `:`, which needs quotes before a space and at the end.
const COLON: u8 = 2;
/// A space, which needs quotes after a colon and at the end.
const SPACE: u8 = 4;

/// What each byte means to a text without quotes.
const MEANS: [u8; 256] = {
    let mut means = [NEVER; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'@' | b'+' | b',' | b'=' | b'(' | b')') {
            means[byte as usize] = 0;
        }
        byte += 1;
    }
    means[b':' as usize] = COLON;
    means[b' ' as usize] = SPACE;
    means
};

fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else { return false };
    let mut means = 0;
    for byte in bytes {
        means |= MEANS[usize::from(*byte)];
    }
    (first.is_ascii_alphabetic() || matches!(first, b'/' | b'_'))
        && means & NEVER == 0
        && (means == 0 || !(text.ends_with([' ', ':']) || text.contains(": ")))
        && !is_a_word_of_yaml(text)
}

/// What some version of YAML reads as a boolean, a null or a number.
fn is_a_word_of_yaml(text: &str) -> bool {
    const WORDS: [&str; 12] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];
    const LONGEST: usize = "infinity".len();
    let may_be = text.len() <= LONGEST && text.starts_with(['y', 'Y', 'n', 'N', 'o', 'O', 't', 'T', 'f', 'F', 'i', 'I']);
    (may_be && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)))
        || (text.starts_with('_') && text.chars().all(|c| c == '_' || c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_looks_as_people_write_it() {
        let value = json!({
            "apiVersion": "v1", "data": {"a.conf": "x = 1\ny = 2\n", "b": "one\ntwo", "empty": {}, "none": []},
            "list": [{"name": "app", "ports": [{"containerPort": 80}]}, [1, [2]], "x", null, 1.5, true],
        });
        assert_eq!(
            yaml(&value),
            "apiVersion: v1
data:
  a.conf: |
    x = 1
    y = 2
  b: |-
    one
    two
  empty: {}
  none: []
list:
- name: app
  ports:
  - containerPort: 80
- - 1
  - - 2
- x
- null
- 1.5
- true
"
        );
    }

    #[test]
    fn words_are_known_by_their_first_letters() {
        for word in ["Y", "n", "Yes", "NO", "on", "OFF", "True", "false", "NULL", "NaN", "inf", "Infinity"] {
            assert!(!is_plain(word), "{word}");
        }
        assert!(["yesterday", "x", "nano", "a:b", "a b", "a:b c"].iter().all(|text| is_plain(text)));
    }

    #[test]
    fn what_could_be_misread_is_quoted_and_comes_back() {
        for text in [
            "",
            "yes",
            "On",
            "y",
            "null",
            "~",
            "1",
            "1e3",
            "0x1f",
            "1_000",
            "1:20",
            "2026-01-01",
            ".5",
            "- x",
            "a: b",
            "a #b",
            "#b",
            "*x",
            "&x",
            "!x",
            "%x",
            "@x",
            "`x",
            "{x",
            "[x",
            "a:",
            " a",
            "a ",
            "\u{1b}[31m",
            "a\u{202e}b",
            "tab\there",
            "x\r\ny",
            "  first\nindented",
            "ends\n\n",
            "trailing \nspace",
            "\n",
            "🦀",
            "\u{feff}bom",
            "quote\"back\\slash",
            "=",
            "<<",
            "---",
            "?",
            "|",
            ">",
            "_1",
            "é",
            "a, b",
            "key=value",
            "two\n\nparagraphs\n",
        ] {
            let value = json!({"key": text, "list": [text], text: 1});
            let printed = yaml(&value);
            let read: Value = serde_saphyr::from_str(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
            assert_eq!(read, value, "{printed}");
            assert!(!printed.contains('\u{1b}') && !printed.contains('\u{202e}'), "{printed}");
        }
    }
}
