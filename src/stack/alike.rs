//! Instances of a service that are alike. Most tenants say nothing of their own about a service: what they have of it
//! differs in texts of its configuration that name the tenant, or in nothing. It is decoded once, for the first of them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::layer::Layered;
use super::model::{ConfigValue, Service};
use super::node::{Node, NodeValue};

/// What was decoded first, by the layers that it was made of.
pub struct Alike(HashMap<usize, OnceLock<(Node, Service)>>);

impl Alike {
    /// Nothing decoded yet, of any of these layers.
    pub fn of<'l>(layers: impl Iterator<Item = &'l Arc<Layered>>) -> Self {
        Self(layers.map(|layered| (place(layered), OnceLock::new())).collect())
    }

    /// The service that a tree stands for, if one like it was decoded already.
    pub fn find(&self, layered: &Arc<Layered>, node: &Node) -> Option<Service> {
        let (first, service) = self.0.get(&place(layered))?.get()?;
        let mut service = service.clone();
        for (name, text) in texts_that_differ(first, node)? {
            // A text is a text, whatever it says: nothing else depends on it.
            service.config.insert(name.to_owned(), ConfigValue::Text(text.to_owned()));
        }
        Some(service)
    }

    /// Keeps what was decoded without a complaint, for those that are alike.
    pub fn keep(&self, layered: &Arc<Layered>, node: &Node, service: &Service) {
        if let Some(first) = self.0.get(&place(layered)) {
            // Somebody else's may have been first, and is as good.
            first.get_or_init(|| (node.clone(), service.clone()));
        }
    }
}

fn place(layered: &Arc<Layered>) -> usize {
    Arc::as_ptr(layered).addr()
}

/// The texts of `[config]` in which a tree differs from another. None: it differs in something else.
fn texts_that_differ<'n>(first: &Node, other: &'n Node) -> Option<Vec<(&'n str, &'n str)>> {
    let (first, other) = (first.as_table()?, other.as_table()?);
    let mut texts = Vec::new();
    if first.len() != other.len() {
        return None;
    }
    for ((key, value), (other_key, other_value)) in first.iter().zip(other) {
        if key != other_key {
            return None;
        }
        if key != "config" {
            value.node.says_same(&other_value.node).then_some(())?;
            continue;
        }
        let (config, others) = (value.node.as_table()?, other_value.node.as_table()?);
        if config.len() != others.len() {
            return None;
        }
        for ((name, value), (other_name, other)) in config.iter().zip(others) {
            match (&value.node.value, &other.node.value) {
                _ if name != other_name => return None,
                (NodeValue::String(text), NodeValue::String(other)) if text == other => {}
                (NodeValue::String(_), NodeValue::String(other)) => texts.push((other_name.as_str(), other.as_str())),
                _ => value.node.says_same(&other.node).then_some(())?,
            }
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Diagnostics;

    fn node(text: &str) -> Node {
        Node::parse(&Arc::from("x.toml"), text, &mut Diagnostics::default()).unwrap()
    }

    #[test]
    fn texts_of_the_configuration_may_differ_and_nothing_else() {
        let first = node("needs = ['a']\nconfig = { A = 'x', B = 1, C = { secret = 's', key = 'k' } }");
        let differ = |text: &str| texts_that_differ(&first, &node(text)).map(|texts| format!("{texts:?}"));
        let same = "needs = ['a']\nconfig = { A = 'y', B = 1, C = { secret = 's', key = 'k' } }";
        assert_eq!(differ(same).as_deref(), Some(r#"[("A", "y")]"#));
        for other in [
            same.replace("['a']", "['b']"),
            same.replace("'y'", "2"),
            same.replace("B = 1", "B = '1'"),
            same.replace("B = 1", "B = 2"),
            same.replace("'k'", "'l'"),
            same.replace("A =", "D ="),
            format!("kind = 'Job'\n{same}"),
            same.replace("B = 1, ", ""),
        ] {
            assert_eq!(differ(&other), None, "{other}");
        }
    }

    #[test]
    fn what_is_found_is_what_would_be_decoded() {
        let decoded = |node: &Node| serde_json::from_value::<Service>(node.to_json()).unwrap();
        let (first, other) =
            (node("config = { A = 'x', B = true }\nneeds = ['a']"), node("config = { A = 'true', B = true }\nneeds = ['a']"));
        let layered = Arc::new(Layered::of(Vec::new(), &first.origin, &mut Diagnostics::default()));
        let alike = Alike::of([&layered].into_iter());
        assert!(alike.find(&layered, &first).is_none());
        alike.keep(&layered, &first, &decoded(&first));
        assert_eq!(alike.find(&layered, &other), Some(decoded(&other)));
    }
}
