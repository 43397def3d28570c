//! Defaults that depend on something: on another field, on an image's tag, on what stands beside.
//!
//! Most are data (`rules.json`); a handful has to be worked out. Each is held to a real server by the oracle tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::resource::Quantity;

static RULES: LazyLock<BTreeMap<String, Vec<Rule>>> = LazyLock::new(|| {
    // It is a file of ours, and a test reads it.
    let rules: Vec<Rule> = serde_json::from_str(include_str!("rules.json")).unwrap_or_default();
    let mut by_type: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for rule in rules {
        by_type.entry(rule.of.clone()).or_default().push(rule);
    }
    by_type
});

/// Fields that [`worked_out`] fills in, by type.
const WORKED_OUT: [(&str, &str); 5] = [
    ("apiextensions.v1.CustomResourceDefinitionNames", "listKind"),
    ("apiextensions.v1.CustomResourceDefinitionNames", "singular"),
    ("core.v1.Container", "imagePullPolicy"),
    ("core.v1.EphemeralContainer", "imagePullPolicy"),
    ("core.v1.ImageVolumeSource", "pullPolicy"),
];

/// What is put into a struct of a type before its unconditional defaults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    of: String,
    /// Where these fields have one of these values; `null` is a field that isn't there.
    #[serde(default, rename = "if")]
    when: BTreeMap<String, Vec<Value>>,
    /// Where these fields are there, and not empty.
    #[serde(default)]
    has: Vec<String>,
    /// What stands at these paths then, if nothing does (or what the rule asked for). A text `=path` is what stands there.
    then: BTreeMap<String, Value>,
}

/// Applies the rules of a type to one of its structs.
pub(super) fn apply(name: &str, map: &mut Map<String, Value>) {
    for rule in RULES.get(name).into_iter().flatten() {
        let holds = rule.when.iter().all(|(path, values)| values.contains(at(map, path).unwrap_or(&Value::Null)))
            && rule.has.iter().all(|path| at(map, path).is_some_and(|value| !is_empty(value)));
        if holds {
            for (path, value) in &rule.then {
                let Some(value) = resolve(map, value) else { continue };
                // A value that the rule asks for is one that it replaces.
                if rule.when.contains_key(path)
                    && let Some(place) = map.get_mut(path)
                {
                    *place = Value::Null;
                }
                put(map, path, value);
            }
        }
    }
    worked_out(name, map);
}

/// Fields of a type that rules fill in: no table of unconditional defaults has them.
pub fn ruled(name: &str) -> BTreeSet<&'static str> {
    let rules = RULES.get(name).into_iter().flatten();
    let by_data = rules.flat_map(|rule| rule.then.keys()).filter(|path| !path.contains('.')).map(String::as_str);
    let by_code = WORKED_OUT.iter().filter(|(of, _)| *of == name).map(|(_, field)| *field);
    by_data.chain(by_code).collect()
}

fn worked_out(name: &str, map: &mut Map<String, Value>) {
    match name {
        "core.v1.Container" | "core.v1.EphemeralContainer" => pull_policy(map, "imagePullPolicy", "image"),
        "core.v1.ImageVolumeSource" => pull_policy(map, "pullPolicy", "reference"),
        // A volume of no kind is an empty folder.
        "core.v1.Volume" if map.iter().all(|(name, value)| name == "name" || value.is_null()) => {
            put(map, "emptyDir", Value::Object(Map::new()));
        }
        "core.v1.Pod" => pod(map),
        "core.v1.ServiceSpec" if map.get("sessionAffinity").is_none_or(|affinity| affinity == "None") => {
            map.remove("sessionAffinityConfig");
        }
        "apps.v1.StatefulSetSpec" => {
            for claim in map.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(claim) = claim.as_object_mut() {
                    put(claim, "apiVersion", "v1".into());
                    put(claim, "kind", "PersistentVolumeClaim".into());
                    put(claim, "status.phase", "Pending".into());
                }
            }
        }
        "core.v1.LimitRangeItem" if map.get("type").is_some_and(|of| of == "Container") => {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                copy_missing(map, from, to);
            }
        }
        "apiextensions.v1.CustomResourceDefinitionNames" => {
            if let Some(kind) = map.get("kind").and_then(Value::as_str).map(str::to_owned) {
                put(map, "singular", kind.to_lowercase().into());
                put(map, "listKind", format!("{kind}List").into());
            }
        }
        _ => {}
    }
}

