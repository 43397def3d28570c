//! Which objects a quota is about.

use serde_json::Value;

use super::Counted;
use crate::admission::pod::{self, items};

/// One scope of a quota, with its selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Scope {
    /// The scopes of a ResourceQuota's spec.
    pub(super) fn all(spec: &Value) -> Vec<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plain = items(&spec["scopes"]).map(|name| Self { name: text(name), operator: "Exists".to_owned(), values: Vec::new() });
        let selected = items(&spec["scopeSelector"]["matchExpressions"]).map(|expression| Self {
            name: text(&expression["scopeName"]),
            operator: text(&expression["operator"]),
            values: items(&expression["values"]).map(text).collect(),
        });
        plain.chain(selected).collect()
    }

    /// Whether it selects by the pods' priority class.
    pub(super) fn is_of_priority(&self) -> bool {
        self.name == "PriorityClass"
    }

    /// Whether it takes the object. Only pods and claims have scopes: a quota with any is about nothing else.
    pub(super) fn takes(&self, counted: Counted<'_>) -> bool {
        let object = counted.object;
        match (counted.plural, self.name.as_str()) {
            ("pods", "Terminating") => pod::is_terminating(object),
            ("pods", "NotTerminating") => !pod::is_terminating(object),
            ("pods", "BestEffort") => pod::is_best_effort(object),
            ("pods", "NotBestEffort") => !pod::is_best_effort(object),
            ("pods", "CrossNamespacePodAffinity") => pod::looks_across_namespaces(object),
            ("pods", "PriorityClass") => self.selects(&names([&object.value()["spec"]["priorityClassName"]])),
            ("persistentvolumeclaims", "VolumeAttributesClass") => {
                let (spec, status) = (&object.value()["spec"], &object.value()["status"]);
                self.selects(&names([
                    &spec["volumeAttributesClassName"],
                    &status["currentVolumeAttributesClassName"],
                    &status["modifyVolumeStatus"]["targetVolumeAttributesClassName"],
                ]))
            }
            _ => false,
        }
    }

    /// Whether any of the classes is selected; of none, whether having none is.
    fn selects(&self, classes: &[&str]) -> bool {
        let named = |class: &&str| self.values.iter().any(|value| value == class);
        match self.operator.as_str() {
            "Exists" => !classes.is_empty(),
            "DoesNotExist" => classes.is_empty(),
            "In" => classes.iter().any(named),
            "NotIn" => classes.is_empty() || !classes.iter().all(named),
            _ => false,
        }
    }
}

fn names<const N: usize>(values: [&Value; N]) -> Vec<&str> {
    values.into_iter().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect()
}
