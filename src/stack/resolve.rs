//! A stack in one environment: layers, references, names, and at the end the typed model.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::resource::{Diagnostic, Diagnostics, Origin, StackIdentity};

use super::alike::{Alike, Config, Found};
use super::draft::{Draft, Owner};
use super::evaluate::{Evaluation, Scope};
use super::inputs::outside;
use super::layer::{Layer, Layered};
use super::load::Stack;
use super::model::{Deletes, Environment, Patch, PodSecurity, Service, StackFile, Strategy, Tenancy, Tier};
use super::node::{Node, NodeValue};
use super::parallel::side_by_side;
use super::resolved::{Instance, Place, PlaceKind, Provenance, Resolved, ScopedPatch};
use super::shape::ShapeRef;
use super::{ResolveOptions, checks, defaults, manifest, moved, names, naming, secrets, shape};

/// See [`Stack::resolve`].
pub fn resolve(stack: &Stack, options: &ResolveOptions) -> (Option<Resolved>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    // Asked for all services at once: told once, and not as a fault of each service's file.
    if let Some(strategy) = options.strategy.filter(|strategy| *strategy != Strategy::Rolling) {
        let message = format!("this version of spai delivers by `rolling`, not by `{strategy}`");
        let help = "leave `--strategy` and its variables (SPAI_DEPLOYMENT_STRATEGY, DEPLOYMENT_STRATEGY) out, or say `rolling`";
        return (None, Diagnostic::error("stack::strategy", message).help(help).into());
    }
    let Some((environment, file)) = stack.environment_files().get_key_value(&options.environment) else {
        let known = stack.environment_files().keys().map(String::as_str);
        diagnostics.push(names::unknown("environment", &options.environment, &outside("command line"), known));
        return (None, diagnostics);
    };
    let resolved = (!file.broken).then(|| {
        let draft = Draft::of(stack, (environment, &file.node), options, &mut diagnostics);
        let alike = Alike::of(draft.instances.values());
        Resolver { draft: &draft, alike: &alike, diagnostics: &mut diagnostics }.resolve(options)
    });
    diagnostics.sort();
    let broken = |files: &BTreeMap<String, super::load::File>| files.values().any(|file| file.broken);
    let whole = !broken(stack.services()) && !broken(stack.tenants()) && !diagnostics.has_errors();
    (resolved.flatten().filter(|_| whole), diagnostics)
}

struct Resolver<'r, 's> {
    draft: &'r Draft<'s>,
    alike: &'r Alike,
    diagnostics: &'r mut Diagnostics,
}

