//! Other forms of an answer: tables, as `kubectl get` asks for them, and metadata alone.

mod cells;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Call, MediaType};
use crate::embedded::catalog::Resource;
use crate::embedded::convert;
use crate::embedded::data;
use crate::embedded::world::State;

/// A form that isn't the object's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) enum Form {
    /// Rows and columns.
    Table,
    /// `PartialObjectMetadata`.
    Metadata,
}

/// The columns of a resource, and what fills them.
#[derive(Clone, Debug)]
pub(in crate::embedded) struct Columns {
    definitions: Value,
    /// Paths of a definition's own columns.
    custom: Option<Vec<Value>>,
    now: Timestamp,
}

/// The form that is asked for first, if it isn't the object's own.
pub(super) fn wanted(call: &Call) -> Option<Form> {
    for kind in call.accepts() {
        match form(&kind) {
            Some(form) => return Some(form),
            None if matches!(kind.name, "application/json" | "*/*" | "application/*") && kind.parameter("as").is_none() => return None,
            None => {}
        }
    }
    None
}

fn form(kind: &MediaType<'_>) -> Option<Form> {
    if kind.name != "application/json" {
        return None;
    }
    match kind.parameter("as")? {
        "Table" => Some(Form::Table),
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Form::Metadata),
        _ => None,
    }
}

impl Columns {
    pub(super) fn of(state: &State, resource: &Resource) -> Self {
        let custom = resource.custom.is_some().then(|| state.definitions.columns(resource));
        let definitions = match &custom {
            Some(columns) => {
                let own = columns.iter().map(|column| {
                    json!({"name": column["name"], "type": column["type"], "format": column["format"].as_str().unwrap_or_default(),
                        "description": column["description"].as_str().unwrap_or("Custom resource definition column (in JSONPath format)"),
                        "priority": column["priority"].as_i64().unwrap_or(0)})
                });
                std::iter::once(name_column()).chain(own).collect()
            }
            None => {
                let base = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
                let known = built_in().get(format!("{base}/{}/{}", resource.version, resource.plural).as_str());
                known.cloned().unwrap_or_else(|| json!([name_column(), age_column()]))
            }
        };
        Self { definitions, custom, now: state.now }
    }

    fn cells(&self, resource: &Resource, object: &Value) -> Vec<Value> {
        match &self.custom {
            Some(columns) => std::iter::once(object["metadata"]["name"].clone())
                .chain(columns.iter().map(|column| cells::by_path(object, column, self.now)))
                .collect(),
            None => cells::built_in(resource, object, self.definitions.as_array().map_or(&[][..], Vec::as_slice), self.now),
        }
    }
}

impl Form {
    pub(super) fn is_table(self) -> bool {
        self == Self::Table
    }

    /// One object in this form.
    pub(super) fn single(self, state: &State, resource: &Resource, object: &Value, call: &Call) -> Value {
        match self {
            Self::Metadata => partial(object),
            Self::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                self.many(&Columns::of(state, resource), resource, &[Arc::new(object.clone())], metadata, call)
            }
        }
    }

    /// Many in this form.
    pub(super) fn many(self, columns: &Columns, resource: &Resource, objects: &[Arc<Value>], metadata: Value, call: &Call) -> Value {
        match self {
            Self::Metadata => {
                let items: Vec<Value> = objects.iter().map(|object| partial(object)).collect();
                json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
            }
            Self::Table => {
                let rows: Vec<Value> = objects
                    .iter()
                    .map(|object| {
                        let mut row = json!({"cells": columns.cells(resource, object)});
                        match call.query("includeObject") {
                            Some("None") => {}
                            Some("Object") => row["object"] = convert::out(resource, object),
                            _ => row["object"] = partial(object),
                        }
                        row
                    })
                    .collect();
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns.definitions, "rows": rows})
            }
        }
    }
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn built_in() -> &'static Value {
    static COLUMNS: OnceLock<Value> = OnceLock::new();
    COLUMNS.get_or_init(|| data::unpack(data::COLUMNS).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

fn name_column() -> Value {
    json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0})
}

fn age_column() -> Value {
    json!({"name": "Age", "type": "date", "format": "", "description": "", "priority": 0})
}
