//! What a LimitRange gives to pods that say nothing, and what it refuses.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Amounts;
use super::pod::{self, Side, items, set_missing};
use crate::resource::{Object, Quantity};

/// Amounts up to this many are compared in thousandths, larger ones in whole units.
const LARGEST_IN_MILLI: u64 = 9_223_372_036_854_775;

/// A LimitRange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRange {
    /// Its name.
    pub name: String,
    limits: Vec<Limit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    of: String,
    max: Amounts,
    min: Amounts,
    default: Amounts,
    default_request: Amounts,
    ratio: Amounts,
}

impl LimitRange {
    /// A LimitRange; of one that the server hasn't seen yet, completed as it completes it.
    pub fn of(object: &Object) -> Self {
        Self { name: object.name().to_owned(), limits: items(&object.value()["spec"]["limits"]).map(Limit::of).collect() }
    }

    /// Gives a pod what it doesn't say, with the server's note of it.
    pub fn complete(&self, pod: &mut Object) {
        let mut notes: Vec<String> = Vec::new();
        let (mut requests, mut limits) = (Amounts::default(), Amounts::default());
        for limit in self.limits.iter().filter(|limit| limit.of == "Container") {
            for (side, defaults) in [(&mut requests, &limit.default_request), (&mut limits, &limit.default)] {
                for (name, amount) in defaults.iter() {
                    side.set(name, amount.clone());
                }
            }
        }
        for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
            for container in pod.value_mut()["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                for (side, defaults, word) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                    let new = defaults.filtered(|name, _| container["resources"][side].get(name).is_none());
                    for (name, amount) in new.iter() {
                        set_missing(container, &["resources", side], name, &amount.to_string().into());
                    }
                    if !new.is_empty() {
                        let names: Vec<&str> = new.names().collect();
                        notes.push(format!("{} {word} for {what} {}", names.join(", "), text(&container["name"])));
                    }
                }
            }
        }
        if !notes.is_empty() {
            pod.set_annotation("kubernetes.io/limit-ranger", &format!("LimitRanger plugin set: {}", notes.join("; ")));
        }
    }

    /// Why a pod is refused, in the server's words; empty if it isn't.
    pub fn refuses_pod(&self, pod: &Object) -> Vec<String> {
        let spec = &pod.value()["spec"];
        let mut found = Vec::new();
        for limit in &self.limits {
            match limit.of.as_str() {
                "Container" => {
                    for container in pod::containers(spec) {
                        limit.check(&pod::declared(container, Side::Requests), &pod::declared(container, Side::Limits), &mut found);
                    }
                }
                "Pod" => limit.check(&pod::declared_needs(spec, Side::Requests), &pod::declared_needs(spec, Side::Limits), &mut found),
                _ => {}
            }
        }
        found
    }

    /// Why a claim is refused, in the server's words.
    pub fn refuses_claim(&self, claim: &Object) -> Vec<String> {
        let requests = Amounts::of(&claim.value()["spec"]["resources"]["requests"]);
        let mut found = Vec::new();
        for limit in self.limits.iter().filter(|limit| limit.of == "PersistentVolumeClaim") {
            for (name, bound) in limit.min.iter() {
                found.extend(limit.below(name, bound, &requests, &Amounts::default()));
            }
            for (name, bound) in limit.max.iter() {
                found.extend(match requests.get(name) {
                    None => Some(format!("maximum {name} usage per {} is {bound}.  No request is specified", limit.of)),
                    Some(asked) if compare(asked, bound).is_gt() => {
                        Some(format!("maximum {name} usage per {} is {bound}, but request is {asked}", limit.of))
                    }
                    Some(_) => None,
                });
            }
        }
        found
    }
}

/// Several refusals as the server prints them.
pub fn joined(refusals: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for refusal in refusals {
        if !distinct.contains(&refusal.as_str()) {
            distinct.push(refusal);
        }
    }
    match distinct[..] {
        [one] => one.to_owned(),
        _ => format!("[{}]", distinct.join(", ")),
    }
}

impl Limit {
    fn of(item: &Value) -> Self {
        let amounts = |field: &str| Amounts::of(&item[field]);
        let mut limit = Self {
            of: text(&item["type"]).to_owned(),
            max: amounts("max"),
            min: amounts("min"),
            default: amounts("default"),
            default_request: amounts("defaultRequest"),
            ratio: amounts("maxLimitRequestRatio"),
        };
        if limit.of == "Container" {
            let missing = |amounts: &mut Amounts, from: &Amounts| from.iter().for_each(|(name, amount)| amounts.set_missing(name, amount));
            missing(&mut limit.default, &limit.max);
            missing(&mut limit.default_request, &limit.default);
            missing(&mut limit.default_request, &limit.min);
        }
        limit
    }

    fn check(&self, requests: &Amounts, limits: &Amounts, found: &mut Vec<String>) {
        for (name, bound) in self.min.iter() {
            found.extend(self.below(name, bound, requests, limits));
        }
        for (name, bound) in self.max.iter() {
            found.extend(self.above(name, bound, requests, limits));
        }
        for (name, bound) in self.ratio.iter() {
            found.extend(self.stretched(name, bound, requests, limits));
        }
    }

