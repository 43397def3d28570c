//! Instances of a service that are alike. Most tenants say nothing of their own about a service: what they have of it
//! differs in texts of its configuration that name the tenant, or in nothing. It is decoded once, for the first of them;
//! and where nothing but such texts has references, it is resolved and checked once too.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::evaluate::Evaluation;
use super::layer::Layered;
use super::model::{ConfigValue, Service, Tenancy};
use super::node::{Node, NodeValue};
use super::reference::is_template;

/// A service's `[config]`.
pub type Config = BTreeMap<String, ConfigValue>;

/// What was decoded first, by the layers that it was made of.
pub struct Alike(HashMap<usize, Kin>);

/// Instances of the same layers.
struct Kin {
    number: usize,
    first: OnceLock<First>,
}

/// The first of them that was decoded without a complaint.
pub struct First {
    /// The tree, its references resolved.
    pub node: Node,
    /// Without its configuration.
    service: Arc<Service>,
    config: Config,
    /// The settings of its namespace, where it was checked against them and nothing was wrong.
    checked: Option<Tenancy>,
    /// The texts of `[config]` that have references; None if others have some too.
    refer: Option<Vec<String>>,
}

/// An instance that is like the first.
pub struct Found {
    /// What it is, without its configuration.
    pub service: Arc<Service>,
    /// Its configuration.
    pub config: Config,
    /// The number of those that are alike.
    pub number: usize,
}

impl Alike {
    /// Nothing decoded yet, of any of these layers.
    pub fn of<'l>(layers: impl Iterator<Item = &'l Arc<Layered>>) -> Self {
        let mut all = HashMap::new();
        for layered in layers {
            let number = all.len();
            all.entry(place(layered)).or_insert_with(|| Kin { number, first: OnceLock::new() });
        }
        Self(all)
    }

    /// The service that a tree stands for, if one like it was decoded already.
    pub fn find(&self, layered: &Arc<Layered>, node: &Node) -> Option<Found> {
        let kin = self.0.get(&place(layered))?;
        let first = kin.first.get()?;
        let texts = texts_that_differ(&first.node, node)?;
        Some(first.found(&texts, kin.number))
    }

    /// The first of these layers, if there was nothing to say about it in a namespace of these settings: who has the same values
    /// at the same lines, in the same tier, would be checked with the same result.
    pub fn checked(&self, layered: &Arc<Layered>, tenancy: &Tenancy) -> Option<&First> {
        let first = self.0.get(&place(layered))?.first.get()?;
        (first.checked.as_ref() == Some(tenancy)).then_some(first)
    }

    /// An instance like the first, by resolving nothing but the texts that have references. None where others have some too,
    /// or where they turn out to be no texts: then the whole tree is to be looked at.
    pub fn resolve(&self, layered: &Arc<Layered>, first: &First, evaluation: &mut Evaluation<'_, '_>) -> Option<Found> {
        let mut texts = Vec::new();
        for name in first.refer.as_ref()? {
            let path = ["config", name.as_str()];
            let (here, there) = (evaluation.node_at(&path, layered.node.at(&path)?), first.node.at(&path)?);
            match (&here.value, &there.value) {
                (NodeValue::String(text), NodeValue::String(other)) if text == other => {}
                (NodeValue::String(text), NodeValue::String(_)) => texts.push((name.as_str(), text.clone())),
                _ => here.says_same(there).then_some(())?,
            }
        }
        let number = self.0.get(&place(layered))?.number;
        Some(first.found(&texts, number))
    }

    /// Keeps what was decoded without a complaint, for those that are alike; their number, if this is the first. `checked`:
    /// the settings that it was checked against without a complaint.
    pub fn keep(
        &self,
        layered: &Arc<Layered>,
        node: &Node,
        (service, config): (&Arc<Service>, &Config),
        checked: Option<&Tenancy>,
    ) -> Option<usize> {
        let kin = self.0.get(&place(layered))?;
        let mut is_first = false;
        // Somebody else's may have been first, and is as good.
        kin.first.get_or_init(|| {
            is_first = true;
            let (service, config, checked) = (Arc::clone(service), config.clone(), checked.cloned());
            First { node: node.clone(), service, config, checked, refer: config_that_refers(&layered.node) }
        });
        is_first.then_some(kin.number)
    }
}

