//! `[[patch]]`: the last resort, merged into generated objects as Kubernetes itself would merge it.
//!
//! Tables merge; lists whose items have a key (containers by name, ports by number, …) merge item by item; other lists
//! are replaced. `"$patch" = "delete"` in an item takes it out, in a table empties its place. Of a field that is handed over
//! (the replicas of what is scaled) a patch says what it begins with.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use crate::resource::{Desired, Diagnostic, Diagnostics, FieldPath, Origin, PathElement, StackIdentity};
use crate::stack::model::Patch;
use crate::stack::{PlaceKind, Resolved};

/// Lists whose items have keys, by the field's name: the first key that the patch's item has tells it apart.
const KEYS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("ports", &["containerPort", "port", "name"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("resourceClaims", &["name"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("ownerReferences", &["uid"]),
];

/// A patch, where it stands, and whom it is for.
struct Aimed<'a> {
    patch: &'a Patch,
    origin: &'a Origin,
    namespace: Option<&'a str>,
    service: Option<&'a str>,
}

/// Applies the stack's, environment's, services' and tenants' patches, in this order.
pub(super) struct Patches<'a> {
    all: Vec<Aimed<'a>>,
    /// By whom they are for (kind, namespace, service): thousands of patches (one a tenant and service) meet thousands of objects.
    by_aim: HashMap<Aim<'a>, Vec<usize>>,
    /// Which met an object.
    used: Vec<AtomicBool>,
}

type Aim<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

impl<'a> Patches<'a> {
    pub fn of(resolved: &'a Resolved) -> Self {
        let mut all: Vec<Aimed<'a>> = resolved
            .patches
            .iter()
            .map(|scoped| Aimed { patch: &scoped.patch, origin: &scoped.origin, namespace: None, service: None })
            .collect();
        for place in &resolved.places {
            for (name, instance) in &place.services {
                for (index, patch) in instance.spec.patch.iter().enumerate() {
                    let item = format!("patch.{index}");
                    let origin = instance.provenance.winner(&item).unwrap_or(&instance.origin);
                    all.push(Aimed { patch, origin, namespace: Some(&place.namespace), service: Some(name) });
                }
            }
        }
        for place in &resolved.places {
            if let PlaceKind::Tenant { tenant, .. } = &place.kind {
                for (index, patch) in tenant.patch.iter().enumerate() {
                    let origin = place.provenance.winner(&format!("patch.{index}")).unwrap_or(&place.origin);
                    all.push(Aimed { patch, origin, namespace: Some(&place.namespace), service: None });
                }
            }
        }
        let mut by_aim: HashMap<Aim<'a>, Vec<usize>> = HashMap::new();
        for (index, aimed) in all.iter().enumerate() {
            by_aim.entry((aimed.patch.kind.as_str(), aimed.namespace, aimed.service)).or_default().push(index);
        }
        let used = all.iter().map(|_| AtomicBool::new(false)).collect();
        Self { all, by_aim, used }
    }

    /// Applies what is meant for these objects.
    pub fn apply(&self, objects: &mut [Desired], diagnostics: &mut Diagnostics) {
        if self.all.is_empty() {
            return;
        }
        for desired in objects {
            for index in self.meant_for(desired) {
                let aimed = &self.all[index];
                if aimed.is_for(desired) {
                    self.used[index].store(true, Ordering::Relaxed);
                    aimed.apply(desired, diagnostics);
                }
            }
        }
    }

    /// Whether one that is meant for the object may write where [`identity_of`] looks, or to labels.
    pub fn may_touch_identity(&self, desired: &Desired) -> bool {
        self.meant_for(desired).into_iter().any(|index| self.all[index].may_touch_identity())
    }

    /// Those that are meant for an object of its kind, service and namespace.
    fn meant_for(&self, desired: &Desired) -> Vec<usize> {
        let (kind, scope) = (desired.object.kind(), &desired.scope);
        let namespace = if kind == "Namespace" { Some(desired.object.name()) } else { desired.object.namespace() };
        let aims = [(kind, None, None), (kind, namespace, scope.service.as_deref()), (kind, namespace, None)];
        let mut meant: Vec<usize> = aims.iter().filter_map(|aim| self.by_aim.get(aim)).flatten().copied().collect();
        // In the order in which they stand, whomever they are for.
        meant.sort_unstable();
        // Without a service or a namespace some of the aims are the same.
        meant.dedup();
        meant
    }

    /// Warns of patches that met nothing anywhere (a patch of a service counts once for all its instances).
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        let mut lines: BTreeMap<&Origin, (bool, &Patch)> = BTreeMap::new();
        for (aimed, used) in self.all.iter().zip(&self.used) {
            let line = lines.entry(aimed.origin).or_insert((false, aimed.patch));
            line.0 |= used.load(Ordering::Relaxed);
        }
        for (origin, (used, patch)) in lines {
            if !used {
                let named = patch.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
                diagnostics.push(
                    Diagnostic::warning("compile::patch_without_effect", format!("no generated object is a {}{named} here", patch.kind))
                        .at(origin, "")
                        .help("`spai render` shows the objects with their kinds and names; patches don't change manifests"),
                );
            }
        }
    }
}

