//! The one way to lay out a stack's TOML. Comments, order and all values stay as they are.
//!
//! - one empty line at most; one before each table's header (and the comment above it); none at the beginning
//! - `=` below `=` in lines that follow each other; one space around it
//! - `{ a = 1 }`, `[1, 2]` with these spaces where a value is on one line; values over several lines stay as they are
//! - no indentation of keys and headers, no space at the ends of lines, one line end at the end
//!
//! It edits the text at the places that the parser gives, and writes nothing anew: what it doesn't know it doesn't touch.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::resource::{Diagnostic, Diagnostics};

use super::node::Node;
use super::shape::FileKind;
use super::sources::Sources;

/// A file that isn't as it would be formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unformatted {
    /// Its path in the stack's folder.
    pub path: String,
    /// What it should be.
    pub text: String,
}

/// The files of a stack's folder that formatting would change.
///
/// # Errors
/// What can't be read, and what isn't TOML.
pub fn folder(root: &Path) -> Result<Vec<Unformatted>, Diagnostics> {
    let sources = Sources::read(root)?;
    let mut diagnostics = Diagnostics::default();
    let mut changed = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| FileKind::of_path(path).is_some()) {
        match format(path, text) {
            // Byte order marks and CRLF are gone from the sources, but not from the file.
            Ok(formatted) if fs::read(root.join(&**path)).is_ok_and(|bytes| bytes == formatted.as_bytes()) => {}
            Ok(text) => changed.push(Unformatted { path: path.to_string(), text }),
            Err(found) => diagnostics.extend(found),
        }
    }
    diagnostics.into_result(changed)
}

/// Formats a file.
///
/// # Errors
/// Where it isn't TOML: with the errors' places in `file`.
pub fn format(file: &Arc<str>, text: &str) -> Result<String, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut diagnostics = Diagnostics::default();
    let Some(before) = Node::parse(file, &text, &mut diagnostics) else { return Err(diagnostics) };
    let table = DeTable::parse(&text).map_err(|error| Diagnostics::from(Diagnostic::error("stack::syntax", error.message().to_owned())))?;
    let mut assignments = Vec::new();
    collect(table.get_ref(), &text, &mut assignments);
    assignments.sort_by_key(|assignment| assignment.key_end);
    let formatted = lay_out(&text, &assignments);
    // Nobody loses a value to a formatter: what would mean anything else is not written.
    match Node::parse(file, &formatted, &mut diagnostics) {
        Some(after) if after.says_same(&before) => Ok(formatted),
        _ => Ok(text),
    }
}

/// `key = value` on a line of its own.
struct Assignment {
    /// Where the key ends.
    key_end: usize,
    /// Where the value is.
    value: Range<usize>,
    /// The value as it shall be, where it is on one line.
    written: Option<String>,
}

/// The assignments of a table and of the tables below it that stand in lines of their own.
fn collect(table: &DeTable<'_>, text: &str, assignments: &mut Vec<Assignment>) {
    for (key, value) in table {
        let begins = |span: &Range<usize>, mark: char| text.get(span.start..).is_some_and(|rest| rest.starts_with(mark));
        match value.get_ref() {
            DeValue::Table(inner) if !begins(&value.span(), '{') => collect(inner, text, assignments),
            DeValue::Array(items)
                if !items.is_empty()
                    && items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_)) && !begins(&item.span(), '{')) =>
            {
                for item in items {
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect(inner, text, assignments);
                    }
                }
            }
            inner => {
                let span = value.span();
                let one_line = text.get(span.clone()).is_some_and(|source| !source.contains('\n'));
                let written = one_line.then(|| print(inner, &span, text));
                assignments.push(Assignment { key_end: key.span().end, value: span, written });
            }
        }
    }
}

