//! Label and field selectors.

use serde_json::Value;

use super::Failure;
use crate::embedded::catalog::Resource;

/// What objects must fulfil: everything in it.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

/// A requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Test::Greater(than) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value > *than),
            Test::Less(than) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value < *than),
        }
    }
}

impl Selector {
    /// Reads both.
    ///
    /// # Errors
    /// One of them makes no sense, or names a field that can't be selected by.
    pub fn read(labels: Option<&str>, fields: Option<&str>, resource: &Resource) -> Result<Self, Failure> {
        let labels = labels.map_or(Ok(Vec::new()), |text| {
            parse(text).map_err(|error| Failure::bad_request(format!("unable to parse requirement: {error}")))
        })?;
        let mut found = Vec::new();
        for part in fields.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            let (name, value, equal) = if let Some((name, value)) = part.split_once("!=") {
                (name, value, false)
            } else if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (name, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")));
            };
            let known = selectable(resource);
            if !known.contains(&name) && !matches!(name, "metadata.name" | "metadata.namespace") {
                return Err(Failure::bad_request(unknown_field(resource, name)));
            }
            found.push((name.to_owned(), value.to_owned(), equal));
        }
        Ok(Self { labels, fields: found })
    }

    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object fulfils it.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.holds(labels.get(&requirement.key).and_then(Value::as_str)))
            && self.fields.iter().all(|(path, value, equal)| (field(object, path) == *value) == *equal)
    }
}

/// A `LabelSelector` (matchLabels, matchExpressions) on labels.
pub fn matches_labels(selector: &Value, labels: &Value) -> bool {
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let exact = selector["matchLabels"].as_object().is_none_or(|wanted| wanted.iter().all(|(key, wanted)| value(key) == wanted.as_str()));
    let expressions = selector["matchExpressions"].as_array().map_or(&[][..], Vec::as_slice);
    exact
        && expressions.iter().all(|expression| {
            let has = value(expression["key"].as_str().unwrap_or_default());
            let listed =
                || has.is_some_and(|has| expression["values"].as_array().is_some_and(|values| values.iter().any(|one| one == has)));
            match expression["operator"].as_str() {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => has.is_some(),
                Some("DoesNotExist") => has.is_none(),
                _ => false,
            }
        })
}

/// A plain map of labels on labels: a Service's selector.
pub fn matches_map(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

/// Fields that a kind can be selected by, beside name and namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => {
            &["regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason", "type", "reportingController"]
        }
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("batch", "Job") => &["status.successful"],
        ("", "ReplicationController") => &["status.replicas"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        _ => &[],
    }
}

fn unknown_field(resource: &Resource, name: &str) -> String {
    if resource.custom.is_some() {
        format!("field label not supported: {name}")
    } else if resource.is("batch", "Job") {
        format!("field label \"{name}\" not supported for Job")
    } else if selectable(resource).is_empty() {
        format!("\"{name}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {name}")
    }
}

