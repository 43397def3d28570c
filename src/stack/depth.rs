//! How deep a TOML text nests, found without building anything.
//!
//! The parser limits nested brackets and the parts of a dotted key, each by itself: dotted keys within inline tables multiply, and a hostile
//! text of a few kilobytes would nest thousands of levels, too deep for any stack. So it is measured first.

/// The place (byte offset) at which a text nests deeper than `limit` levels of tables and lists, if it does.
pub fn beyond(text: &str, limit: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    // For each open bracket, and for the text itself: the dots of the key at hand.
    let mut dots: Vec<usize> = vec![0];
    let mut total = 1;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                at = after_string(bytes, at);
                continue;
            }
            b'#' => {
                at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'[' | b'{' => {
                dots.push(0);
                total += 1;
            }
            b'.' => {
                if let Some(last) = dots.last_mut() {
                    *last += 1;
                    total += 1;
                }
            }
            b']' | b'}' if dots.len() > 1 => total -= 1 + dots.pop().unwrap_or_default(),
            b',' => total -= std::mem::take(dots.last_mut()?),
            b'\n' if dots.len() == 1 => total -= std::mem::take(dots.last_mut()?),
            _ => {}
        }
        if total > limit {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Where the string that begins at `start` is over: after its closing quotes, or at the end of the line where it isn't closed.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' && bytes.get(at + 1) != Some(&b'\n') => at += 1,
            b'\n' if !long => return at,
            byte if byte == quote && (!long || bytes[at..].starts_with(&[quote; 3])) => return at + if long { 3 } else { 1 },
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_dots_count_and_strings_and_comments_do_not() {
        let flat = [
            "a = '[[[['\nb = \"\\\"[[[[\" # [[[[\nc = \"\"\"\n[[[[\n\"\"\"\nd = '''\n[[[['''\n",
            "a = [1.5, 1.5, 1.5, 1.5, 1.5]\nb.c = 1\nd.e = 2\n[f.g]\n[h.i]\n",
            "a = 'unclosed [[[[\nb = 1\n",
            "",
            "]]]]]]}}}}",
        ];
        for text in flat {
            assert_eq!(beyond(text, 5), None, "{text}");
        }
        for text in ["[[[[[[", "a.b.c.d.e.f = 1", "x = { a.b = { c.d.e = 1 } }", "\"unclosed\\\n[[[[[["] {
            assert!(beyond(text, 5).is_some(), "{text}");
        }
    }
}
