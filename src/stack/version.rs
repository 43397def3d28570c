//! `spai = ">=0.1, <0.3"`: the versions of spai that understand a stack.

use crate::resource::{Diagnostic, Diagnostics};

use super::node::Node;

/// Major, minor, patch; what isn't said is none.
type Version = [Option<u64>; 3];

/// Checks that `running` is a version that the stack asks for.
pub fn check(stack: &Node, running: &str, diagnostics: &mut Diagnostics) {
    let Some(wanted) = stack.get("spai") else { return };
    let Some(text) = wanted.as_str() else { return };
    match matches(text, running) {
        Some(true) => {}
        Some(false) => diagnostics.push(
            Diagnostic::error("stack::version", format!("this stack is not for spai {running}"))
                .at(&wanted.origin, "asks for another version")
                .help("install a version that fits; or, if the stack has moved on, change `spai`"),
        ),
        None => diagnostics.push(
            Diagnostic::error("stack::version", format!("`{text}` is no range of versions"))
                .at(&wanted.origin, "can't be understood")
                .help("write comparisons, all of which must hold: `>=0.1, <0.3`"),
        ),
    }
}

/// Whether a version fulfils all comparisons; none where one is malformed.
fn matches(range: &str, version: &str) -> Option<bool> {
    let version = parse(version.split(['-', '+']).next().unwrap_or_default())?.map(Option::unwrap_or_default);
    let mut all = true;
    for part in range.split(',').map(str::trim) {
        let end = part.find(|c: char| c.is_ascii_digit())?;
        let (operator, wanted) = (part[..end].trim(), parse(&part[end..])?);
        let floor = wanted.map(Option::unwrap_or_default);
        // The parts that are said must be equal: `=0.1` is any 0.1.x.
        let same = |parts: usize| (0..parts).all(|part| wanted[part].is_none_or(|wanted| wanted == version[part]));
        let said = wanted.iter().flatten().count();
        all &= match operator {
            ">=" => version >= floor,
            "<" => version < floor,
            ">" => version > floor && !same(said),
            "<=" => version <= floor || same(said),
            "=" | "" => same(said),
            "~" => version >= floor && same(said.min(2)),
            "^" => version >= floor && same(floor.iter().take(said - 1).take_while(|part| **part == 0).count() + 1),
            _ => return None,
        };
    }
    Some(all)
}

fn parse(text: &str) -> Option<Version> {
    let mut version = [None; 3];
    let parts: Vec<&str> = text.trim().split('.').collect();
    if parts.len() > 3 {
        return None;
    }
    for (slot, part) in version.iter_mut().zip(parts) {
        *slot = Some(part.parse().ok()?);
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_or_do_not() {
        for range in [">=0.1", ">=0.1, <0.3", "0.1", "=0.1.4", "^0.1.2", "~0.1.2", "<=0.1", ">0.0.9", "<1"] {
            assert_eq!(matches(range, "0.1.4"), Some(true), "{range}");
        }
        for range in [">=0.2", "<0.1", "0.2", "^0.2", "~0.2", ">0.1", "^0.1.5", "=0.1.5", ">=0.1, <0.1.4"] {
            assert_eq!(matches(range, "0.1.4"), Some(false), "{range}");
        }
        for range in ["", "latest", ">=", ">=0.1,", "!0.1", "0.1.2.3", "0.x", "99999999999999999999999"] {
            assert_eq!(matches(range, "0.1.4"), None, "{range}");
        }
    }
}