impl<'r> Resolver<'r, '_> {
    fn resolve(&mut self, options: &ResolveOptions) -> Option<Resolved> {
        let stack = self.draft.stack;
        let (environment, file) = self.draft.environment;
        let root_origin = match file.get("namespace").filter(|_| options.root_namespace.is_none()) {
            Some(node) => node.origin.clone(),
            None if options.root_namespace.is_some() => outside("command line"),
            None => file.origin.clone(),
        };
        let namespaces = self.draft.places.iter().map(|place| (place.namespace.as_str(), &place.origin));
        // A bad name of the stack has been reported.
        let derived = file.get("namespace").is_none() && options.root_namespace.is_none();
        if !derived || naming::is_dns_label(stack.name()) {
            naming::check_namespaces(&self.draft.root, namespaces, &root_origin, self.diagnostics);
        }

        let (draft, alike) = (self.draft, self.alike);
        let of_places = side_by_side(draft.places.len(), 8, |place| {
            let mut diagnostics = Diagnostics::default();
            let place = Resolver { draft, alike, diagnostics: &mut diagnostics }.place(place);
            (place, diagnostics)
        });
        let mut places: Vec<Place> = Vec::with_capacity(of_places.len());
        for (place, diagnostics) in of_places {
            places.extend(place);
            self.diagnostics.extend(diagnostics);
        }
        places.sort_by(|a, b| a.namespace.cmp(&b.namespace));
        let voices = self.draft.voices(None, None);
        let section = |name: &str, diagnostics: &mut Diagnostics| voices.section(name, diagnostics);
        let registries = section("registries", self.diagnostics);
        let slos = section("slos", self.diagnostics);
        let mut deletes = section("deletes", self.diagnostics);
        fill(&mut deletes, "deletes");
        // All parts before any is given up: all errors of a run at once.
        let tiers = self.tiers();
        let stack_file = self.stack_file();
        let environment_file = self.environment_file();
        if let (Some(stack_file), Some(environment_file)) = (&stack_file, &environment_file) {
            checks::environment(stack_file, environment_file, (stack.root(), file), self.diagnostics);
        }
        let registries = self.decode(&registries.node, "registries", Scope::default());
        let slos = self.decode(&slos.node, "slos", Scope::default());
        let budget: Option<Deletes> = self.decode(&deletes.node, "deletes", Scope::default());
        if let Some(budget) = &budget {
            let origin = deletes.node.get("max").map_or(&deletes.node.origin, |node| &node.origin);
            checks::deletes(budget.max.as_ref(), origin, self.diagnostics);
        }
        let manifests = manifest::layered(stack.manifests(), environment, self.diagnostics);
        let moved = moved::read(stack, self.diagnostics);
        let patches = self.patches();
        let environment_file: Environment = environment_file?;
        Some(Resolved {
            identity: StackIdentity::new(stack.name(), environment),
            stack: stack_file?,
            cluster: environment_file.cluster.clone(),
            environment: environment_file,
            root_namespace: self.draft.root.clone(),
            tiers,
            registries: registries?,
            slos: slos?,
            deletes: budget?,
            places,
            manifests,
            inputs: self.draft.inputs.iter().map(|(name, input)| (name.clone(), input.node.origin.clone())).collect(),
            moved,
            patches,
        })
    }

    /// A place with its services; `None` if anything of it is wrong.
    fn place(&mut self, index: usize) -> Option<Place> {
        let draft = self.draft;
        let place = &draft.places[index];
        let scope = Scope { place: Some(index), ..Scope::default() };
        let voices = draft.voices_of(index);
        let labels = voices.section("labels", self.diagnostics);
        let annotations = voices.section("annotations", self.diagnostics);
        let mut tenancy = voices.section("tenancy", self.diagnostics);
        fill(&mut tenancy, "tenancy");
        let limits = voices.limits(self.diagnostics);
        let declared_secrets = voices.section("secrets", self.diagnostics);

        let settings: Option<Tenancy> = self.decode(&tenancy.node, "tenancy", scope);
        let mut services = BTreeMap::new();
        let mut used = secrets::Used::default();
        for name in draft.services_in(index) {
            if let Some((instance, node)) = self.instance(index, name, settings.as_ref()) {
                used.of_service(&node, &declared_secrets.node);
                services.insert(name.to_owned(), instance);
            }
        }
        let secrets = secrets::of_place(draft, index, &declared_secrets.node, &used, self.diagnostics);

        let mut provenance = Provenance::default();
        let kind = match &place.owner {
            Owner::Environment => Some(PlaceKind::Environment),
            Owner::Tier(tier) => {
                let tenants = draft.tenants.iter().filter(|(_, of)| *of == tier).map(|(tenant, _)| (*tenant).to_owned()).collect();
                Some(PlaceKind::Tier { name: (*tier).to_owned(), tenants })
            }
            Owner::Tenant(tenant, tier) => {
                let file = &draft.stack.tenants().get(*tenant)?.node;
                let mut node = without(file, &["defaults", "service", "secrets", "labels", "annotations", "limits"]);
                for (key, layered) in [("limits", &limits), ("labels", &labels), ("annotations", &annotations)] {
                    put(&mut node, key, layered.node.clone());
                }
                let own = without(file, &["defaults", "service", "secrets", "labels", "annotations", "limits", "patch"]);
                let layer = Layer { name: format!("tenant {tenant}"), rank: 0, node: &own, service: false };
                provenance = Arc::unwrap_or_clone(Layered::of(vec![layer], &file.origin, self.diagnostics).provenance);
                let kind = |file| PlaceKind::Tenant { name: (*tenant).to_owned(), tier: (*tier).to_owned(), tenant: Box::new(file) };
                self.decode(&node, "tenant", scope).map(kind)
            }
        };
        // The tier's figures decide numbers of the objects: their lines are the origin of these.
        if let Some(tier) = place.owner.tier().and_then(|tier| draft.tiers.get(tier)) {
            let figures = tier.provenance.0.iter().filter(|(path, _)| !path.starts_with("defaults"));
            provenance.0.extend(figures.map(|(path, spoken)| (format!("tier.{path}"), spoken.clone())));
        }
        for (key, layered) in [("limits", &limits), ("labels", &labels), ("annotations", &annotations), ("tenancy", &tenancy)] {
            provenance.0.extend(layered.provenance.0.iter().map(|(path, spoken)| (format!("{key}.{path}"), spoken.clone())));
        }
        let of_all = (self.decode(&labels.node, "labels", scope), self.decode(&annotations.node, "annotations", scope));
        let place = Place {
            kind: kind?,
            namespace: place.namespace.clone(),
            tenancy: settings?,
            origin: place.origin.clone(),
            labels: of_all.0?,
            annotations: of_all.1?,
            secrets,
            services,
            provenance,
        };
        checks::place(&place, &tenancy.node, (&labels.node, &annotations.node), Some(&limits.node), self.diagnostics);
        Some(place)
    }

    /// A service in a place, and the tree it was decoded from (but for texts of its configuration).
    fn instance(&mut self, place: usize, name: &str, tenancy: Option<&Tenancy>) -> Option<(Instance, Cow<'r, Node>)> {
        let (draft, alike) = (self.draft, self.alike);
        let layered = draft.instances.get(&(place, name))?;
        let origin = &draft.stack.services().get(name)?.node.origin;
        let instance = |(spec, config), alike, references| Instance {
            service: name.to_owned(),
            spec,
            config,
            origin: origin.clone(),
            provenance: layered.provenance.clone(),
            references,
            alike,
        };
        let scope = Scope { place: Some(place), tier: None, service: Some(name) };
        if let Some((first, tenancy)) = tenancy.and_then(|tenancy| Some((alike.checked(layered, tenancy)?, tenancy))) {
            let mut evaluation = Evaluation::new(draft, scope, self.diagnostics);
            if let Some(Found { service, config, number }) = alike.resolve(layered, first, &mut evaluation) {
                let (failed, references) = (evaluation.has_failed(), evaluation.services);
                self.check_needs(&first.node, place, name);
                if failed {
                    return None;
                }
                checks::texts(&subject(draft, place, (name, origin), (&service, &config), &first.node, tenancy), self.diagnostics);
                return Some((instance((service, config), Some(number), references), Cow::Borrowed(&first.node)));
            }
        }
        let said = self.diagnostics.0.len();
        let mut evaluation = Evaluation::new(draft, scope, self.diagnostics);
        let mut node = evaluation.node(&layered.node);
        let (failed, references) = (evaluation.has_failed(), evaluation.services);
        self.check_needs(&node, place, name);
        self.check_registries_and_slo(&node);
        if failed {
            return None;
        }
        self.take_files(&mut node);
        let found = alike.find(layered, &node);
        let said_before = self.diagnostics.0.len();
        let (spec, config, mut number) = if let Some(Found { service, config, number }) = found {
            (service, config, Some(number))
        } else {
            let mut service: Service = self.decode_checked(&node, "service")?;
            let config = std::mem::take(&mut service.config);
            (Arc::new(service), config, None)
        };
        let decoded_well = self.diagnostics.0.len() == said_before;
        if let Some(tenancy) = tenancy {
            checks::service(&subject(draft, place, (name, origin), (&spec, &config), &node, tenancy), self.diagnostics);
        }
        // One that there is something to say about is told of in each place.
        if number.is_none() && decoded_well {
            number = alike.keep(layered, &node, (&spec, &config), tenancy.filter(|_| self.diagnostics.0.len() == said));
        }
        Some((instance((spec, config), number, references), Cow::Owned(node)))
    }

    /// What a service needs are other services.
    fn check_needs(&mut self, node: &Node, place: usize, name: &str) {
        let draft = self.draft;
        for item in node.get("needs").map(Node::items).unwrap_or_default() {
            let Some(need) = item.as_str() else { continue };
            if need == name {
                self.diagnostics.push(
                    Diagnostic::error("stack::needs_itself", format!("service `{name}` needs itself"))
                        .at(&item.origin, "here")
                        .help("remove it"),
                );
                continue;
            }
            match draft.stack.services().get(need) {
                // Said in so many words it has been reported; it may also come from a reference.
                None => {
                    let known = draft.stack.services().keys().map(String::as_str);
                    self.diagnostics.push(names::unknown("service", need, &item.origin, known));
                }
                Some(file) if file.broken => {}
                Some(_) => self.check_provider(item, place, name, need),
            }
        }
    }

    /// What a service needs must run where it can reach it.
    fn check_provider(&mut self, item: &Node, place: usize, name: &str, need: &str) {
        let draft = self.draft;
        if let Err(absence) = draft.find(place, need) {
            let of =
                draft.places[place].owner.tier().filter(|_| absence.by_tier).map(|tier| format!(" of tier `{tier}`")).unwrap_or_default();
            self.diagnostics.push(
                Diagnostic::error("stack::service_absent", format!("service `{name}`{of} needs `{need}`, which {}", absence.reason))
                    .at(&item.origin, "needed here")
                    .at(&absence.origin, absence.reason)
                    .help(format!("deploy `{need}` there too, or need it only where it is: `[when.tier.…] needs = […]`")),
            );
        }
    }

    fn check_registries_and_slo(&mut self, node: &Node) {
        let voices = self.draft.voices(None, None);
        let mut check = |name: Option<&Node>, section: &str, what: &str| {
            let Some((name, text)) = name.and_then(|node| Some((node, node.as_str()?))) else { return };
            let known = voices.section(section, &mut Diagnostics::default());
            if known.node.get(text).is_none() {
                let known = known.node.as_table().into_iter().flatten().map(|(name, _)| name.as_str());
                self.diagnostics.push(names::unknown(what, text, &name.origin, known));
            }
        };
        check(node.get("slo"), "slos", "slo");
        check(node.at(&["image", "registry"]), "registries", "registry");
        for path in [&["init"][..], &["sidecars"], &["hooks", "before"], &["hooks", "after"]] {
            for (_, entry) in node.entries(path) {
                check(entry.node.at(&["image", "registry"]), "registries", "registry");
            }
        }
    }

    /// `{ source = … }` becomes the file's content.
    fn take_files(&mut self, node: &mut Node) {
        let sources = self.draft.stack.sources();
        let files = node.as_table_mut().and_then(|table| table.get_mut("files")).and_then(|entry| entry.node.as_table_mut());
        for entry in files.into_iter().flat_map(|files| files.values_mut()) {
            let Some(source) = entry.node.get("source") else { continue };
            let Some(path) = source.as_str() else { continue };
            match sources.open(path, &source.origin) {
                Ok(text) => entry.node = Node::text(&*text, &entry.node.origin),
                Err(diagnostic) => self.diagnostics.push(diagnostic),
            }
        }
    }

    fn tiers(&mut self) -> BTreeMap<String, Tier> {
        let draft = self.draft;
        let mut tiers = BTreeMap::new();
        for (name, layered) in &draft.tiers {
            let scope = Scope { tier: Some(name), ..Scope::default() };
            if let Some(tier) = self.decode(&without(&layered.node, &["defaults"]), "tier", scope) {
                checks::tier(name, &tier, &layered.node, self.diagnostics);
                tiers.insert(name.clone(), tier);
            }
        }
        tiers
    }

    /// What of `stack.toml` isn't layered into anything else.
    fn stack_file(&mut self) -> Option<StackFile> {
        let mut node = only(self.draft.stack.root(), &["name", "description", "spai", "kubernetes", "state"]);
        for section in ["labels", "annotations"] {
            let general = self.draft.stack.root().get(section).map(|node| self.general(node));
            if let Some(general) = general {
                put(&mut node, section, general);
            }
        }
        self.decode(&node, "stack", Scope::default())
    }

    /// What of the environment's file isn't layered into anything else.
    fn environment_file(&mut self) -> Option<Environment> {
        const KEYS: [&str; 8] = ["description", "cluster", "namespace", "domain", "zones", "confirm", "production", "tenants"];
        let file = self.draft.file();
        let mut node = only(file, &KEYS);
        for section in ["labels", "annotations", "values"] {
            if let Some(general) = file.get(section).map(|node| self.general(node)) {
                put(&mut node, section, general);
            }
        }
        for key in ["services", "deletes"] {
            if let Some(value) = file.get(key) {
                put(&mut node, key, value.clone());
            }
        }
        let layer = Layer { name: "environment".to_owned(), rank: 0, node: &node, service: false };
        let mut layered = Layered::of(vec![layer], &file.origin, self.diagnostics);
        fill(&mut layered, "environment");
        self.decode(&layered.node, "environment", Scope::default())
    }

    /// Those entries of a table that mean the same in all places; others are of the places.
    fn general(&mut self, node: &Node) -> Node {
        let mut general = Node::empty(&node.origin);
        for (key, entry) in node.entries(&[]) {
            let mut unheard = Diagnostics::default();
            let mut evaluation = Evaluation::new(self.draft, Scope::default(), &mut unheard);
            let value = evaluation.node(&entry.node);
            if !evaluation.has_failed() {
                put(&mut general, key, value);
            }
        }
        general
    }

    /// `[[patch]]` of stack.toml, of its `when` for the environment, and of the environment's file.
    fn patches(&mut self) -> Vec<ScopedPatch> {
        let (environment, file) = self.draft.environment;
        let root = self.draft.stack.root();
        let lists = [root.get("patch"), root.at(&["when", "environment", environment, "patch"]), file.get("patch")];
        let tenancy = self.draft.voices(None, None).section("tenancy", &mut Diagnostics::default());
        let restricted = tenancy.node.get("pod_security").and_then(Node::as_str).is_none_or(|level| level == "restricted");
        let security = if restricted { PodSecurity::Restricted } else { PodSecurity::Privileged };
        let mut patches = Vec::new();
        for item in lists.into_iter().flatten().flat_map(Node::items) {
            if let Some(patch) = self.decode::<Patch>(item, "patch", Scope::default()) {
                checks::patch(&patch, item, security, self.diagnostics);
                patches.push(ScopedPatch { patch, origin: item.origin.clone() });
            }
        }
        patches
    }

    /// Resolves references and decodes.
    fn decode<T: DeserializeOwned>(&mut self, node: &Node, what: &str, scope: Scope<'_>) -> Option<T> {
        let mut evaluation = Evaluation::new(self.draft, scope, self.diagnostics);
        let node = evaluation.node(node);
        if evaluation.has_failed() {
            return None;
        }
        self.decode_checked(&node, what)
    }

    /// Checks the shape and decodes. Decoding fails only where the shape check has something to learn.
    fn decode_checked<T: DeserializeOwned>(&mut self, node: &Node, what: &str) -> Option<T> {
        let mut misshapen = Diagnostics::default();
        if let Some(shape) = ShapeRef::of_part(what) {
            shape::check(node, &shape.resolved(), &mut misshapen);
        }
        let wrong = !misshapen.0.is_empty();
        // What stands in a file has been checked there; new is what references brought in.
        misshapen.0.retain(|d| !d.labels.first().is_some_and(|label| self.draft.stack.is_misshapen(&label.origin)));
        self.diagnostics.extend(misshapen);
        match serde_json::from_value(node.to_json()) {
            Ok(value) => Some(value),
            Err(error) => {
                if !wrong {
                    let what = if what.is_empty() { "this" } else { what };
                    self.diagnostics.push(
                        Diagnostic::error("stack::shape", format!("{what} can't be understood: {error}")).at(&node.origin, "begins here"),
                    );
                }
                None
            }
        }
    }
}