/// A value on one line. Texts, numbers and dates stay as they were written.
fn print(value: &DeValue<'_>, span: &Range<usize>, text: &str) -> String {
    let source = &text[span.clone()];
    match value {
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| print(item.get_ref(), &item.span(), text)).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) if source.starts_with('{') => {
            // Dotted keys are tables in tables: the text between entries is kept where there are any.
            let mut entries: Vec<(Range<usize>, String)> = Vec::new();
            for (key, value) in table {
                let inner = value.get_ref();
                let dotted = matches!(inner, DeValue::Table(_)) && !text[value.span()].starts_with('{');
                if dotted {
                    return source.to_owned();
                }
                entries.push((key.span(), print(inner, &value.span(), text)));
            }
            entries.sort_by_key(|(key, _)| key.start);
            if entries.is_empty() {
                return "{}".to_owned();
            }
            let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{} = {value}", &text[key])).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        _ => source.to_owned(),
    }
}

/// A line of the result.
enum Line {
    Empty,
    Comment(String),
    Header(String),
    Assignment {
        key: String,
        value: String,
        aligned: bool,
    },
    /// A further line of a value, as it was.
    Inside(String),
}

fn lay_out(text: &str, assignments: &[Assignment]) -> String {
    let mut lines = Vec::new();
    let mut next = assignments.iter().peekable();
    let mut at = 0;
    let mut inside = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let content = line.strip_suffix('\n').unwrap_or(line);
        if start < inside {
            lines.push(Line::Inside(content.to_owned()));
            continue;
        }
        let trimmed = content.trim_matches([' ', '\t']);
        match next.peek() {
            Some(assignment) if assignment.key_end < end => {
                let key = text[start..assignment.key_end].trim().to_owned();
                let rest = &text[assignment.value.start..end];
                let (value, aligned) = match &assignment.written {
                    Some(written) => {
                        let comment = text[assignment.value.end..end].trim();
                        let space = if comment.is_empty() { "" } else { " " };
                        (format!("{written}{space}{comment}"), true)
                    }
                    None => (rest.strip_suffix('\n').unwrap_or(rest).to_owned(), false),
                };
                inside = assignment.value.end;
                lines.push(Line::Assignment { key, value, aligned });
                next.next();
            }
            _ if trimmed.is_empty() => lines.push(Line::Empty),
            _ if trimmed.starts_with('#') => lines.push(Line::Comment(trimmed.to_owned())),
            _ => lines.push(Line::Header(trimmed.to_owned())),
        }
    }
    write(&lines)
}

fn write(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut empty = false;
    for (index, line) in lines.iter().enumerate() {
        let is_first = out.is_empty();
        match line {
            Line::Empty => {
                empty = !is_first;
                continue;
            }
            Line::Inside(text) => out.push_str(text),
            Line::Comment(text) => {
                if empty || (!is_first && announces_header(lines, index)) {
                    out.push('\n');
                }
                out.push_str(text);
            }
            Line::Header(text) => {
                let announced = index > 0 && matches!(lines[index - 1], Line::Comment(_));
                if empty || (!is_first && !announced) {
                    out.push('\n');
                }
                out.push_str(text);
            }
            Line::Assignment { key, value, aligned } => {
                if empty {
                    out.push('\n');
                }
                let width = if *aligned { width_of_block(lines, index) } else { 0 };
                out.push_str(key);
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(key.chars().count())));
                out.push_str(" = ");
                out.push_str(value);
            }
        }
        empty = false;
        out.push('\n');
    }
    out
}

/// Whether a comment is the first of those that stand right above a header.
fn announces_header(lines: &[Line], index: usize) -> bool {
    let first = !matches!(index.checked_sub(1).map(|above| &lines[above]), Some(Line::Comment(_) | Line::Empty));
    let below = lines[index..].iter().find(|line| !matches!(line, Line::Comment(_)));
    first && matches!(below, Some(Line::Header(_)))
}