impl Aimed<'_> {
    fn is_for(&self, desired: &Desired) -> bool {
        let namespace = self.namespace.is_none_or(|namespace| {
            desired.object.namespace() == Some(namespace) || (desired.object.kind() == "Namespace" && desired.object.name() == namespace)
        });
        let service = self.service.is_none_or(|service| desired.scope.service.as_deref() == Some(service));
        let name = self.patch.name.as_deref().is_none_or(|pattern| matches(pattern, desired.object.name()));
        namespace && service && name
    }

    /// Whether it writes where [`identity_of`] looks.
    fn may_touch_identity(&self) -> bool {
        self.patch.fields.iter().any(|(name, value)| match (name.as_str(), value) {
            ("spec", Value::Object(spec)) => spec.iter().any(|(name, value)| match (name.as_str(), value) {
                // What is below a template's own spec says nothing of its labels.
                ("template", Value::Object(template)) => template.keys().any(|key| key != "spec"),
                (name, _) => matches!(name, "selector" | "template" | "jobTemplate" | "$patch"),
            }),
            (name, _) => matches!(name, "spec" | "apiVersion" | "kind" | "metadata" | "template" | "$patch"),
        })
    }

    fn apply(&self, desired: &mut Desired, diagnostics: &mut Diagnostics) {
        // Most patches can't touch it: then nothing is kept to compare with.
        let before = self.may_touch_identity().then(|| (identity_of(desired), desired.object.clone()));
        let patch = Value::Object(self.patch.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
        let mut written = Vec::new();
        merge(desired.object.value_mut(), &patch, &FieldPath::root(), &mut written);
        if let Some((identity, kept)) = before
            && identity_of(desired) != identity
        {
            diagnostics.push(
                Diagnostic::error("compile::patch_identity", format!("a patch changes what identifies {}", kept.key()))
                    .at(self.origin, "this patch")
                    .help("apiVersion, kind, name, namespace, selectors and spai's own labels stay as they are"),
            );
            desired.object = kept;
            return;
        }
        // What is handed over is never in the object: a patch says what it begins with.
        let Desired { object, hand_overs, .. } = desired;
        for hand_over in hand_overs {
            if let Some(value) = crate::merge::remove(object.value_mut(), &hand_over.path) {
                hand_over.initial = value;
            }
        }
        for path in written {
            desired.declared.fields.insert(path, self.origin.clone());
        }
    }
}

