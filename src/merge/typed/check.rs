//! Whether a value is of its type, in the server's words.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::atom::{Atom, element};
use crate::merge::words;
use crate::resource::PathElement;
use crate::schema::{ListKind, Scalar, TypeRef};

/// Values of hostile depth are refused rather than recursed into.
const DEPTH: usize = 200;

/// Whether items of keyed lists and sets may be there twice: in what stands they may, in a configuration they may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// They may.
    Allowed,
    /// They may not.
    Refused,
}

/// A place that is not as its type has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// Where, as the server writes it: `.spec.ports[port=80]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TypeErrors(pub Vec<TypeError>);

impl fmt::Display for TypeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |error: &TypeError| {
            if error.path.is_empty() { error.message.clone() } else { format!("{}: {}", error.path, error.message) }
        };
        match self.0.as_slice() {
            [only] => f.write_str(&line(only)),
            all => {
                f.write_str("errors:")?;
                all.iter().try_for_each(|error| write!(f, "\n  {}", line(error)))
            }
        }
    }
}

/// Checks that a value is of its type.
///
/// # Errors
/// It isn't: every place.
pub fn validate(of: TypeRef<'_>, value: &Value, duplicates: Duplicates) -> Result<(), TypeErrors> {
    let mut walker = Walker { duplicates, path: Vec::new(), found: Vec::new() };
    walker.visit(of, value);
    if walker.found.is_empty() { Ok(()) } else { Err(TypeErrors(walker.found)) }
}

/// A step of the path: written out only for an error.
enum Step<'v> {
    Field(&'v str),
    Element(PathElement),
}

struct Walker<'v> {
    duplicates: Duplicates,
    path: Vec<Step<'v>>,
    found: Vec<TypeError>,
}

impl<'v> Walker<'v> {
    fn visit(&mut self, of: TypeRef<'_>, value: &'v Value) {
        if self.path.len() > DEPTH {
            return self.refuse("nested too deeply".to_owned());
        }
        match (Atom::of(of, Some(value)), value) {
            (_, Value::Null) => {}
            // Of a custom kind the schema of such a field has no type: anything goes, until the object is validated.
            (Atom::Scalar(Scalar::IntOrString), _) if of.name().is_none() => {}
            (Atom::Scalar(scalar), _) => self.scalar(scalar, value),
            (Atom::List { item, kind }, Value::Array(items)) => self.items(item, kind, items),
            (Atom::List { .. }, _) => self.refuse(format!("expected list, got &{{{}}}", words::plain(value))),
            (Atom::Map { of, .. }, Value::Object(map)) => {
                for (name, value) in map {
                    self.path.push(Step::Field(name));
                    match of.field(name) {
                        Some(of) => self.visit(of, value),
                        None => self.refuse("field not declared in schema".to_owned()),
                    }
                    self.path.pop();
                }
            }
            (Atom::Map { .. }, _) => self.refuse(format!("expected map, got &{{{}}}", words::plain(value))),
        }
    }

    fn items(&mut self, of: TypeRef<'_>, kind: &ListKind, items: &'v [Value]) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let step = if *kind == ListKind::Atomic {
                PathElement::Index(index)
            } else {
                match element(kind, item) {
                    Ok(element) => element,
                    Err(why) => return self.refuse(format!("element {index}: {why}")),
                }
            };
            if self.duplicates == Duplicates::Refused && *kind != ListKind::Atomic && !seen.insert(step.clone()) {
                self.refuse(format!("duplicate entries for key {}", words::element(&step)));
            }
            self.path.push(Step::Element(step));
            self.visit(of, item);
            self.path.pop();
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let message = match scalar {
            Scalar::Integer | Scalar::Number if !value.is_number() => {
                format!("expected numeric (int or float), got {}", words::go_type(value))
            }
            Scalar::String | Scalar::Bytes if !value.is_string() => {
                format!("expected string, got &value.valueUnstructured{{Value:{}}}", words::syntax(value))
            }
            Scalar::Boolean if !value.is_boolean() => format!("expected boolean, got &{{{}}}", words::plain(value)),
            _ if value.is_array() || value.is_object() => format!("expected any scalar, got &{{{}}}", words::plain(value)),
            _ => return,
        };
        self.refuse(message);
    }

    fn refuse(&mut self, message: String) {
        let step = |step: &Step<'_>| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Element(element) => words::element(element),
        };
        self.found.push(TypeError { path: self.path.iter().map(step).collect(), message });
    }
}