fn place(layered: &Arc<Layered>) -> usize {
    Arc::as_ptr(layered).addr()
}

impl First {
    /// One like it with other texts in its configuration. A text is a text, whatever it says: nothing else depends on it.
    fn found<S: AsRef<str>>(&self, texts: &[(&str, S)], number: usize) -> Found {
        let mut config = self.config.clone();
        for (name, text) in texts {
            config.insert((*name).to_owned(), ConfigValue::Text(text.as_ref().to_owned()));
        }
        Found { service: Arc::clone(&self.service), config, number }
    }
}

/// The texts of `[config]` that have references. None: something else has some.
fn config_that_refers(service: &Node) -> Option<Vec<String>> {
    let mut refer = Vec::new();
    for (key, entry) in service.as_table()? {
        if key != "config" {
            (!has_references(&entry.node)).then_some(())?;
            continue;
        }
        for (name, entry) in entry.node.as_table()? {
            match &entry.node.value {
                NodeValue::String(text) if is_template(text) => refer.push(name.clone()),
                _ => (!has_references(&entry.node)).then_some(())?,
            }
        }
    }
    Some(refer)
}

fn has_references(node: &Node) -> bool {
    match &node.value {
        NodeValue::String(text) => is_template(text),
        NodeValue::Array(items) => items.iter().any(has_references),
        NodeValue::Table(table) => table.values().any(|entry| has_references(&entry.node)),
        _ => false,
    }
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
        let decoded = |node: &Node| {
            let mut service = serde_json::from_value::<Service>(node.to_json()).unwrap();
            let config = std::mem::take(&mut service.config);
            (Arc::new(service), config)
        };
        let keep = |alike: &Alike, layered: &Arc<Layered>, node: &Node| {
            let (service, config) = decoded(node);
            alike.keep(layered, node, (&service, &config), None)
        };
        let (first, other) =
            (node("config = { A = 'x', B = true }\nneeds = ['a']"), node("config = { A = 'true', B = true }\nneeds = ['a']"));
        let layered = Arc::new(Layered::of(Vec::new(), &first.origin, &mut Diagnostics::default()));
        let alike = Alike::of([&layered].into_iter());
        assert!(alike.find(&layered, &first).is_none());
        assert!(keep(&alike, &layered, &first).is_some());
        let found = alike.find(&layered, &other).unwrap();
        assert_eq!((found.service, found.config), decoded(&other));
        assert_eq!(keep(&alike, &layered, &other), None, "it isn't the first");
    }

    #[test]
    fn what_was_wrong_or_stands_elsewhere_is_checked_again() {
        let node = node("config = { A = 'x' }");
        let layered = Arc::new(Layered::of(Vec::new(), &node.origin, &mut Diagnostics::default()));
        let (alike, unchecked) = (Alike::of([&layered].into_iter()), Alike::of([&layered].into_iter()));
        let (tenancy, other) = (Tenancy::default(), Tenancy { quota: !Tenancy::default().quota, ..Tenancy::default() });
        let (service, config) = <(Arc<Service>, Config)>::default();
        alike.keep(&layered, &node, (&service, &config), Some(&tenancy));
        unchecked.keep(&layered, &node, (&service, &config), None);
        assert!(alike.checked(&layered, &tenancy).is_some() && alike.checked(&layered, &other).is_none());
        assert!(unchecked.checked(&layered, &tenancy).is_none());
    }

    #[test]
    fn texts_of_the_configuration_may_refer_and_nothing_else() {
        let refer = |text: &str| config_that_refers(&node(text));
        assert_eq!(refer("args = ['a']\nconfig = { A = '${tenant.name}', B = 'x' }"), Some(vec!["A".to_owned()]));
        assert_eq!(refer("args = ['a']"), Some(Vec::new()));
        for other in
            ["args = ['${tenant.name}']\nconfig = { A = '${tenant.name}' }", "config = { A = { secret = '${tenant.name}', key = 'k' } }"]
        {
            assert_eq!(refer(other), None, "{other}");
        }
    }
}
