//! How text is to look: how wide, and whether in colour. Decided once, by the command line, for each output.

use anstyle::{AnsiColor, Style};

/// How wide lines may get, and whether colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether escapes for colour are written.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

impl Default for Look {
    /// What goes into files and pipes: no colour, 100 columns.
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

/// What a piece of text is; the colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What comes.
    Added,
    /// What goes.
    Removed,
    /// What changes.
    Changed,
    /// An error.
    Bad,
    /// A warning, drift.
    Warn,
    /// All is well.
    Good,
    /// Beside the point: origins, counts.
    Faint,
    /// Headlines.
    Strong,
}

impl Look {
    /// The text in its colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Added | Tone::Good => AnsiColor::Green.on_default(),
            Tone::Removed => AnsiColor::Red.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Changed | Tone::Warn => AnsiColor::Yellow.on_default(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }
}