/// What no patch may change.
fn identity_of(desired: &Desired) -> Value {
    let value = desired.object.value();
    let mut labels: Map<String, Value> = value["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.retain(|name, _| name.starts_with(crate::resource::PREFIX) || name == super::labels::MANAGED);
    let template: Option<Vec<Value>> = desired.object.pod_template().map(|template| {
        [StackIdentity::STACK, StackIdentity::SERVICE, StackIdentity::TRACK]
            .iter()
            .map(|label| template["metadata"]["labels"][*label].clone())
            .collect()
    });
    let selector = if desired.object.pod_template().is_some() { value["spec"]["selector"].clone() } else { Value::Null };
    serde_json::json!([
        value["apiVersion"],
        value["kind"],
        value["metadata"]["name"],
        value["metadata"]["namespace"],
        labels,
        template,
        selector
    ])
}

/// A name with `*` for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

fn merge(target: &mut Value, patch: &Value, place: &FieldPath, written: &mut Vec<FieldPath>) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        written.push(place.clone());
        return;
    };
    if patch.get("$patch").is_some_and(|what| what == "replace") || !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        let here = place.field(name);
        match value {
            _ if name == "$patch" => {}
            Value::Object(inner) if inner.get("$patch").is_some_and(|what| what == "delete") => {
                fields.remove(name);
            }
            Value::Array(items) => match KEYS.iter().find(|(list, _)| list == name) {
                Some((_, keys)) if items.iter().all(|item| key_of(item, keys).is_some()) => {
                    let list = fields.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                    merge_list(list, items, keys, &here, written);
                }
                _ => {
                    fields.insert(name.clone(), value.clone());
                    written.push(here);
                }
            },
            _ => merge(fields.entry(name.clone()).or_insert(Value::Null), value, &here, written),
        }
    }
}

fn merge_list(list: &mut Value, items: &[Value], keys: &[&str], place: &FieldPath, written: &mut Vec<FieldPath>) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Some(list) = list.as_array_mut() else { return };
    for item in items {
        let Some((key, id)) = key_of(item, keys) else { continue };
        let position = list.iter().position(|other| other.get(key) == Some(id));
        if item["$patch"] == "delete" {
            position.map(|position| list.remove(position));
            continue;
        }
        let here = place.join(PathElement::Key(BTreeMap::from([(key.to_owned(), id.clone())])));
        if let Some(position) = position {
            merge(&mut list[position], item, &here, written);
        } else {
            list.push(item.clone());
            written.push(here);
        }
    }
}

fn key_of<'a>(item: &'a Value, keys: &[&'a str]) -> Option<(&'a str, &'a Value)> {
    keys.iter().find_map(|key| Some((*key, item.get(*key)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(mut target: Value, patch: &Value) -> Value {
        merge(&mut target, patch, &FieldPath::root(), &mut Vec::new());
        target
    }

    #[test]
    fn lists_with_keys_merge_item_by_item_and_others_are_replaced() {
        let target = json!({"containers": [{"name": "a", "image": "x:1", "args": ["1"]}, {"name": "b", "image": "y:1"}]});
        let patch = json!({"containers": [{"name": "a", "image": "x:2", "args": ["2", "3"]}, {"name": "b", "$patch": "delete"}, {"name": "c", "image": "z"}]});
        assert_eq!(
            merged(target, &patch),
            json!({"containers": [{"name": "a", "image": "x:2", "args": ["2", "3"]}, {"name": "c", "image": "z"}]})
        );
    }

    #[test]
    fn a_table_can_be_deleted_or_replaced() {
        let target = json!({"a": {"x": 1}, "b": {"x": 1}});
        assert_eq!(merged(target, &json!({"a": {"$patch": "delete"}, "b": {"$patch": "replace", "y": 2}})), json!({"b": {"y": 2}}));
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, fits) in [
            ("*", "x", true),
            ("a*", "ab", true),
            ("a*", "b", false),
            ("*-slo", "web-slo", true),
            ("a*c*e", "abcde", true),
            ("a*c", "abd", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
