//! Whether applying a configuration would change nothing: decided in one walk over the live object as it came, its raw `fieldsV1`
//! and the configuration, for thousands of objects.
//!
//! It says [`Verdict::Unchanged`] only where [`super::apply`] would change neither a value nor what the manager owns. Everything
//! else that the server does on a write (defaults, admission) is not its matter: configurations come completed and canonical.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::field_set::parse_element;
use super::server::{ANNOTATION, KUBECTL};
use crate::resource::{Entries, FieldPath, Finder, Items, PathElement, Shape as ObjectShape, Tape, Tree, TreeShape};
use crate::schema::{ListKey, ListKind, Shape, TypeRef};

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
    /// The configuration has no null, and nothing empty that isn't there: what becomes of that is the server's decision.
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

/// Which fields of a page's objects own what configurations of which shape have: objects that are alike are owned alike, and their
/// `fieldsV1` are one value of the page. What was found of one holds for the others.
#[derive(Debug, Default)]
pub struct Owned(HashMap<*const (), Vec<Judged>>);

/// A configuration's shape, and what was taken out of it.
#[derive(Debug)]
struct Judged {
    shape: Arc<ObjectShape>,
    without: Vec<FieldPath>,
}

impl Owned {
    fn has(&self, fields: Tree<'_>, shape: &ObjectShape, without: &[&FieldPath]) -> bool {
        let known = self.0.get(&fields.place()).into_iter().flatten();
        known.into_iter().any(|judged| *judged.shape == *shape && judged.without.iter().eq(without.iter().copied()))
    }

    fn add(&mut self, fields: Tree<'_>, shape: &Arc<ObjectShape>, without: &[&FieldPath]) {
        let without = without.iter().map(|path| (*path).clone()).collect();
        self.0.entry(fields.place()).or_default().push(Judged { shape: Arc::clone(shape), without });
    }
}

/// Whether applying `configuration` as `manager` would leave `live` as it is. What a list says for all its items, `apiVersion` and
/// `kind`, an item needn't have. `without`: fields that are taken out of the configuration first; none of them within a list.
pub fn unchanged(live: Tree<'_>, configuration: Tree<'_>, without: &[&FieldPath], manager: &str, of: TypeRef<'_>) -> Verdict {
    unchanged_of_shape(live, (configuration, None), without, manager, of, &mut Owned::default())
}

