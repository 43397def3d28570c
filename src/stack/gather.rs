//! Which layers speak of a service in a place, and which of two wins: the order of the stack language.
//!
//! built-in defaults → stack.toml defaults → tier → service → service when tier → environment → service when environment
//! (and `[service.X]` of the environment's file) → tenant → `[service.X]` of the tenant's file → command line.

use crate::resource::{Diagnostics, Origin};

use super::layer::{Layer, Layered};
use super::model::Strategy;
use super::node::{Entry, Node, NodeValue, Table};
use super::{defaults, inputs};

/// Ranks leave room for what a layer says `when` a condition holds: one more for a tier, two more for an environment, three for both.
mod rank {
    pub const STACK: u16 = 100;
    pub const TIER: u16 = 200;
    pub const TIER_IN_STACK_WHEN: u16 = 210;
    pub const TIER_IN_ENVIRONMENT: u16 = 220;
    pub const SERVICE: u16 = 300;
    pub const SERVICE_TIER: u16 = 400;
    pub const ENVIRONMENT: u16 = 500;
    pub const SERVICE_ENVIRONMENT: u16 = 600;
    pub const TENANT: u16 = 700;
    pub const TENANT_SERVICE: u16 = 800;
    pub const COMMAND_LINE: u16 = 900;
}

/// The files that speak of a place: its tier and its tenant, where it has them.
#[derive(Clone, Copy, Debug)]
pub struct Voices<'n> {
    /// `stack.toml`.
    pub stack: &'n Node,
    /// The environment's name and file.
    pub environment: (&'n str, &'n Node),
    /// The tier's name.
    pub tier: Option<&'n str>,
    /// The tenant's name and file.
    pub tenant: Option<(&'n str, &'n Node)>,
}

impl<'n> Voices<'n> {
    /// A service's layers, laid over each other.
    pub fn service(&self, name: &str, file: &'n Node, strategy: Option<Strategy>, diagnostics: &mut Diagnostics) -> Layered {
        let (environment, environment_file) = self.environment;
        let mut layers = Layers { voices: *self, service: true, found: Vec::new() };
        layers.stack("defaults", "stack defaults");
        if let Some(tier) = self.tier {
            for (rank, node, place) in self.tier_tables(tier) {
                layers.with_conditions(rank, &format!("tier {tier}{place}"), node.get("defaults"));
            }
        }
        layers.plain(rank::SERVICE, "service", Some(file));
        if let Some(tier) = self.tier {
            let node = file.at(&["when", "tier", tier]);
            layers.plain(rank::SERVICE_TIER, &format!("service when tier {tier}"), node);
            let both = node.and_then(|node| node.at(&["when", "environment", environment]));
            layers.plain(rank::SERVICE_ENVIRONMENT + 3, &format!("service when tier {tier} and environment {environment}"), both);
        }
        layers.with_conditions(rank::ENVIRONMENT, &format!("environment {environment}"), environment_file.get("defaults"));
        let node = file.at(&["when", "environment", environment]);
        layers.with_conditions(rank::SERVICE_ENVIRONMENT, &format!("service when environment {environment}"), node);
        let node = environment_file.at(&["service", name]);
        layers.with_conditions(rank::SERVICE_ENVIRONMENT, &format!("environment {environment}, service {name}"), node);
        if let Some((tenant, file)) = self.tenant {
            layers.with_conditions(rank::TENANT, &format!("tenant {tenant}"), file.get("defaults"));
            layers.with_conditions(rank::TENANT_SERVICE, &format!("tenant {tenant}, service {name}"), file.at(&["service", name]));
        }
        let command_line = strategy.map(command_line);
        if let Some(node) = &command_line {
            let mut found = layers.found.clone();
            found.push(Layer { name: "command line".to_owned(), rank: rank::COMMAND_LINE, node, service: true });
            return fill_service(Layered::of(found, &file.origin, diagnostics));
        }
        fill_service(Layered::of(layers.found, &file.origin, diagnostics))
    }

    /// A tier as it is in the environment.
    pub fn tier_of(&self, tier: &str, origin: &Origin, diagnostics: &mut Diagnostics) -> Layered {
        let tables = self.tier_tables(tier);
        let layers = tables
            .into_iter()
            .map(|(rank, node, place)| Layer { name: format!("tier {tier}{place}"), rank, node, service: false })
            .collect();
        let mut layered = Layered::of(layers, origin, diagnostics);
        if let Some(node) = defaults::of("tier") {
            layered.fill(&[], node, defaults::LAYER);
        }
        layered
    }

    /// A table that stack, environment and tenant may each have: `labels`, `secrets`, `tenancy`, …
    pub fn section(&self, section: &str, diagnostics: &mut Diagnostics) -> Layered {
        let mut layers = Layers { voices: *self, service: false, found: Vec::new() };
        layers.stack(section, "stack");
        let (environment, file) = self.environment;
        layers.plain(rank::ENVIRONMENT, &format!("environment {environment}"), file.get(section));
        if let Some((tenant, file)) = self.tenant {
            layers.plain(rank::TENANT, &format!("tenant {tenant}"), file.get(section));
        }
        Layered::of(layers.found, &self.stack.origin, diagnostics)
    }

