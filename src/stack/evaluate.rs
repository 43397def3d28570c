//! Resolves `${…}`: typed, lazily, with the circle shown where references go round in one.

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::draft::{Draft, Owner};
use super::layer::is_one_value;
use super::names;
use super::naming;
use super::node::{Entry, Node, NodeValue, Table, join_path};
use super::reference::{Piece, is_template, pieces};

/// From where a reference is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The place; none for what is of the whole stack.
    pub place: Option<usize>,
    /// The tier, where there is one (it may be known before there is a place).
    pub tier: Option<&'a str>,
    /// The service whose text it is.
    pub service: Option<&'a str>,
}

/// What can begin a reference.
const ROOTS: [&str; 7] = ["environment", "input", "secret", "service", "stack", "tenant", "tier"];

/// Values that may be missing: a reference to one that isn't set gets told so.
const OPTIONAL: [(&str, &[&str]); 4] = [
    ("environment", &["description", "domain", "zones"]),
    ("stack", &["description"]),
    ("tenant", &["description", "region", "data_classes"]),
    ("tier", &["description", "cpu", "memory", "replicas", "rank"]),
];

/// Resolves the references of one thing.
pub struct Evaluation<'e, 's> {
    draft: &'e Draft<'s>,
    scope: Scope<'e>,
    diagnostics: &'e mut Diagnostics,
    trail: Vec<(String, Origin)>,
    secret_values: bool,
    failed: bool,
    /// Services that were referred to, and where.
    pub services: Vec<(String, Origin)>,
}

impl<'e, 's> Evaluation<'e, 's> {
    /// Resolves from `scope`.
    pub fn new(draft: &'e Draft<'s>, scope: Scope<'e>, diagnostics: &'e mut Diagnostics) -> Self {
        Self { draft, scope, diagnostics, trail: Vec::new(), secret_values: false, failed: false, services: Vec::new() }
    }

    /// From here on values are those of secrets: sensitive inputs are allowed.
    #[must_use]
    pub fn of_secret_values(mut self) -> Self {
        self.secret_values = true;
        self
    }

    /// Whether anything could not be resolved.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// A value with all of its references resolved. What can't be resolved is noted and stays as it is.
    pub fn node(&mut self, node: &Node) -> Node {
        self.walk(node, &mut Vec::new())
    }

    /// The same of a value that stands at a path of the whole that it is part of.
    pub fn node_at(&mut self, path: &[&str], node: &Node) -> Node {
        self.walk(node, &mut path.to_vec())
    }

