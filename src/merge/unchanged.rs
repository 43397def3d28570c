//! Whether applying a configuration would change nothing: decided in one walk over the live object, its raw `fieldsV1` and the
//! configuration, for thousands of objects.
//!
//! It says [`Verdict::Unchanged`] only where [`super::apply`] would change neither a value nor what the manager owns. Everything
//! else that the server does on a write (defaults, admission) is not its matter: configurations come completed and canonical.

use std::fmt::Write as _;
use std::iter::Peekable;

use serde_json::{Map, Value};

use super::field_set::parse_element;
use super::server::{ANNOTATION, KUBECTL};
use crate::resource::{FieldPath, PathElement, same_value};
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

/// Whether applying `configuration` as `manager` would leave `live` as it is.
pub fn unchanged(live: &Value, configuration: &Value, manager: &str, of: TypeRef<'_>) -> Verdict {
    let at_root = |rule| Verdict::Differs(Reason { rule, path: FieldPath::root() });
    if live["metadata"].get("deletionTimestamp").is_some() {
        return at_root(Rule::Stays);
    }
    let mut ours = live["metadata"]["managedFields"].as_array().into_iter().flatten().filter(|entry| {
        entry["manager"] == manager && entry["operation"] == "Apply" && entry["subresource"].as_str().unwrap_or_default().is_empty()
    });
    let (Some(entry), None) = (ours.next(), ours.next()) else { return at_root(Rule::OneEntry) };
    let same = |name: &str| entry[name] == configuration[name] && live[name] == configuration[name];
    if !same("apiVersion") || live["kind"] != configuration["kind"] {
        return at_root(Rule::OneEntry);
    }
    if manager == KUBECTL && live["metadata"]["annotations"].get(ANNOTATION).is_some() {
        return Verdict::Unknown(Reason { rule: Rule::Recorded, path: FieldPath::root() });
    }
    let (Some(object), Some(fields)) = (configuration.as_object(), entry["fieldsV1"].as_object()) else { return at_root(Rule::OneEntry) };
    let mut walk = Walk { text: String::new(), depth: 0 };
    match walk.map(of, object, live.as_object(), Some(fields), Level::Object) {
        Ok(_) => Verdict::Unchanged,
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

/// A node of `fieldsV1`.
type Trie = Map<String, Value>;

struct Walk {
    /// The key of an item, as `fieldsV1` writes it.
    text: String,
    depth: usize,
}

impl Walk {
    /// A place: what is wanted there, what is there, and our entry's node for it. `named`: its struct knows it by name.
    fn place(
        &mut self,
        of: TypeRef<'_>,
        wanted: &Value,
        live: Option<&Value>,
        node: Option<&Trie>,
        named: bool,
        level: Level,
    ) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Rule::Size.into());
        }
        match (of.shape(), wanted) {
            // A null that is a value of its own is there, or isn't.
            (_, Value::Null) if of.nullable() && live.is_some_and(Value::is_null) => whole_node(node, true, 0)?,
            (_, Value::Null) => return Err(Rule::NotEmpty.into()),
            (Shape::Map { atomic: false, .. } | Shape::Any, Value::Object(map)) => {
                match live {
                    Some(Value::Object(_)) => {}
                    _ if map.is_empty() => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                }
                let below = self.map(of, map, live.and_then(Value::as_object), node, level)?;
                whole_node(node, map.is_empty() || !named, below)?;
            }
            (Shape::List { item, kind }, Value::Array(items)) if *kind != ListKind::Atomic => {
                let live = match live {
                    Some(Value::Array(live)) => live,
                    _ if items.is_empty() => return Err(Rule::NotEmpty.into()),
                    _ => return Err(Rule::SameValue.into()),
                };
                let below = self.items(of.of(*item), kind, items, live, node)?;
                whole_node(node, !named, below)?;
            }
            (Shape::Map { atomic: false, .. }, _) => return Err(Rule::InSchema.into()),
            (Shape::List { kind, .. }, _) if *kind != ListKind::Atomic => return Err(Rule::InSchema.into()),
            _ => {
                if !live.is_some_and(|live| same_value(live, wanted)) {
                    return Err(Rule::SameValue.into());
                }
                whole_node(node, true, 0)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// How many nodes of ours are below.
    fn map(
        &mut self,
        of: TypeRef<'_>,
        wanted: &Map<String, Value>,
        live: Option<&Map<String, Value>>,
        node: Option<&Trie>,
        level: Level,
    ) -> Result<usize, Stop> {
        // All three are sorted by name: one walk over them.
        let mut nodes = node.into_iter().flatten().peekable();
        let mut standing = live.into_iter().flatten().peekable();
        let mut found = 0;
        for (name, value) in wanted {
            let at = |stop: Stop| stop.at(PathElement::Field(name.clone()));
            while standing.next_if(|(other, _)| *other < name).is_some() {}
            let live = standing.next_if(|(other, _)| *other == name).map(|(_, value)| value);
            if level.skips(name) {
                if live != Some(value) {
                    return Err(at(Rule::SameValue.into()));
                }
                continue;
            }
            let below = next_field(&mut nodes, name)?;
            found += usize::from(below.is_some());
            let known = of.known_field(name);
            let of_field = known.map(|field| of.of(field.of)).or_else(|| of.field(name)).ok_or_else(|| at(Rule::InSchema.into()))?;
            self.place(of_field, value, live, below, known.is_some(), level.below(name)).map_err(at)?;
        }
        nothing_left(&mut nodes)?;
        Ok(found)
    }

    fn items(&mut self, of: TypeRef<'_>, kind: &ListKind, wanted: &[Value], live: &[Value], node: Option<&Trie>) -> Result<usize, Stop> {
        if wanted.is_empty() {
            return Ok(0);
        }
        let node = node.ok_or(Rule::Owned)?;
        let mut seen: Vec<*const Value> = Vec::with_capacity(wanted.len());
        let mut cursor = 0;
        let mut others: Vec<&Value> = Vec::new();
        for item in wanted {
            let (below, key) = self.node_of(kind, item, node)?;
            seen.push(std::ptr::from_ref(below));
            let found = loop {
                let Some(other) = live.get(cursor) else { return Err(Stop::from(Rule::SameItems).at(key()?)) };
                cursor += 1;
                if same_item(kind, item, other) {
                    break other;
                }
                others.push(other);
            };
            let below = below.as_object().ok_or(Rule::OneEntry)?;
            match kind {
                ListKind::Map(_) => {
                    let map = item.as_object().ok_or(Rule::InSchema)?;
                    let inner = self.map(of, map, found.as_object(), Some(below), Level::Below).map_err(|stop| match key() {
                        Ok(key) => stop.at(key),
                        Err(_) => stop,
                    })?;
                    whole_node(Some(below), true, inner)?;
                }
                _ => whole_node(Some(below), true, 0)?,
            }
        }
        others.extend(live.get(cursor..).unwrap_or_default());
        if others.len().saturating_mul(wanted.len()) > COMPARISONS {
            return Err(Rule::Size.into());
        }
        if others.iter().any(|other| wanted.iter().any(|item| same_item(kind, item, other))) {
            return Err(Rule::SameItems.into());
        }
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Rule::SameItems.into());
        }
        Ok(seen.len())
    }

    /// Our entry's node for an item, and how to name the item.
    fn node_of<'n, 'k>(
        &mut self,
        kind: &'k ListKind,
        item: &'k Value,
        node: &'n Trie,
    ) -> Result<(&'n Value, impl Fn() -> Result<PathElement, Stop> + use<'k>), Stop> {
        let key = move || super::typed::element(kind, item).map_err(|_| Stop::from(Rule::InSchema));
        self.text.clear();
        write_key(&mut self.text, kind, item).ok_or(Rule::InSchema)?;
        if let Some(found) = node.get(&self.text) {
            return Ok((found, key));
        }
        // It may be written otherwise (`1.0`, an escaped `<`).
        let element = key()?;
        let found = node.iter().find(|(text, _)| parse_element(text).is_ok_and(|other| other == element));
        match found {
            Some((_, found)) => Ok((found, key)),
            None => Err(Stop::from(Rule::Owned).at(element)),
        }
    }
}

