//! Which places there are in an environment and which service runs in which: everything layered, nothing resolved yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::evaluate::{Evaluation, Scope};
use super::gather::Voices;
use super::inputs::InputValue;
use super::layer::Layered;
use super::load::Stack;
use super::node::{Node, NodeValue};
use super::reference::is_template;
use super::{ResolveOptions, inputs, names, naming};

/// A stack in an environment, layered.
pub struct Draft<'s> {
    /// Its files.
    pub stack: &'s Stack,
    /// The environment's name and file.
    pub environment: (&'s str, &'s Node),
    /// The root of namespaces.
    pub root: String,
    /// Inputs' values.
    pub inputs: BTreeMap<String, InputValue>,
    /// Tiers as they are here.
    pub tiers: BTreeMap<String, Layered>,
    /// Tenants that are here, and their tiers.
    pub tenants: BTreeMap<&'s str, &'s str>,
    /// Namespaces that services run in.
    pub places: Vec<DraftPlace<'s>>,
    /// Where in that list the place of an owner is.
    positions: BTreeMap<Owner<'s>, usize>,
    /// Services by place and name.
    pub instances: BTreeMap<(usize, &'s str), Arc<Layered>>,
    /// Services that don't run where they could, and why.
    pub absent: BTreeMap<(Owner<'s>, &'s str), Absence>,
    /// Services that the environment leaves out, and why.
    pub excluded: BTreeMap<&'s str, Absence>,
    /// Each service's scope.
    pub scopes: BTreeMap<&'s str, &'static str>,
}

/// A namespace that services run in.
#[derive(Clone, Debug)]
pub struct DraftPlace<'s> {
    /// Whose it is.
    pub owner: Owner<'s>,
    /// Its Kubernetes name.
    pub namespace: String,
    /// Where it was declared.
    pub origin: Origin,
}

/// Whose a place is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner<'s> {
    /// A tenant's, and its tier.
    Tenant(&'s str, &'s str),
    /// A tier's.
    Tier(&'s str),
    /// The environment's.
    Environment,
}

impl<'s> Owner<'s> {
    /// The tier, if there is one.
    pub fn tier(&self) -> Option<&'s str> {
        match self {
            Self::Tenant(_, tier) | Self::Tier(tier) => Some(tier),
            Self::Environment => None,
        }
    }
}

/// Why a service isn't somewhere, and the line that says so.
#[derive(Clone, Debug)]
pub struct Absence {
    /// `is not for tier free`.
    pub reason: String,
    /// The line.
    pub origin: Origin,
    /// It is so for this tier; for others it may not be.
    pub by_tier: bool,
}

impl<'s> Draft<'s> {
    /// Layers the stack for one environment.
    pub fn of(stack: &'s Stack, environment: (&'s str, &'s Node), options: &ResolveOptions, diagnostics: &mut Diagnostics) -> Self {
        let (name, file) = environment;
        let root = options.root_namespace.clone().or_else(|| file.get("namespace").and_then(Node::as_str).map(str::to_owned));
        let mut draft = Self {
            stack,
            environment,
            root: root.unwrap_or_else(|| naming::kubernetes_name(&format!("{}-{name}", stack.name()))),
            inputs: BTreeMap::new(),
            tiers: BTreeMap::new(),
            tenants: BTreeMap::new(),
            places: Vec::new(),
            positions: BTreeMap::new(),
            instances: BTreeMap::new(),
            absent: BTreeMap::new(),
            excluded: BTreeMap::new(),
            scopes: BTreeMap::new(),
        };
        let voices = draft.voices(None, None);
        let declared = voices.stack_section("inputs", diagnostics);
        draft.inputs = inputs::values(&declared, file, options, stack.sources(), diagnostics);
        for (tier, entry) in stack.root().entries(&["tiers"]) {
            let layered = voices.tier_of(tier, &entry.key_origin, diagnostics);
            draft.tiers.insert(tier.clone(), layered);
        }
        draft.choose_tenants(diagnostics);
        draft.make_places();
        for (service, file) in stack.services() {
            if !file.broken {
                draft.deploy(service, &file.node, options, diagnostics);
            }
        }
        draft.check_unsets(diagnostics);
        draft
    }

