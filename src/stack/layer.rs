//! Lays layers over each other: tables merge key by key, everything else replaces, and what each layer said is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::node::{Entry, Node, NodeValue, Table, join_path, split_path};
use super::resolved::{Provenance, Spoken};

/// One layer: a table that somebody wrote.
#[derive(Clone, Debug)]
pub struct Layer<'n> {
    /// What provenance calls it.
    pub name: String,
    /// Higher wins; two of one rank must not disagree.
    pub rank: u16,
    /// What it says.
    pub node: &'n Node,
    /// Whether it has the shape of a service: its `when` says nothing here, and its `unset` removes what lower layers say.
    pub service: bool,
}

/// Layers laid over each other.
#[derive(Clone, Debug)]
pub struct Layered {
    /// The result, a table.
    pub node: Node,
    /// Who said what.
    pub provenance: Arc<Provenance>,
    /// The `unset` entries that had nothing to remove: where they stand, and their paths.
    pub idle_unsets: Vec<(Origin, String)>,
    /// The `unset` entries that had.
    pub busy_unsets: Vec<Origin>,
    removed: BTreeMap<Vec<String>, Origin>,
}

/// Alternatives of which a more specific layer's replaces a less specific one's.
const ALTERNATIVES: [(&str, [&str; 2]); 1] = [("disruption", ["min_available", "max_unavailable"])];

/// What stands somewhere.
struct Leaf<'n> {
    path: Vec<String>,
    /// The tables on the way, and the value itself.
    chain: Vec<&'n Entry>,
    /// The value itself: the chain's last.
    entry: &'n Entry,
}

impl Layered {
    /// Lays `layers` over each other, the lowest rank first. `origin` is that of the result as a whole.
    pub fn of(mut layers: Vec<Layer<'_>>, origin: &Origin, diagnostics: &mut Diagnostics) -> Self {
        layers.sort_by_key(|layer| layer.rank);
        let mut layered = Self {
            node: Node::empty(origin),
            provenance: Arc::default(),
            idle_unsets: Vec::new(),
            busy_unsets: Vec::new(),
            removed: BTreeMap::new(),
        };
        let said: Vec<Said<'_>> = layers.iter().map(|layer| Said::of(layer, diagnostics)).collect();
        for (upper, what) in said.iter().enumerate() {
            for lower in (0..upper).rev().take_while(|lower| layers[*lower].rank == layers[upper].rank) {
                what.disagreements(&said[lower], &layers[upper].name, &layers[lower].name, diagnostics);
            }
        }
        for (layer, said) in layers.iter().zip(said) {
            for (path, origin) in said.unset {
                layered.unset(&path, &layer.name, &origin);
            }
            for leaf in said.leaves {
                layered.set(&leaf, &layer.name);
            }
        }
        layered
    }

    /// Lays what holds by default *under* what has been said: at `at`, where that is a table (or is nothing, for the root).
    /// `*` in `at` is any key.
    pub fn fill(&mut self, at: &[String], defaults: &Node, layer: &str) {
        let leaves = leaves_of(defaults);
        let mut places = Vec::new();
        matching(&self.node, at, &mut Vec::new(), &mut places);
        for place in places {
            for Leaf { path: relative, chain, entry } in &leaves {
                let path: Vec<String> = place.iter().chain(relative).cloned().collect();
                let spoken = Spoken { layer: layer.to_owned(), origin: entry.node.origin.clone(), value: Some(entry.node.to_toml()) };
                let unset = (1..=path.len()).find_map(|length| self.removed.get(&path[..length])).cloned();
                let open = unset.is_none() && self.is_open(&path);
                if let Some(origin) = unset {
                    self.idle_unsets.retain(|(idle, _)| *idle != origin);
                    self.busy_unsets.push(origin);
                }
                Arc::make_mut(&mut self.provenance).0.entry(join_path(&path)).or_default().insert(0, spoken);
                if let Some(node) = at_mut(&mut self.node, &place).filter(|_| open) {
                    insert(node, relative, chain);
                }
            }
        }
    }

    /// Whether nothing stands at `path`, nor an alternative of it, nor anything in its way.
    fn is_open(&self, path: &[String]) -> bool {
        let mut node = &self.node;
        for (depth, key) in path.iter().enumerate() {
            let Some(table) = node.as_table() else { return false };
            if table.keys().any(|other| are_alternatives(&path[..depth], key, other)) {
                return false;
            }
            match table.get(key) {
                None => return true,
                Some(entry) => node = &entry.node,
            }
        }
        false
    }