    /// A table that only `stack.toml` has: `inputs`.
    pub fn stack_section(&self, section: &str, diagnostics: &mut Diagnostics) -> Layered {
        let mut layers = Layers { voices: *self, service: false, found: Vec::new() };
        layers.stack(section, "stack");
        Layered::of(layers.found, &self.stack.origin, diagnostics)
    }

    /// A table of the tier that a tenant's own lies over: `limits`.
    pub fn limits(&self, diagnostics: &mut Diagnostics) -> Layered {
        let mut layers = Layers { voices: *self, service: false, found: Vec::new() };
        if let Some(tier) = self.tier {
            for (rank, node, place) in self.tier_tables(tier) {
                layers.plain(rank, &format!("tier {tier}{place}"), node.get("limits"));
            }
        }
        if let Some((tenant, file)) = self.tenant {
            layers.plain(rank::TENANT, &format!("tenant {tenant}"), file.get("limits"));
        }
        Layered::of(layers.found, &self.stack.origin, diagnostics)
    }

    /// Where a tier is spoken of.
    fn tier_tables(&self, tier: &str) -> Vec<(u16, &'n Node, String)> {
        let (environment, file) = self.environment;
        let places = [
            (rank::TIER, self.stack.at(&["tiers", tier]), String::new()),
            (
                rank::TIER_IN_STACK_WHEN,
                self.stack.at(&["when", "environment", environment, "tiers", tier]),
                format!(" when environment {environment}"),
            ),
            (rank::TIER_IN_ENVIRONMENT, file.at(&["tiers", tier]), format!(" in environment {environment}")),
        ];
        places.into_iter().filter_map(|(rank, node, place)| Some((rank, node?, place))).collect()
    }
}

/// Layers as they are found.
struct Layers<'n> {
    voices: Voices<'n>,
    /// Whether they have the shape of a service.
    service: bool,
    found: Vec<Layer<'n>>,
}

impl<'n> Layers<'n> {
    /// What `stack.toml` says in a table, and what its own `when` says there.
    fn stack(&mut self, table: &str, name: &str) {
        let stack = self.voices.stack;
        self.with_conditions(rank::STACK, name, stack.get(table));
        if let Some(tier) = self.voices.tier {
            self.plain(rank::STACK + 1, &format!("{name} when tier {tier}"), stack.at(&["when", "tier", tier, table]));
        }
        let environment = self.voices.environment.0;
        let node = stack.at(&["when", "environment", environment, table]);
        self.plain(rank::STACK + 2, &format!("{name} when environment {environment}"), node);
    }

    /// A layer and what its own `when` adds for the place's tier and environment.
    fn with_conditions(&mut self, rank: u16, name: &str, node: Option<&'n Node>) {
        self.plain(rank, name, node);
        if !self.service {
            return;
        }
        let environment = self.voices.environment.0;
        let when_environment = node.and_then(|node| node.at(&["when", "environment", environment]));
        self.plain(rank + 2, &format!("{name} when environment {environment}"), when_environment);
        let Some(tier) = self.voices.tier else { return };
        let when_tier = node.and_then(|node| node.at(&["when", "tier", tier]));
        self.plain(rank + 1, &format!("{name} when tier {tier}"), when_tier);
        let both = format!("{name} when tier {tier} and environment {environment}");
        self.plain(rank + 3, &both, when_tier.and_then(|node| node.at(&["when", "environment", environment])));
        self.plain(rank + 3, &both, when_environment.and_then(|node| node.at(&["when", "tier", tier])));
    }

    fn plain(&mut self, rank: u16, name: &str, node: Option<&'n Node>) {
        if let Some(node) = node {
            self.found.push(Layer { name: name.to_owned(), rank, node, service: self.service });
        }
    }
}

/// Lays the built-in defaults of services under what has been said.
fn fill_service(mut layered: Layered) -> Layered {
    if let Some(node) = defaults::of("service") {
        layered.fill(&[], node, defaults::LAYER);
    }
    let kind = layered.node.get("kind").and_then(Node::as_str).map(str::to_owned);
    if let Some(node) = kind.and_then(|kind| defaults::of_kind(&kind)) {
        layered.fill(&[], node, defaults::LAYER);
    }
    for (at, node) in defaults::of_parts() {
        layered.fill(&at, node, defaults::LAYER);
    }
    layered
}

/// What the command line says of every service.
fn command_line(strategy: Strategy) -> Node {
    let origin = inputs::outside("command line");
    let entry = Entry { key_origin: origin.clone(), node: Node::text(strategy.to_string(), &origin) };
    Node::new(NodeValue::Table(Table::from([("strategy".to_owned(), entry)])), &origin)
}
