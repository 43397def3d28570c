//! Who may do what: RBAC, as roles and bindings say. The administrator is of `system:masters`, and may do everything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::State;

/// Whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// Which of those that had the name; empty: it isn't known.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What is to be done.
pub struct Request<'r> {
    /// `get`, `create`, …
    pub verb: &'r str,
    /// The resource's group.
    pub group: &'r str,
    /// The resource, with its subresource: `deployments/scale`.
    pub resource: &'r str,
    /// Empty: all, or none.
    pub namespace: &'r str,
    /// Empty: any.
    pub name: &'r str,
}

impl User {
    /// Whoever has the kubeconfig, or runs the process.
    pub fn administrator() -> Self {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        Self { name: "kubernetes-admin".to_owned(), groups, ..Self::default() }
    }

    /// The cluster's own controllers.
    pub fn controllers() -> Self {
        let groups = vec!["system:authenticated".to_owned()];
        Self { name: "system:kube-controller-manager".to_owned(), groups, ..Self::default() }
    }

    /// As reviews and expressions show it: what is empty isn't there.
    pub fn shown(&self) -> Value {
        let mut shown = json!({"username": self.name, "uid": self.uid});
        super::api::trim(&mut shown);
        if !self.groups.is_empty() {
            shown["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            shown["extra"] = json!(self.extra);
        }
        shown
    }

    fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    fn is_named(&self, subject: &Value) -> bool {
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("User") => name == self.name,
            Some("Group") => self.groups.iter().any(|group| group == name),
            Some("ServiceAccount") => {
                self.name == format!("system:serviceaccount:{}:{name}", subject["namespace"].as_str().unwrap_or_default())
            }
            _ => false,
        }
    }
}

/// What whoever is known may ask about themselves.
const SELF_REVIEWS: [(&str, &str); 3] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// Whether it may be done, and why.
pub fn may(state: &State, user: &User, request: &Request<'_>) -> Option<String> {
    if user.is_master() {
        return Some(String::new());
    }
    let known = || user.groups.iter().any(|group| group == "system:authenticated");
    if request.verb == "create" && SELF_REVIEWS.contains(&(request.group, request.resource)) && known() {
        const ROLE: &str = "system:basic-user";
        return Some(format!(r#"RBAC: allowed by ClusterRoleBinding "{ROLE}" of ClusterRole "{ROLE}" to Group "system:authenticated""#));
    }
    let found = bindings(state, user, request.namespace).into_iter().find(|(_, rules)| rules.iter().any(|rule| allows(rule, request)));
    found.map(|(why, _)| why)
}

/// The same for a path that is no resource's.
pub fn may_path(state: &State, user: &User, verb: &str, path: &str) -> Option<String> {
    if user.is_master() {
        return Some(String::new());
    }
    let matches = |rule: &Value| {
        has(&rule["verbs"], verb)
            && rule["nonResourceURLs"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|url| url == path || url.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix)))
    };
    // Whoever is known may look at what there is.
    let public = ["/api", "/apis", "/openapi", "/version"];
    let is_public = ["/healthz", "/livez", "/readyz"].contains(&path)
        || public.iter().any(|open| path.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if verb == "get" && user.groups.iter().any(|group| group == "system:authenticated") && is_public {
        const ROLE: &str = "system:discovery";
        return Some(format!(r#"RBAC: allowed by ClusterRoleBinding "{ROLE}" of ClusterRole "{ROLE}" to Group "system:authenticated""#));
    }
    bindings(state, user, "").into_iter().find(|(_, rules)| rules.iter().any(matches)).map(|(why, _)| why)
}

/// All that somebody may do in a namespace: rules for resources, and for paths.
pub fn rules(state: &State, user: &User, namespace: &str) -> (Vec<Value>, Vec<Value>) {
    if user.is_master() {
        return (
            vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})],
            vec![json!({"verbs": ["*"], "nonResourceURLs": ["*"]})],
        );
    }
    let all: Vec<Value> = bindings(state, user, namespace).into_iter().flat_map(|(_, rules)| rules).collect();
    let (paths, resources) = all.into_iter().partition(|rule| rule["nonResourceURLs"].is_array());
    let mut resources: Vec<Value> = resources;
    resources.extend(SELF_REVIEWS.map(|(group, plural)| json!({"verbs": ["create"], "apiGroups": [group], "resources": [plural]})));
    (resources, paths)
}

/// The rules that somebody's bindings give, each with its reason.
fn bindings(state: &State, user: &User, namespace: &str) -> Vec<(String, Vec<Value>)> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let named = |binding: &Value| binding["subjects"].as_array().into_iter().flatten().find(|subject| user.is_named(subject)).cloned();
    let role = |binding: &Value, namespace: &str| {
        let reference = &binding["roleRef"];
        let name = reference["name"].as_str().unwrap_or_default();
        let role = match reference["kind"].as_str() {
            Some("Role") => state.store.find(&format!("roles.{GROUP}"), namespace, name),
            _ => state.store.find(&format!("clusterroles.{GROUP}"), "", name),
        };
        role.map(|role| aggregated(state, role)).unwrap_or_default()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let why = |kind: &str, binding: &Value, subject: &Value| {
        let reference = &binding["roleRef"];
        // Names before namespaces.
        let of =
            |name: &Value, namespace: &Value| if namespace.is_null() { text(name) } else { format!("{}/{}", text(name), text(namespace)) };
        let meta = &binding["metadata"];
        let subject_namespace = if subject["kind"] == "ServiceAccount" { &subject["namespace"] } else { &Value::Null };
        format!(
            "RBAC: allowed by {kind} {:?} of {} {:?} to {} {:?}",
            of(&meta["name"], &meta["namespace"]),
            text(&reference["kind"]),
            text(&reference["name"]),
            text(&subject["kind"]),
            of(&subject["name"], subject_namespace)
        )
    };
    let mut found = Vec::new();
    for binding in state.store.all(&format!("clusterrolebindings.{GROUP}")) {
        if let Some(subject) = named(binding) {
            found.push((why("ClusterRoleBinding", binding, &subject), role(binding, "")));
        }
    }
    if !namespace.is_empty() {
        for binding in state.store.within(&format!("rolebindings.{GROUP}"), namespace) {
            if let Some(subject) = named(binding) {
                found.push((why("RoleBinding", binding, &subject), role(binding, namespace)));
            }
        }
    }
    found
}

/// A role's rules, with those of the roles that it gathers.
fn aggregated(state: &State, role: &Value) -> Vec<Value> {
    let mut rules = role["rules"].as_array().cloned().unwrap_or_default();
    for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
        let others = state.store.all("clusterroles.rbac.authorization.k8s.io");
        for other in others.filter(|other| super::api::matches_labels(selector, &other["metadata"]["labels"])) {
            rules.extend(other["rules"].as_array().cloned().unwrap_or_default());
        }
    }
    rules
}

fn allows(rule: &Value, request: &Request<'_>) -> bool {
    let resource = || {
        let (main, sub) = request.resource.split_once('/').map_or((request.resource, None), |(main, sub)| (main, Some(sub)));
        rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).any(|known| {
            known == "*"
                || known == request.resource
                || sub.is_some_and(|sub| known == format!("*/{sub}"))
                || (sub.is_none() && known == main)
        })
    };
    let names = rule["resourceNames"].as_array().map_or(&[][..], Vec::as_slice);
    has(&rule["verbs"], request.verb)
        && has(&rule["apiGroups"], request.group)
        && resource()
        && (names.is_empty() || names.iter().any(|name| name == request.name))
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array().into_iter().flatten().any(|one| one == "*" || one == wanted)
}