/// The same for objects of one page, one after the other, with the configuration's shape; `owned` has what was found of those before.
pub fn unchanged_of_shape(
    live: Tree<'_>,
    (configuration, shape): (Tree<'_>, Option<&Arc<ObjectShape>>),
    without: &[&FieldPath],
    manager: &str,
    of: TypeRef<'_>,
    owned: &mut Owned,
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
    let is_owned = shape.is_some_and(|shape| owned.has(fields, shape, without));
    let mut walk = Walk { text: String::new(), depth: 0, is_owned };
    let paths: Vec<&[PathElement]> = without.iter().map(|path| path.0.as_slice()).collect();
    match walk.map(of, object, &paths, live.map(), Some(nodes).filter(|_| !is_owned), Level::Object) {
        Ok(_) => {
            if let Some(shape) = shape.filter(|_| !is_owned) {
                owned.add(fields, shape, without);
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

/// Where a rule doesn't hold; the path is gathered on the way back.
struct Stop {
    rule: Rule,
    path: Vec<PathElement>,
}

impl Stop {
    fn at(self, element: PathElement) -> Self {
        let mut path = self.path;
        path.push(element);
        Self { path, ..self }
    }
}

impl From<Rule> for Stop {
    fn from(rule: Rule) -> Self {
        Self { rule, path: Vec::new() }
    }
}

/// Which fields are of the object's identity, and in no set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Object,
    Metadata,
    Below,
}

impl Level {
    fn skips(self, name: &str) -> bool {
        match self {
            Self::Object => matches!(name, "apiVersion" | "kind"),
            Self::Metadata => matches!(name, "name" | "namespace" | "uid" | "resourceVersion"),
            Self::Below => false,
        }
    }

    fn below(self, name: &str) -> Self {
        if self == Self::Object && name == "metadata" { Self::Metadata } else { Self::Below }
    }
}

/// What is at a place.
struct Here<'t> {
    live: Option<Tree<'t>>,
    /// Our entry's node for it.
    node: Option<Entries<'t>>,
    /// Its struct knows it by name.
    named: bool,
    level: Level,
}

struct Walk {
    /// The key of an item, as `fieldsV1` writes it.
    text: String,
    depth: usize,
    /// It is known already that all of the configuration is owned, and nothing else: values alone are compared.
    is_owned: bool,
}

impl Walk {
    /// A place, and what is wanted there. `without` are the rests of paths that begin here.
    fn place(&mut self, of: TypeRef<'_>, wanted: Tree<'_>, without: &[&[PathElement]], here: Here<'_>) -> Result<(), Stop> {
        let Here { live, node, named, level } = here;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Rule::Size.into());
        }
        match (of.shape(), wanted.shape()) {
            // A null that is a value of its own is there, or isn't.
            (_, TreeShape::Null) if of.nullable() && live.is_some_and(Tree::is_null) => self.whole_node(node, true, 0)?,
            (_, TreeShape::Null) => return Err(Rule::NotEmpty.into()),
            (Shape::Map { atomic: false, .. } | Shape::Any, TreeShape::Map(map)) => {
                let empty = map.clone().all(|(name, _)| is_left_out(without, name));
                let live = match live.map(Tree::shape) {
                    Some(TreeShape::Map(live)) => live,
                    _ if empty => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                };
                let below = self.map(of, map, without, live, node, level)?;
                self.whole_node(node, empty || !named, below)?;
            }
            (Shape::List { item, kind }, TreeShape::List(items)) if *kind != ListKind::Atomic => {
                let live = match live.map(Tree::shape) {
                    Some(TreeShape::List(live)) => live,
                    _ if items.len() == 0 => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                };
                let below = self.items(of.of(*item), kind, items, live, node)?;
                self.whole_node(node, !named, below)?;
            }
            (Shape::Map { atomic: false, .. }, _) => return Err(Rule::InSchema.into()),
            (Shape::List { kind, .. }, _) if *kind != ListKind::Atomic => return Err(Rule::InSchema.into()),
            _ => {
                if !live.is_some_and(|live| is_without(live, wanted, without)) {
                    return Err(Rule::SameValue.into());
                }
                self.whole_node(node, true, 0)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// How many nodes of ours are below.
    fn map(
        &mut self,
        of: TypeRef<'_>,
        wanted: Entries<'_>,
        without: &[&[PathElement]],
        live: Entries<'_>,
        node: Option<Entries<'_>>,
        level: Level,
    ) -> Result<usize, Stop> {
        let mut nodes = Finder::new(node.unwrap_or_default());
        let mut standing = Finder::new(live);
        let mut found = 0;
        for (name, value) in wanted {
            if is_left_out(without, name) {
                continue;
            }
            let at = |stop: Stop| stop.at(PathElement::Field(name.to_owned()));
            let live = standing.find("", name);
            if level.skips(name) {
                if !live.map_or(level == Level::Object, |live| live.is(value)) {
                    return Err(at(Rule::SameValue.into()));
                }
                continue;
            }
            let below = match node.and_then(|_| nodes.find("f:", name)).map(Tree::shape) {
                Some(TreeShape::Map(below)) => Some(below),
                Some(_) => return Err(Rule::OneEntry.into()),
                None => None,
            };
            found += usize::from(below.is_some());
            let known = of.known_field(name);
            let of_field = known.map(|field| of.of(field.of)).or_else(|| of.field(name)).ok_or_else(|| at(Rule::InSchema.into()))?;
            let within: Vec<&[PathElement]> = without.iter().filter_map(|path| within(path, name)).collect();
            let here = Here { live, node: below, named: known.is_some(), level: level.below(name) };
            self.place(of_field, value, &within, here).map_err(at)?;
        }
        let is_wanted = |key: &str| {
            let name = key.strip_prefix("f:");
            name.is_some_and(|name| wanted.clone().any(|(other, _)| other == name) && !is_left_out(without, name))
        };
        if !self.is_owned {
            nothing_left(node.unwrap_or_default(), found, is_wanted)?;
        }
        Ok(found)
    }

    fn items(
        &mut self,
        of: TypeRef<'_>,
        kind: &ListKind,
        wanted: Items<'_>,
        mut live: Items<'_>,
        node: Option<Entries<'_>>,
    ) -> Result<usize, Stop> {
        if wanted.len() == 0 {
            return Ok(0);
        }
        if node.is_none() && !self.is_owned {
            return Err(Rule::Owned.into());
        }
        let all = node.unwrap_or_default();
        let mut nodes = Finder::new(all);
        let mut seen = Vec::with_capacity(if self.is_owned { 0 } else { wanted.len() });
        let mut others: Vec<Tree<'_>> = Vec::new();
        for item in wanted {
            let key = || super::typed::element(kind, &item.to_value()).map_err(|_| Stop::from(Rule::InSchema));
            let below = if self.is_owned {
                Entries::default()
            } else {
                let below = self.node_of(kind, item, &mut nodes, all)?;
                seen.push(below.place());
                let TreeShape::Map(below) = below.shape() else { return Err(Rule::OneEntry.into()) };
                below
            };
            let found = loop {
                let Some(other) = live.next() else { return Err(Stop::from(Rule::SameItems).at(key()?)) };
                if same_item(kind, item, other) {
                    break other;
                }
                others.push(other);
            };
            match kind {
                // An owner reference is one value, whatever is within it.
                ListKind::Map(_) if matches!(of.shape(), Shape::Map { atomic: true, .. }) => {
                    if !found.is(item) {
                        return Err(Stop::from(Rule::SameValue).at(key()?));
                    }
                    self.whole_node(Some(below), true, 0)?;
                }
                ListKind::Map(_) => {
                    let TreeShape::Map(map) = item.shape() else { return Err(Rule::InSchema.into()) };
                    let inner = self.map(of, map, &[], found.map(), Some(below).filter(|_| !self.is_owned), Level::Below).map_err(
                        |stop| match key() {
                            Ok(key) => stop.at(key),
                            Err(_) => stop,
                        },
                    )?;
                    self.whole_node(Some(below), true, inner)?;
                }
                _ => self.whole_node(Some(below), true, 0)?,
            }
        }
        others.extend(live);
        if others.len().saturating_mul(wanted.len()) > COMPARISONS {
            return Err(Rule::Size.into());
        }
        if others.iter().any(|other| wanted.clone().any(|item| same_item(kind, item, *other))) {
            return Err(Rule::SameItems.into());
        }
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Rule::SameItems.into());
        }
        Ok(seen.len())
    }

    /// [`whole_node`], unless that is known.
    fn whole_node(&self, node: Option<Entries<'_>>, member: bool, found: usize) -> Result<(), Stop> {
        if self.is_owned { Ok(()) } else { whole_node(node, member, found) }
    }

    /// Our entry's node for an item.
    fn node_of<'n>(&mut self, kind: &ListKind, item: Tree<'_>, nodes: &mut Finder<'n>, mut all: Entries<'n>) -> Result<Tree<'n>, Stop> {
        self.text.clear();
        write_key(&mut self.text, kind, item).ok_or(Rule::InSchema)?;
        if let Some(found) = nodes.find("", &self.text) {
            return Ok(found);
        }
        // It may be written otherwise (`1.0`, an escaped `<`).
        let element = super::typed::element(kind, &item.to_value()).map_err(|_| Stop::from(Rule::InSchema))?;
        let found = all.find(|(text, _)| parse_element(text).is_ok_and(|other| other == element));
        match found {
            Some((_, found)) => Ok(found),
            None => Err(Stop::from(Rule::Owned).at(element)),
        }
    }
}

