//! managedFields while a write is worked out: the entries by who they are, and their order when they are written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::merge::field_set::json_text;
use crate::merge::{FieldSet, FieldsError, ManagerEntry, Operation};
use crate::resource::PathElement;

/// Why managedFields can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagersError {
    /// Neither `Apply` nor `Update`.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// No version.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// No fieldsType.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// A fieldsType of the future.
    #[error("invalid fieldsType {0:?} in managed fields entry {1}")]
    FieldsType(String, usize),
    /// fieldsV1 is something else.
    #[error("error decoding set: {0}")]
    Fields(#[from] FieldsError),
}

/// Entries by who they are: the manager, how it wrote, through what; and in which version, unless it applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Managers(pub BTreeMap<String, ManagerEntry>);

impl Managers {
    /// Those of an object.
    pub fn read(object: &Value) -> Result<Self, ManagersError> {
        let entries = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
        Self::of(entries)
    }

    pub fn of(entries: &[Value]) -> Result<Self, ManagersError> {
        let mut managers = Self::default();
        for (index, value) in entries.iter().enumerate() {
            let text = |name: &str| value[name].as_str().unwrap_or_default();
            let some = |name: &str| Some(text(name)).filter(|text| !text.is_empty()).map(str::to_owned);
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(ManagersError::Operation),
            };
            let api_version = some("apiVersion").ok_or(ManagersError::ApiVersion)?;
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(ManagersError::NoFieldsType(index)),
                other => return Err(ManagersError::FieldsType(other.to_owned(), index)),
            }
            let fields = match &value["fieldsV1"] {
                Value::Null => FieldSet::default(),
                trie => FieldSet::parse(trie)?,
            };
            managers.put(ManagerEntry {
                manager: text("manager").to_owned(),
                operation,
                api_version,
                time: some("time"),
                subresource: some("subresource"),
                fields,
            });
        }
        Ok(managers)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn put(&mut self, entry: ManagerEntry) {
        self.0.insert(identity(&entry), entry);
    }

    /// Drops entries that own nothing.
    pub fn drop_empty(&mut self) {
        self.0.retain(|_, entry| !entry.fields.is_empty());
    }

    /// Puts them into an object, in the server's order.
    pub fn write(self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else { return };
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let Some(metadata) = metadata.as_object_mut() else { return };
        if self.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(self.rendered()));
        }
    }

    /// As the server renders them: what was applied first, then by age, manager, version and subresource.
    pub fn rendered(self) -> Vec<Value> {
        let mut entries: Vec<ManagerEntry> = self.0.into_values().collect();
        entries.sort_by(|a, b| key(a).cmp(&key(b)));
        entries.iter().map(render).collect()
    }
}

fn key(entry: &ManagerEntry) -> (Operation, Option<&str>, &str, &str, &str) {
    let subresource = entry.subresource.as_deref().unwrap_or_default();
    (entry.operation, entry.time.as_deref(), &entry.manager, &entry.api_version, subresource)
}

fn render(entry: &ManagerEntry) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            map.insert(name.to_owned(), Value::from(value));
        }
    };
    put("manager", &entry.manager);
    put("operation", entry.operation.as_str());
    put("apiVersion", &entry.api_version);
    put("time", entry.time.as_deref().unwrap_or_default());
    put("fieldsType", "FieldsV1");
    put("subresource", entry.subresource.as_deref().unwrap_or_default());
    map.insert("fieldsV1".to_owned(), entry.fields.print());
    Value::Object(map)
}

/// What tells entries apart, and orders conflicts: the text that the server makes of it.
pub(super) fn identity(entry: &ManagerEntry) -> String {
    let version = if entry.operation == Operation::Apply { "" } else { &entry.api_version };
    let subresource = entry.subresource.as_deref().unwrap_or_default();
    let parts = [
        ("manager", entry.manager.as_str()),
        ("operation", entry.operation.as_str()),
        ("apiVersion", version),
        ("subresource", subresource),
    ];
    let pairs =
        parts.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("\"{name}\":{}", json_text(&Value::from(*value))));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

/// What is in no set: the object's identity, and the server's own metadata.
pub(super) fn without_identity(fields: &FieldSet) -> FieldSet {
    const METADATA: [&str; 9] =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];
    let path = |names: &[&str]| names.iter().map(|name| PathElement::Field((*name).to_owned())).collect::<Vec<_>>();
    let mut identity = FieldSet::default();
    for name in ["apiVersion", "kind", "metadata"] {
        identity.insert_steps(&path(&[name]));
    }
    for name in METADATA {
        identity.insert_steps(&path(&["metadata", name]));
    }
    fields.difference(&identity)
}

/// Whether two objects' managedFields say the same, times apart, in the same order.
pub(super) fn same_owners(before: &Value, after: &Value) -> bool {
    let entries = |object: &Value| -> Vec<Value> {
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let without_time = |mut entry: Value| {
            entry.as_object_mut().map(|map| map.remove("time"));
            entry
        };
        entries.into_iter().map(without_time).collect()
    };
    entries(before) == entries(after)
}