/// The widest key of the lines around that follow each other.
fn width_of_block(lines: &[Line], index: usize) -> usize {
    let key = |line: &Line| match line {
        Line::Assignment { key, aligned: true, .. } => Some(key.chars().count()),
        _ => None,
    };
    let above = lines[..index].iter().rev().map_while(key);
    let below = lines[index..].iter().map_while(key);
    above.chain(below).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        format(&Arc::from("x.toml"), text).unwrap()
    }

    #[test]
    fn spaces_and_empty_lines_become_regular() {
        let text = "\n\n  name='x'   # the name\nlonger.key   =   [1,2 , 3]\n[a]\n\n\n\n  b = {c=1,d = 'x=y'}\n# about e\n[e]\nf=1  \n\n";
        assert_eq!(
            formatted(text),
            "name       = 'x' # the name\nlonger.key = [1, 2, 3]\n\n[a]\n\nb = { c = 1, d = 'x=y' }\n\n# about e\n[e]\nf = 1\n"
        );
    }

    #[test]
    fn blocks_are_aligned_apart() {
        assert_eq!(formatted("a = 1\nlong = 2\n\nb = 3\n# c\nccc = 4\nd = 5\n"), "a    = 1\nlong = 2\n\nb = 3\n# c\nccc = 4\nd   = 5\n");
    }

    #[test]
    fn values_over_several_lines_stay_as_they_are() {
        let text = "a = [\n  1, # one\n\n\n  2,\n]\nlonger = \"\"\"\n  x = 1  \n\n\n# no comment\n\"\"\"\n";
        assert_eq!(formatted(text), text);
    }

    #[test]
    fn lists_of_tables_and_dotted_keys_in_braces() {
        let text = "[[patch]]\nkind = 'Service'\nspec.x = { a.b = 1,c=2 }\n[[patch]]\nkind='Job'\n";
        assert_eq!(formatted(text), "[[patch]]\nkind   = 'Service'\nspec.x = { a.b = 1,c=2 }\n\n[[patch]]\nkind = 'Job'\n");
    }

    #[test]
    fn what_is_no_toml_is_an_error_at_its_place() {
        let found = format(&Arc::from("x.toml"), "a = \n").unwrap_err();
        assert_eq!(found.0[0].labels[0].origin.to_string(), "x.toml:1");
    }

    #[test]
    fn windows_files_become_plain() {
        assert_eq!(formatted("\u{feff}a = 1\r\nb = 2\r\n"), "a = 1\nb = 2\n");
    }

    fn line() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let value = prop_oneof![
            Just("1"),
            Just("'a # b'"),
            Just("\"x = y\""),
            Just("[1,2,  3]"),
            Just("{a=1,b = [ {} ]}"),
            Just("[\n 1, # c\n\n\n]"),
            Just("\"\"\"\n a = 1\n# x\n\n\n\"\"\""),
            Just("{ a.b = 1 }"),
            Just("true"),
            Just("[ ]"),
            Just("1979-05-27")
        ];
        let spaces = || prop_oneof![Just(""), Just(" "), Just("\t"), Just("   ")];
        let key = prop_oneof![Just("k"), Just("'q k'"), Just("d.o"), Just("\"=\"")];
        let end = prop_oneof![Just(""), Just("  # end"), Just(" ")];
        prop_oneof![
            4 => (spaces(), key, 0..40u8, spaces(), spaces(), value, end).prop_map(|(a, k, n, b, c, v, e)| {
                let key = match k.strip_suffix(['\'', '"']) { Some(open) => format!("{open}{n}{}", &k[k.len() - 1..]), None => format!("{k}{n}") };
                format!("{a}{key}{b}={c}{v}{e}\n")
            }),
            2 => Just("\n".to_owned()),
            1 => (spaces(), spaces()).prop_map(|(a, b)| format!("{a}#{b}comment = 'x'\n")),
            1 => (0..40u8, spaces()).prop_map(|(n, a)| format!("{a}[table{n}]\n")),
            1 => Just("[[list]]\n".to_owned()),
        ]
    }

    proptest::proptest! {
        #[test]
        fn formatting_keeps_values_and_comments_and_is_done_once(lines in proptest::collection::vec(line(), 0..25)) {
            let text = lines.concat();
            if let Ok(once) = format(&Arc::from("x.toml"), &text) {
                let parse = |text: &str| Node::parse(&Arc::from("x.toml"), text, &mut Diagnostics::default()).unwrap();
                proptest::prop_assert!(parse(&text).says_same(&parse(&once)));
                proptest::prop_assert_eq!(text.matches('#').count(), once.matches('#').count());
                proptest::prop_assert_eq!(format(&Arc::from("x.toml"), &once).unwrap(), once);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-c =\\[\\]{}\"'#.,\\n\\r\\t0-9é]{0,80}") {
            let _ = format(&Arc::from("x.toml"), &text);
        }
    }
}
