//! What tells the items of a list apart: the type of the list, and nothing about its name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::typed;
use crate::resource::{FieldPath, PathElement};
use crate::schema::{ListKind, Shape, TypeRef};

/// An element for each item of several forms of one list, those of one form being all different. None: the list is atomic, or
/// its items can't be told apart.
pub fn elements<const N: usize>(of: TypeRef<'_>, forms: [&[Value]; N]) -> Option<[Vec<PathElement>; N]> {
    let kind = kind(of)?;
    let of_all = |items: &[Value]| {
        let found: Vec<PathElement> = items.iter().map(|item| typed::element(kind, item).ok()).collect::<Option<_>>()?;
        let different: BTreeSet<&PathElement> = found.iter().collect();
        (different.len() == found.len()).then_some(found)
    };
    let mut all = forms.map(|_| Vec::new());
    for (elements, form) in all.iter_mut().zip(forms) {
        *elements = of_all(form)?;
    }
    Some(all)
}

/// The element that leads to an item of a list: by its keys or its value if the type says so, else by its index.
pub fn element_of(of: TypeRef<'_>, items: &[Value], index: usize) -> PathElement {
    let [found] = elements(of, [items]).unwrap_or_default();
    found.into_iter().nth(index).unwrap_or(PathElement::Index(index))
}

/// What stands at a place. Unlike [`FieldPath::get`], it finds items that leave out a key whose default counts.
pub fn value_at<'v>(of: TypeRef<'_>, path: &FieldPath, root: &'v Value) -> Option<&'v Value> {
    let (mut of, mut at) = (of, root);
    for element in &path.0 {
        at = match (element, at.as_array()) {
            (PathElement::Key(_), Some(items)) => match kind(of) {
                Some(kind) => items.iter().find(|item| typed::element(kind, item).as_ref() == Ok(element))?,
                None => element.get(at)?,
            },
            _ => element.get(at)?,
        };
        of = below(of, element);
    }
    Some(at)
}

/// The type of what a step leads to; anything at all, if the type doesn't know it.
pub fn below<'t>(of: TypeRef<'t>, element: &PathElement) -> TypeRef<'t> {
    let below = match element {
        PathElement::Field(name) => of.field(name),
        PathElement::Key(_) | PathElement::Value(_) | PathElement::Index(_) => of.item(),
    };
    below.unwrap_or(TypeRef::any())
}

/// How a list's items are told apart. None: they aren't.
fn kind(of: TypeRef<'_>) -> Option<&ListKind> {
    match of.shape() {
        Shape::List { kind, .. } if *kind != ListKind::Atomic => Some(kind),
        _ => None,
    }
}