/// `Always` for images that may change under their name.
fn pull_policy(map: &mut Map<String, Value>, field: &str, image: &str) {
    let image = map.get(image).and_then(Value::as_str).unwrap_or_default();
    let changes = match image.split_once('@') {
        // With a digest only what is called `latest` besides.
        Some((name, _)) => tag(name) == Some("latest"),
        // A name that can't be read has no tag either, and isn't `latest`.
        None => !image.is_empty() && tag(image).is_none_or(|tag| tag == "latest"),
    };
    put(map, field, Value::from(if changes { "Always" } else { "IfNotPresent" }));
}

fn tag(image: &str) -> Option<&str> {
    let (_, tag) = image.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

/// What only pods get, and templates of pods don't.
fn pod(map: &mut Map<String, Value>) {
    let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let on_host = spec.get("hostNetwork").is_some_and(|on| *on == true);
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) {
                copy_missing(resources, "limits", "requests");
            }
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().filter(|_| on_host) {
                if let Some(port) = port.as_object_mut()
                    && let Some(number) = port.get("containerPort").cloned()
                {
                    put(port, "hostPort", number);
                }
            }
        }
    }
    pod_requests(spec);
}

/// A pod's own requests, where it has limits of its own: what its containers ask for together, else the limits.
fn pod_requests(spec: &mut Map<String, Value>) {
    let limits = |spec: &Map<String, Value>| Some(spec.get("resources")?.get("limits")?.as_object()?.clone());
    let Some(limits) = limits(spec).filter(|limits| !limits.is_empty()) else { return };
    let mut requests = Map::new();
    for name in ["cpu", "memory"] {
        if let Some(amount) = asked_for(spec, name) {
            requests.insert(name.to_owned(), amount.to_string().into());
        }
    }
    for (name, limit) in limits.into_iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-"))
    {
        requests.entry(name).or_insert(limit);
    }
    let Some(own) = spec.get_mut("resources").and_then(Value::as_object_mut) else { return };
    if let Some(own) = own.entry("requests").or_insert_with(|| Value::Object(Map::new())).as_object_mut() {
        for (name, amount) in requests {
            own.entry(name).or_insert(amount);
        }
    }
}

/// What a pod's containers ask for at the same time: containers and sidecars together, or the largest of those before them
/// with the sidecars started until then.
fn asked_for(spec: &Map<String, Value>, name: &str) -> Option<Quantity> {
    let list = |list: &str| spec.get(list).and_then(Value::as_array).into_iter().flatten();
    let of = |container: &Value| Quantity::from_json(container.get("resources")?.get("requests")?.get(name)?).ok();
    let (mut sidecars, mut largest, mut any) = (Quantity::ZERO, Quantity::ZERO, false);
    for container in list("initContainers") {
        let Some(amount) = of(container) else { continue };
        any = true;
        let until_now = sidecars.plus(&amount);
        if container.get("restartPolicy").is_some_and(|policy| policy == "Always") {
            sidecars = until_now.clone();
        }
        largest = largest.max(until_now);
    }
    let mut together = sidecars;
    for amount in list("containers").filter_map(of) {
        any = true;
        together = together.plus(&amount);
    }
    any.then(|| together.max(largest))
}

