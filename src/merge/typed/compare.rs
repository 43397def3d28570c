//! How two values of a type differ, in terms of fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::atom::{Atom, elements};
use crate::merge::FieldSet;
use crate::resource::{PathElement, same_value};
use crate::schema::{ListKind, TypeRef};

/// How one value became another. No field is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What is no longer there.
    pub removed: FieldSet,
    /// What is there in both, and differs.
    pub modified: FieldSet,
    /// What was not there.
    pub added: FieldSet,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// What was written: new or another value.
    pub fn written(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    /// The same, but for these fields and all that is below them.
    #[must_use]
    pub fn ignoring(&self, fields: &FieldSet) -> Self {
        if fields.is_empty() {
            return self.clone();
        }
        Self { removed: self.removed.without(fields), modified: self.modified.without(fields), added: self.added.without(fields) }
    }
}

/// Compares two values of a type.
pub fn compare(of: TypeRef<'_>, before: &Value, after: &Value) -> Comparison {
    let mut walker = Walker { found: Comparison::default(), path: Vec::new() };
    walker.compare(Some(of), Some(before), Some(after));
    walker.found
}

struct Walker {
    found: Comparison,
    path: Vec<PathElement>,
}

impl Walker {
    fn compare(&mut self, of: Option<TypeRef<'_>>, before: Option<&Value>, after: Option<&Value>) {
        let Some(of) = of else { return };
        let whole = match (before, after) {
            (None, None) => return,
            (Some(_), None) => self.visit(Atom::of(of, before), before, after),
            // One side may pass for something else (a list that became a text): then what was goes, and what is comes.
            (Some(before_value), Some(after_value)) if shape_of(before_value) != shape_of(after_value) => {
                self.visit(Atom::of(of, before), before, after);
                self.visit(Atom::of(of, after), before, after)
            }
            (_, Some(_)) => self.visit(Atom::of(of, after), before, after),
        };
        if !whole {
            if before.is_none() {
                self.found.added.insert_steps(&self.path);
            } else if after.is_none() {
                self.found.removed.insert_steps(&self.path);
            }
        }
    }

    /// Whether it was compared as a whole.
    fn visit(&mut self, atom: Atom<'_>, before: Option<&Value>, after: Option<&Value>) -> bool {
        match atom {
            Atom::Scalar(_) => self.leaf(before, after),
            Atom::List { item, kind } => {
                let (a, b) = (before.and_then(Value::as_array), after.and_then(Value::as_array));
                if *kind == ListKind::Atomic || (a.is_none_or(Vec::is_empty) && b.is_none_or(Vec::is_empty)) {
                    return self.leaf(before, after);
                }
                self.items(item, kind, a.map_or(&[], Vec::as_slice), b.map_or(&[], Vec::as_slice));
                false
            }
            Atom::Map { of, atomic } => {
                let (a, b) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
                if atomic || (a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty)) {
                    return self.leaf(before, after);
                }
                for (name, value) in a.into_iter().flatten() {
                    self.below(PathElement::Field(name.clone()), of.field(name), Some(value), b.and_then(|b| b.get(name)));
                }
                for (name, value) in b.into_iter().flatten().filter(|(name, _)| !a.is_some_and(|a| a.contains_key(*name))) {
                    self.below(PathElement::Field(name.clone()), of.field(name), None, Some(value));
                }
                false
            }
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) -> bool {
        match (before, after) {
            (None, _) => self.found.added.insert_steps(&self.path),
            (_, None) => self.found.removed.insert_steps(&self.path),
            (Some(before), Some(after)) if !same_value(before, after) => self.found.modified.insert_steps(&self.path),
            _ => {}
        }
        true
    }

    fn below(&mut self, element: PathElement, of: Option<TypeRef<'_>>, before: Option<&Value>, after: Option<&Value>) {
        self.path.push(element);
        self.compare(of, before, after);
        self.path.pop();
    }

    fn items(&mut self, of: TypeRef<'_>, kind: &ListKind, before: &[Value], after: &[Value]) {
        let mut all: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (element, index) in elements(kind, before) {
            all.entry(element).or_default().0.push(&before[index]);
        }
        for (element, index) in elements(kind, after) {
            all.entry(element).or_default().1.push(&after[index]);
        }
        for (element, (was, is)) in all {
            let (first_was, first_is) = (was.first().copied(), is.first().copied());
            match (was.len(), is.len()) {
                (0..=1, 0..=1) => self.below(element, Some(of), first_was, first_is),
                // Items that are there twice count as one value.
                (2.., 2..) => {
                    if was.len() != is.len() || was.iter().zip(&is).any(|(a, b)| !same_value(a, b)) {
                        self.mark(element, |found| &mut found.modified);
                    }
                }
                (2.., _) => {
                    if first_is.is_some() {
                        self.below(element.clone(), Some(of), None, first_is);
                    }
                    self.mark(element, |found| &mut found.removed);
                }
                (_, _) => {
                    if first_was.is_some() {
                        self.below(element.clone(), Some(of), first_was, None);
                    }
                    self.mark(element, |found| &mut found.added);
                }
            }
        }
    }

    fn mark(&mut self, element: PathElement, set: impl Fn(&mut Comparison) -> &mut FieldSet) {
        self.path.push(element);
        set(&mut self.found).insert_steps(&self.path);
        self.path.pop();
    }
}

/// What a value passes for, where its type allows everything.
fn shape_of(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Object(_) => 1,
        Value::Array(_) => 2,
        _ => 3,
    }
}
