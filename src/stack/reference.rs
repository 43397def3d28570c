//! `${…}` in a text: finds references, leaves `$${` as `${`.

use super::node::split_path;

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Taken as it is.
    Text(String),
    /// `${service.auth.url}`: the keys, and how it is written.
    Reference(Vec<String>, String),
}

/// A text that isn't well formed: what is wrong with which part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateError {
    /// What is wrong.
    pub reason: String,
    /// The part, as it is written.
    pub part: String,
}

/// Whether the text has anything to resolve.
pub fn is_template(text: &str) -> bool {
    text.contains("${")
}

/// Splits a text into its pieces. A text that is one reference and nothing else keeps the reference's type.
pub fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at - 1]);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            let part: String = rest[at..].chars().take(40).collect();
            return Err(TemplateError { reason: "`${` isn't closed by a `}`".to_owned(), part });
        };
        let written = rest[at..=at + 2 + end].to_owned();
        let keys = match split_path(&inner[..end]) {
            Ok(keys) => keys,
            Err(reason) => return Err(TemplateError { reason: format!("`{written}` is no reference: {reason}"), part: written }),
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Reference(keys, written));
        rest = &inner[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_escapes_left_alone() {
        let reference = |path: &str| Piece::Reference(split_path(path).unwrap(), format!("${{{path}}}"));
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(pieces("${a.b}").unwrap(), [reference("a.b")]);
        assert_eq!(pieces("x${a.b}y${c}").unwrap(), [text("x"), reference("a.b"), text("y"), reference("c")]);
        assert_eq!(pieces("$${HOME} costs 3$ ${c}").unwrap(), [text("${HOME} costs 3$ "), reference("c")]);
        assert_eq!(pieces("$x {y} $$z").unwrap(), [text("$x {y} $$z")]);
        assert_eq!(pieces("").unwrap(), []);
    }

    #[test]
    fn malformed_references_are_errors() {
        for bad in ["${", "${a", "${}", "${a..b}", "${a.}", "${'a}"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
