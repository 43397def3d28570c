//! Which requests a policy or a webhook is about.

use serde_json::Value;

use super::asked::Asked;
use crate::embedded::api::matches_labels;
use crate::embedded::world::State;

/// Whether rules and selectors match: a policy's `matchConstraints`, a binding's `matchResources`, a webhook.
/// Nothing at all matches everything.
pub fn matches(state: &State, asked: &Asked<'_>, constraints: &Value) -> bool {
    if constraints.is_null() {
        return true;
    }
    let equivalent = constraints["matchPolicy"] != "Exact";
    let any = |field: &str| {
        constraints[field].as_array().is_some_and(|rules| rules.iter().any(|rule| rule_matches(state, asked, rule, equivalent)))
    };
    let rules = if constraints["rules"].is_array() { "rules" } else { "resourceRules" };
    let unruled = constraints[rules].as_array().is_none_or(Vec::is_empty);
    (unruled || any(rules))
        && !any("excludeResourceRules")
        && in_namespace(state, asked, &constraints["namespaceSelector"])
        && selected(asked, &constraints["objectSelector"])
}

fn in_namespace(state: &State, asked: &Asked<'_>, selector: &Value) -> bool {
    if is_everything(selector) {
        return true;
    }
    if asked.resource.is("", "Namespace") {
        let namespace = asked.object.or(asked.old).unwrap_or(&Value::Null);
        return matches_labels(selector, &namespace["metadata"]["labels"]);
    }
    if asked.namespace.is_empty() {
        return true;
    }
    let labels = state.store.find("namespaces", "", asked.namespace).map_or(Value::Null, |found| found["metadata"]["labels"].clone());
    matches_labels(selector, &labels)
}

/// One of both is enough: what leaves a selection is looked at once more.
fn selected(asked: &Asked<'_>, selector: &Value) -> bool {
    is_everything(selector)
        || [asked.object, asked.old].into_iter().flatten().any(|object| matches_labels(selector, &object["metadata"]["labels"]))
}

fn is_everything(selector: &Value) -> bool {
    selector.as_object().is_none_or(serde_json::Map::is_empty)
}

fn rule_matches(state: &State, asked: &Asked<'_>, rule: &Value, equivalent: bool) -> bool {
    let resource = asked.resource;
    let listed = |field: &str, wanted: &str| rule[field].as_array().into_iter().flatten().any(|one| one == "*" || *one == wanted);
    let other_version = || {
        let versions = rule["apiVersions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        equivalent && versions.into_iter().any(|version| state.catalog.find(&resource.group, version, &resource.plural).is_some())
    };
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => resource.namespaced,
        Some("Cluster") => !resource.namespaced,
        _ => true,
    };
    let names = rule["resourceNames"].as_array();
    let named = names.is_none_or(|names| names.is_empty() || names.iter().any(|name| *name == asked.name));
    let of_resource = |pattern: &str| {
        let (plural, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
        (plural == "*" || plural == resource.plural) && (sub == asked.subresource || sub == "*")
    };
    listed("apiGroups", &resource.group)
        && (listed("apiVersions", &resource.version) || other_version())
        && listed("operations", asked.operation)
        && rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).any(of_resource)
        && scope
        && named
}
