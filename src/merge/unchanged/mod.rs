//! Whether applying a configuration would change nothing: decided in one walk over the live object as it came, its raw `fieldsV1`
//! and the configuration, for thousands of objects.
//!
//! It says [`Verdict::Unchanged`] only where [`super::apply`] would change neither a value nor what the manager owns. Everything
//! else that the server does on a write (defaults, admission) is not its matter: configurations come completed and canonical.

mod precedent;
mod walk;

pub use self::precedent::Precedents;
use self::precedent::Seen;
use self::walk::{Level, Stop, Walk};
use super::server::{ANNOTATION, KUBECTL};
use crate::resource::{FieldPath, Items, PathElement, Tree, TreeShape};
use crate::schema::TypeRef;

/// Deeper is nothing real.
const DEPTH: usize = 200;
/// Comparisons of items of one list with those of others that a verdict is worth.
const COMPARISONS: usize = 100_000;

/// What applying would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would change nothing.
    Unchanged,
    /// It would change something, or only who owns it.
    Differs(Reason),
    /// That can't be told without working it out.
    Unknown(Reason),
}

/// Why not unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which rule does not hold.
    pub rule: Rule,
    /// Where; the root where it is about the object.
    pub path: FieldPath,
}

/// What has to hold for an object to be unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It is not being deleted.
    Stays,
    /// It has one entry of what the manager applied, in the configuration's version.
    OneEntry,
    /// All that the configuration has is in that entry.
    Owned,
    /// Nothing else is.
    NothingRemoved,
    /// The values are the configuration's.
    SameValue,
    /// The items of the configuration's keyed lists and sets are there once, in its order.
    SameItems,
    /// Everything in the configuration is in the schema, and of its type.
    InSchema,
    /// The configuration has no null, and nothing empty that isn't there, or isn't empty there: what becomes of that is the server's
    /// decision.
    NotEmpty,
    /// It is of a size that real objects have.
    Size,
    /// It isn't kubectl's annotation of what it applied that the server would write anew.
    Recorded,
}

impl Rule {
    /// What is the case where it does not hold.
    pub fn broken(self) -> &'static str {
        match self {
            Self::Stays => "it is being deleted",
            Self::OneEntry => "it was not applied so, or not in this version",
            Self::Owned => "a field is not ours yet",
            Self::NothingRemoved => "a field of ours is no longer in the configuration",
            Self::SameValue => "a value differs",
            Self::SameItems => "a list's items are not there, not once, or in another order",
            Self::InSchema => "a field is not in the schema",
            Self::NotEmpty => "a null or empty value, of which the server decides",
            Self::Size => "it is too large or too deep",
            Self::Recorded => "the annotation of what kubectl applied is written anew",
        }
    }
}

/// Whether applying `configuration` as `manager` would leave `live` as it is. What a list says for all its items, `apiVersion` and
/// `kind`, an item needn't have. `without`: fields that are taken out of the configuration first; none of them within a list.
pub fn unchanged(live: Tree<'_>, configuration: Tree<'_>, without: &[&FieldPath], manager: &str, of: TypeRef<'_>) -> Verdict {
    judge(live, configuration, without, manager, of, None)
}

/// The same for objects of one page, one after the other: an object that differs from one before it in the same texts as what is wanted
/// of it is unchanged too. All of one manager, and of one kind.
pub fn unchanged_by<'p>(
    precedents: &mut Precedents<'p>,
    live: Tree<'p>,
    configuration: Tree<'p>,
    without: &[&FieldPath],
    manager: &str,
    of: TypeRef<'_>,
) -> Verdict {
    if precedents.decide(live, configuration, without) {
        return Verdict::Unchanged;
    }
    let mut seen = Seen::default();
    let verdict = judge(live, configuration, without, manager, of, Some(&mut seen));
    if verdict == Verdict::Unchanged {
        precedents.add(live, configuration, without, &seen);
    }
    verdict
}

