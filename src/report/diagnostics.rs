//! Diagnostics as people read them: what is wrong, the lines of the stack that it is about, what to do.
//!
//! ```text
//! error[stack::unknown_key]: unknown key `replica`
//!    ┌─[services/backend.toml:7:1]
//!  7 │ replica = { min = 3 }
//!    · ───┬───
//!    ·    └── did you mean `replicas`?
//!    └────
//!   = help: `spai schema service` lists what a service may say
//! ```

use std::fmt::{self, Write as _};
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents, ThemeStyles,
};

use crate::resource::{Diagnostic, Diagnostics, Label, Severity};
use crate::stack::Sources;

use super::look::{Look, Tone};
use super::visible::visible;

/// Labels that are so many lines apart or nearer share a snippet.
const NEAR: u32 = 2;
/// So much of a line is shown before and after what it is about, in bytes.
const AROUND: usize = 240;

/// All of them, errors first, with a line at the end that counts them. Nothing at all if there are none.
///
/// `sources` are the files that labels point into; where there is no text for a label, its file and line are named.
pub fn diagnostics(diagnostics: &Diagnostics, sources: Option<&Sources>, look: Look) -> String {
    let mut sorted = diagnostics.clone();
    sorted.sort();
    sorted.0.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    let mut text = String::new();
    for diagnostic in &sorted.0 {
        one(&mut text, diagnostic, sources, look);
        text.push('\n');
    }
    let count = |severity| sorted.0.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |number: usize, word: &str| if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") };
    match (errors, warnings) {
        (0, 0) => {}
        (0, _) => text.push_str(&look.paint(Tone::Warn, &plural(warnings, "warning"))),
        (_, 0) => text.push_str(&look.paint(Tone::Bad, &plural(errors, "error"))),
        _ => text.push_str(&look.paint(Tone::Bad, &format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")))),
    }
    if errors + warnings > 0 {
        text.push('\n');
    }
    text
}

/// One of them, ending in a line end.
pub fn diagnostic(diagnostic: &Diagnostic, sources: Option<&Sources>, look: Look) -> String {
    let mut text = String::new();
    one(&mut text, diagnostic, sources, look);
    text
}

fn one(text: &mut String, diagnostic: &Diagnostic, sources: Option<&Sources>, look: Look) {
    let (word, tone) = match diagnostic.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Warn),
    };
    let head = look.paint(tone, &format!("{word}[{}]", diagnostic.code));
    let message = visible(&diagnostic.message);
    let mut lines = message.lines();
    let first = look.paint(Tone::Strong, lines.next().unwrap_or_default());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{head}: {first}");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    for group in groups(&diagnostic.labels) {
        let source = group.first().and_then(|label| sources?.get(&label.origin.file));
        match source.and_then(|source| snippet(&source, &group, diagnostic.severity, look)) {
            Some(snippet) => text.push_str(&snippet),
            None => {
                for label in group {
                    let _ = write!(text, "  --> {}", visible(&place(label)));
                    let _ = if label.text.is_empty() { writeln!(text) } else { writeln!(text, ": {}", visible(&label.text)) };
                }
            }
        }
    }
    if let Some(help) = &diagnostic.help {
        let help = visible(help);
        let mut lines = help.lines();
        let _ = writeln!(text, "  = {}: {}", look.paint(Tone::Strong, "help"), lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "          {line}");
        }
    }
}

fn place(label: &Label) -> String {
    let origin = &label.origin;
    if origin.line == 0 { origin.file.to_string() } else { format!("{}:{}:{}", origin.file, origin.line, origin.column) }
}

/// Labels that one snippet shows: of one file, near each other. The main label's comes first.
fn groups(labels: &[Label]) -> Vec<Vec<&Label>> {
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        let near = |other: &&Label| other.origin.file == label.origin.file && other.origin.line.abs_diff(label.origin.line) <= NEAR;
        match groups.iter_mut().find(|group| group.iter().any(near)) {
            Some(group) => group.push(label),
            None => groups.push(vec![label]),
        }
    }
    groups
}

/// The lines of a group of labels with what is said of them. None if the places aren't in the text.
fn snippet(source: &Arc<str>, labels: &[&Label], severity: Severity, look: Look) -> Option<String> {
    let excerpt = Excerpt::new(source, labels)?;
    let mut theme = GraphicalTheme::unicode_nocolor();
    theme.characters.ltop = '┌';
    theme.characters.lbot = '└';
    if look.colour {
        theme.styles = ThemeStyles::ansi();
    }
    // The excerpt has no lines but those that it is about: a context of one line makes miette show these whole.
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.max(40))
        .with_links(false)
        .with_context_lines(1)
        .tab_width(4)
        .without_syntax_highlighting();
    let report = Report { excerpt: &excerpt, severity };
    let mut text = String::new();
    handler.render_report(&mut text, &report).ok()?;
    // The first line is the report's (empty) message: the headline above stands for it.
    text.split_once('\n').map(|(_, rest)| rest.to_owned())
}

/// The lines that a group's labels are about, cut out of the file (which may be large), and the labels' places in them.
struct Excerpt {
    name: String,
    text: String,
    /// The number of the first line, from 0.
    line: usize,
    /// So many columns of the first line are left out.
    column: usize,
    labels: Vec<LabeledSpan>,
}

