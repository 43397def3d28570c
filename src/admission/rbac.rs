//! Who may do what: rules as roles have them, and what a run needs of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::pod::items;
use crate::resource::Object;

/// Something that somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// `patch`.
    pub verb: String,
    /// `""` for the core group.
    pub group: String,
    /// The plural, with a subresource behind a slash: `deployments`, `deployments/scale`.
    pub resource: String,
    /// To which object; None: to any, or to one that isn't there yet.
    pub name: Option<String>,
}

impl Action {
    /// Something to do with one kind of things.
    pub fn new(verb: &str, group: &str, resource: &str, name: Option<&str>) -> Self {
        Self { verb: verb.to_owned(), group: group.to_owned(), resource: resource.to_owned(), name: name.map(str::to_owned) }
    }
}

impl fmt::Display for Action {
    /// `patch deployments.apps`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// What may be done, in one namespace or in the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Whoever knows more couldn't be asked: what isn't in here may be allowed all the same.
    pub incomplete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user's name; of a service account, `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// The groups.
    pub groups: BTreeSet<String>,
}

impl Rules {
    /// From the answer to a SelfSubjectRulesReview.
    pub fn of_review(review: &Value) -> Self {
        let status = &review["status"];
        Self {
            rules: items(&status["resourceRules"]).map(Rule::of).collect(),
            incomplete: status["incomplete"] == true || !status["resourceRules"].is_array(),
        }
    }

    /// From Roles, ClusterRoles and their bindings: what the subject may do in a namespace (None: in the whole cluster).
    pub fn of_objects<'o>(objects: impl IntoIterator<Item = &'o Object> + Clone, subject: &Subject, namespace: Option<&str>) -> Self {
        let mut by_role: BTreeMap<(&str, Option<&str>, &str), &Value> = BTreeMap::new();
        for object in objects.clone().into_iter().filter(|object| matches!(object.kind(), "Role" | "ClusterRole")) {
            by_role.insert((object.kind(), object.namespace(), object.name()), &object.value()["rules"]);
        }
        let mut rules = Vec::new();
        for binding in objects {
            let here = match binding.kind() {
                "ClusterRoleBinding" => true,
                "RoleBinding" => binding.namespace().is_some() && binding.namespace() == namespace,
                _ => false,
            };
            let value = binding.value();
            if !here || !items(&value["subjects"]).any(|bound| subject.is(bound, binding.namespace())) {
                continue;
            }
            let reference = &value["roleRef"];
            let (kind, name) = (text(&reference["kind"]), text(&reference["name"]));
            let of = if kind == "Role" { binding.namespace() } else { None };
            rules.extend(by_role.get(&(kind, of, name)).into_iter().flat_map(|rules| items(rules)).map(Rule::of));
        }
        Self { rules, incomplete: false }
    }

    /// Whether it may be done.
    pub fn allow(&self, action: &Action) -> bool {
        self.rules.iter().any(|rule| rule.allows(action))
    }

    /// What of these may not be done. Nothing, where that can't be known.
    pub fn missing<'a>(&self, actions: impl IntoIterator<Item = &'a Action>) -> Vec<&'a Action> {
        if self.incomplete {
            return Vec::new();
        }
        actions.into_iter().filter(|action| !self.allow(action)).collect()
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let list = |field: &str| items(&rule[field]).map(|item| text(item).to_owned()).collect();
        Self { verbs: list("verbs"), groups: list("apiGroups"), resources: list("resources"), names: list("resourceNames") }
    }

    fn allows(&self, action: &Action) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let any_with_subresource = action.resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
        has(&self.verbs, &action.verb)
            && has(&self.groups, &action.group)
            && (has(&self.resources, &action.resource) || any_with_subresource.is_some_and(|any| self.resources.contains(&any)))
            && (self.names.is_empty() || action.name.as_ref().is_some_and(|name| self.names.contains(name)))
    }
}

impl Subject {
    fn is(&self, bound: &Value, of: Option<&str>) -> bool {
        let name = text(&bound["name"]);
        match text(&bound["kind"]) {
            "User" => self.user == name,
            "Group" => self.groups.contains(name),
            "ServiceAccount" => {
                let namespace = bound["namespace"].as_str().filter(|name| !name.is_empty()).or(of).unwrap_or_default();
                self.user == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => false,
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(rules: Value) -> Rules {
        Rules::of_review(&json!({"status": {"resourceRules": rules, "incomplete": false}}))
    }

    #[test]
    fn a_rule_is_about_verbs_groups_resources_and_names() {
        let named =
            rules(json!([{"verbs": ["get", "patch"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"]}]));
        let may = |verb: &str, group: &str, resource: &str, name: Option<&str>| named.allow(&Action::new(verb, group, resource, name));
        assert!(may("patch", "apps", "deployments", Some("web")));
        assert!(!may("patch", "apps", "deployments", Some("other")) && !may("patch", "apps", "deployments", None));
        assert!(!may("delete", "apps", "deployments", Some("web")) && !may("patch", "", "deployments", Some("web")));
        assert!(!may("patch", "apps", "deployments/scale", Some("web")));
    }

    #[test]
    fn stars_stand_for_everything() {
        let all = rules(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
        assert!(all.allow(&Action::new("patch", "x", "y/status", Some("z"))));
        let scale = rules(json!([{"verbs": ["update"], "apiGroups": ["*"], "resources": ["*/scale"]}]));
        assert!(scale.allow(&Action::new("update", "apps", "deployments/scale", None)));
        assert!(!scale.allow(&Action::new("update", "apps", "deployments", None)));
    }

    #[test]
    fn what_is_missing_is_not_told_where_not_all_is_known() {
        let wanted = [Action::new("delete", "", "pods", None)];
        assert_eq!(rules(json!([])).missing(&wanted).len(), 1);
        let half = Rules::of_review(&json!({"status": {"resourceRules": [], "incomplete": true}}));
        assert!(half.missing(&wanted).is_empty());
    }

    #[test]
    fn roles_count_where_they_are_bound() {
        let object = |kind: &str, name: &str, namespace: Option<&str>, content: Value| {
            let mut value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
            if let Some(namespace) = namespace {
                value["metadata"]["namespace"] = namespace.into();
            }
            value.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
            Object::try_from(value).unwrap()
        };
        let rule = |verb: &str| json!({"rules": [{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]});
        let bind = |kind: &str, name: &str, subject: Value| json!({"roleRef": {"kind": kind, "name": name}, "subjects": [subject]});
        let objects = [
            object("ClusterRole", "reader", None, rule("get")),
            object("Role", "writer", Some("a"), rule("create")),
            object("ClusterRoleBinding", "all", None, bind("ClusterRole", "reader", json!({"kind": "Group", "name": "people"}))),
            object("RoleBinding", "w", Some("a"), bind("Role", "writer", json!({"kind": "ServiceAccount", "name": "ci"}))),
        ];
        let ci = Subject { user: "system:serviceaccount:a:ci".into(), groups: ["people".to_owned()].into() };
        let may =
            |namespace: Option<&str>, verb: &str| Rules::of_objects(&objects, &ci, namespace).allow(&Action::new(verb, "", "pods", None));
        assert!(may(Some("a"), "get") && may(Some("b"), "get") && may(None, "get"));
        assert!(may(Some("a"), "create") && !may(Some("b"), "create") && !may(None, "create"));
    }
}
