//! Text that comes from files or servers, made fit for a terminal: what would move the cursor, colour the screen or
//! turn the direction of reading is shown as a sign, never sent.

use std::borrow::Cow;

/// The text with every control and direction character replaced by a sign of one character; line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c != '\n' && c != '\t' && is_dangerous(c))
}

/// The same, on one line: a line end becomes `↵`, a tab `→`.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    replaced(text, is_dangerous)
}

fn replaced(text: &str, dangerous: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().any(&dangerous) {
        Cow::Owned(text.chars().map(|c| if dangerous(c) { sign(c) } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a terminal or a reader may be misled by it.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn sign(c: char) -> char {
    match c {
        '\n' => '↵',
        '\t' => '→',
        '\u{7f}' => '␡',
        // Unicode has a picture of each of the first 32.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_direction_marks_become_signs() {
        assert_eq!(visible("a\u{1b}[31mred\u{1b}]0;title\u{7}\nb\tc"), "a␛[31mred␛]0;title␇\nb\tc");
        assert_eq!(visible_line("a\nb\tc\r"), "a↵b→c␍");
        assert_eq!(visible("user\u{202e}nimda \u{9b}2J"), "user\u{fffd}nimda \u{fffd}2J");
        assert!(matches!(visible("plain äöü 日本"), Cow::Borrowed(_)));
    }
}