    fn walk<'n>(&mut self, node: &'n Node, path: &mut Vec<&'n str>) -> Node {
        let value = match &node.value {
            NodeValue::String(text) if is_template(text) => {
                if let Some(secret_key) = secret_key(text, &node.origin).filter(|_| is_one_value(path)) {
                    return secret_key;
                }
                return self.text(text, &node.origin).unwrap_or_else(|| node.clone());
            }
            NodeValue::Array(items) => {
                path.push("*");
                let items = items.iter().map(|item| self.walk(item, path)).collect();
                path.pop();
                NodeValue::Array(items)
            }
            NodeValue::Table(table) => {
                let mut resolved = Table::new();
                for (key, entry) in table {
                    path.push(key);
                    let node = self.walk(&entry.node, path);
                    path.pop();
                    resolved.insert(key.clone(), Entry { key_origin: entry.key_origin.clone(), node });
                }
                NodeValue::Table(resolved)
            }
            other => other.clone(),
        };
        Node { value, origin: node.origin.clone() }
    }

    /// A text: one whole reference keeps its type, anything else becomes a text.
    fn text(&mut self, text: &str, origin: &Origin) -> Option<Node> {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                let at = self.narrow(origin, &error.part);
                return self.fail(
                    Diagnostic::error("stack::reference", error.reason).at(&at, "here").help("write `$${` where `${` itself is meant"),
                );
            }
        };
        if let [Piece::Reference(keys, written)] = &pieces[..] {
            let at = self.narrow(origin, written);
            let found = self.reference(keys, &at)?;
            return Some(Node { origin: origin.clone(), ..found });
        }
        let mut whole = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Reference(keys, written) => {
                    let at = self.narrow(origin, written);
                    let found = self.reference(keys, &at)?;
                    match &found.value {
                        NodeValue::String(text) | NodeValue::Datetime(text) => whole.push_str(text),
                        NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_) => whole.push_str(&found.to_toml()),
                        NodeValue::Null | NodeValue::Array(_) | NodeValue::Table(_) => {
                            let kind = found.kind();
                            return self.fail(
                                Diagnostic::error("stack::reference_type", format!("`{written}` is {kind}, which can't be part of a text"))
                                    .at(&at, kind),
                            );
                        }
                    }
                }
            }
        }
        Some(Node::text(whole, origin))
    }

    fn reference(&mut self, keys: &[String], at: &Origin) -> Option<Node> {
        let step = format!("{}@{:?}", join_path(keys), self.scope.place);
        if let Some(first) = self.trail.iter().position(|(seen, _)| *seen == step) {
            return self.fail_with_circle(first, at);
        }
        self.trail.push((step, at.clone()));
        let found = self.look_up(keys, at);
        self.trail.pop();
        found
    }

    fn look_up(&mut self, keys: &[String], at: &Origin) -> Option<Node> {
        let (root, rest) = keys.split_first()?;
        match root.as_str() {
            "input" => self.input(rest, at),
            "secret" => self.secret(rest, at),
            "service" => self.service(rest, at),
            "stack" | "environment" | "tenant" | "tier" => {
                let table = self.variables(root, at)?;
                self.variable(root, &table, rest, at)
            }
            _ => {
                let diagnostic = Diagnostic::error("stack::unknown_reference", format!("unknown reference `${{{}}}`", join_path(keys)));
                let text = names::nearest(root, ROOTS)
                    .map_or_else(|| "nothing begins like this".to_owned(), |near| format!("did you mean `{near}`?"));
                let help = format!("references begin with {}; write `$${{` where `${{` itself is meant", names::listed(&ROOTS));
                self.fail(diagnostic.at(at, text).help(help))
            }
        }
    }

    /// A value of a table of variables, its own references resolved.
    fn variable(&mut self, root: &str, table: &Table, rest: &[String], at: &Origin) -> Option<Node> {
        let shown = |keys: &[String]| join_path(&[&[root.to_owned()], keys].concat());
        let Some(first) = rest.first() else {
            let known: Vec<&str> = table.keys().map(String::as_str).collect();
            return self.fail(
                Diagnostic::error("stack::unknown_reference", format!("`${{{root}}}` is no value"))
                    .at(at, format!("which of its values? `${{{root}.name}}`?"))
                    .help(format!("there are: {}", names::listed(&known))),
            );
        };
        if !table.contains_key(first) && OPTIONAL.iter().any(|(of, keys)| *of == root && keys.contains(&first.as_str())) {
            let place = self.scope.place.map(|place| format!(" for {}", self.draft.describe(place))).unwrap_or_default();
            return self.fail(
                Diagnostic::error("stack::unset_reference", format!("`{}` isn't set{place}", shown(&rest[..1])))
                    .at(at, "refers to it")
                    .help(format!("set `{first}` in the {root}'s file or table")),
            );
        }
        let mut table = table.clone();
        let mut node = None;
        for (depth, key) in rest.iter().enumerate() {
            let Some(entry) = table.get(key).cloned() else {
                let known: Vec<&str> = table.keys().map(String::as_str).collect();
                let label = names::nearest(key, known.iter().copied())
                    .map_or_else(|| "there is no such value".to_owned(), |near| format!("did you mean `{near}`?"));
                let message = format!("unknown reference `${{{}}}`", shown(rest));
                return self.fail(Diagnostic::error("stack::unknown_reference", message).at(at, label).help(format!(
                    "`{}` has: {}",
                    shown(&rest[..depth]),
                    names::listed(&known)
                )));
            };
            table = entry.node.as_table().cloned().unwrap_or_default();
            node = Some(entry.node);
        }
        node.map(|node| self.walk(&node, &mut Vec::new()))
    }

    /// The table that `${stack.…}`, `${environment.…}`, `${tenant.…}`, `${tier.…}` look into.
    fn variables(&mut self, root: &str, at: &Origin) -> Option<Table> {
        let draft = self.draft;
        let owner = self.scope.place.map(|place| &draft.places[place].owner);
        let tier = owner.and_then(Owner::tier).or(self.scope.tier);
        let (environment, file) = draft.environment;
        match (root, owner, tier) {
            ("stack", ..) => Some(table(draft.stack.root(), &["description"], &[("name", Node::text(draft.stack.name(), at))])),
            ("environment", ..) => {
                let own = [("name", Node::text(environment, at)), ("namespace", Node::text(draft.root.as_str(), at))];
                let mut table = table(file, &["description", "domain", "zones", "production", "confirm"], &own);
                for key in ["production", "confirm"] {
                    table.entry(key.to_owned()).or_insert_with(|| entry(Node::new(NodeValue::Bool(false), at)));
                }
                Some(table)
            }
            ("tier", _, Some(tier)) => {
                let keys = ["description", "cpu", "memory", "replicas", "best_effort", "isolation", "rank"];
                Some(table(&draft.tiers.get(tier)?.node, &keys, &[("name", Node::text(tier, at))]))
            }
            ("tenant", Some(Owner::Tenant(tenant, tier)), _) => {
                let place = self.scope.place?;
                let file = &draft.stack.tenants().get(*tenant)?.node;
                let own = [
                    ("name", Node::text(*tenant, at)),
                    ("tier", Node::text(*tier, at)),
                    ("namespace", Node::text(draft.places[place].namespace.as_str(), at)),
                ];
                let mut table = table(file, &["description", "display_name", "region", "data_classes"], &own);
                table.entry("display_name".to_owned()).or_insert_with(|| entry(Node::text(*tenant, at)));
                Some(table)
            }
            _ => {
                let of = match owner {
                    Some(Owner::Tier(_)) => "what is shared by the tenants of a tier",
                    Some(Owner::Environment) => "what is of the whole environment",
                    _ => "what is of the whole stack",
                };
                let service = self.scope.service.map(|service| format!(" (service `{service}`)")).unwrap_or_default();
                self.fail(
                    Diagnostic::error("stack::no_such_scope", format!("there is no {root} here: this is {of}{service}"))
                        .at(at, format!("refers to the {root}"))
                        .help(format!("refer to a {root} only where there is one: in what has an instance for each {root}")),
                )
            }
        }
    }

    fn input(&mut self, rest: &[String], at: &Origin) -> Option<Node> {
        let draft = self.draft;
        let declared = draft.stack.root().get("inputs").and_then(Node::as_table);
        let known = || declared.into_iter().flatten().map(|(name, _)| name.as_str());
        let [name] = rest else {
            let help = format!("write `${{input.NAME}}`; there are: {}", names::listed(&known().collect::<Vec<_>>()));
            return self.fail(
                Diagnostic::error("stack::unknown_reference", "an input is referred to by its name alone").at(at, "here").help(help),
            );
        };
        let Some(input) = draft.inputs.get(name) else {
            // A declared one without a value has been reported.
            self.failed = true;
            if declared.is_none_or(|declared| !declared.contains_key(name)) {
                self.diagnostics.push(names::unknown("input", name, at, known()));
            }
            return None;
        };
        if input.sensitive && !self.secret_values {
            return self.fail(
                Diagnostic::error("stack::sensitive_input", format!("input `{name}` is sensitive: it may stand in a secret only"))
                    .at(at, "here it would be seen")
                    .help(format!(
                        "put it into a secret (`[secrets.x] values = {{ key = \"${{input.{name}}}\" }}`) and refer to that: `{{ secret = \"x\", key = \"key\" }}`"
                    )),
            );
        }
        Some(input.node.clone())
    }

    /// `${secret.x}` is the Secret's name; its values reach containers only as `{ secret = …, key = … }`.
    fn secret(&mut self, rest: &[String], at: &Origin) -> Option<Node> {
        match rest {
            [name] => {
                let place = self.scope.place.map_or_else(|| self.draft.voices(None, None), |place| self.draft.voices_of(place));
                let secrets = place.section("secrets", &mut Diagnostics::default());
                let Some(secret) = secrets.node.get(name) else {
                    let known: Vec<&str> = secrets.node.as_table().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    return self.fail(names::unknown("secret", name, at, known));
                };
                let own = secret.get("name").and_then(Node::as_str).map_or_else(|| naming::kubernetes_name(name), str::to_owned);
                Some(Node::text(own, at))
            }
            _ => self.fail(
                Diagnostic::error("stack::secret_in_text", "a secret's value can't be part of a text, for texts are seen")
                    .at(at, "refers to a secret's value")
                    .help("give it to an environment variable of its own: `NAME = { secret = \"…\", key = \"…\" }`, or `NAME = \"${secret.….…}\"` and nothing else"),
            ),
        }
    }

    fn service(&mut self, rest: &[String], at: &Origin) -> Option<Node> {
        let draft = self.draft;
        let Some((name, attribute)) = rest.split_first() else {
            return self.fail(
                Diagnostic::error("stack::unknown_reference", "which service?")
                    .at(at, "a name is missing")
                    .help("write `${service.NAME.url}`"),
            );
        };
        let Some((name, file)) = draft.stack.services().get_key_value(name) else {
            return self.fail(names::unknown("service", name, at, draft.stack.services().keys().map(String::as_str)));
        };
        let Some(place) = self.scope.place else {
            return self.fail(
                Diagnostic::error("stack::no_such_scope", "a service can't be referred to here: this is of the whole stack")
                    .at(at, "refers to a service")
                    .help("refer to services in services, tenants' secrets and patches"),
            );
        };
        if file.broken {
            self.failed = true;
            return None;
        }
        let home = match draft.find(place, name) {
            Ok(home) => home,
            Err(absence) => {
                let of = draft.places[place]
                    .owner
                    .tier()
                    .filter(|_| absence.by_tier)
                    .map(|tier| format!(" of tier `{tier}`"))
                    .unwrap_or_default();
                let refers = |service| format!("service `{service}`{of} refers to");
                let who = self.scope.service.map_or_else(|| "this refers to".to_owned(), refers);
                return self.fail(
                    Diagnostic::error("stack::service_absent", format!("{who} service `{name}`, which {}", absence.reason))
                        .at(at, "refers to it")
                        .at(&absence.origin, absence.reason),
                );
            }
        };
        // One that speaks of itself doesn't wait for itself.
        if self.scope.service != Some(name.as_str()) {
            self.services.push((name.clone(), at.clone()));
        }
        let host = format!("{}.{}.svc", naming::kubernetes_name(name), draft.places[home].namespace);
        let attribute: Vec<&str> = attribute.iter().map(String::as_str).collect();
        match attribute[..] {
            ["name"] => Some(Node::text(naming::kubernetes_name(name), at)),
            ["namespace"] => Some(Node::text(draft.places[home].namespace.as_str(), at)),
            ["host"] => Some(Node::text(host, at)),
            ["port"] => self.port(name, home, None, at).map(|(port, _)| port),
            ["ports", port] => self.port(name, home, Some(port), at).map(|(port, _)| port),
            ["url"] => {
                let (port, scheme) = self.port(name, home, None, at)?;
                Some(Node::text(format!("{scheme}://{host}:{}", port.to_toml()), at))
            }
            _ => {
                const KNOWN: [&str; 6] = ["host", "name", "namespace", "port", "ports", "url"];
                let given = attribute.first().copied().unwrap_or_default();
                let label = match names::nearest(given, KNOWN) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a service has no such value".to_owned(),
                };
                self.fail(
                    Diagnostic::error(
                        "stack::unknown_reference",
                        format!("unknown reference `${{service.{name}.{}}}`", attribute.join(".")),
                    )
                    .at(at, label)
                    .help(format!("a service has: {}", names::listed(&KNOWN))),
                )
            }
        }
    }

    /// A service's port as its Service has it, and the scheme of its URL. Without a name: the only one, or the one called `http`.
    fn port(&mut self, service: &str, home: usize, name: Option<&str>, at: &Origin) -> Option<(Node, String)> {
        let draft = self.draft;
        let layered = draft.instances.get(&(home, service))?;
        let (service, _) = draft.stack.services().get_key_value(service)?;
        let ports = layered.node.get("ports").and_then(Node::as_table);
        let known: Vec<&str> = ports.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let chosen = match name {
            Some(name) if known.contains(&name) => name,
            Some(name) => return self.fail(names::unknown("port", name, at, known)),
            None => match known[..] {
                [only] => only,
                _ if known.contains(&"http") => "http",
                [] => {
                    return self.fail(
                        Diagnostic::error("stack::no_port", format!("service `{service}` has no port"))
                            .at(at, "refers to its port")
                            .at(&layered.node.origin, "no `[ports]` here"),
                    );
                }
                _ => {
                    return self.fail(
                        Diagnostic::error("stack::which_port", format!("service `{service}` has several ports and none is called `http`"))
                            .at(at, "which one?")
                            .help(format!("write `${{service.{service}.ports.NAME}}`; there are: {}", names::listed(&known))),
                    );
                }
            },
        };
        let port = ports?.get(chosen)?;
        let number = port.node.get("service_port").or_else(|| port.node.get("port"))?;
        // The target's own references are resolved from where the target is.
        let tier = draft.places[home].owner.tier();
        let outer = std::mem::replace(&mut self.scope, Scope { place: Some(home), tier, service: Some(service) });
        let number = self.walk(number, &mut Vec::new());
        self.scope = outer;
        let protocol = port.node.get("app_protocol").and_then(Node::as_str);
        let scheme = match protocol {
            Some(word) if !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b)) => word.to_lowercase(),
            None if chosen == "https" || chosen.starts_with("https-") => "https".to_owned(),
            _ => "http".to_owned(),
        };
        Some((number, scheme))
    }

    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.failed = true;
        self.diagnostics.push(diagnostic);
        None
    }

    fn fail_with_circle<T>(&mut self, first: usize, at: &Origin) -> Option<T> {
        let name = |step: &str| step.split('@').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = self.trail[first..].iter().map(|(step, _)| name(step)).collect();
        names.extend(names.first().cloned());
        let mut diagnostic = Diagnostic::error("stack::reference_cycle", format!("references go round in a circle: {}", names.join(" → ")));
        let origins: Vec<Origin> = self.trail[first + 1..].iter().map(|(_, origin)| origin.clone()).chain([at.clone()]).collect();
        for (origin, pair) in origins.iter().zip(names.windows(2)) {
            diagnostic = diagnostic.at(origin, format!("`{}` refers to `{}`", pair[0], pair[1]));
        }
        self.fail(diagnostic.help("give one of them a value of its own"))
    }

    /// The place of `part` within the text at `origin`, where the file has it literally.
    fn narrow(&self, origin: &Origin, part: &str) -> Origin {
        let Some(text) = self.draft.stack.sources().get(&origin.file) else { return origin.clone() };
        let before = text.get(origin.start..origin.end).and_then(|raw| Some(&raw[..raw.find(part)?]));
        before.map_or_else(|| origin.clone(), |before| origin.further(before, part.len()))
    }
}

/// `"${secret.database.url}"`, and nothing else, means the key of the secret.
fn secret_key(text: &str, origin: &Origin) -> Option<Node> {
    let pieces = pieces(text).ok()?;
    let [Piece::Reference(keys, _)] = &pieces[..] else { return None };
    let [root, secret, key] = &keys[..] else { return None };
    (root == "secret").then(|| {
        let value = |text: &str| entry(Node::text(text, origin));
        Node::new(NodeValue::Table(Table::from([("secret".to_owned(), value(secret)), ("key".to_owned(), value(key))])), origin)
    })
}

fn entry(node: Node) -> Entry {
    Entry { key_origin: node.origin.clone(), node }
}

/// Some of a table's values, those under its `values`, and some more.
fn table(of: &Node, keys: &[&str], more: &[(&str, Node)]) -> Table {
    let mut table = Table::new();
    for (key, value) in of.entries(&["values"]) {
        table.insert(key.clone(), value.clone());
    }
    for (key, value) in of.entries(&[]).filter(|(key, _)| keys.contains(&key.as_str())) {
        table.insert(key.clone(), value.clone());
    }
    for (key, node) in more {
        table.insert((*key).to_owned(), entry(node.clone()));
    }
    table
}
