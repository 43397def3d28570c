//! Which objects the cluster's mutating admission could change when they are written: webhooks and policies, from their configurations.
//!
//! What a condition of theirs (CEL) comes to isn't worked out: where everything else fits, it may.

use serde_json::Value;

use crate::resource::{GroupKind, Object};

/// Mutating webhooks and policies.
#[derive(Clone, Debug, Default)]
pub struct Mutators {
    all: Vec<Mutator>,
    /// Why they couldn't be read: then it isn't known what they touch.
    unread: Option<String>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Mutator {
    /// What it is called, for people.
    name: String,
    rules: Vec<Value>,
    excluded: Vec<Value>,
    /// Other versions of the same resource are meant too.
    equivalent: bool,
    namespaces: Value,
    objects: Value,
}

/// An object that is about to be written, as admission sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'o> {
    /// As it stands.
    pub object: &'o Object,
    /// Its kind's name in paths.
    pub plural: &'o str,
    /// Its namespace, if it lives in one and that is known.
    pub namespace: Option<&'o Object>,
    /// `UPDATE` or `CREATE`.
    pub operation: &'o str,
}

impl Mutators {
    /// From objects of `admissionregistration.k8s.io`: mutating webhook configurations, mutating policies and their bindings.
    pub fn of(objects: &[Object]) -> Self {
        let mut all = Vec::new();
        for object in objects {
            match object.kind() {
                "MutatingWebhookConfiguration" => all.extend(webhooks(object)),
                "MutatingAdmissionPolicy" => {
                    let bound = |binding: &&Object| {
                        binding.kind() == "MutatingAdmissionPolicyBinding" && binding.value()["spec"]["policyName"] == *object.name()
                    };
                    all.extend(objects.iter().filter(bound).map(|binding| policy(object, binding)));
                }
                _ => {}
            }
        }
        Self { all, unread: None }
    }

    /// They couldn't be read.
    pub fn unread(why: String) -> Self {
        Self { all: Vec::new(), unread: Some(why) }
    }

    /// Why they couldn't be read, if they couldn't.
    pub fn why_unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Whether there are none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any could touch an update of an object of this kind, whatever it is.
    pub(super) fn meet(&self, kind: &GroupKind, plural: &str) -> bool {
        self.all.iter().any(|mutator| mutator.means(&kind.group, None, plural, None, "UPDATE"))
    }

    /// The first that could touch this object.
    pub(super) fn touch(&self, written: Written<'_>) -> Option<&str> {
        self.all.iter().find(|mutator| mutator.touches(written)).map(|mutator| mutator.name.as_str())
    }
}

fn webhooks(configuration: &Object) -> impl Iterator<Item = Mutator> {
    let webhooks = configuration.value()["webhooks"].as_array().into_iter().flatten();
    webhooks.map(|webhook| Mutator {
        name: format!("the webhook `{}` of {}", webhook["name"].as_str().unwrap_or_default(), configuration.name()),
        rules: list(&webhook["rules"]),
        excluded: Vec::new(),
        equivalent: webhook["matchPolicy"] != "Exact",
        namespaces: webhook["namespaceSelector"].clone(),
        objects: webhook["objectSelector"].clone(),
    })
}

/// A policy where a binding puts it into force: what both mean. The binding's own constraints only narrow it, so only its
/// selectors are looked at.
fn policy(policy: &Object, binding: &Object) -> Mutator {
    let of_policy = &policy.value()["spec"]["matchConstraints"];
    let of_binding = &binding.value()["spec"]["matchResources"];
    let both = |name: &str| match (is_selector(&of_policy[name]), is_selector(&of_binding[name])) {
        (true, true) => serde_json::json!([of_policy[name], of_binding[name]]),
        (false, true) => of_binding[name].clone(),
        _ => of_policy[name].clone(),
    };
    let excluded = list(&of_policy["excludeResourceRules"]).into_iter().chain(list(&of_binding["excludeResourceRules"])).collect();
    Mutator {
        name: format!("the policy {}", policy.name()),
        rules: list(&of_policy["resourceRules"]),
        excluded,
        equivalent: of_policy["matchPolicy"] != "Exact",
        namespaces: both("namespaceSelector"),
        objects: both("objectSelector"),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn is_selector(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
}

impl Mutator {
    fn touches(&self, written: Written<'_>) -> bool {
        let gvk = written.object.gvk();
        // Admission's own configurations are out of its reach.
        if gvk.group == "admissionregistration.k8s.io" {
            return false;
        }
        let namespaced = written.object.namespace().is_some();
        let is_namespace = gvk.group.is_empty() && gvk.kind == "Namespace";
        let labelled = if is_namespace { Some(written.object) } else { written.namespace };
        self.means(&gvk.group, Some(&gvk.version), written.plural, Some(written.object), written.operation)
            && fits(&self.objects, Some(written.object))
            // What lives in no namespace is in every one.
            && (!(namespaced || is_namespace) || fits(&self.namespaces, labelled))
    }

    /// Whether its rules mean such writes; of a kind as a whole where no object is given.
    fn means(&self, group: &str, version: Option<&str>, plural: &str, object: Option<&Object>, operation: &str) -> bool {
        let namespaced = object.is_some_and(|object| object.namespace().is_some());
        let rule = |rule: &Value, equivalent: bool| {
            has(&rule["operations"], operation)
                && has(&rule["apiGroups"], group)
                && (equivalent || version.is_none_or(|version| has(&rule["apiVersions"], version)))
                && rule["resources"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .any(|resource| is_resource(resource, plural))
                && match rule["scope"].as_str() {
                    Some("Cluster") => object.is_none() || !namespaced,
                    Some("Namespaced") => object.is_none() || namespaced,
                    _ => true,
                }
                && match rule["resourceNames"].as_array() {
                    Some(names) if !names.is_empty() => object.is_none_or(|object| names.iter().any(|name| *name == *object.name())),
                    _ => true,
                }
        };
        // What is excluded for certain: never on the word of another version.
        let excluded = object.is_some() && self.excluded.iter().any(|excluded| rule(excluded, false));
        !excluded && self.rules.iter().any(|of| rule(of, self.equivalent))
    }
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|one| one == "*" || *one == *wanted))
}

/// `pods`, `*`, `pods/*`, `*/*`: a rule's resource without a subresource, or with any.
fn is_resource(rule: &str, plural: &str) -> bool {
    let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == plural) && matches!(subresource, "" | "*")
}

