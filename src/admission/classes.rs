//! What RuntimeClasses and PriorityClasses give to pods when they are made, before anybody counts them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::resource::Object;

/// The classes of a cluster, as far as quotas depend on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classes {
    /// What the pods of a RuntimeClass need beside their containers.
    overheads: BTreeMap<String, Value>,
    /// The PriorityClass of pods that name none, after its value.
    usual: Option<(i64, String)>,
}

impl Classes {
    /// Those among these objects.
    pub fn of<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Self {
        let mut classes = Self::default();
        for object in objects {
            let (gvk, value) = (object.gvk(), object.value());
            match (gvk.group.as_str(), gvk.kind.as_str()) {
                ("node.k8s.io", "RuntimeClass") if value["overhead"]["podFixed"].is_object() => {
                    classes.overheads.insert(object.name().to_owned(), value["overhead"]["podFixed"].clone());
                }
                ("scheduling.k8s.io", "PriorityClass") if value["globalDefault"] == true => {
                    let found = (value["value"].as_i64().unwrap_or(0), object.name().to_owned());
                    // There are several only where they were made at once: then the least counts.
                    if classes.usual.as_ref().is_none_or(|known| found < *known) {
                        classes.usual = Some(found);
                    }
                }
                _ => {}
            }
        }
        classes
    }

    /// Gives a pod that is to be made what its classes have for it.
    pub fn complete(&self, pod: &mut Object) {
        let Some(spec) = pod.value_mut().get_mut("spec").filter(|spec| spec.is_object()) else { return };
        if let (Some((_, name)), "") = (&self.usual, spec["priorityClassName"].as_str().unwrap_or_default()) {
            spec["priorityClassName"] = name.as_str().into();
        }
        if let Some(overhead) = spec["runtimeClassName"].as_str().and_then(|name| self.overheads.get(name))
            && spec["overhead"].as_object().is_none_or(serde_json::Map::is_empty)
        {
            spec["overhead"] = overhead.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admission::pod_of;

    fn object(value: Value) -> Object {
        Object::try_from(value).unwrap()
    }

    #[test]
    fn a_pod_gets_its_overhead_and_the_usual_priority_unless_it_names_one() {
        let runtime = object(json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "heavy"},
            "handler": "h", "overhead": {"podFixed": {"cpu": "250m"}}}));
        let priority = |name: &str, value: i64, usual: bool| {
            object(json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
                "value": value, "globalDefault": usual}))
        };
        let classes = Classes::of(&[runtime, priority("b", 5, true), priority("a", 9, true), priority("c", 1, false)]);
        let completed = |spec: Value| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "ns"}, "spec": spec});
            let mut pod = pod_of(&object(pod)).unwrap();
            classes.complete(&mut pod);
            pod.value()["spec"].clone()
        };
        assert_eq!(completed(json!({"runtimeClassName": "heavy"}))["overhead"], json!({"cpu": "250m"}));
        assert!(completed(json!({"runtimeClassName": "other"})).get("overhead").is_none());
        assert_eq!(completed(json!({}))["priorityClassName"], "b");
        assert_eq!(completed(json!({"priorityClassName": "c"}))["priorityClassName"], "c");
        let untouched = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}));
        let mut pod = untouched.clone();
        Classes::default().complete(&mut pod);
        assert_eq!(pod, untouched);
    }
}
