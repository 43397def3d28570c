//! Events: warnings only, each said once, the newest first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::resource::Object;

/// A warning about one object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Warning<'e> {
    pub reason: &'e str,
    pub message: &'e str,
    /// The container it is about, where it says so.
    pub container: Option<&'e str>,
    pub first: Option<&'e str>,
    pub last: Option<&'e str>,
}

/// The warnings about the object of this uid that came no earlier than `after`, newest first; of equal ones the newest.
pub(super) fn warnings<'e>(events: &'e [Object], uid: &str, after: Option<Timestamp>) -> Vec<Warning<'e>> {
    let mut found: BTreeMap<(&str, &str), Warning<'e>> = BTreeMap::new();
    for event in events.iter().map(Object::value).filter(|event| event["type"] == "Warning" && event["involvedObject"]["uid"] == uid) {
        let last =
            [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
        let last = last.into_iter().find_map(Value::as_str);
        let first =
            [&event["firstTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]].into_iter().find_map(Value::as_str);
        if let (Some(after), Some(last)) = (after, last.and_then(time))
            && last < after
        {
            continue;
        }
        let warning = Warning {
            reason: event["reason"].as_str().unwrap_or_default(),
            message: event["message"].as_str().unwrap_or_default(),
            container: container(event["involvedObject"]["fieldPath"].as_str().unwrap_or_default()),
            first,
            last,
        };
        match found.get(&(warning.reason, warning.message)) {
            Some(known) if known.last.and_then(time) >= last.and_then(time) => {}
            _ => {
                found.insert((warning.reason, warning.message), warning);
            }
        }
    }
    let mut warnings: Vec<_> = found.into_values().collect();
    warnings.sort_by_key(|warning| std::cmp::Reverse(warning.last.and_then(time)));
    warnings
}

/// `app`, of `spec.containers{app}`.
fn container(field_path: &str) -> Option<&str> {
    field_path.split_once('{')?.1.strip_suffix('}')
}

/// A time as the server writes it.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// When somebody last wrote the object, its status apart: what was said before is of another object, so to speak.
pub(super) fn last_written(object: &Object) -> Option<Timestamp> {
    let by_people =
        object.managed_fields().iter().filter(|entry| entry.get("subresource").and_then(Value::as_str).is_none_or(str::is_empty));
    let times = by_people.filter_map(|entry| entry["time"].as_str()).chain(object.value()["metadata"]["creationTimestamp"].as_str());
    times.filter_map(time).max()
}