fn judge(
    live: Tree<'_>,
    configuration: Tree<'_>,
    without: &[&FieldPath],
    manager: &str,
    of: TypeRef<'_>,
    mut seen: Option<&mut Seen>,
) -> Verdict {
    let at_root = |rule| Verdict::Differs(Reason { rule, path: FieldPath::root() });
    let Some(metadata) = live.get("metadata") else { return at_root(Rule::OneEntry) };
    if metadata.get("deletionTimestamp").is_some() {
        return at_root(Rule::Stays);
    }
    let text = |entry: Tree<'_>, name: &str, expected: &str| entry.get(name).and_then(Tree::text).unwrap_or_default() == expected;
    let mut ours = metadata
        .get("managedFields")
        .map(Tree::list)
        .into_iter()
        .flatten()
        .filter(|entry| text(*entry, "manager", manager) && text(*entry, "operation", "Apply") && text(*entry, "subresource", ""));
    let (Some(entry), None) = (ours.next(), ours.next()) else { return at_root(Rule::OneEntry) };
    // Entries of one manager that differ in their times alone become one at the next write, which so is one.
    if metadata.get("managedFields").is_some_and(|entries| has_twice(entries.list())) {
        return Verdict::Unknown(Reason { rule: Rule::OneEntry, path: FieldPath::root() });
    }
    let same = |tree: Tree<'_>, name: &str, unsaid: bool| match tree.get(name) {
        Some(value) => configuration.get(name).is_some_and(|wanted| value.is(wanted)),
        None => unsaid,
    };
    if !same(entry, "apiVersion", false) || !same(live, "apiVersion", true) || !same(live, "kind", true) {
        return at_root(Rule::OneEntry);
    }
    if manager == KUBECTL && metadata.get("annotations").is_some_and(|annotations| annotations.get(ANNOTATION).is_some()) {
        return Verdict::Unknown(Reason { rule: Rule::Recorded, path: FieldPath::root() });
    }
    let Some(fields) = entry.get("fieldsV1") else { return at_root(Rule::OneEntry) };
    let (TreeShape::Map(object), TreeShape::Map(nodes)) = (configuration.shape(), fields.shape()) else {
        return at_root(Rule::OneEntry);
    };
    let paths: Vec<&[PathElement]> = without.iter().map(|path| path.0.as_slice()).collect();
    match Walk::new(seen.as_deref_mut()).map(of, object, &paths, live.map(), Some(nodes), Level::Object) {
        Ok(_) => {
            if let Some(seen) = seen {
                // Nobody reads when something was written, and what others own.
                for other in metadata.get("managedFields").map(Tree::list).unwrap_or_default() {
                    let is_ours = other.place() == entry.place();
                    let unread = |name: &str| name == "time" || name == "fieldsV1" && !is_ours;
                    other.map().with_places().filter(|(name, ..)| unread(name)).for_each(|(.., standing)| seen.nothing_at(standing));
                }
            }
            Verdict::Unchanged
        }
        Err(Stop { rule, mut path }) => {
            path.reverse();
            let reason = Reason { rule, path: FieldPath(path) };
            match rule {
                Rule::InSchema | Rule::NotEmpty | Rule::Size => Verdict::Unknown(reason),
                _ => Verdict::Differs(reason),
            }
        }
    }
}

/// Whether two entries of managedFields are of the same manager, in the same way.
fn has_twice(mut entries: Items<'_>) -> bool {
    fn said<'t>(entry: Tree<'t>, name: &str) -> &'t str {
        entry.get(name).and_then(Tree::text).unwrap_or_default()
    }
    while let Some(entry) = entries.next() {
        let mut others = entries;
        let same = |other: Tree<'_>| {
            ["manager", "operation", "subresource", "apiVersion"].iter().all(|name| said(entry, name) == said(other, name))
        };
        if others.any(same) {
            return true;
        }
    }
    false
}