/// Whether a label selector (or each of several) fits an object's labels; one that isn't known may.
fn fits(selector: &Value, object: Option<&Object>) -> bool {
    let Some(object) = object else { return true };
    if let Some(all) = selector.as_array() {
        return all.iter().all(|one| fits(one, Some(object)));
    }
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    labels.into_iter().all(|(name, value)| object.label(name) == value.as_str())
        && expressions.into_iter().all(|expression| {
            let label = expression["key"].as_str().and_then(|key| object.label(key));
            let among = || expression["values"].as_array().is_some_and(|values| values.iter().any(|value| value.as_str() == label));
            match expression["operator"].as_str() {
                Some("In") => label.is_some() && among(),
                Some("NotIn") => label.is_none() || !among(),
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                _ => true,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, namespace: Option<&str>, labels: &Value) -> Object {
        let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        let mut value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels}});
        if let Some(namespace) = namespace {
            value["metadata"]["namespace"] = namespace.into();
        }
        Object::try_from(value).unwrap()
    }

    fn webhook(edit: Value) -> Mutators {
        let rule = json!({"operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1beta1"], "resources": ["deployments"], "scope": "*"});
        let mut webhook =
            json!({"name": "w.example.dev", "rules": [rule], "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}});
        for (name, value) in edit.as_object().unwrap() {
            webhook[name] = value.clone();
        }
        let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "c"}, "webhooks": [webhook]});
        Mutators::of(&[Object::try_from(configuration).unwrap()])
    }

    fn touches(mutators: &Mutators, object: &Object, plural: &str, namespace: Option<&Object>) -> bool {
        mutators.touch(Written { object, plural, namespace, operation: "UPDATE" }).is_some()
    }

    #[test]
    fn a_webhook_touches_what_its_rules_and_selectors_mean() {
        let web = object("Deployment", "web", Some("ns"), &json!({"app": "web"}));
        let ns = object("Namespace", "ns", None, &json!({"team": "a"}));
        let hit = |edit: Value| touches(&webhook(edit), &web, "deployments", Some(&ns));
        let rule = |name: &str, value: Value| {
            let mut rule =
                json!({"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "scope": "Namespaced"});
            rule[name] = value;
            json!({"rules": [rule]})
        };
        assert!(hit(json!({})), "another version of the same resource");
        assert!(!hit(json!({"matchPolicy": "Exact"})));
        assert!(hit(rule("resources", json!(["*/*"]))) && hit(rule("resources", json!(["deployments/*"]))));
        assert!(!hit(rule("resources", json!(["deployments/status"]))) && !hit(rule("resources", json!(["pods"]))));
        assert!(!hit(rule("operations", json!(["CREATE", "DELETE"]))) && !hit(rule("scope", json!("Cluster"))));
        assert!(hit(json!({"objectSelector": {"matchLabels": {"app": "web"}}})));
        assert!(!hit(json!({"objectSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}})));
        assert!(hit(json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}})));
        assert!(!hit(json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}})));
        let unknown = webhook(json!({"namespaceSelector": {"matchLabels": {"team": "x"}}}));
        assert!(touches(&unknown, &web, "deployments", None), "a namespace that isn't known may fit");
        assert!(unknown.meet(&GroupKind::new("apps", "Deployment"), "deployments") && !unknown.meet(&GroupKind::new("", "Pod"), "pods"));
    }

    #[test]
    fn a_policy_is_in_force_through_its_bindings() {
        let rule = json!({"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]});
        let mut excluded = rule.clone();
        excluded["resourceNames"] = json!(["free"]);
        let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": "p"},
            "spec": {"matchConstraints": {"resourceRules": [rule], "excludeResourceRules": [excluded]}}});
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "b"},
            "spec": {"policyName": "p", "matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}});
        let [policy, binding] = [policy, binding].map(|value| Object::try_from(value).unwrap());
        let map = |name: &str, labels: Value| object("ConfigMap", name, Some("ns"), &labels);
        let bound = Mutators::of(&[policy.clone(), binding]);
        assert!(touches(&bound, &map("c", json!({"a": "b"})), "configmaps", None));
        assert!(!touches(&bound, &map("c", json!({})), "configmaps", None));
        assert!(!touches(&bound, &map("free", json!({"a": "b"})), "configmaps", None));
        assert!(!touches(&Mutators::of(&[policy]), &map("c", json!({"a": "b"})), "configmaps", None), "it isn't bound");
    }
}