    fn unset(&mut self, path: &[String], layer: &str, origin: &Origin) {
        let gone = remove(&mut self.node, path);
        let shown = join_path(path);
        if gone {
            self.busy_unsets.push(origin.clone());
        } else {
            self.idle_unsets.push((origin.clone(), shown.clone()));
        }
        self.removed.insert(path.to_vec(), origin.clone());
        let below = format!("{shown}.");
        let spoken = || Spoken { layer: layer.to_owned(), origin: origin.clone(), value: None };
        let provenance = Arc::make_mut(&mut self.provenance);
        for (_, all) in provenance.0.iter_mut().filter(|(path, _)| **path == shown || path.starts_with(&below)) {
            all.push(spoken());
        }
        provenance.0.entry(shown).or_insert_with(|| vec![spoken()]);
    }

    fn set(&mut self, Leaf { path, chain, entry }: &Leaf<'_>, layer: &str) {
        for length in 1..=path.len() {
            self.removed.remove(&path[..length]);
        }
        if let Some((key, parents)) = path.split_last() {
            let others: Vec<String> = at(&self.node, parents)
                .and_then(Node::as_table)
                .into_iter()
                .flat_map(BTreeMap::keys)
                .filter(|other| are_alternatives(parents, key, other))
                .cloned()
                .collect();
            for other in others {
                let path: Vec<String> = parents.iter().cloned().chain([other]).collect();
                remove(&mut self.node, &path);
            }
        }
        insert(&mut self.node, path, chain);
        let spoken = Spoken { layer: layer.to_owned(), origin: entry.node.origin.clone(), value: Some(entry.node.to_toml()) };
        Arc::make_mut(&mut self.provenance).0.entry(join_path(path)).or_default().push(spoken);
    }
}

fn are_alternatives(parents: &[String], key: &str, other: &str) -> bool {
    key != other
        && ALTERNATIVES
            .iter()
            .any(|(parent, keys)| parents.len() == 1 && parents[0] == *parent && keys.contains(&key) && keys.contains(&other))
}

/// What a layer says, leaf by leaf.
struct Said<'n> {
    leaves: Vec<Leaf<'n>>,
    unset: Vec<(Vec<String>, Origin)>,
}

impl<'n> Said<'n> {
    fn of(layer: &Layer<'n>, diagnostics: &mut Diagnostics) -> Self {
        let mut leaves = leaves_of(layer.node);
        if !layer.service {
            return Self { leaves, unset: Vec::new() };
        }
        leaves.retain(|leaf| !matches!(leaf.path[0].as_str(), "when" | "unset"));
        let mut unset = Vec::new();
        for item in layer.node.get("unset").map(Node::items).unwrap_or_default() {
            let Some(path) = item.as_str() else { continue };
            match split_path(path) {
                Ok(keys) => unset.push((keys, item.origin.clone())),
                Err(reason) => diagnostics.push(
                    Diagnostic::error("stack::unset_path", format!("`{path}` is no path of keys: {reason}"))
                        .at(&item.origin, "write `table.key`; a key with a dot in quotes"),
                ),
            }
        }
        Self { leaves, unset }
    }

    /// Notes where two layers of one rank contradict each other.
    fn disagreements(&self, other: &Self, name: &str, other_name: &str, diagnostics: &mut Diagnostics) {
        let mut note = |path: &[String], here: &Origin, what: String, there: &Origin, other_what: String| {
            let shown = join_path(path);
            diagnostics.push(
                Diagnostic::error(
                    "stack::disagreement",
                    format!("{name} and {other_name} disagree about `{shown}`, and neither outranks the other"),
                )
                .at(here, what)
                .at(there, other_what)
                .help(format!("say `{shown}` in one of the two places only")),
            );
        };
        let says = |entry: &Entry| format!("says {}", entry.node.to_toml());
        for Leaf { path, entry, .. } in &self.leaves {
            for Leaf { path: other_path, entry: other_entry, .. } in &other.leaves {
                let clash = if path == other_path {
                    !entry.node.says_same(&other_entry.node)
                } else {
                    (path.starts_with(other_path) && !is_empty_table(&other_entry.node))
                        || (other_path.starts_with(path) && !is_empty_table(&entry.node))
                };
                if clash {
                    note(path, &entry.node.origin, says(entry), &other_entry.node.origin, says(other_entry));
                }
            }
            for (unset, origin) in other.unset.iter().filter(|(unset, _)| path.starts_with(unset)) {
                note(unset, &entry.node.origin, says(entry), origin, "unsets it".to_owned());
            }
        }
        for Leaf { path, entry, .. } in &other.leaves {
            for (unset, origin) in self.unset.iter().filter(|(unset, _)| path.starts_with(unset)) {
                note(unset, origin, "unsets it".to_owned(), &entry.node.origin, says(entry));
            }
        }
    }
}