fn field(object: &Value, path: &str) -> String {
    let path = match path {
        "status.successful" => "status.succeeded",
        path => path,
    };
    let mut at = object;
    for part in path.split('.') {
        // Both kinds of events are kept as the older one.
        let part = match part {
            "regarding" => "involvedObject",
            "reportingController" => "reportingComponent",
            part => part,
        };
        at = &at[part];
    }
    match at {
        Value::String(text) => text.clone(),
        Value::Object(map) => map.get("component").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Value::Null if matches!(path, "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        Value::Null if path.starts_with("status.replicas") || path == "status.succeeded" => "0".to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The requirements of a label selector's text.
fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut tokens = Tokens { text, at: 0 };
    let mut found = Vec::new();
    if tokens.peek().is_none() {
        return Ok(found);
    }
    loop {
        found.push(requirement(&mut tokens)?);
        match tokens.next() {
            None => return Ok(found),
            Some(",") => {}
            Some(other) => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, String> {
    let missing = tokens.peek() == Some("!");
    if missing {
        tokens.next();
    }
    let key = match tokens.next() {
        Some(key) if !is_symbol(key) => key.to_owned(),
        other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.unwrap_or_default())),
    };
    if missing {
        return Ok(Requirement { key, test: Test::Missing });
    }
    let test = match tokens.peek() {
        None | Some(",") => Test::Exists,
        Some(operator @ ("in" | "notin")) => {
            tokens.next();
            let values = values(tokens)?;
            if operator == "in" { Test::In(values) } else { Test::NotIn(values) }
        }
        Some(operator @ ("=" | "==" | "!=" | ">" | "<")) => {
            tokens.next();
            let value = match tokens.peek() {
                None | Some(",") => String::new(),
                Some(value) if !is_symbol(value) => {
                    tokens.next();
                    value.to_owned()
                }
                Some(other) => return Err(format!("found '{other}', expected: identifier")),
            };
            let number = || value.parse::<i64>().map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer: {value}"));
            match operator {
                "!=" => Test::NotIn(vec![value]),
                ">" => Test::Greater(number()?),
                "<" => Test::Less(number()?),
                _ => Test::In(vec![value]),
            }
        }
        Some(other) => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
    };
    Ok(Requirement { key, test })
}

fn values(tokens: &mut Tokens<'_>) -> Result<Vec<String>, String> {
    match tokens.next() {
        Some("(") => {}
        other => return Err(format!("found '{}' expected: '('", other.unwrap_or_default())),
    }
    let mut found = Vec::new();
    let mut last_was_value = false;
    loop {
        match tokens.next() {
            Some(")") => {
                if !last_was_value {
                    found.push(String::new());
                }
                return Ok(found);
            }
            Some(",") => {
                if !last_was_value {
                    found.push(String::new());
                }
                last_was_value = false;
            }
            Some(value) if !is_symbol(value) => {
                found.push(value.to_owned());
                last_was_value = true;
            }
            other => return Err(format!("found '{}', expected: ',', or ')'", other.unwrap_or_default())),
        }
    }
}

fn is_symbol(token: &str) -> bool {
    matches!(token, "," | "(" | ")" | "!" | "=" | "==" | "!=" | ">" | "<")
}

struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn peek(&self) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?.trim_start();
        let special = |c: char| "(),!=<>".contains(c);
        let first = rest.chars().next()?;
        if special(first) {
            let two = rest.get(..2);
            return Some(if matches!(two, Some("==" | "!=")) { &rest[..2] } else { &rest[..1] });
        }
        let end = rest.find(|c: char| special(c) || c.is_whitespace()).unwrap_or(rest.len());
        Some(&rest[..end])
    }

    fn next(&mut self) -> Option<&'t str> {
        let token = self.peek()?;
        // The token is a part of the text: its place is how far it stands from the beginning.
        self.at = token.as_ptr() as usize - self.text.as_ptr() as usize + token.len();
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(selector: &str, labels: Value) -> bool {
        let selector = Selector { labels: parse(selector).unwrap(), fields: Vec::new() };
        selector.matches(&json!({"metadata": {"labels": labels}}))
    }

    #[test]
    fn labels_are_selected_as_kubectl_selects_them() {
        for (selector, hit, miss) in [
            ("a=b", json!({"a": "b"}), json!({"a": "c"})),
            ("a==b,c", json!({"a": "b", "c": ""}), json!({"a": "b"})),
            ("a!=b", json!({}), json!({"a": "b"})),
            ("a in (b, c)", json!({"a": "c"}), json!({"a": "d"})),
            ("a notin (b),c", json!({"c": "1"}), json!({"a": "b", "c": "1"})),
            ("!a", json!({"b": "1"}), json!({"a": ""})),
            ("a>3", json!({"a": "4"}), json!({"a": "3"})),
            ("a=", json!({"a": ""}), json!({"a": "x"})),
        ] {
            assert!(selects(selector, hit) && !selects(selector, miss), "{selector}");
        }
        for bad in ["a in b", "a=b c", "=b", "a in (b", "a ~ b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
