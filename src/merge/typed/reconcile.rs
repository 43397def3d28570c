//! What an entry owns, in terms of the type as it is now: a list or map may have become one that is replaced as a whole since
//! the entry was written.

use super::atom::Atom;
use crate::merge::FieldSet;
use crate::resource::PathElement;
use crate::schema::{ListKind, Shape, TypeRef};

/// The set by today's type: who owned a part of what is one value now owns that value. What became granular is taken as if it
/// had always been.
pub fn reconciled(of: TypeRef<'_>, set: &FieldSet) -> FieldSet {
    let mut walker = Walker { whole: FieldSet::default(), path: Vec::new() };
    walker.visit(of, Some(set), false);
    if walker.whole.is_empty() { set.clone() } else { set.without(&walker.whole).union(&walker.whole) }
}

struct Walker {
    whole: FieldSet,
    path: Vec<PathElement>,
}

impl Walker {
    /// `whole`: the set has the place itself, and nothing below it.
    fn visit(&mut self, of: TypeRef<'_>, below: Option<&FieldSet>, whole: bool) {
        match Atom::of(of, None) {
            Atom::Scalar(_) => {}
            Atom::List { kind: ListKind::Atomic, .. } => {
                if !whole {
                    self.whole.insert_steps(&self.path);
                }
            }
            Atom::List { item, .. } => self.steps(below, |_| Some(item)),
            Atom::Map { atomic, .. } => {
                if is_deduced(of) {
                    return;
                }
                if atomic && !whole {
                    if below.is_some_and(|set| !set.is_empty()) {
                        self.whole.insert_steps(&self.path);
                    }
                } else if !atomic {
                    self.steps(below, |element| match element {
                        PathElement::Field(name) => of.field(name),
                        _ => None,
                    });
                }
            }
        }
    }

    fn steps<'s>(&mut self, below: Option<&FieldSet>, of: impl Fn(&PathElement) -> Option<TypeRef<'s>>) {
        let Some(set) = below else { return };
        for (element, member, below) in set.steps() {
            let Some(of) = of(element) else { continue };
            self.path.push(element.clone());
            self.visit(of, (!below.is_empty()).then_some(below), member && below.is_empty());
            self.path.pop();
        }
    }
}

/// Of a type of which nothing is known, nothing can have changed.
fn is_deduced(of: TypeRef<'_>) -> bool {
    match of.shape() {
        Shape::Any => true,
        Shape::Map { fields, values, open, .. } => {
            fields.is_empty() && (*open && values.is_none() || values.is_some_and(|id| matches!(of.of(id).shape(), Shape::Any)))
        }
        _ => false,
    }
}
