//! Entries of a map, found one after the other.

use super::{Entries, Tree};

/// Maps of up to so many entries are searched one by one.
const SMALL: usize = 24;

/// Finds entries of one map by name, one after the other: at once if they are asked for in the order in which they stand, and
/// never with a look at all of a large map for each.
pub struct Finder<'t> {
    all: Entries<'t>,
    /// Those after the one that was found last.
    next: Entries<'t>,
    /// All of them by name, each with those after it; made when a large map's order turns out to be another one.
    sorted: Vec<(&'t str, Tree<'t>, Entries<'t>)>,
}

impl<'t> Finder<'t> {
    /// Of these entries.
    pub fn new(entries: Entries<'t>) -> Self {
        Self { all: entries, next: entries, sorted: Vec::new() }
    }

    /// The entry whose name is these two together.
    pub fn find(&mut self, prefix: &str, name: &str) -> Option<Tree<'t>> {
        // Length first: most names differ in it.
        let is = |other: &str| {
            other.len() == prefix.len() + name.len() && other.as_bytes()[prefix.len()..] == *name.as_bytes() && other.starts_with(prefix)
        };
        let mut after = self.next;
        if let Some((other, value)) = after.next()
            && is(other)
        {
            self.next = after;
            return Some(value);
        }
        if self.all.len() > SMALL {
            return self.search(prefix, name);
        }
        for mut from in [after, self.all] {
            while let Some((other, value)) = from.next() {
                if is(other) {
                    self.next = from;
                    return Some(value);
                }
            }
        }
        None
    }

    fn search(&mut self, prefix: &str, name: &str) -> Option<Tree<'t>> {
        if self.sorted.is_empty() {
            let mut rest = self.all;
            while let Some((name, value)) = rest.next() {
                self.sorted.push((name, value, rest));
            }
            self.sorted.sort_by_key(|(name, ..)| *name);
        }
        let wanted = || prefix.bytes().chain(name.bytes());
        let found = self.sorted.binary_search_by(|(other, ..)| other.bytes().cmp(wanted())).ok()?;
        let (_, value, after) = self.sorted.get(found)?;
        self.next = *after;
        Some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tape;
    use super::*;

    #[test]
    fn a_large_map_in_any_order_is_found_whole() {
        let names: Vec<String> = (0..200).map(|n| format!("k{}", (n * 37) % 200)).collect();
        let written: Vec<String> = names.iter().map(|name| format!("\"f:{name}\": \"{name}\"")).collect();
        let written = format!("{{{}}}", written.join(","));
        let tape = Tape::read(&written).unwrap();
        let mut finder = Finder::new(tape.tree_of(&written).map());
        for number in 0..200 {
            let name = format!("k{number}");
            assert_eq!(finder.find("f:", &name).and_then(Tree::text), Some(name.as_str()));
        }
        assert!(finder.find("f:", "k200").is_none() && finder.find("", "k1").is_none());
    }
}