    fn below(&self, name: &str, bound: &Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let words = format!("minimum {name} usage per {} is {bound}", self.of);
        let (asked, limit) = (requests.get(name), limits.get(name));
        match (asked, limit) {
            (None, _) => Some(format!("{words}.  No request is specified")),
            (Some(asked), _) if compare(asked, bound).is_lt() => Some(format!("{words}, but request is {asked}")),
            (_, Some(limit)) if compare(limit, bound).is_lt() => Some(format!("{words}, but limit is {limit}")),
            _ => None,
        }
    }

    fn above(&self, name: &str, bound: &Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let words = format!("maximum {name} usage per {} is {bound}", self.of);
        match (limits.get(name), requests.get(name)) {
            (None, _) => Some(format!("{words}.  No limit is specified")),
            (Some(limit), _) if compare(limit, bound).is_gt() => Some(format!("{words}, but limit is {limit}")),
            (_, Some(asked)) if compare(asked, bound).is_gt() => Some(format!("{words}, but request is {asked}")),
            _ => None,
        }
    }

    fn stretched(&self, name: &str, bound: &Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
        let words = format!("{name} max limit to request ratio per {} is {bound}", self.of);
        let some = |amount: Option<&Quantity>| amount.cloned().filter(|amount| !amount.is_zero());
        let Some(asked) = some(requests.get(name)) else {
            return Some(format!("{words}, but no request is specified or request is 0"));
        };
        let Some(limit) = some(limits.get(name)) else {
            return Some(format!("{words}, but no limit is specified or limit is 0"));
        };
        let fine = [&asked, &limit].iter().all(|amount| amount.ceil() <= LARGEST_IN_MILLI);
        let value = |amount: &Quantity| if fine { amount.ceil_milli() } else { amount.ceil() };
        let ratio = as_float(value(&limit)) / as_float(value(&asked));
        let too_much =
            if bound.ceil() <= LARGEST_IN_MILLI { ratio * 1000.0 > as_float(bound.ceil_milli()) } else { ratio > as_float(bound.ceil()) };
        too_much.then(|| {
            let mut words = words;
            // Writing to a String cannot fail.
            let _ = write!(words, ", but provided ratio is {ratio:.6}");
            words
        })
    }
}

/// Compared in thousandths, unless one is too large for that.
fn compare(amount: &Quantity, bound: &Quantity) -> std::cmp::Ordering {
    if [amount, bound].iter().all(|amount| amount.ceil() <= LARGEST_IN_MILLI) {
        amount.ceil_milli().cmp(&bound.ceil_milli())
    } else {
        amount.ceil().cmp(&bound.ceil())
    }
}

#[allow(clippy::cast_precision_loss, reason = "the server divides floats too")]
fn as_float(amount: u64) -> f64 {
    amount as f64
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The claim that a workload's template of claims makes, for checks.
pub fn claim_of(template: &Value, namespace: Option<&str>) -> Option<Object> {
    let metadata =
        json!({"name": template["metadata"]["name"], "namespace": namespace, "annotations": template["metadata"]["annotations"]});
    Object::try_from(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]})).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::pod_of;

    fn range(limits: Value) -> LimitRange {
        let value = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "x"}, "spec": {"limits": limits}});
        LimitRange::of(&Object::try_from(value).unwrap())
    }

    fn pod(containers: Value) -> Object {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}});
        pod_of(&Object::try_from(value).unwrap()).unwrap()
    }

    #[test]
    fn what_a_container_does_not_say_comes_from_defaults_and_bounds() {
        let range =
            range(json!([{"type": "Container", "default": {"cpu": "1"}, "max": {"memory": "2Gi"}, "min": {"ephemeral-storage": "1Gi"}}]));
        let mut pod = pod(json!([{"name": "a", "resources": {"limits": {"cpu": "2"}}}]));
        range.complete(&mut pod);
        let resources = &pod.value()["spec"]["containers"][0]["resources"];
        assert_eq!(resources["limits"], json!({"cpu": "2", "memory": "2Gi"}));
        assert_eq!(resources["requests"], json!({"cpu": "2", "memory": "2Gi", "ephemeral-storage": "1Gi"}));
        assert_eq!(
            pod.annotation("kubernetes.io/limit-ranger").unwrap(),
            "LimitRanger plugin set: ephemeral-storage, memory request for container a; memory limit for container a"
        );
    }

    #[test]
    fn bounds_and_ratios_are_refused_in_the_servers_words() {
        let range =
            range(json!([{"type": "Container", "max": {"cpu": "1"}, "min": {"memory": "64Mi"}, "maxLimitRequestRatio": {"cpu": "2"}}]));
        let pod = pod(json!([{"name": "a", "resources": {"requests": {"cpu": "300m", "memory": "32Mi"}, "limits": {"cpu": "2"}}}]));
        assert_eq!(
            range.refuses_pod(&pod),
            [
                "minimum memory usage per Container is 64Mi, but request is 32Mi",
                "maximum cpu usage per Container is 1, but limit is 2",
                "cpu max limit to request ratio per Container is 2, but provided ratio is 6.666667",
            ]
        );
    }
}
