//! The model's JSON Schema (draft 2020-12), with what serde's types can't say added: which tables are laid over others
//! (`when`, an environment's `tiers`), and without what only serde needs (nulls, empty defaults).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::stack::model::{Environment, Service, StackFile, Tenant};

/// The kinds of files that make up a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `stack.toml`.
    Stack,
    /// `environments/NAME.toml`.
    Environment,
    /// `tenants/NAME.toml`.
    Tenant,
    /// `services/NAME.toml`.
    Service,
}

impl FileKind {
    /// All of them, in the order in which people meet them.
    pub const ALL: [Self; 4] = [Self::Stack, Self::Environment, Self::Tenant, Self::Service];

    /// What it is called: `service`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Environment => "environment",
            Self::Tenant => "tenant",
            Self::Service => "service",
        }
    }

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Where such files stand: `services/NAME.toml`.
    pub fn place(self) -> &'static str {
        match self {
            Self::Stack => "stack.toml",
            Self::Environment => "environments/NAME.toml",
            Self::Tenant => "tenants/NAME.toml",
            Self::Service => "services/NAME.toml",
        }
    }

    /// The kind of the file at a path relative to the stack's folder.
    pub fn of_path(path: &str) -> Option<Self> {
        if path == "stack.toml" {
            return Some(Self::Stack);
        }
        let (folder, file) = path.split_once('/')?;
        if file.contains('/') || file.strip_suffix(".toml").is_none() {
            return None;
        }
        match folder {
            "environments" => Some(Self::Environment),
            "tenants" => Some(Self::Tenant),
            "services" => Some(Self::Service),
            _ => None,
        }
    }

    /// A key that must be there, and that the check leaves to others: they know what could stand there.
    fn required(self) -> Option<&'static str> {
        match self {
            Self::Stack => Some("name"),
            Self::Tenant => Some("tier"),
            Self::Environment | Self::Service => None,
        }
    }

    pub(super) fn definition(self) -> &'static str {
        match self {
            Self::Stack => "StackFile",
            Self::Environment => "Environment",
            Self::Tenant => "Tenant",
            Self::Service => "Service",
        }
    }
}

/// Which of the model's types a tree is to have the shape of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeRef {
    pub(super) definition: &'static str,
    /// The file that says it.
    pub(super) file: FileKind,
    /// Its path in the file; empty for a whole file.
    pub(super) path: &'static str,
    /// Whether a reference may stand where a value is wanted.
    pub(super) references: bool,
}

impl ShapeRef {
    /// A whole file, as people write it: a reference may stand where a value is wanted.
    pub fn file(file: FileKind) -> Self {
        Self { definition: file.definition(), file, path: "", references: true }
    }

    /// A part of the language that is layered and resolved on its own: `service`, `tier`, `deletes`, …
    pub fn of_part(part: &str) -> Option<Self> {
        if let Some(file) = FileKind::of_name(part) {
            return Some(Self::file(file));
        }
        let (definition, path) = match part {
            "annotations" => ("Texts", "annotations"),
            "deletes" => ("Deletes", "deletes"),
            "labels" => ("Texts", "labels"),
            "patch" => ("Patch", "patch"),
            "registries" => ("Registries", "registries"),
            "slos" => ("Slos", "slos"),
            "tenancy" => ("Tenancy", "tenancy"),
            "tier" => ("Tier", "tier"),
            _ => return None,
        };
        Some(Self { definition, file: FileKind::Stack, path, references: true })
    }

    /// The same where references have been replaced by what they refer to: `${` is a text like any other.
    #[must_use]
    pub fn resolved(self) -> Self {
        Self { references: false, ..self }
    }
}

/// A kind of file as JSON Schema, draft 2020-12: what editors (taplo) read.
pub fn json_schema(file: FileKind) -> Value {
    let definitions = definitions();
    let mut schema = definition(file.definition()).as_object().cloned().unwrap_or_default();
    let mut reached = BTreeSet::new();
    for value in schema.values() {
        reach(value, &mut reached);
    }
    let used: Map<String, Value> = reached.into_iter().filter_map(|name| Some((name.clone(), definitions.get(&name)?.clone()))).collect();
    if let Some(key) = file.required() {
        schema.insert("required".to_owned(), json!([key]));
    }
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(format!("spai: {}", file.place())));
    schema.insert("$defs".to_owned(), Value::Object(used));
    Value::Object(schema)
}

/// A type of the model by its name; nothing may stand where the name is unknown.
pub(super) fn definition(name: &str) -> &'static Value {
    definitions().get(name).unwrap_or(&Value::Null)
}

/// A schema, or the one that its `$ref` names.
pub(super) fn follow(schema: &'static Value) -> &'static Value {
    match schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix("#/$defs/")) {
        Some(name) => follow(definition(name)),
        None => schema,
    }
}

fn definitions() -> &'static Map<String, Value> {
    static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(make_definitions);
    &DEFINITIONS
}

