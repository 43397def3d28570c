//! The least specific layer: what holds where nobody says otherwise (`defaults.toml`).

use std::sync::{Arc, LazyLock};

use crate::resource::{Diagnostics, Origin};

use super::node::{Lines, Node, split_path};

/// The layer's name, in provenance and in place of a file's name.
pub const LAYER: &str = "built-in defaults";

/// The parsed `defaults.toml`. Its origins have no line: there is no file that a user could open.
static DEFAULTS: LazyLock<Node> = LazyLock::new(|| {
    let mut node = Node::parse(&Arc::from(LAYER), include_str!("defaults.toml"), &mut Diagnostics::default())
        .unwrap_or_else(|| Node::empty(&origin()));
    forget_places(&mut node, &origin());
    node
});

/// The place that built-in defaults stand at.
pub fn origin() -> Origin {
    let file = Arc::from(LAYER);
    Origin { line: 0, column: 0, ..Lines::new(&file, "").origin(0, 0) }
}

/// The defaults of a part of the language: `service`, `tier`, `tenancy`, `secret`, `environment`, `deletes`.
pub fn of(part: &str) -> Option<&'static Node> {
    DEFAULTS.get(part)
}

/// The defaults of services of a kind.
pub fn of_kind(kind: &str) -> Option<&'static Node> {
    DEFAULTS.at(&["kind", kind])
}

/// The defaults of parts that a service may have or not: where (`ports.*.probe`), and what.
pub fn of_parts() -> impl Iterator<Item = (Vec<String>, &'static Node)> {
    DEFAULTS.entries(&["where"]).filter_map(|(at, entry)| Some((split_path(at).ok()?, &entry.node)))
}

fn forget_places(node: &mut Node, nowhere: &Origin) {
    node.origin = nowhere.clone();
    if let super::node::NodeValue::Array(items) = &mut node.value {
        for item in items {
            forget_places(item, nowhere);
        }
    }
    for entry in node.as_table_mut().into_iter().flat_map(|table| table.values_mut()) {
        entry.key_origin = nowhere.clone();
        forget_places(&mut entry.node, nowhere);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::model::{Deletes, Environment, Secret, Service, Tenancy, Tier};

    #[test]
    fn the_defaults_are_what_the_model_can_say() {
        let json = |part: &str| of(part).unwrap().to_json();
        serde_json::from_value::<Service>(json("service")).unwrap();
        serde_json::from_value::<Tier>(json("tier")).unwrap();
        serde_json::from_value::<Tenancy>(json("tenancy")).unwrap();
        serde_json::from_value::<Secret>(json("secret")).unwrap();
        serde_json::from_value::<Environment>(json("environment")).unwrap();
        serde_json::from_value::<Deletes>(json("deletes")).unwrap();
        for kind in ["Job", "CronJob"] {
            serde_json::from_value::<Service>(of_kind(kind).unwrap().to_json()).unwrap();
        }
        assert!(of_parts().count() > 5);
    }

    #[test]
    fn a_default_stands_on_no_line() {
        assert_eq!(of("service").unwrap().get("kind").unwrap().origin.to_string(), "built-in defaults");
    }
}