    /// The files that speak of a tier and a tenant here.
    pub fn voices(&self, tier: Option<&'s str>, tenant: Option<&'s str>) -> Voices<'s> {
        let tenant = tenant.and_then(|name| Some((name, &self.stack.tenants().get(name)?.node)));
        Voices { stack: self.stack.root(), environment: self.environment, tier, tenant }
    }

    /// The files that speak of a place.
    pub fn voices_of(&self, place: usize) -> Voices<'s> {
        match self.places[place].owner {
            Owner::Tenant(tenant, tier) => self.voices(Some(tier), Some(tenant)),
            Owner::Tier(tier) => self.voices(Some(tier), None),
            Owner::Environment => self.voices(None, None),
        }
    }

    /// The environment's file.
    pub fn file(&self) -> &'s Node {
        self.environment.1
    }

    /// The place of an owner.
    pub fn place_of(&self, owner: &Owner<'_>) -> Option<usize> {
        self.positions.get(owner).copied()
    }

    /// The services that run in a place.
    pub fn services_in(&self, place: usize) -> impl Iterator<Item = &'s str> {
        self.instances.range((place, "")..(place + 1, "")).map(|((_, name), _)| *name)
    }

    /// Whether a tier's tenants share their services' instances.
    pub fn is_pooled(&self, tier: &str) -> bool {
        let isolation = self.tiers.get(tier).and_then(|tier| tier.node.get("isolation"));
        // What is wrong with it is told where the tier is decoded.
        let scope = Scope { tier: Some(tier), ..Scope::default() };
        isolation.is_some_and(|node| Evaluation::new(self, scope, &mut Diagnostics::default()).node(node).as_str() == Some("pooled"))
    }

    /// Where the instance of a service runs that something in `place` talks to; or why there is none.
    pub fn find(&self, place: usize, service: &str) -> Result<usize, Absence> {
        let owner = &self.places[place].owner;
        let mut owners = vec![owner.clone()];
        owners.extend(owner.tier().map(Owner::Tier));
        owners.push(Owner::Environment);
        for candidate in owners.iter().filter_map(|owner| self.place_of(owner)) {
            if let Some(instance) = self.instances.get(&(candidate, service)) {
                return self.excluded_tier(instance, candidate, owner.tier()).map_or(Ok(candidate), Err);
            }
        }
        let absence = owners.into_iter().find_map(|owner| self.absent.get(&(owner, service)));
        if let Some(absence) = absence.or_else(|| self.excluded.get(service)) {
            return Err(absence.clone());
        }
        let origin = self.stack.services().get(service).map_or_else(|| self.file().origin.clone(), |file| file.node.origin.clone());
        let reason = match (self.scopes.get(service), owner) {
            (Some(&"tenant"), Owner::Tier(_)) => "has an instance for each tenant, and this one is of a whole tier".to_owned(),
            (Some(&"tenant"), Owner::Environment) => "has an instance for each tenant, and this one is of the whole environment".to_owned(),
            (Some(&"tier"), Owner::Environment) => "has an instance for each tier, and this one is of the whole environment".to_owned(),
            _ => "runs nowhere here".to_owned(),
        };
        Err(Absence { reason, origin, by_tier: false })
    }

    /// An environment's instance may be for some tiers' tenants alone.
    fn excluded_tier(&self, instance: &Layered, place: usize, tier: Option<&str>) -> Option<Absence> {
        let tier = tier.filter(|_| self.places[place].owner == Owner::Environment)?;
        let tiers = instance.node.get("tiers")?;
        let excluded = matches!(tiers.value, NodeValue::Array(_)) && !tiers.items().iter().any(|item| item.as_str() == Some(tier));
        excluded.then(|| not_for(tier, tiers))
    }

    fn choose_tenants(&mut self, diagnostics: &mut Diagnostics) {
        let (environment, file) = self.environment;
        let wanted = file.get("tenants");
        for (tenant, source) in self.stack.tenants() {
            let listed = wanted.and_then(|list| list.items().iter().find(|item| item.as_str() == Some(tenant)));
            let own = source.node.get("environments");
            let at_home = own.is_none_or(|list| list.items().iter().any(|item| item.as_str() == Some(environment)));
            if let (Some(listed), Some(own), false) = (listed, own, at_home) {
                diagnostics.push(
                    Diagnostic::error("stack::tenant_environment", format!("is tenant `{tenant}` in environment `{environment}`, or not?"))
                        .at(&listed.origin, "the environment lists the tenant")
                        .at(&own.origin, "the tenant's own list leaves the environment out")
                        .help("add it to the tenant's `environments`, or take it off the environment's `tenants`"),
                );
            }
            if !at_home || (wanted.is_some() && listed.is_none()) {
                continue;
            }
            let tier = source.node.get("tier").and_then(Node::as_str);
            if let Some((tier, _)) = self.stack.root().entries(&["tiers"]).find(|(name, _)| Some(name.as_str()) == tier) {
                self.tenants.insert(tenant, tier);
            }
        }
    }

    /// A namespace for each tenant of a dedicated tier, and for each pooled tier. Others come with the services that run there.
    fn make_places(&mut self) {
        for (tenant, tier) in self.tenants.clone() {
            if self.is_pooled(tier) {
                self.ensure_place(Owner::Tier(tier));
            } else {
                self.ensure_place(Owner::Tenant(tenant, tier));
            }
        }
    }

    fn ensure_place(&mut self, owner: Owner<'s>) -> usize {
        if let Some(place) = self.place_of(&owner) {
            return place;
        }
        let (namespace, origin) = match owner {
            Owner::Tenant(tenant, _) => {
                (naming::tenant_namespace(&self.root, tenant), self.stack.tenants().get(tenant).map(|file| file.node.origin.clone()))
            }
            Owner::Tier(tier) => (
                naming::tier_namespace(&self.root, tier),
                self.stack.root().entries(&["tiers"]).find(|(name, _)| *name == tier).map(|(_, entry)| entry.key_origin.clone()),
            ),
            Owner::Environment => (naming::shared_namespace(&self.root), None),
        };
        self.positions.insert(owner.clone(), self.places.len());
        self.places.push(DraftPlace { owner, namespace, origin: origin.unwrap_or_else(|| self.file().origin.clone()) });
        self.places.len() - 1
    }

    /// Finds out where a service runs.
    fn deploy(&mut self, service: &'s str, file: &'s Node, options: &ResolveOptions, diagnostics: &mut Diagnostics) {
        let general = self.voices(None, None).service(service, file, options.strategy, diagnostics);
        let said = general.node.get("scope").map(|node| Evaluation::new(self, Scope::default(), diagnostics).node(node));
        let scope = match said.as_ref().and_then(Node::as_str) {
            Some("environment") => "environment",
            Some("tier") => "tier",
            _ => "tenant",
        };
        self.scopes.insert(service, scope);
        let listed = |list: &Node| list.items().iter().any(|item| item.as_str() == Some(service));
        if let Some(list) = self.file().get("services").filter(|list| !listed(list)) {
            let reason = format!("isn't among the services of environment `{}`", self.environment.0);
            self.excluded.insert(service, Absence { reason, origin: list.origin.clone(), by_tier: false });
            return;
        }
        let owners: Vec<Owner<'s>> = match scope {
            "environment" => vec![Owner::Environment],
            "tier" => {
                let mut tiers: Vec<&'s str> = self.tenants.values().copied().collect();
                tiers.sort_unstable();
                tiers.dedup();
                tiers.into_iter().map(Owner::Tier).collect()
            }
            _ => self.places.iter().map(|place| place.owner.clone()).filter(|owner| self.is_home(owner)).collect(),
        };
        if owners.is_empty() && self.tenants.is_empty() && !self.has_lost_tenants() {
            diagnostics.push(
                Diagnostic::warning(
                    "stack::runs_nowhere",
                    format!("service `{service}` runs nowhere in `{}`: no tenant is there", self.environment.0),
                )
                .at(&file.origin, "an instance for each tenant")
                .help("add tenants/NAME.toml, or say `scope = \"environment\"` to run it once"),
            );
        }
        // Tenants whose files say nothing of the service have it just as their tier does.
        let mut of_tiers: BTreeMap<Option<&'s str>, Arc<Layered>> = BTreeMap::new();
        for owner in owners {
            let tenant = if let Owner::Tenant(tenant, _) = owner { Some(tenant) } else { None };
            let tenant = tenant.filter(|tenant| self.stack.tenants().get(*tenant).is_some_and(|file| says_of(&file.node, service)));
            let mut lay = || {
                let layered = self.voices(owner.tier(), tenant).service(service, file, options.strategy, diagnostics);
                check_scope(&layered, scope, diagnostics);
                Arc::new(layered)
            };
            let layered = if tenant.is_some() { lay() } else { of_tiers.entry(owner.tier()).or_insert_with(lay).clone() };
            // Whether it runs here is decided by values that may be references.
            let place = self.place_of(&owner);
            if let Some(absence) = self.absence(&layered, place, owner.tier(), diagnostics) {
                self.absent.insert((owner, service), absence);
            } else {
                let place = self.ensure_place(owner);
                self.instances.insert((place, service), layered);
            }
        }
    }

    /// Whether tenants are missing only because their tier, or the environment's list of them, is wrong: that is said elsewhere.
    fn has_lost_tenants(&self) -> bool {
        let known = |tier: &Node| tier.as_str().is_some_and(|tier| self.tiers.contains_key(tier));
        let lost = self.stack.tenants().values().any(|file| !file.node.get("tier").is_some_and(known));
        let listed = self.file().get("tenants").map(Node::items).unwrap_or_default();
        lost || listed.iter().any(|name| name.as_str().is_none_or(|name| !self.stack.tenants().contains_key(name)))
    }

    /// Whether services with `scope = "tenant"` run in a place: not where a dedicated tier only has its own services.
    fn is_home(&self, owner: &Owner<'_>) -> bool {
        match owner {
            Owner::Tenant(..) => true,
            Owner::Tier(tier) => self.is_pooled(tier),
            Owner::Environment => false,
        }
    }

    fn absence(&self, layered: &Layered, place: Option<usize>, tier: Option<&str>, diagnostics: &mut Diagnostics) -> Option<Absence> {
        let mut evaluation = Evaluation::new(self, Scope { place, tier, service: None }, diagnostics);
        let enabled = evaluation.node(layered.node.get("enabled")?);
        let tiers = evaluation.node(layered.node.get("tiers")?);
        if enabled.as_bool() == Some(false) {
            return Some(Absence { reason: "is not enabled here".to_owned(), origin: enabled.origin, by_tier: false });
        }
        for item in tiers.items() {
            // Said in so many words it has been reported; it may also come from a reference.
            if let Some(name) = item.as_str().filter(|name| !self.tiers.contains_key(*name)) {
                let known = self.stack.root().entries(&["tiers"]).map(|(name, _)| name.as_str());
                diagnostics.push(names::unknown("tier", name, &item.origin, known));
            }
        }
        let tier = tier?;
        let listed = tiers.items().iter().any(|item| item.as_str() == Some(tier));
        (matches!(tiers.value, NodeValue::Array(_)) && !listed).then(|| not_for(tier, &tiers))
    }

    /// An `unset` that removes nothing anywhere is a slip.
    fn check_unsets(&self, diagnostics: &mut Diagnostics) {
        let all = || self.instances.values().map(|layered| &**layered).chain(self.tiers.values());
        let busy: BTreeSet<&Origin> = all().flat_map(|layered| &layered.busy_unsets).collect();
        for (origin, path) in all().flat_map(|layered| &layered.idle_unsets) {
            if !busy.contains(origin) {
                diagnostics.push(
                    Diagnostic::warning("stack::idle_unset", format!("nothing to unset: no less specific layer says `{path}`"))
                        .at(origin, "removes nothing"),
                );
            }
        }
    }

    /// What messages call a place.
    pub fn describe(&self, place: usize) -> String {
        match self.places[place].owner {
            Owner::Tenant(tenant, tier) => format!("tenant `{tenant}` of tier `{tier}`"),
            Owner::Tier(tier) => format!("tier `{tier}`"),
            Owner::Environment => "the environment".to_owned(),
        }
    }
}

fn not_for(tier: &str, tiers: &Node) -> Absence {
    Absence { reason: format!("is not for tier `{tier}`"), origin: tiers.origin.clone(), by_tier: true }
}

/// Whether a tenant's file says anything of a service.
fn says_of(file: &Node, service: &str) -> bool {
    file.get("defaults").is_some() || file.at(&["service", service]).is_some()
}

/// The scope decides how many instances there are, so it can't depend on whose they are.
fn check_scope(layered: &Layered, scope: &str, diagnostics: &mut Diagnostics) {
    let Some(said) = layered.node.get("scope") else { return };
    if said.as_str().is_some_and(|said| said != scope && !is_template(said)) {
        diagnostics.push(
            Diagnostic::error("stack::scope_differs", "a service's scope is the same for all tiers and tenants")
                .at(&said.origin, format!("elsewhere it is `{scope}`"))
                .help("say `scope` in the service's file or the environment's, outside of `when.tier` and tenants"),
        );
    }
}