fn is_empty_table(node: &Node) -> bool {
    node.as_table().is_some_and(BTreeMap::is_empty)
}

/// What is set: values, lists, empty tables, and tables that are one value.
fn leaves_of(node: &Node) -> Vec<Leaf<'_>> {
    let mut leaves = Vec::new();
    collect(node, &mut Vec::new(), &mut Vec::new(), &mut leaves);
    leaves
}

fn collect<'n>(node: &'n Node, path: &mut Vec<&'n str>, chain: &mut Vec<&'n Entry>, leaves: &mut Vec<Leaf<'n>>) {
    for (key, entry) in node.as_table().into_iter().flatten() {
        path.push(key);
        chain.push(entry);
        let inner = entry.node.as_table().is_some_and(|table| !table.is_empty());
        if inner && !is_one_value(path) {
            collect(&entry.node, path, chain, leaves);
        } else {
            leaves.push(Leaf { path: path.iter().map(|key| (*key).to_owned()).collect(), chain: chain.clone(), entry });
        }
        chain.pop();
        path.pop();
    }
}

/// Whether a table at this path is a value of its own that others replace as a whole: `config.DB_URL = { secret = … }`.
pub fn is_one_value(path: &[&str]) -> bool {
    matches!(path, ["config" | "files", _] | ["init" | "sidecars", _, "config", _] | ["hooks", "before" | "after", _, "config", _])
}

fn at<'n>(node: &'n Node, path: &[String]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

fn at_mut<'n>(node: &'n mut Node, path: &[String]) -> Option<&'n mut Node> {
    path.iter().try_fold(node, |node, key| Some(&mut node.as_table_mut()?.get_mut(key)?.node))
}

fn matching(node: &Node, pattern: &[String], path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let Some(table) = node.as_table() else { return };
    let Some((first, rest)) = pattern.split_first() else {
        found.push(path.clone());
        return;
    };
    for (key, entry) in table.iter().filter(|(key, _)| first == "*" || *key == first) {
        path.push(key.clone());
        matching(&entry.node, rest, path, found);
        path.pop();
    }
}

/// Sets a value, making tables on the way, with the places that they have in the chain. A value that is in the way goes.
fn insert(node: &mut Node, path: &[String], chain: &[&Entry]) {
    let (Some((key, rest)), Some((entry, below))) = (path.split_first(), chain.split_first()) else { return };
    if node.as_table().is_none() {
        node.value = NodeValue::Table(Table::new());
    }
    let Some(table) = node.as_table_mut() else { return };
    if rest.is_empty() {
        // An empty table says only that there is one.
        if is_empty_table(&entry.node) && table.get(key).is_some_and(|old| old.node.as_table().is_some()) {
            return;
        }
        table.insert(key.clone(), (*entry).clone());
        return;
    }
    let made = || Entry { key_origin: entry.key_origin.clone(), node: Node::empty(&entry.node.origin) };
    insert(&mut table.entry(key.clone()).or_insert_with(made).node, rest, below);
}

