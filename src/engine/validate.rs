//! `spai validate`: everything that is wrong with a stack, in every environment, each thing once.

use crate::resource::Diagnostics;
use crate::stack::parallel::side_by_side;
use crate::stack::{Sources, Stack};

use super::{Request, session};

/// What was checked, and what was found.
#[derive(Clone, Debug)]
pub struct Validated {
    /// The stack's name; empty where it couldn't be told.
    pub stack: String,
    /// The environments that were checked.
    pub environments: Vec<String>,
    /// All that was found, warnings included.
    pub diagnostics: Diagnostics,
}

/// Checks every environment, or the one that the request names.
pub fn validate(request: &Request) -> Validated {
    let sources = match Sources::read(&request.stack_dir) {
        Ok(sources) => sources,
        Err(diagnostics) => return Validated { stack: String::new(), environments: Vec::new(), diagnostics },
    };
    let (stack, mut diagnostics) = Stack::load(sources);
    let Some(stack) = stack else { return Validated { stack: String::new(), environments: Vec::new(), diagnostics } };
    let environments = request.environment.clone().map_or_else(|| stack.environments(), |name| vec![name]);
    let go_on = !diagnostics.has_errors();
    let of_each = side_by_side(environments.len(), 1, |index| session::check(&stack, request, environments[index].clone(), go_on));
    for found in of_each {
        diagnostics.extend(found);
    }
    diagnostics.sort();
    Validated { stack: stack.name().to_owned(), environments, diagnostics }
}
