//! Unknown names, and the known one that was probably meant.

use crate::resource::{Diagnostic, Origin};

/// The known name nearest to `name`, if one is near enough to be a slip of the keyboard.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let limit = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(far, candidate)| *far <= limit || (lower.len() > 3 && candidate.to_lowercase().starts_with(&lower)))
        .min()
        .map(|(_, candidate)| candidate)
}

/// An error about a name that isn't there: what kind of thing it names, and where it stands.
pub fn unknown<'k>(what: &str, name: &str, origin: &Origin, known: impl IntoIterator<Item = &'k str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let code = format!("stack::unknown_{}", what.replace(' ', "_"));
    let diagnostic = Diagnostic::error(&code, format!("unknown {what} `{name}`"));
    let diagnostic = match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.at(origin, format!("did you mean `{near}`?")),
        None => diagnostic.at(origin, format!("there is no {what} of this name")),
    };
    diagnostic.help(if known.is_empty() { format!("this stack has no {what} at all") } else { format!("there are: {}", listed(&known)) })
}

/// Names as a list for people, cut where it gets long.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text = format!("{text} and {} more", names.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["backend", "billing", "tenant-management"];
        assert_eq!(nearest("bakcend", known), Some("backend"));
        assert_eq!(nearest("Billing", known), Some("billing"));
        assert_eq!(nearest("tenant", known), Some("tenant-management"));
        assert_eq!(nearest("auth", known), None);
    }
}