/// Removes what is at a path; whether there was anything.
fn remove(node: &mut Node, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    let Some(table) = node.as_table_mut() else { return false };
    if rest.is_empty() {
        return table.remove(key).is_some();
    }
    table.get_mut(key).is_some_and(|entry| remove(&mut entry.node, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(file: &str, text: &str) -> Node {
        Node::parse(&Arc::from(file), text, &mut Diagnostics::default()).unwrap()
    }

    fn lay(layers: &[(&str, u16, &str)]) -> (Layered, Diagnostics) {
        let nodes: Vec<Node> = layers.iter().map(|(name, _, text)| node(name, text)).collect();
        let mut diagnostics = Diagnostics::default();
        let layers = layers
            .iter()
            .zip(&nodes)
            .map(|((name, rank, _), node)| Layer { name: (*name).to_owned(), rank: *rank, node, service: true })
            .collect();
        (Layered::of(layers, &nodes[0].origin, &mut diagnostics), diagnostics)
    }

    #[test]
    fn tables_merge_and_everything_else_replaces() {
        let (layered, diagnostics) = lay(&[
            ("low", 1, "needs = ['a']\nreplicas = { min = 1, max = 4 }\nconfig.X = { secret = 's', key = 'k' }"),
            ("high", 2, "needs = ['b']\nreplicas.min = 2\nconfig.X = { field = 'status.podIP' }"),
        ]);
        assert_eq!(diagnostics, Diagnostics::default());
        let expected = serde_json::json!({"needs": ["b"], "replicas": {"min": 2, "max": 4}, "config": {"X": {"field": "status.podIP"}}});
        assert_eq!(layered.node.to_json(), expected);
        let spoken = &layered.provenance.0["replicas.min"];
        assert_eq!(
            spoken.iter().map(|s| (s.layer.as_str(), s.value.as_deref().unwrap())).collect::<Vec<_>>(),
            [("low", "1"), ("high", "2")]
        );
        assert_eq!(layered.provenance.winner("replicas.min").unwrap().to_string(), "high:2");
    }

    #[test]
    fn unset_removes_what_lower_layers_say() {
        let (layered, _) = lay(&[
            ("low", 1, "config.A = '1'\nconfig.B = '2'"),
            ("middle", 2, "unset = ['config.A', 'config.C']"),
            ("high", 3, "config.C = '3'"),
        ]);
        assert_eq!(layered.node.to_json(), serde_json::json!({"config": {"B": "2", "C": "3"}}));
        assert_eq!(layered.provenance.0["config.A"].last().unwrap().value, None);
        assert_eq!(layered.idle_unsets.len(), 1);
        assert_eq!(layered.busy_unsets.len(), 1);
    }

    #[test]
    fn equal_rank_may_agree_but_not_disagree() {
        let (_, diagnostics) = lay(&[("a", 1, "x = 1\ny.z = 2"), ("b", 1, "x = 1\ny.w = 2")]);
        assert_eq!(diagnostics, Diagnostics::default());
        let (_, diagnostics) = lay(&[("a", 1, "x = 1"), ("b", 1, "\nx = 2")]);
        let lines: Vec<String> = diagnostics.0[0].labels.iter().map(|l| l.origin.to_string()).collect();
        assert_eq!((diagnostics.0[0].code.as_str(), lines), ("stack::disagreement", vec!["b:2".to_owned(), "a:1".to_owned()]));
        let (_, diagnostics) = lay(&[("a", 1, "x.y = 1"), ("b", 1, "unset = ['x']")]);
        assert_eq!(diagnostics.0.len(), 1);
    }

    #[test]
    fn defaults_fill_what_is_open() {
        let (mut layered, _) = lay(&[
            (
                "low",
                1,
                "[ports.http]\nport = 80\n[ports.grpc]\nport = 81\nprotocol = 'UDP'\n[disruption]\nmin_available = 2\n[scaling]\ncpu = 3",
            ),
            ("high", 2, "unset = ['scaling.headroom']"),
        ]);
        layered.fill(&["ports".into(), "*".into()], &node("d", "protocol = 'TCP'"), "built-in");
        layered.fill(&[], &node("d", "disruption.max_unavailable = 1\npod.user = 3"), "built-in");
        layered.fill(&["scaling".into()], &node("d", "headroom = 2.0"), "built-in");
        layered.fill(&["metrics".into()], &node("d", "path = '/'"), "built-in");
        let expected = serde_json::json!({
            "ports": {"http": {"port": 80, "protocol": "TCP"}, "grpc": {"port": 81, "protocol": "UDP"}},
            "disruption": {"min_available": 2}, "scaling": {"cpu": 3}, "pod": {"user": 3}
        });
        assert_eq!(layered.node.to_json(), expected);
        assert_eq!(layered.provenance.0["ports.grpc.protocol"][0].layer, "built-in");
    }

    #[test]
    fn a_more_specific_alternative_replaces_the_other() {
        let (layered, _) = lay(&[("low", 1, "disruption.min_available = 2"), ("high", 2, "disruption.max_unavailable = 1")]);
        assert_eq!(layered.node.to_json(), serde_json::json!({"disruption": {"max_unavailable": 1}}));
    }
}
