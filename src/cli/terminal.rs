//! The two outputs and the question: results on stdout, what goes on on stderr. A reader that has gone is no error.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::report::Look;

use super::args::{Colour, Format, Output};

/// Where output goes and how it is to look.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Terminal {
    /// How stdout is to look.
    pub(super) out: Look,
    /// How stderr is to look.
    pub(super) err: Look,
    /// JSON on stdout.
    pub(super) json: bool,
    /// Only results and errors.
    pub(super) quiet: bool,
    /// Somebody can be asked.
    pub(super) asks: bool,
    /// stderr is a terminal, so progress may move about.
    pub(super) moves: bool,
}

#[allow(clippy::unused_self, reason = "whoever prints has been given the terminal")]
impl Terminal {
    /// From the flags and what the process is connected to.
    pub(super) fn new(output: &Output, no_color: bool, dumb: bool) -> Self {
        let colour = |terminal: bool| match output.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !no_color && !dumb,
        };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let columns = || terminal_columns().clamp(60, 200);
        let look = |terminal: bool| Look { colour: colour(terminal), width: if terminal { columns() } else { Look::default().width } };
        Self {
            out: look(out),
            err: look(err),
            json: output.output == Format::Json,
            quiet: output.quiet,
            asks: io::stdin().is_terminal() && err,
            moves: err && !dumb && !output.quiet,
        }
    }

    /// A result, as it is.
    pub(super) fn print(self, text: &str) {
        let mut out = io::stdout().lock();
        // Whoever read it has gone (`| head`): there is nobody to tell.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// A result for programs.
    pub(super) fn print_json(self, value: &serde_json::Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        self.print(&format!("{text}\n"));
    }

    /// An error or a warning.
    pub(super) fn complain(self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Something worth knowing on the way; not with `--quiet`.
    pub(super) fn say(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Asks; only `yes` or `y` is a yes.
    pub(super) fn ask(self, question: &str) -> bool {
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }
}

/// The terminal's width, 100 where it can't be told.
fn terminal_columns() -> usize {
    terminal_size::terminal_size().map_or(Look::default().width, |(width, _)| usize::from(width.0))
}