/// The node of a field, if it is the next one; those before it are of fields that are no longer wanted.
fn next_field<'n>(nodes: &mut Peekable<impl Iterator<Item = (&'n String, &'n Value)>>, name: &str) -> Result<Option<&'n Trie>, Stop> {
    while let Some((key, _)) = nodes.peek() {
        match key.strip_prefix("f:") {
            Some(field) if field == name => {
                let node = nodes.next().and_then(|(_, node)| node.as_object()).ok_or(Rule::OneEntry)?;
                return Ok(Some(node));
            }
            Some(field) if field > name => return Ok(None),
            Some(field) => return Err(Stop::from(Rule::NothingRemoved).at(PathElement::Field(field.to_owned()))),
            None if *key == "." => {
                nodes.next();
            }
            None => return Err(Rule::NothingRemoved.into()),
        }
    }
    Ok(None)
}

fn nothing_left<'n>(nodes: &mut Peekable<impl Iterator<Item = (&'n String, &'n Value)>>) -> Result<(), Stop> {
    match nodes.find(|(key, _)| *key != ".") {
        None => Ok(()),
        Some((key, _)) => Err(match parse_element(key) {
            Ok(element) => Stop::from(Rule::NothingRemoved).at(element),
            Err(_) => Rule::OneEntry.into(),
        }),
    }
}

