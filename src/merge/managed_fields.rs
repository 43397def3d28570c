//! Who owns which field of an object since when, from `metadata.managedFields`.

use serde_json::Value;

use super::FieldSet;
use crate::resource::{FieldManager, FieldPath, Object};

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    /// As managedFields has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What one manager owns.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagerEntry {
    /// Its name.
    pub manager: String,
    /// How it came to own it.
    pub operation: Operation,
    /// In which version the fields are named.
    pub api_version: String,
    /// When it last wrote, as the server has it.
    pub time: Option<String>,
    /// Through which subresource, if through one.
    pub subresource: Option<String>,
    /// Which fields. Empty where the server's record can't be read.
    pub fields: FieldSet,
}

/// All entries of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManagedFields(pub Vec<ManagerEntry>);

impl ManagedFields {
    /// Reads an object's.
    pub fn of(object: &Object) -> Self {
        Self(object.managed_fields().iter().map(entry).collect())
    }

    /// What this manager applied, through the object itself.
    pub fn applied(&self, manager: &FieldManager) -> Option<&ManagerEntry> {
        self.0.iter().find(|entry| entry.is_apply_of(manager))
    }

    /// Who owns the value at a place, or a part of it: all but what `except` applied, the latest writer first.
    pub fn others_at(&self, path: &FieldPath, except: &FieldManager) -> Vec<&ManagerEntry> {
        let mut owners: Vec<&ManagerEntry> = self.owners_of(path).into_iter().filter(|entry| !entry.is_apply_of(except)).collect();
        owners.sort_by(|a, b| (&b.time, &a.manager).cmp(&(&a.time, &b.manager)));
        owners
    }

    /// Who owns the value at a place, or a part of it.
    pub fn owners_of(&self, path: &FieldPath) -> Vec<&ManagerEntry> {
        self.0.iter().filter(|entry| entry.fields.owns(path) || entry.fields.touches(path)).collect()
    }
}

impl ManagerEntry {
    /// Whether it is what this manager applied through the object itself.
    pub fn is_apply_of(&self, manager: &FieldManager) -> bool {
        self.operation == Operation::Apply && self.subresource.is_none() && self.manager == manager.as_str()
    }
}

fn entry(value: &Value) -> ManagerEntry {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    ManagerEntry {
        manager: text("manager").unwrap_or_default(),
        operation: if value["operation"] == "Apply" { Operation::Apply } else { Operation::Update },
        api_version: text("apiVersion").unwrap_or_default(),
        time: text("time"),
        subresource: text("subresource"),
        fields: FieldSet::parse(&value["fieldsV1"]).unwrap_or_default(),
    }
}

/// The entry of what this manager applied through the object itself, as it stands there. None if there is none, or if
/// there are several (one for each version it applied in), of which none is the whole.
pub fn our_entry<'o>(object: &'o Object, manager: &FieldManager) -> Option<&'o Value> {
    let mut ours = object.managed_fields().iter().filter(|entry| {
        entry["manager"] == manager.as_str()
            && entry["operation"] == "Apply"
            && entry["subresource"].as_str().unwrap_or_default().is_empty()
    });
    let first = ours.next()?;
    ours.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Object {
        let entry = |manager: &str, operation: &str, sub: &str, time: &str, fields: Value| {
            json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "subresource": sub, "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": fields})
        };
        let managed = json!([
            entry("spai:a:b", "Apply", "", "2026-01-01T00:00:00Z", json!({"f:spec": {"f:image": {}, "f:selector": {}}})),
            entry("kubectl", "Update", "scale", "2026-01-02T00:00:00Z", json!({"f:spec": {"f:replicas": {}}})),
            entry("edit", "Update", "", "2026-01-03T00:00:00Z", json!({"f:spec": {"f:image": {}}})),
        ]);
        Object::try_from(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "managedFields": managed}}))
            .unwrap()
    }

    #[test]
    fn owners_are_found_by_place() {
        let (fields, ours) = (ManagedFields::of(&object()), FieldManager("spai:a:b".into()));
        let names = |path: &str| fields.owners_of(&path.parse().unwrap()).iter().map(|e| e.manager.clone()).collect::<Vec<_>>();
        assert_eq!(names("spec.image"), ["spai:a:b", "edit"]);
        assert_eq!(names("spec.selector.app"), ["spai:a:b"]);
        assert_eq!(names("spec.replicas"), ["kubectl"]);
        assert!(names("spec.other").is_empty());
        let others = fields.others_at(&"spec".parse().unwrap(), &ours);
        assert_eq!(others.iter().map(|e| e.manager.as_str()).collect::<Vec<_>>(), ["edit", "kubectl"]);
        assert!(fields.applied(&ours).is_some() && fields.applied(&FieldManager("edit".into())).is_none());
        assert!(our_entry(&object(), &ours).is_some());
    }
}
