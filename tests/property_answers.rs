//! Whatever a server answers, nothing panics on it: readiness, symptoms and errors are read from hostile JSON.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use spai::admission::readiness;
use spai::admission::symptoms::{Evidence, in_motion, symptoms};
use spai::resource::Object;

/// Words that mean something somewhere, so that the interesting branches are reached.
const WORDS: [&str; 46] = [
    "status",
    "conditions",
    "type",
    "reason",
    "message",
    "Ready",
    "Progressing",
    "ProgressDeadlineExceeded",
    "True",
    "False",
    "replicas",
    "updatedReplicas",
    "availableReplicas",
    "readyReplicas",
    "observedGeneration",
    "generation",
    "spec",
    "updateStrategy",
    "rollingUpdate",
    "partition",
    "phase",
    "Pending",
    "Running",
    "Failed",
    "containerStatuses",
    "state",
    "waiting",
    "running",
    "terminated",
    "CrashLoopBackOff",
    "ErrImagePull",
    "lastState",
    "exitCode",
    "signal",
    "name",
    "uid",
    "ownerReferences",
    "ReplicaFailure",
    "PodScheduled",
    "Warning",
    "involvedObject",
    "FailedCreate",
    "Error creating: pods \"a-b\" is forbidden: exceeded quota: q, requested: cpu=1, used: cpu=x, limited: cpu=",
    "lastTimestamp",
    "2026-11-24T02:38:11Z",
    "metadata",
];

fn json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => ".{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8).prop_map(|pairs| Value::from(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Object> {
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
        ("v1", "Pod"),
        ("v1", "Namespace"),
        ("v1", "Event"),
        ("v1", "PersistentVolumeClaim"),
        ("v1", "ResourceQuota"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("x.example/v1", "X"),
    ];
    (prop::sample::select(kinds.to_vec()), json(), json(), json(), prop::option::of(json())).prop_map(|((api_version, kind), spec, status, owners, rest)| {
        let mut value = json!({"apiVersion": api_version, "kind": kind, "spec": spec, "status": status, "type": "Warning", "reason": "FailedCreate",
            "message": WORDS[42], "involvedObject": {"uid": "u"},
            "metadata": {"name": "a", "uid": "u", "ownerReferences": owners, "generation": i64::MIN}});
        if let Some(rest) = rest {
            value["metadata"]["managedFields"] = rest.clone();
            value["metadata"]["annotations"] = rest;
        }
        Object::try_from(value).unwrap_or_else(|_| unreachable!("it has all that an object has"))
    })
}

proptest! {
    #[test]
    fn nothing_panics_on_what_a_server_says(objects in prop::collection::vec(object(), 1..8)) {
        for object in &objects {
            let _ = readiness(object);
        }
        let first = objects[0].clone();
        let _ = in_motion(&first, &objects, &objects);
        let evidence = Evidence { owned: objects.clone(), pods: objects.clone(), claims: objects.clone(), events: objects.clone(), quotas: Some(objects), ..Evidence::of(first) };
        for symptom in symptoms(&evidence) {
            prop_assert!(!symptom.text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