/// Whether our entry has the place exactly so: as a member or not, with so many nodes below it.
fn whole_node(node: Option<&Trie>, member: bool, below: usize) -> Result<(), Stop> {
    let Some(node) = node else { return if member || below > 0 { Err(Rule::Owned.into()) } else { Ok(()) } };
    let is_member = node.is_empty() || node.contains_key(".");
    match (member, is_member) {
        (true, false) => return Err(Rule::Owned.into()),
        (false, true) => return Err(Rule::NothingRemoved.into()),
        _ => {}
    }
    if node.len() - usize::from(node.contains_key(".")) > below { Err(Rule::NothingRemoved.into()) } else { Ok(()) }
}

/// Whether the two are the same item by the list's keys.
fn same_item(kind: &ListKind, wanted: &Value, live: &Value) -> bool {
    match kind {
        ListKind::Map(keys) => {
            let value = |item: &Value, key: &ListKey| item.get(&key.name).or(key.default.as_ref()).cloned();
            keys.iter().all(|key| match (wanted.get(&key.name), live.get(&key.name)) {
                (Some(a), Some(b)) => same_value(a, b),
                (None, None) => true,
                _ => value(wanted, key) == value(live, key),
            })
        }
        _ => same_value(wanted, live),
    }
}

/// `k:{"containerPort":80,"protocol":"TCP"}`, `v:"x"`. None: it can't be told apart.
fn write_key(text: &mut String, kind: &ListKind, item: &Value) -> Option<()> {
    let ListKind::Map(keys) = kind else {
        if !(item.is_string() || item.is_number() || item.is_boolean()) {
            return None;
        }
        text.push_str("v:");
        return write_scalar(text, item);
    };
    let map = item.as_object()?;
    text.push_str("k:{");
    let mut first = true;
    let mut last_name = None;
    // In the order of their names. There are one to three.
    for _ in keys {
        let next = keys.iter().map(|key| key.name.as_str()).filter(|name| last_name.is_none_or(|last| *name > last)).min()?;
        last_name = Some(next);
        let key = keys.iter().find(|key| key.name == next)?;
        let Some(value) = map.get(next).or(key.default.as_ref()) else { continue };
        if !first {
            text.push(',');
        }
        first = false;
        text.push('"');
        text.push_str(next);
        text.push_str("\":");
        write_scalar(text, value)?;
    }
    text.push('}');
    (!first).then_some(())
}

fn write_scalar(text: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::String(plain) if plain.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') => {
            text.push('"');
            text.push_str(plain);
            text.push('"');
            Some(())
        }
        scalar => write!(text, "{scalar}").ok(),
    }
}