fn make_definitions() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<StackFile>();
    generator.subschema_for::<Environment>();
    generator.subschema_for::<Tenant>();
    generator.subschema_for::<Service>();
    let mut definitions = generator.take_definitions(true);
    definitions.values_mut().for_each(forget_serde);

    // `serde_json::Value` in the model: tables that are laid over others of this shape.
    let of = |definition: &str| json!({ "type": "object", "additionalProperties": { "$ref": format!("#/$defs/{definition}") } });
    for (owner, key, shape) in [
        ("Environment", "tiers", of("Tier")),
        ("Environment", "secrets", of("Secret")),
        ("Environment", "tenancy", json!({ "$ref": "#/$defs/Tenancy" })),
        ("Environment", "inputs", json!({ "type": "object", "additionalProperties": { "type": ["string", "integer", "boolean"] } })),
        ("Tenant", "secrets", of("Secret")),
        ("Service", "when", json!({ "$ref": "#/$defs/WhenService" })),
        ("StackFile", "when", json!({ "$ref": "#/$defs/WhenStack" })),
        ("Input", "default", json!({ "type": ["string", "integer", "boolean"] })),
    ] {
        if let Some(property) = definitions.get_mut(owner).and_then(|definition| definition["properties"][key].as_object_mut()) {
            let description = property.get("description").cloned();
            *property = shape.as_object().cloned().unwrap_or_default();
            property.extend(description.map(|description| ("description".to_owned(), description)));
        }
    }
    let mut when = definitions.remove("When").unwrap_or_default();
    let mut when_service = when.clone();
    for condition in ["environment", "tier"] {
        when_service["properties"][condition]["additionalProperties"] = json!({ "$ref": "#/$defs/Service" });
        let laid_over = format!("StackWhen{}", if condition == "tier" { "Tier" } else { "Environment" });
        when["properties"][condition]["additionalProperties"] = json!({ "$ref": format!("#/$defs/{laid_over}") });
        let overlay = definitions.get("StackFile").map(|stack| stack_overlay(stack, condition)).unwrap_or_default();
        definitions.insert(laid_over, overlay);
    }
    definitions.insert("WhenService".to_owned(), when_service);
    definitions.insert("WhenStack".to_owned(), when);

    definitions.insert("Texts".to_owned(), json!({ "type": "object", "additionalProperties": { "type": "string" } }));
    definitions.insert("Registries".to_owned(), of("Registry"));
    definitions.insert("Slos".to_owned(), of("Slo"));
    definitions
}

/// What of stack.toml can differ by environment, or by tier.
fn stack_overlay(stack: &Value, condition: &str) -> Value {
    const BY_TIER: [&str; 5] = ["annotations", "defaults", "labels", "secrets", "tenancy"];
    const BY_ENVIRONMENT: [&str; 6] = ["deletes", "inputs", "patch", "registries", "slos", "tiers"];
    let mut overlay = stack.clone();
    overlay["description"] = json!(format!("What differs by {condition}."));
    if let Some(properties) = overlay["properties"].as_object_mut() {
        properties
            .retain(|key, _| BY_TIER.contains(&key.as_str()) || (condition == "environment" && BY_ENVIRONMENT.contains(&key.as_str())));
    }
    overlay
}

/// Takes out what only serde has a use for: TOML has no null, and defaults are `defaults.toml`'s to say.
fn forget_serde(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    map.remove("default");
    let only_type = match map.get_mut("type") {
        Some(Value::Array(types)) => {
            types.retain(|kind| kind != "null");
            if let [only] = &types[..] { Some(only.clone()) } else { None }
        }
        _ => None,
    };
    if let Some(only) = only_type {
        map.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(mut choices)) = map.remove("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
        match &choices[..] {
            [Value::Object(only)] => {
                for (key, value) in only {
                    map.entry(key).or_insert_with(|| value.clone());
                }
            }
            _ => {
                map.insert("anyOf".to_owned(), Value::Array(choices));
            }
        }
    }
    for (key, value) in map.iter_mut() {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(forget_serde),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(forget_serde),
            ("additionalProperties" | "items", inner) => forget_serde(inner),
            _ => {}
        }
    }
}

/// Notes the definitions that a schema refers to, directly or not.
fn reach(schema: &Value, reached: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().filter(|_| key == "$ref").and_then(|reference| reference.strip_prefix("#/$defs/")) {
                    Some(name) => {
                        if reached.insert(name.to_owned()) {
                            reach(definition(name), reached);
                        }
                    }
                    None => reach(value, reached),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| reach(item, reached)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_described_whole() {
        let schema = json_schema(FileKind::Service);
        assert_eq!(schema["properties"]["replicas"]["$ref"], "#/$defs/Replicas");
        assert_eq!(schema["properties"]["replicas"]["description"], "How many; the tier's figure, bounded by these.");
        assert_eq!(schema["$defs"]["Port"]["properties"]["port"]["maximum"], 65535);
        let over = &schema["$defs"]["WhenService"]["properties"]["tier"]["additionalProperties"];
        assert_eq!(over["$ref"], "#/$defs/Service");
        assert!(schema["$defs"]["Service"].is_object(), "what `when` lays over is defined too");
        assert!(schema["$defs"].get("Tenant").is_none(), "what isn't reached is left out");
    }

    #[test]
    fn toml_has_no_null_and_defaults_stand_elsewhere() {
        for file in FileKind::ALL {
            let text = json_schema(file).to_string();
            assert!(!text.contains("null"), "{}: {text}", file.name());
            assert!(!text.contains("\"default\":\"") && !text.contains("\"default\":{}"), "{}", file.name());
        }
    }

    #[test]
    fn every_key_has_a_description() {
        for (name, definition) in definitions() {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{name}.{key}");
            }
        }
    }

    #[test]
    fn files_are_known_by_their_place() {
        assert_eq!(FileKind::of_path("services/backend.toml"), Some(FileKind::Service));
        assert_eq!(FileKind::of_path("services/files/backend.toml"), None);
        assert_eq!(FileKind::of_path("manifests/x.yaml"), None);
        assert_eq!(FileKind::of_name("tenant"), Some(FileKind::Tenant));
    }
}