/// Puts what one map has and another hasn't into the other.
fn copy_missing(map: &mut Map<String, Value>, from: &str, to: &str) {
    let Some(given) = map.get(from).and_then(Value::as_object).cloned().filter(|given| !given.is_empty()) else { return };
    if let Some(taking) = map.entry(to).or_insert_with(|| Value::Object(Map::new())).as_object_mut() {
        for (name, value) in given {
            taking.entry(name).or_insert(value);
        }
    }
}

fn resolve(map: &Map<String, Value>, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.starts_with('=') => at(map, &text[1..]).cloned(),
        Value::Array(items) => items.iter().map(|item| resolve(map, item)).collect::<Option<_>>().map(Value::Array),
        _ => Some(value.clone()),
    }
}

/// What stands at a path; null is nothing.
fn at<'m>(map: &'m Map<String, Value>, path: &str) -> Option<&'m Value> {
    let mut names = names(path).into_iter();
    let first = map.get(&names.next()?)?;
    names.try_fold(first, |value, name| value.as_object()?.get(&name)).filter(|value| !value.is_null())
}

/// Puts a value at a path where nothing stands, and what leads there.
fn put(map: &mut Map<String, Value>, path: &str, value: Value) {
    let names = names(path);
    let Some((last, parents)) = names.split_last() else { return };
    let mut map = map;
    for name in parents {
        let next = map.entry(name.clone()).or_insert(Value::Null);
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        let Some(inner) = next.as_object_mut() else { return };
        map = inner;
    }
    let place = map.entry(last.clone()).or_insert(Value::Null);
    if place.is_null() {
        *place = value;
    }
}

/// `a.b\.c` is `a`, `b.c`.
fn names(path: &str) -> Vec<String> {
    const DOT: &str = "\u{0}";
    path.replace("\\.", DOT).split('.').map(|name| name.replace(DOT, ".")).collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(name: &str, value: Value) -> Value {
        let Value::Object(mut map) = value else { panic!() };
        apply(name, &mut map);
        let once = map.clone();
        apply(name, &mut map);
        assert_eq!(map, once, "once is enough");
        Value::Object(map)
    }

    #[test]
    fn the_file_of_rules_can_be_read() {
        serde_json::from_str::<Vec<Rule>>(include_str!("rules.json")).unwrap();
    }

    #[test]
    fn an_image_that_may_change_is_always_pulled() {
        let policy = |image: &str| applied("core.v1.Container", json!({"image": image}))["imagePullPolicy"].clone();
        for image in ["nginx", "nginx:latest", "registry:5000/nginx", "a/b:latest@sha256:00"] {
            assert_eq!(policy(image), "Always", "{image}");
        }
        for image in ["nginx:1", "registry:5000/nginx:1.2", "nginx@sha256:00", ""] {
            assert_eq!(policy(image), "IfNotPresent", "{image}");
        }
    }

    #[test]
    fn a_union_is_completed_by_its_type() {
        let rolling = json!({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}});
        assert_eq!(applied("apps.v1.DeploymentStrategy", json!({"rollingUpdate": {"maxUnavailable": 0}})), rolling);
        assert_eq!(applied("apps.v1.DeploymentStrategy", json!({"type": "Recreate"})), json!({"type": "Recreate"}));
        assert_eq!(applied("core.v1.Volume", json!({"name": "a"})), json!({"name": "a", "emptyDir": {}}));
    }

    #[test]
    fn limits_are_requests_in_pods_alone() {
        let spec = json!({"containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m"}}}]});
        let pod = applied("core.v1.Pod", json!({"spec": spec}));
        assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "1m", "memory": "1Gi"}));
        assert_eq!(applied("core.v1.PodTemplateSpec", json!({"spec": spec})), json!({"spec": spec}));
    }

    #[test]
    fn what_stands_in_the_way_is_left_alone() {
        assert_eq!(applied("core.v1.Namespace", json!({"metadata": 7})), json!({"metadata": 7}));
        assert_eq!(applied("core.v1.Pod", json!({"spec": []})), json!({"spec": []}));
    }
}
