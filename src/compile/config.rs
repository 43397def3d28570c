//! Configuration: what `[config]` and `[files]` say becomes ConfigMaps and environment variables.
//!
//! Plain values of the service stand in a ConfigMap that its containers read as a whole; secrets and fields of the pod
//! are variables of their own. Further containers and hooks have few values, so theirs stand in the container.

use serde_json::{Value, json};

use crate::resource::{Desired, Diagnostic, Diagnostics, Origin};
use crate::stack::model::{ConfigValue, File};
use crate::stack::node::join_path;

use super::context::ServiceContext;
use super::marked::Marked;
use super::names;

/// The ConfigMap of `[config]`, if there are plain values.
pub(super) fn config_map(service: &ServiceContext<'_>) -> Option<Desired> {
    let mut data = Marked::default();
    for (name, value) in &service.instance.config {
        if let Some(text) = plain(value) {
            data.set_key_from(name, text, Some(service.origin_at(&["config", name])));
        }
    }
    make(service, &service.name(), data)
}

/// Whether the service has plain values.
pub(super) fn has_config_map(service: &ServiceContext<'_>) -> bool {
    service.instance.config.values().any(|value| plain(value).is_some())
}

/// The ConfigMap of `[files]`, if there are files with contents.
pub(super) fn files_map(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Option<Desired> {
    let mut data = Marked::default();
    for (path, file) in &service.spec().files {
        let origin = service.origin_at(&["files", path]);
        match file {
            File::Text(text) => data.set_key_from(&file_key(path), text.as_str(), Some(origin)),
            File::Source(source) => diagnostics.push(
                Diagnostic::error("compile::file_unread", format!("the content of `{}` was not read", source.source))
                    .at(origin, "")
                    .help("give the path of a text file inside the stack's folder, relative to it"),
            ),
            File::Secret(_) => {}
        }
    }
    make(service, &files_name(service), data)
}

/// The name of the ConfigMap of `[files]`.
pub(super) fn files_name(service: &ServiceContext<'_>) -> String {
    names::joined(&[&service.instance.service, "files"])
}

/// A file's key: its path, as far as keys can say it. Two paths never have the same.
pub(super) fn file_key(path: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let plain: String = path.trim_start_matches('/').chars().map(|c| if safe(c) { c } else { '_' }).collect();
    if path.trim_start_matches('/').chars().all(|c| safe(c) || c == '/') {
        return names::limited(&plain, 250);
    }
    let digest = crate::resource::Digest::of_bytes(path.as_bytes());
    format!("{}-{}", names::limited(&plain, 200), digest.short())
}

fn make(service: &ServiceContext<'_>, name: &str, data: Marked) -> Option<Desired> {
    if data.is_empty() {
        return None;
    }
    let mut body = Marked::default();
    body.put("data", data);
    service.object("v1", "ConfigMap", name, body)
}

/// The variables of the service that aren't plain values, for each of its containers that reads its configuration.
pub(super) fn referenced(service: &ServiceContext<'_>, diagnostics: &mut Diagnostics) -> Vec<Marked> {
    let entries = service.instance.config.iter().filter(|(_, value)| plain(value).is_none());
    entries.filter_map(|(name, value)| variable(service, name, value, service.origin_at(&["config", name]), diagnostics)).collect()
}

/// All variables of a further container, or of a hook, at `path`.
pub(super) fn own(
    service: &ServiceContext<'_>,
    path: &[&str],
    config: &std::collections::BTreeMap<String, ConfigValue>,
    diagnostics: &mut Diagnostics,
) -> Vec<Marked> {
    config
        .iter()
        .filter_map(|(name, value)| {
            let keys: Vec<&str> = path.iter().copied().chain(["config", name.as_str()]).collect();
            variable(service, name, value, service.origin(&join_path(&keys)), diagnostics)
        })
        .collect()
}

fn variable(
    service: &ServiceContext<'_>,
    name: &str,
    value: &ConfigValue,
    origin: &Origin,
    diagnostics: &mut Diagnostics,
) -> Option<Marked> {
    let mut variable = Marked::default();
    variable.set("name", name);
    match value {
        ConfigValue::Secret(key) => {
            let object = secret_name(service, &key.secret, origin, diagnostics)?;
            let mut reference = json!({"name": object, "key": key.key});
            if key.optional {
                reference["optional"] = Value::from(true);
            }
            variable.set_from("valueFrom", json!({"secretKeyRef": reference}), Some(origin));
        }
        ConfigValue::Field(source) => {
            // The API server writes the version itself.
            variable.set_from("valueFrom", json!({"fieldRef": {"apiVersion": "v1", "fieldPath": source.field}}), Some(origin));
        }
        plain_value => {
            // The kubelet would take `$(NAME)` for a reference; what the stack says is meant as it stands.
            variable.set_from("value", plain(plain_value)?.replace("$(", "$$("), Some(origin));
        }
    }
    Some(variable)
}

/// The Secret's name in the cluster.
pub(super) fn secret_name<'a>(
    service: &ServiceContext<'a>,
    secret: &str,
    origin: &Origin,
    diagnostics: &mut Diagnostics,
) -> Option<&'a str> {
    let found = service.at.place.secrets.get(secret).map(|secret| secret.object_name.as_str());
    if found.is_none() {
        diagnostics.push(
            Diagnostic::error("compile::unknown_secret", format!("there is no secret `{secret}`"))
                .at(origin, "referred to here")
                .help(format!("declare it: `[secrets.{secret}]` with `values`, or with `external = true` if somebody else makes it")),
        );
    }
    found
}

/// A plain value as text. Numbers print as TOML has them: 2.0 stays `2.0`.
fn plain(value: &ConfigValue) -> Option<String> {
    match value {
        ConfigValue::Text(text) => Some(text.clone()),
        ConfigValue::Integer(number) => Some(number.to_string()),
        ConfigValue::Number(number) => Some(format!("{number:?}")),
        ConfigValue::Boolean(value) => Some(value.to_string()),
        ConfigValue::Secret(_) | ConfigValue::Field(_) => None,
    }
}