/// The rest of a path that begins with this field.
fn within<'p>(path: &'p [PathElement], name: &str) -> Option<&'p [PathElement]> {
    match path.split_first() {
        Some((PathElement::Field(first), rest)) if first == name => Some(rest),
        _ => None,
    }
}

fn is_left_out(without: &[&[PathElement]], name: &str) -> bool {
    without.iter().any(|path| within(path, name).is_some_and(<[_]>::is_empty))
}

/// That a node has no others below it than those that were found.
fn nothing_left(mut node: Entries<'_>, found: usize, is_wanted: impl Fn(&str) -> bool) -> Result<(), Stop> {
    if below(node) == found {
        return Ok(());
    }
    // One of ours that is wanted no more, or that is there twice.
    let left = node.find(|(name, _)| *name != "." && !is_wanted(name));
    Err(match left.map(|(name, _)| parse_element(name)) {
        Some(Ok(element)) => Stop::from(Rule::NothingRemoved).at(element),
        _ => Rule::OneEntry.into(),
    })
}

/// How many nodes are below one.
fn below(node: Entries<'_>) -> usize {
    node.len() - usize::from(is_listed(node))
}

/// Whether a node says of itself that it is a member, beside what is below it. A server writes that first; a node that has it
/// elsewhere is none that this can judge, and counts as one too many.
fn is_listed(mut node: Entries<'_>) -> bool {
    node.next().is_some_and(|(name, _)| name == ".")
}

