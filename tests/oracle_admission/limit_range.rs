//! LimitRanges: what pods get from them, and what they refuse.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spai::admission::limit_range::{LimitRange, joined};
use spai::admission::{Amounts, pod_of};
use spai::resource::Object;

use crate::ground::{Dice, Ground, Said, object};
use crate::{pods, support};

const PODS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn pods_get_and_are_refused_what_the_server_gives_and_refuses() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "limits").await;
    let ranges = [
        json!([{"type": "Container", "default": {"cpu": "1", "memory": "512Mi"}, "defaultRequest": {"cpu": "100m"}}]),
        json!([{"type": "Container", "max": {"cpu": "1500m", "memory": "1Gi"}, "min": {"memory": "100Mi"}}]),
        json!([{"type": "Container", "min": {"cpu": "75m"}}, {"type": "Pod", "max": {"cpu": "3"}, "min": {"cpu": "200m"}}]),
        json!([{"type": "Container", "maxLimitRequestRatio": {"cpu": "3", "memory": "2"}}]),
        json!([{"type": "Container", "default": {"memory": "1Gi"}, "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"memory": "4"}}]),
        json!([{"type": "Pod", "maxLimitRequestRatio": {"cpu": "2.5"}}, {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "500m"}}]),
        json!([{"type": "Pod", "max": {"memory": "2Gi", "ephemeral-storage": "4Gi"}}, {"type": "Container", "default": {"memory": "256Mi", "ephemeral-storage": "1Gi"}}]),
    ];
    let (mut compared, mut refused) = (0, 0);
    for (number, limits) in ranges.into_iter().enumerate() {
        let namespace = ground.namespace(&number.to_string(), json!({})).await;
        // What the stack declares: the server completes it by itself.
        let declared = object(
            json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": namespace.name()}, "spec": {"limits": limits}}),
        );
        let stored = ground.make(&declared).await;
        let range = LimitRange::of(&declared);
        assert_eq!(range, LimitRange::of(&stored), "completed as the server completes it");
        for seed in 0..PODS {
            let wanted = pods::sized(&mut Dice::new(seed), namespace.name(), "x");
            let mut ours = pod_of(&wanted).unwrap();
            range.complete(&mut ours);
            let words = range.refuses_pod(&ours);
            let at = format!("{limits}, seed {seed}:\n{}", wanted.value());
            match ground.ask(&wanted).await {
                Said::Invalid(_) => continue,
                Said::No(theirs) => {
                    refused += 1;
                    assert!(!words.is_empty(), "{theirs}\n{at}");
                    assert_eq!(parts(&joined(&words)), parts(&theirs), "{at}");
                }
                Said::Yes { object, .. } => {
                    assert_eq!(words, Vec::<String>::new(), "{at}");
                    assert_eq!(resources(&ours), resources(&object), "{at}");
                    let note = "kubernetes.io/limit-ranger";
                    assert_eq!(ours.annotation(note), object.annotation(note), "{at}");
                }
            }
            compared += 1;
        }
    }
    eprintln!("{compared} compared: {refused} refused");
    assert!(compared > 200 && refused > 100, "the dice make pods that say little: {compared}, {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_refused_what_the_server_refuses() {
    let Some(plane) = support::control_plane() else { return };
    let ground = Ground::new(&plane, "limits-pvc").await;
    let namespace = ground.namespace("a", json!({})).await;
    let range = object(json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": namespace.name()},
        "spec": {"limits": [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}}]}}));
    let range = LimitRange::of(&ground.make(&range).await);
    for size in ["512Mi", "1Gi", "1073741823", "10Gi", "10240Mi", "10.5Gi", "100Gi"] {
        let claim =
            object(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": namespace.name()},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}));
        let ours = range.refuses_claim(&claim);
        match ground.ask(&claim).await {
            Said::Yes { .. } => assert_eq!(ours, Vec::<String>::new(), "{size}"),
            Said::No(theirs) => assert_eq!(joined(&ours), theirs, "{size}"),
            Said::Invalid(words) => panic!("{words}"),
        }
    }
}

/// Several refusals come in no order.
fn parts(words: &str) -> BTreeSet<String> {
    let words = words.strip_prefix('[').and_then(|words| words.strip_suffix(']')).unwrap_or(words);
    let each = words
        .replace(", minimum ", "\nminimum ")
        .replace(", maximum ", "\nmaximum ")
        .replace(", cpu max", "\ncpu max")
        .replace(", memory max", "\nmemory max");
    each.lines().map(str::to_owned).collect()
}

/// What each container asks for and may have.
fn resources(pod: &Object) -> Vec<(String, Amounts, Amounts)> {
    let spec = &pod.value()["spec"];
    let lists = [&spec["initContainers"], &spec["containers"]].into_iter().filter_map(Value::as_array).flatten();
    let mut all: Vec<_> =
        lists.map(|container| (container["name"].to_string(), of(container, "requests"), of(container, "limits"))).collect();
    all.push(("pod".to_owned(), of(spec, "requests"), of(spec, "limits")));
    all
}

fn of(holder: &Value, side: &str) -> Amounts {
    Amounts::of(&holder["resources"][side])
}