/// A service as the checks look at it.
fn subject<'x>(
    draft: &'x Draft<'_>,
    place: usize,
    (name, origin): (&'x str, &'x Origin),
    (spec, config): (&'x Service, &'x Config),
    node: &'x Node,
    tenancy: &'x Tenancy,
) -> checks::Subject<'x> {
    let production = draft.file().get("production").and_then(Node::as_bool) == Some(true);
    let tier = draft.places[place].owner.tier().and_then(|tier| draft.tiers.get(tier)).map(|tier| &tier.node);
    checks::Subject { name, spec, config, node, origin, production, tenancy, tier }
}

fn fill(layered: &mut Layered, part: &str) {
    if let Some(node) = defaults::of(part) {
        layered.fill(&[], node, defaults::LAYER);
    }
}

/// A table without some of its keys.
fn without(node: &Node, keys: &[&str]) -> Node {
    let mut node = node.clone();
    if let NodeValue::Table(table) = &mut node.value {
        table.retain(|key, _| !keys.contains(&key.as_str()));
    }
    node
}

/// A table with only some of its keys.
fn only(node: &Node, keys: &[&str]) -> Node {
    let mut node = node.clone();
    if let NodeValue::Table(table) = &mut node.value {
        table.retain(|key, _| keys.contains(&key.as_str()));
    }
    node
}

fn put(node: &mut Node, key: &str, value: Node) {
    if let Some(table) = node.as_table_mut() {
        table.insert(key.to_owned(), super::node::Entry { key_origin: value.origin.clone(), node: value });
    }
}