/// Whether our entry has the place exactly so: as a member or not, with so many nodes below it.
fn whole_node(node: Option<Entries<'_>>, member: bool, found: usize) -> Result<(), Stop> {
    let Some(node) = node else { return if member || found > 0 { Err(Rule::Owned.into()) } else { Ok(()) } };
    let is_member = node.len() == 0 || is_listed(node);
    match (member, is_member) {
        (true, false) => return Err(Rule::Owned.into()),
        (false, true) => return Err(Rule::NothingRemoved.into()),
        _ => {}
    }
    if below(node) > found { Err(Rule::NothingRemoved.into()) } else { Ok(()) }
}

/// Whether the two are the same item by the list's keys.
fn same_item(kind: &ListKind, wanted: Tree<'_>, live: Tree<'_>) -> bool {
    let ListKind::Map(keys) = kind else { return live.is(wanted) };
    let is_default = |key: &ListKey, value: Tree<'_>| key.default.as_ref().is_some_and(|default| value.is(Tape::from(default).tree()));
    let same = |key: &ListKey| match (wanted.get(&key.name), live.get(&key.name)) {
        (Some(wanted), Some(live)) => live.is(wanted),
        (None, None) => true,
        (Some(value), None) | (None, Some(value)) => is_default(key, value),
    };
    keys.iter().all(same)
}

/// `k:{"containerPort":80,"protocol":"TCP"}`, `v:"x"`. None: it can't be told apart.
fn write_key(text: &mut String, kind: &ListKind, item: Tree<'_>) -> Option<()> {
    let ListKind::Map(keys) = kind else {
        text.push_str("v:");
        return write_scalar(text, item);
    };
    let TreeShape::Map(_) = item.shape() else { return None };
    text.push_str("k:{");
    let mut first = true;
    let mut last_name = None;
    // In the order of their names. There are one to three.
    for _ in keys {
        let next = keys.iter().map(|key| key.name.as_str()).filter(|name| last_name.is_none_or(|last| *name > last)).min()?;
        last_name = Some(next);
        let key = keys.iter().find(|key| key.name == next)?;
        let value = item.get(next);
        if value.is_none() && key.default.is_none() {
            continue;
        }
        if !first {
            text.push(',');
        }
        first = false;
        text.push('"');
        text.push_str(next);
        text.push_str("\":");
        match (value, &key.default) {
            (Some(value), _) => write_scalar(text, value)?,
            (None, Some(default)) => write_scalar(text, Tape::from(default).tree())?,
            (None, None) => {}
        }
    }
    text.push('}');
    (!first).then_some(())
}

fn write_scalar(text: &mut String, value: Tree<'_>) -> Option<()> {
    match value.shape() {
        TreeShape::Text(plain) if plain.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') => {
            text.push('"');
            text.push_str(plain);
            text.push('"');
            Some(())
        }
        TreeShape::Text(_) | TreeShape::Number(_) | TreeShape::Bool(_) => write!(text, "{}", value.to_value()).ok(),
        TreeShape::Null | TreeShape::List(_) | TreeShape::Map(_) => None,
    }
}

/// Whether what stands there is what is wanted of a value that is owned whole, less what is left out of it.
fn is_without(live: Tree<'_>, wanted: Tree<'_>, without: &[&[PathElement]]) -> bool {
    if without.is_empty() {
        return live.is(wanted);
    }
    let mut wanted = wanted.to_value();
    for path in without {
        super::remove(&mut wanted, &FieldPath(path.to_vec()));
    }
    live.is(Tape::from(&wanted).tree())
}
