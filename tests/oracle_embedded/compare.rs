//! Two answers, less what is of the moment.

use serde_json::Value;

use super::Answer;

/// What differs, in words: the first place, and both values.
pub struct Difference {
    pub place: String,
    pub real: String,
    pub ours: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: real {} ours {}", self.place, self.real, self.ours)
    }
}

pub fn differ(real: &Answer, ours: &Answer) -> Option<Difference> {
    let message = |answer: &Answer| answer.body["message"].as_str().unwrap_or_default().to_owned();
    if real.code != ours.code {
        let told = |answer: &Answer| format!("{} {}", answer.code, message(answer));
        return Some(Difference { place: "code".to_owned(), real: told(real), ours: told(ours) });
    }
    if real.warnings != ours.warnings {
        return Some(Difference {
            place: "warnings".to_owned(),
            real: format!("{:?}", real.warnings),
            ours: format!("{:?}", ours.warnings),
        });
    }
    let (mut one, mut two) = (real.body.clone(), ours.body.clone());
    // Owners stand in the order of their times, which fall into one second here, or into two there.
    if spans_moments(&mut one) || spans_moments(&mut two) {
        for body in [&mut one, &mut two] {
            owners(body, &mut |entries| {
                entries.sort_by_key(|entry| format!("{} {} {}", entry["operation"], entry["manager"], entry["subresource"]))
            });
        }
    }
    timeless(&mut one, "");
    timeless(&mut two, "");
    walk(&one, &two, "")
}

/// Whether the owners of an object wrote at different times.
fn spans_moments(body: &mut Value) -> bool {
    let mut spans = false;
    owners(body, &mut |entries| spans |= entries.windows(2).any(|pair| pair[0]["time"] != pair[1]["time"]));
    spans
}

/// The managedFields of every object in an answer.
fn owners(value: &mut Value, visit: &mut dyn FnMut(&mut Vec<Value>)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::Array(entries) if key == "managedFields" => visit(entries),
                    value => owners(value, visit),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| owners(item, visit)),
        _ => {}
    }
}

/// What differs from one moment, or one server, to the next.
fn timeless(value: &mut Value, name: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                let moment = matches!(
                    key.as_str(),
                    "uid"
                        | "resourceVersion"
                        | "creationTimestamp"
                        | "expirationTimestamp"
                        | "token"
                        | "deletionTimestamp"
                        | "lastPhaseTransitionTime"
                        | "time"
                        | "clusterIP"
                        | "clusterIPs"
                        | "nodePort"
                        | "continue"
                );
                let now = matches!(key.as_str(), "lastUpdateTime" | "lastTransitionTime") && is_now(value);
                if now
                    || (moment && (value.is_string() || value.is_number() || value.is_array()) && value != "None")
                    || key.ends_with("controller-uid")
                {
                    *value = Value::from("…");
                } else if matches!(key.as_str(), "message" | "error") {
                    if let Some(text) = value.as_str() {
                        *value = Value::from(without_moments(text));
                    }
                } else {
                    timeless(value, key);
                }
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                timeless(item, name);
            }
            if name == "causes" {
                items.sort_by_key(ToString::to_string);
                // What is said twice is said.
                items.dedup();
            }
        }
        Value::String(text) => {
            if text.starts_with("kube-api-access-") {
                *text = "kube-api-access-…".to_owned();
            } else if is_uid(text) || text.strip_prefix("JTI=").is_some_and(is_uid) {
                *text = "…".to_owned();
            }
        }
        _ => {}
    }
}

/// Whether it is of the time that the test runs at, and not one that a request says.
fn is_now(value: &Value) -> bool {
    let moment = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    moment.is_some_and(|moment| (jiff::Timestamp::now().as_second() - moment.as_second()).abs() < 3_600)
}

fn is_uid(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}

/// A message without uids, versions and addresses.
fn without_moments(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', ',', ':', '"', '[', ']', '(', ')']) {
        let bare = word.trim_end_matches([' ', ',', ':', '"', '[', ']', '(', ')']);
        let uid = is_uid(bare);
        let number = bare.len() >= 2 && bare.bytes().all(|byte| byte.is_ascii_digit()) && text.contains("esourceVersion");
        let address = bare.split('.').count() == 4 && bare.split('.').all(|part| part.parse::<u8>().is_ok());
        if uid || number || address {
            out.push('…');
            out.push_str(&word[bare.len()..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

fn walk(real: &Value, ours: &Value, path: &str) -> Option<Difference> {
    let differ = || {
        let short = |value: &Value| value.to_string().chars().take(700).collect::<String>();
        Some(Difference { place: path.to_owned(), real: short(real), ours: short(ours) })
    };
    match (real, ours) {
        (Value::Object(one), Value::Object(two)) => {
            for (key, value) in one {
                if let Some(found) = walk(value, two.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}")) {
                    return Some(found);
                }
            }
            two.iter()
                .find(|(key, value)| !one.contains_key(*key) && !value.is_null())
                .and_then(|(key, value)| walk(&Value::Null, value, &format!("{path}.{key}")))
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            one.iter().zip(two).enumerate().find_map(|(index, (one, two))| walk(one, two, &format!("{path}[{index}]")))
        }
        _ if real == ours => None,
        _ => differ(),
    }
}
