//! `[[moved]]`: what is called otherwise now.

use crate::resource::{Diagnostic, Diagnostics, ObjectKey, Origin};

use super::load::Stack;
use super::names;
use super::node::Node;

/// The stack's renames. What they name must be gone under its old name, and there under its new one.
pub fn read(stack: &Stack, diagnostics: &mut Diagnostics) -> Vec<(String, String, Origin)> {
    let mut moved = Vec::new();
    for item in stack.root().get("moved").map(Node::items).unwrap_or_default() {
        let (Some(from), Some(to)) = (item.get("from"), item.get("to")) else {
            diagnostics.push(
                Diagnostic::error("stack::moved", "a `[[moved]]` says `from` and `to`")
                    .at(&item.origin, "one of them is missing")
                    .help("`from = \"service.old\"`, `to = \"service.new\"`"),
            );
            continue;
        };
        if check(stack, from, to, diagnostics) {
            moved.push((from.as_str().unwrap_or_default().to_owned(), to.as_str().unwrap_or_default().to_owned(), item.origin.clone()));
        }
    }
    moved
}

/// What a rename is about.
enum Thing<'t> {
    Service(&'t str),
    Tenant(&'t str),
    Object,
}

fn thing(node: &Node) -> Option<Thing<'_>> {
    let text = node.as_str()?;
    if let Some(name) = text.strip_prefix("service.") {
        return Some(Thing::Service(name));
    }
    if let Some(name) = text.strip_prefix("tenant.") {
        return Some(Thing::Tenant(name));
    }
    text.parse::<ObjectKey>().is_ok().then_some(Thing::Object)
}

fn check(stack: &Stack, from: &Node, to: &Node, diagnostics: &mut Diagnostics) -> bool {
    let mut right = true;
    let mut wrong = |diagnostic: Diagnostic| {
        right = false;
        diagnostics.push(diagnostic);
    };
    for node in [from, to] {
        if thing(node).is_none() {
            wrong(
                Diagnostic::error("stack::moved", "this names nothing that can move")
                    .at(&node.origin, "neither a service, nor a tenant, nor an object")
                    .help("write `service.NAME`, `tenant.NAME`, or an object as KIND/NAMESPACE/NAME"),
            );
        }
    }
    match (thing(from), thing(to)) {
        (Some(Thing::Service(old)), Some(Thing::Service(new))) => {
            check_names("service", old, new, stack.services(), (from, to), &mut wrong);
        }
        (Some(Thing::Tenant(old)), Some(Thing::Tenant(new))) => check_names("tenant", old, new, stack.tenants(), (from, to), &mut wrong),
        (Some(Thing::Object), Some(Thing::Object)) | (None, _) | (_, None) => {}
        _ => wrong(
            Diagnostic::error("stack::moved", "a thing stays what it is when it moves")
                .at(&from.origin, "this is of one kind")
                .at(&to.origin, "this of another"),
        ),
    }
    right
}

fn check_names<F>(
    what: &str,
    old: &str,
    new: &str,
    known: &std::collections::BTreeMap<String, F>,
    (from, to): (&Node, &Node),
    wrong: &mut impl FnMut(Diagnostic),
) {
    if known.contains_key(old) {
        wrong(
            Diagnostic::error("stack::moved", format!("{what} `{old}` is still there, so it hasn't moved"))
                .at(&from.origin, "still there")
                .help("remove the `[[moved]]`, or the old file"),
        );
    }
    if !known.contains_key(new) {
        wrong(names::unknown(what, new, &to.origin, known.keys().map(String::as_str)));
    }
}
