//! How large what a schema describes can get: what a rule may cost is estimated by that. The numbers are the server's.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::declared::escaped;

/// The largest request, in bytes.
const REQUEST: u64 = 3 * 1024 * 1024;

/// The sizes of a type's values.
#[derive(Clone, Debug, Default)]
pub struct Sizes {
    /// Letters, items or entries, at most; of what has none of those: nothing.
    pub most: u64,
    /// Bytes as JSON, at least.
    least: u64,
    /// Of an object, by the names that expressions have for them.
    fields: BTreeMap<String, Sizes>,
    /// Of a map's keys.
    key: Option<Box<Sizes>>,
    /// Of a list's items, or a map's values.
    item: Option<Box<Sizes>>,
}

impl Sizes {
    fn of(most: u64, least: u64) -> Self {
        Self { most, least, ..Self::default() }
    }

    /// What a path leads to: fields by name, `@items`, `@values`, `@keys`.
    pub fn at<'s>(&self, path: impl IntoIterator<Item = &'s String>) -> Option<&Self> {
        path.into_iter().try_fold(self, |at, part| match part.as_str() {
            "@items" | "@values" => at.item.as_deref(),
            "@keys" => at.key.as_deref(),
            name => at.fields.get(name),
        })
    }

    /// How often a value of this type can be in a request, which has at least a comma between two.
    pub fn cardinality(&self) -> u64 {
        REQUEST / (self.least + 1)
    }
}

/// The sizes of what a schema describes. None: rules can't see it.
pub fn sizes(schema: &Json, is_resource: bool) -> Option<Sizes> {
    let limit = |name: &str| schema[name].as_i64().map(|limit| u64::try_from(limit).unwrap_or(0));
    let of = |schema: &Json| sizes(schema, schema["x-kubernetes-embedded-resource"] == true);
    // A letter can be four bytes.
    let letters = limit("maxLength").map(|limit| limit.saturating_mul(4));
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Sizes::of(letters.unwrap_or(REQUEST - 2), 1));
    }
    Some(match schema["type"].as_str()? {
        "array" => {
            let item = of(&schema["items"])?;
            let most = limit("maxItems").unwrap_or((REQUEST - 2) / (item.least + 1));
            Sizes { item: Some(Box::new(item)), ..Sizes::of(most, 2) }
        }
        "object" if schema["additionalProperties"].is_object() => {
            let item = of(&schema["additionalProperties"])?;
            let most = limit("maxProperties").unwrap_or((REQUEST - 2) / (item.least + 6));
            Sizes { item: Some(Box::new(item)), key: Some(Box::new(Sizes::of(0, 2))), ..Sizes::of(most, 2) }
        }
        "object" => {
            let mut found = Sizes::of(0, 2);
            let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
            for (name, of_field) in schema["properties"].as_object().into_iter().flatten() {
                // What every object has is declared once more below.
                if is_resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let Some(field) = of(of_field) else { continue };
                if required(name) && of_field["default"].is_null() {
                    found.least += name.len() as u64 + field.least + 4;
                }
                if let Some(name) = escaped(name) {
                    found.fields.insert(name, field);
                }
            }
            if is_resource {
                let text = || Sizes::of(REQUEST - 2, 2);
                let names = BTreeMap::from(["name", "generateName"].map(|name| (name.to_owned(), text())));
                let meta = Sizes { fields: names, ..Sizes::of(0, 2) };
                for (name, field) in [("apiVersion", text()), ("kind", text()), ("metadata", meta)] {
                    if required(name) {
                        found.least += name.len() as u64 + field.least + 4;
                    }
                    found.fields.insert(name.to_owned(), field);
                }
            }
            found
        }
        "string" => match schema["format"].as_str() {
            Some("byte") => Sizes::of(limit("maxLength").unwrap_or(REQUEST - 2), 2),
            Some("duration") => Sizes::of(32, 3),
            Some("date") => Sizes::of(12, 12),
            Some("date-time") => Sizes::of(32, 21),
            _ => {
                let known = schema["enum"].as_array().filter(|known| !known.is_empty());
                let longest = known.map(|known| known.iter().filter_map(Json::as_str).map(|text| text.len() as u64).max().unwrap_or(0));
                Sizes::of(letters.or(longest).unwrap_or(REQUEST - 2), 2)
            }
        },
        "boolean" => Sizes::of(0, 4),
        "number" | "integer" => Sizes::of(0, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_no_bound_is_bound_by_the_request() {
        let schema = json!({"type": "object", "required": ["list"], "properties": {
            "list": {"type": "array", "items": {"type": "string"}}, "few": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 5}}}});
        let found = sizes(&schema, false).unwrap();
        let at = |path: &[&str]| found.at(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()).map(|found| found.most);
        assert_eq!(at(&["list"]), Some((REQUEST - 2) / 3));
        assert_eq!(at(&["list", "@items"]), Some(REQUEST - 2));
        assert_eq!((at(&["few"]), at(&["few", "@items"]), at(&["none"])), (Some(3), Some(20), None));
        assert_eq!(found.cardinality(), REQUEST / (2 + 4 + 2 + 4 + 1));
    }
}