impl Excerpt {
    fn new(source: &str, labels: &[&Label]) -> Option<Self> {
        let first = labels.iter().min_by_key(|label| label.origin.start)?;
        let last = labels.iter().max_by_key(|label| label.origin.start)?;
        if first.origin.line == 0 || last.origin.start > source.len() {
            return None;
        }
        let line_start = source.get(..first.origin.start)?.rfind('\n').map_or(0, |at| at + 1);
        let start = boundary_below(source, line_start.max(first.origin.start.saturating_sub(AROUND)));
        let line_end = source.get(last.origin.start..)?.find('\n').map_or(source.len(), |at| last.origin.start + at);
        let end = boundary_below(source, line_end.min(last.origin.start + 2 * AROUND));
        let cut = source.get(start..end)?;
        // Signs may be longer than what they stand for: places move.
        let mut text = String::with_capacity(cut.len());
        let mut moved = Vec::with_capacity(cut.len() + 1);
        for (at, c) in cut.char_indices() {
            moved.resize(at + 1, text.len());
            text.push_str(&visible(c.encode_utf8(&mut [0; 4])));
        }
        moved.resize(cut.len() + 1, text.len());
        let spans = labels.iter().map(|label| {
            let from = label.origin.start.saturating_sub(start).min(cut.len());
            // A place that goes on over several lines is shown by its first.
            let line_end = cut.get(from..).and_then(|rest| rest.find('\n')).map_or(cut.len(), |at| from + at);
            let to = label.origin.end.saturating_sub(start).clamp(from, line_end);
            let (from, to) = (moved.get(from).copied().unwrap_or_default(), moved.get(to).copied().unwrap_or_default());
            let words = (!label.text.is_empty()).then(|| visible(&label.text).into_owned());
            LabeledSpan::new(words, from, to.saturating_sub(from))
        });
        let labels = spans.collect();
        Some(Self {
            name: visible(&first.origin.file).into_owned(),
            line: usize::try_from(first.origin.line).ok()?.checked_sub(1)?,
            column: source.get(line_start..start)?.chars().count(),
            text,
            labels,
        })
    }
}

fn boundary_below(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl SourceCode for Excerpt {
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        let column = if inner.line() == 0 { inner.column() + self.column } else { inner.column() };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line() + self.line,
            column,
            inner.line_count(),
        )))
    }
}

/// What miette is given: the excerpt alone.
#[derive(Debug)]
struct Report<'a> {
    excerpt: &'a Excerpt,
    severity: Severity,
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.excerpt.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Origin;

    fn origin(file: &str, text: &str, what: &str) -> Origin {
        let start = text.find(what).unwrap();
        let line = u32::try_from(text[..start].matches('\n').count() + 1).unwrap();
        let column = u32::try_from(start - text[..start].rfind('\n').map_or(0, |at| at + 1) + 1).unwrap();
        Origin { file: file.into(), line, column, start, end: start + what.len() }
    }

    #[test]
    fn an_error_shows_its_line_and_what_to_do() {
        let text = "image = 1\n\nreplica = { min = 3 }\n";
        let sources = Sources::of([("services/backend.toml", text)]);
        let found = Diagnostic::error("stack::unknown_key", "unknown key `replica`")
            .at(&origin("services/backend.toml", text, "replica"), "did you mean `replicas`?")
            .help("`spai schema service` lists what a service may say");
        let warning = Diagnostic::warning("stack::odd", "odd");
        let printed = diagnostics(&Diagnostics(vec![warning, found]), Some(&sources), Look::default());
        assert_eq!(
            printed,
            "error[stack::unknown_key]: unknown key `replica`
   ┌─[services/backend.toml:3:1]
 3 │ replica = { min = 3 }
   · ───┬───
   ·    └── did you mean `replicas`?
   └────
  = help: `spai schema service` lists what a service may say

warning[stack::odd]: odd

1 error, 1 warning
"
        );
    }

    #[test]
    fn labels_in_several_files_are_all_shown() {
        let (a, b) = ("x = 1\n", "\n\nx = 2\n");
        let sources = Sources::of([("a.toml", a), ("b.toml", b)]);
        let found = Diagnostic::error("stack::disagree", "two layers disagree")
            .at(&origin("a.toml", a, "x = 1"), "here")
            .at(&origin("b.toml", b, "x = 2"), "and here");
        let printed = diagnostic(&found, Some(&sources), Look::default());
        assert!(printed.contains("[a.toml:1:1]") && printed.contains("[b.toml:3:1]") && printed.contains(" 3 │ x = 2"), "{printed}");
    }

    #[test]
    fn a_place_without_text_is_named() {
        let origin = Origin { file: "command line".into(), line: 0, column: 0, start: 0, end: 0 };
        let found = Diagnostic::error("stack::input", "no such input").at(&origin, "given here");
        assert_eq!(diagnostic(&found, None, Look::default()), "error[stack::input]: no such input\n  --> command line: given here\n");
    }

    #[test]
    fn hostile_text_and_places_do_no_harm() {
        let text = format!("{}\u{1b}[2Jevil = 1{}", "a".repeat(10_000), "b".repeat(10_000));
        let sources = Sources::of([("x.toml", text.clone())]);
        let at = origin("x.toml", &text, "evil");
        let printed = diagnostic(&Diagnostic::error("a::b", "bad \u{1b}[31m").at(&at, "\u{1b}x"), Some(&sources), Look::default());
        assert!(!printed.contains('\u{1b}') && printed.contains("evil") && printed.len() < 4000, "{printed}");
        for (start, end) in [(0, 50_000), (20_007, 20_007), (20_017, 1), (99_999, 100_000), (usize::MAX, 0)] {
            let at = Origin { file: "x.toml".into(), line: 1, column: 1, start, end };
            let _ = diagnostic(&Diagnostic::error("a::b", "bad").at(&at, "x"), Some(&sources), Look { colour: true, width: 10 });
        }
    }
}
