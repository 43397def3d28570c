//! The walk: a configuration, what is live, and our entry's `fieldsV1`, side by side.

use std::fmt::Write as _;

use super::super::field_set::parse_element;
use super::super::typed;
use super::precedent::Seen;
use super::{COMPARISONS, DEPTH, Rule};
use crate::resource::{Entries, FieldPath, Finder, Items, PathElement, Tape, Tree, TreeShape};
use crate::schema::{ListKey, ListKind, Shape, TypeRef};

/// Where a rule doesn't hold; the path is gathered on the way back.
pub(super) struct Stop {
    pub rule: Rule,
    pub path: Vec<PathElement>,
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
pub(super) enum Level {
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

    /// Whether more than the walk looks at what stands there.
    fn reads(self, name: &str) -> bool {
        match self {
            Self::Object => matches!(name, "apiVersion" | "kind"),
            Self::Metadata => name == "managedFields",
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

pub(super) struct Walk<'s> {
    /// The key of an item, as `fieldsV1` writes it.
    text: String,
    depth: usize,
    /// What it looked at, for who wants to know.
    seen: Option<&'s mut Seen>,
}

impl<'s> Walk<'s> {
    pub fn new(seen: Option<&'s mut Seen>) -> Self {
        Self { text: String::new(), depth: 0, seen }
    }

    /// A place, and what is wanted there. `without` are the rests of paths that begin here.
    fn place(&mut self, of: TypeRef<'_>, wanted: Tree<'_>, without: &[&[PathElement]], here: Here<'_>) -> Result<(), Stop> {
        let Here { live, node, named, level } = here;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Rule::Size.into());
        }
        match (of.shape(), wanted.shape()) {
            // A null that is a value of its own is there, or isn't.
            (_, TreeShape::Null) if of.nullable() && live.is_some_and(Tree::is_null) => whole_node(node, true, 0)?,
            (_, TreeShape::Null) => return Err(Rule::NotEmpty.into()),
            (Shape::Map { atomic: false, .. } | Shape::Any, TreeShape::Map(map)) => {
                let empty = map.clone().all(|(name, _)| is_left_out(without, name));
                let live = match live.map(Tree::shape) {
                    // Who owns an empty map takes with it what nobody owns in it.
                    Some(TreeShape::Map(live)) if empty && live.len() > 0 => return Err(Rule::NotEmpty.into()),
                    Some(TreeShape::Map(live)) => live,
                    _ if empty => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                };
                let below = self.map(of, map, without, live, node, level)?;
                whole_node(node, empty || !named, below)?;
            }
            (Shape::List { item, kind }, TreeShape::List(items)) if *kind != ListKind::Atomic => {
                let live = match live.map(Tree::shape) {
                    Some(TreeShape::List(live)) => live,
                    _ if items.len() == 0 => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                };
                let below = self.items(of.of(*item), kind, items, live, node)?;
                whole_node(node, !named, below)?;
            }
            (Shape::Map { atomic: false, .. }, _) => return Err(Rule::InSchema.into()),
            (Shape::List { kind, .. }, _) if *kind != ListKind::Atomic => return Err(Rule::InSchema.into()),
            _ => {
                let Some(live) = live.filter(|live| is_without(*live, wanted, without)) else { return Err(Rule::SameValue.into()) };
                if let Some(seen) = self.seen.as_deref_mut().filter(|_| without.is_empty()) {
                    seen.same(wanted, live);
                }
                whole_node(node, true, 0)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// How many nodes of ours are below.
    pub fn map(
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
        let (mut found, mut looked_at) = (0, Vec::new());
        for (name, value) in wanted {
            if is_left_out(without, name) {
                continue;
            }
            let at = |stop: Stop| stop.at(PathElement::Field(name.to_owned()));
            let live = standing.find("", name);
            if self.seen.is_some() {
                looked_at.extend(live.map(Tree::place));
            }
            if level.skips(name) {
                if !live.map_or(level == Level::Object, |live| live.is(value)) {
                    return Err(at(Rule::SameValue.into()));
                }
                if let (Some(seen), Some(live), Level::Metadata) = (self.seen.as_deref_mut(), live, level) {
                    seen.same(value, live);
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
        nothing_left(node.unwrap_or_default(), found, is_wanted)?;
        if let Some(seen) = self.seen.as_deref_mut() {
            looked_at.sort_unstable();
            let is_read = |name: &str, value: Tree<'_>| looked_at.binary_search(&value.place()).is_ok() || level.reads(name);
            live.with_places().filter(|(name, value, _)| !is_read(name, *value)).for_each(|(.., standing)| seen.nothing_at(standing));
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
            // As of a map.
            return if live.len() == 0 { Ok(0) } else { Err(Rule::NotEmpty.into()) };
        }
        let all = node.ok_or(Rule::Owned)?;
        let mut nodes = Finder::new(all);
        let mut places = Vec::with_capacity(wanted.len());
        let mut others: Vec<Tree<'_>> = Vec::new();
        for item in wanted {
            let key = || typed::element(kind, &item.to_value()).map_err(|_| Stop::from(Rule::InSchema));
            let below = self.node_of(kind, item, &mut nodes, all)?;
            places.push(below.place());
            let TreeShape::Map(below) = below.shape() else { return Err(Rule::OneEntry.into()) };
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
                    whole_node(Some(below), true, 0)?;
                }
                ListKind::Map(keys) => {
                    let TreeShape::Map(map) = item.shape() else { return Err(Rule::InSchema.into()) };
                    let before = self.seen.as_deref().map_or(0, Seen::len);
                    let inner = self.map(of, map, &[], found.map(), Some(below), Level::Below).map_err(|stop| match key() {
                        Ok(key) => stop.at(key),
                        Err(_) => stop,
                    })?;
                    if let Some(seen) = self.seen.as_deref_mut() {
                        // They tell which item it is, beside being there.
                        keys.iter().filter_map(|key| item.get(&key.name)).for_each(|key| seen.forget(before, key));
                    }
                    whole_node(Some(below), true, inner)?;
                }
                _ => whole_node(Some(below), true, 0)?,
            }
        }
        others.extend(live);
        if others.len().saturating_mul(wanted.len()) > COMPARISONS {
            return Err(Rule::Size.into());
        }
        if others.iter().any(|other| wanted.clone().any(|item| same_item(kind, item, *other))) {
            return Err(Rule::SameItems.into());
        }
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Rule::SameItems.into());
        }
        Ok(places.len())
    }

    /// Our entry's node for an item.
    fn node_of<'n>(&mut self, kind: &ListKind, item: Tree<'_>, nodes: &mut Finder<'n>, mut all: Entries<'n>) -> Result<Tree<'n>, Stop> {
        self.text.clear();
        write_key(&mut self.text, kind, item).ok_or(Rule::InSchema)?;
        if let Some(found) = nodes.find("", &self.text) {
            return Ok(found);
        }
        // It may be written otherwise (`1.0`, an escaped `<`).
        let element = typed::element(kind, &item.to_value()).map_err(|_| Stop::from(Rule::InSchema))?;
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
        super::super::remove(&mut wanted, &FieldPath(path.to_vec()));
    }
    live.is(Tape::from(&wanted).tree())
}
