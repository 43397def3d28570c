//! What `canonical` and `complete` make of an object is what the server makes of it.

use std::collections::BTreeSet;

use serde_json::Value;
use spai::resource::GroupVersionKind;
use spai::schema::{BuiltIn, built_in, canonical, complete};

use crate::normal::strip;
use crate::samples::{label, samples};
use crate::server::Server;

/// What differs, for each sample that it differs for.
pub async fn check(server: &Server) -> Vec<String> {
    let (known, mut wrong) = (built_in(server.minor()), Vec::new());
    let mut without: BTreeSet<String> =
        server.kinds.iter().filter(|kind| kind.verbs.contains("create")).map(|kind| kind.gvk.kind.clone()).collect();
    // It proves that a kubelet holds a key: none of us can make one.
    without.remove("PodCertificateRequest");
    for sample in samples() {
        without.remove(sample["kind"].as_str().unwrap());
        // Some kinds are newer than the server.
        if server.path_of(&sample).is_none() {
            continue;
        }
        let answer = match server.create(&sample, true).await {
            Ok(answer) => answer,
            Err(status) => {
                wrong.push(format!("{}: the server refuses it: {}", label(&sample), status["message"]));
                continue;
            }
        };
        let Some(ours) = completed(known, &sample) else {
            wrong.push(format!("{}: this kind is not known", label(&sample)));
            continue;
        };
        let (mut ours, mut theirs) = (ours, answer);
        strip(&mut ours);
        strip(&mut theirs);
        differences(&ours, &theirs, &label(&sample), &mut wrong);
    }
    wrong.extend(without.into_iter().map(|kind| format!("there is no sample of a {kind}")));
    wrong
}

/// A sample as the server would have it.
pub fn completed(known: &BuiltIn, sample: &Value) -> Option<Value> {
    let gvk = GroupVersionKind::from_api_version(sample["apiVersion"].as_str()?, sample["kind"].as_str()?);
    let (kind, mut object) = (known.kind(&gvk)?, sample.clone());
    assert_eq!(canonical(&mut object, kind), [], "{}", label(sample));
    complete(&mut object, kind);
    let once = object.clone();
    assert_eq!(canonical(&mut object, kind), []);
    complete(&mut object, kind);
    assert_eq!(object, once, "{}: once is enough", label(sample));
    Some(object)
}

/// Where two values differ; null is nothing.
pub fn differences(ours: &Value, theirs: &Value, at: &str, wrong: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                differences(a, b, &format!("{at}.{name}"), wrong);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &format!("{at}[{index}]"), wrong);
            }
        }
        _ if ours == theirs => {}
        _ => wrong.push(format!("{at}: ours {ours}, the server's {theirs}")),
    }
}
